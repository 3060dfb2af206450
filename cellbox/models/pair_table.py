"""What pairs of perturbations do, as a table; `cellbox.models.combinations` predicts them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from cellbox.storage.installed import pandas_for

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True)
class PairResponse:
    """What a node does when two others are perturbed together.

    response: log ratio, the mean of an ensemble's members; low, high: its 90 % interval, None
    where that is not known. first_alone, second_alone: at the same dose. bliss_excess: the response
    beyond their sum, negative where the pair pushes down more than independence would; loewe_index:
    the combination index; None where the standard does not apply.
    """

    first: str
    second: str
    response: float
    low: float | None
    high: float | None
    first_alone: float
    second_alone: float
    bliss_excess: float | None
    loewe_index: float | None


@dataclass(frozen=True, eq=False)
class PairTable:
    """All pairs of some nodes, the lowest response first.

    node: whose response; dose: u of each of the two; time: of the response. matrix: the responses
    with pairs off the diagonal and single perturbations on it.
    """

    node: str
    dose: float
    time: float
    partners: tuple[str, ...]
    pairs: tuple[PairResponse, ...]
    matrix: Float[np.ndarray, "n_partners n_partners"]

    def to_frame(self) -> pandas.DataFrame:
        """The pairs as a table with the columns of `PairResponse`."""
        pandas = pandas_for("table of pairs")

        return pandas.DataFrame([asdict(pair) for pair in self.pairs])
