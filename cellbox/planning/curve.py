"""What more conditions would buy: `design_curve`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from jaxtyping import Float

from cellbox.data.dataset import Dataset
from cellbox.html_tables import html_of
from cellbox.models.model import FittedModel
from cellbox.planning.beliefs import MEMBERS
from cellbox.planning.limits import MOST_CANDIDATES, Limits, balanced_conditions
from cellbox.planning.next_conditions import search_of
from cellbox.planning.precision import Precision
from cellbox.planning.search import Effort
from cellbox.storage.installed import pandas_for
from cellbox.threads import in_one_thread

if TYPE_CHECKING:
    import pandas

Kind = Literal["chosen", "balanced", "random"]

# Draws of balanced and random conditions that a figure is the mean of.
_DRAWS = 5


@dataclass(frozen=True)
class CurvePoint:
    """What a number of further conditions is expected to bring.

    n_more: how many. kind: chosen, balanced or random ones. error: half of the standard errors of W
    are below. decided: edges that are decided (see `Precision.chance_decided`). r: expected with
    the true W, every edge kept. Balanced and random: the mean of five draws.
    """

    n_more: int
    kind: Kind
    error: float
    decided: float
    r: float


@dataclass(frozen=True, eq=False)
class DesignCurve:
    """What more conditions would buy.

    points: by number of conditions and kind; the first is of none. n_edges: that may be. sentences:
    what it is judged by.
    """

    points: tuple[CurvePoint, ...]
    n_edges: int
    sentences: tuple[str, ...]

    def saved(self) -> str | None:
        """How many balanced conditions the most chosen ones are worth, as a sentence.

        None where balanced ones never come to the same error, nor begin below it.
        """
        chosen, balanced = (
            [point for point in self.points if point.kind == kind or point.n_more == 0]
            for kind in ("chosen", "balanced")
        )
        # The last chosen point that balanced ones still reach.
        for point in reversed(chosen[1:]):
            if point.error >= balanced[-1].error:
                errors = np.log([one.error for one in balanced])[::-1]
                counts = [one.n_more for one in balanced][::-1]
                worth = float(np.interp(np.log(point.error), errors, counts))
                return (
                    f"{point.n_more} chosen conditions bring the error that takes about "
                    f"{worth:.0f} balanced ones."
                )
        return None

    def to_frame(self) -> pandas.DataFrame:
        """The points as a table with the columns of `CurvePoint`."""
        pandas = pandas_for("table of a curve")

        return pandas.DataFrame([asdict(point) for point in self.points])

    def to_dict(self) -> dict[str, Any]:
        """The curve as plain values for JSON."""
        return {
            "points": [asdict(point) for point in self.points],
            "n_edges": self.n_edges,
            "saved": self.saved(),
            "sentences": list(self.sentences),
        }

    def _repr_html_(self) -> str:
        rows = [tuple(asdict(point).values()) for point in self.points]
        columns = tuple(CurvePoint.__dataclass_fields__)
        return html_of("What more conditions would buy", list(self.sentences), columns, rows)


@in_one_thread
def design_curve(
    data: Dataset,
    model: FittedModel | None = None,
    *,
    more: Sequence[int] = (5, 10, 20),
    limits: Limits | None = None,
    times: Sequence[float] | None = None,
    noise: float | None = None,
    members: int = MEMBERS,
    candidates: int = MOST_CANDIDATES,
    seed: int = 0,
) -> DesignCurve:
    """What so many more conditions would buy: chosen, balanced, and at random.

    more: ascending. Chosen conditions are those that are best one after the other. For the rest see
    `cellbox.next_conditions`; InputError is raised as there.

    Example:
        >>> import cellbox
        >>> data = cellbox.read_data("my_experiment")
        >>> curve = cellbox.design_curve(data, more=[2], members=4)
        >>> [(point.n_more, point.kind) for point in curve.points]
        [(0, 'chosen'), (2, 'chosen'), (2, 'balanced'), (2, 'random')]
    """
    search = search_of(data, model, limits, times, noise, Effort(members, candidates, seed))
    known, limits = search.candidates(), search.question.limits
    most = max(more)
    chosen = known.perturbations[list(search.choice(known, most, exchange=False).which)]
    at_once = min(limits.most_nodes, len(limits.nodes))
    full = known.perturbations[(known.perturbations != 0).sum(axis=1) == at_once]
    full = full if len(full) else known.perturbations
    random = np.random.default_rng(seed)
    designs: list[tuple[Kind, Float[np.ndarray, "n_conditions n_nodes"]]] = [("chosen", chosen)]
    for draw in range(_DRAWS):
        spread = balanced_conditions(limits, data.nodes, most, seed=seed + draw)
        designs += [
            ("balanced", spread),
            ("random", full[random.integers(len(full), size=most)]),
        ]
    [prospect] = search.prospects()
    counts = [(np.arange(most) < count).astype(float) for count in more]
    found: dict[tuple[int, Kind], list[Precision]] = {}
    for kind, design in designs:
        for count, precision in zip(more, prospect.precisions(design, counts), strict=True):
            found.setdefault((count, kind), []).append(precision)
    points = [_point(0, "chosen", [prospect.precision()])]
    kinds: tuple[Kind, ...] = ("chosen", "balanced", "random")
    points += [_point(count, kind, found[count, kind]) for count in more for kind in kinds]
    return DesignCurve(
        tuple(points), int(search.question.belief.allowed.sum()), search.question.belief.sentences
    )


def _point(n_more: int, kind: Kind, precisions: Sequence[Precision]) -> CurvePoint:
    return CurvePoint(
        n_more,
        kind,
        float(np.mean([each.median_error for each in precisions])),
        float(np.mean([each.chance_decided.sum() for each in precisions])),
        float(np.mean([each.r for each in precisions])),
    )
