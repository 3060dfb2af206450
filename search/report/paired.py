"""Whether a model's lead over the best simpler one is more than chance, on one split."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cellbox.data.dataset import Dataset, Split
from cellbox.evaluation.paired_comparison import paired_difference
from cellbox.models.model import FittedModel
from cellbox.scores.baselines import baselines
from search.report.cells import shown_number

# Of fewer conditions a bootstrap tells nothing.
FEWEST_CONDITIONS = 5


@dataclass(frozen=True)
class Difference:
    """How a model's error differs from that of a baseline on the same conditions.

    clear: whether the 95 % interval of the difference leaves 0 out. sentence: the same for people.
    """

    baseline: str
    clear: bool
    sentence: str


def difference_to_best(
    model: FittedModel, data: Dataset, split: Split, errors: dict[str, float]
) -> Difference | None:
    """The paired difference to the best baseline, with its interval; None where none can be told.

    errors: of the baselines on the held-out rows, by name.
    """
    conditions = data.condition_of_row[split.test]
    n_conditions = len(np.unique(conditions))
    known = {name: error for name, error in errors.items() if name != "persistence"}
    if not known or n_conditions < FEWEST_CONDITIONS:
        return None
    best = min(known, key=lambda name: known[name])
    other = baselines(data, split).get(best)
    if other is None:
        return None
    nodes = data.measured_nodes
    apart = paired_difference(
        model.predict_rows(data, split.test)[..., nodes],
        other[..., nodes],
        data.measurements[split.test][..., nodes],
        conditions,
        0,
        may_be_partial=False,
    )
    if apart.mae is None or apart.mae_low is None or apart.mae_high is None:
        return None
    clear = apart.mae_low * apart.mae_high > 0
    told = "more than chance" if clear else "no more than chance"
    low, high = shown_number(apart.mae_low), shown_number(apart.mae_high)
    return Difference(
        best,
        clear,
        f"The difference to {best} is {told}: over these {n_conditions} conditions CellBox's error "
        f"minus that of {best} is {shown_number(apart.mae)}, with a 95 % interval of {low} to "
        f"{high} (conditions drawn again).",
    )
