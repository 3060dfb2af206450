"""What two learned networks have otherwise: settings, errors, and edges gained, lost, flipped."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from cellbox.errors import refuse
from cellbox.html_tables import html_of
from cellbox.scores.metric_names import RECOVERIES
from search.comparison.learned import Learned, read_learned
from search.report.edges import JudgedEdge

if TYPE_CHECKING:
    import pandas

Kind = Literal["gained", "lost", "flipped", "changed"]
_KINDS: tuple[Kind, ...] = ("flipped", "gained", "lost", "changed")

# By name; the smaller the better up to the correlation of predictions.
_ERRORS = (
    ("selection error", "selection_error"),
    ("validation MAE", "validation_mae"),
    ("held-out MAE", "test_mae"),
    ("held-out MAE against noise-free truth", "test_mae_noise_free"),
    ("held-out Pearson r", "test_pearson"),
)


@dataclass(frozen=True)
class EdgeDifference:
    """An edge that two networks have otherwise.

    kind: gained or lost from the first to the second; flipped: of another sign; changed: of the
    same sign with intervals apart. first, second: W[target, source], 0 where absent. low, high:
    90 % intervals, None where unknown. apart: whether the intervals have nothing in common, None
    where one is unknown.
    """

    source: str
    target: str
    kind: Kind
    first: float
    first_low: float | None
    first_high: float | None
    second: float
    second_low: float | None
    second_high: float | None
    apart: bool | None


@dataclass(frozen=True, eq=False)
class Differences:
    """Two learned networks side by side.

    settings: those that differ, (first, second) by name. numbers: the same of errors and scores.
    edges: that differ, the largest change first within a kind. n_common: edges that both have with
    one sign. r: Pearson correlation of their W, of the nodes that both have.
    """

    first: Learned
    second: Learned
    settings: Mapping[str, tuple[Any, Any]]
    numbers: Mapping[str, tuple[float | None, float | None]]
    edges: tuple[EdgeDifference, ...]
    n_common: int
    r: float | None

    @property
    def same_question(self) -> bool | None:
        """Whether their errors are of the same data and held-out rows; None where not known."""
        if self.first.asked is None or self.second.asked is None:
            return None
        return self.first.asked == self.second.asked

    @property
    def sentences(self) -> list[str]:
        """What a person has to know, in short."""
        counts = {kind: sum(edge.kind == kind for edge in self.edges) for kind in _KINDS}
        gained, lost, flipped = (counts[kind] or "none" for kind in ("gained", "lost", "flipped"))
        said = [
            f"Both have {self.n_common} edges with the same sign; the second has {gained} that the "
            f"first has not, lacks {lost} that it has, and gives {flipped} another sign."
        ]
        if self.r is not None:
            said.append(f"Pearson r between their W: {self.r:.4f}.")
        surely = sum(edge.apart is True for edge in self.edges)
        if any(edge.apart is not None for edge in self.edges):
            said.append(f"The 90 % intervals of {surely} of these edges lie apart.")
        if self.same_question is False:
            said.append(
                "Their errors are of other data or other held-out rows, so they do not tell which "
                "is better."
            )
        if self.same_question is None:
            said.append("Whether their errors are of the same held-out rows is not known.")
        return [*said, *self._nodes_apart()]

    def _nodes_apart(self) -> list[str]:
        own = [
            [name for name in one.network.nodes if name not in other.network.nodes]
            for one, other in ((self.first, self.second), (self.second, self.first))
        ]
        places = ("first", "second")
        return [
            f"Only the {place} has the nodes {', '.join(names)}; their edges are left aside."
            for place, names in zip(places, own, strict=True)
            if names
        ]

    def to_frame(self) -> pandas.DataFrame:
        """The edges that differ as a table with the columns of `EdgeDifference`."""
        import pandas

        columns = list(EdgeDifference.__dataclass_fields__)
        return pandas.DataFrame([asdict(edge) for edge in self.edges], columns=columns)

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain values for JSON."""
        return {
            "first": _described(self.first),
            "second": _described(self.second),
            "same_question": self.same_question,
            "sentences": self.sentences,
            "settings": {name: list(pair) for name, pair in self.settings.items()},
            "numbers": {name: list(pair) for name, pair in self.numbers.items()},
            "r": self.r,
            "n_common": self.n_common,
            "edges": [asdict(edge) for edge in self.edges],
        }

    def _repr_html_(self) -> str:
        rows = [tuple(asdict(edge).values()) for edge in self.edges]
        title = f"{self.first.name} and {self.second.name}"
        return html_of(title, self.sentences, tuple(EdgeDifference.__dataclass_fields__), rows)


def differences(first: str | Path, second: str | Path) -> Differences:
    """What two results have otherwise: models, trials, or the best of studies.

    first, second: folders that `cellbox fit` or `cellbox sweep` wrote, or STUDY:12 for a trial.

    Raises InputError where nothing learned is there, and where they have no nodes in common.

    Example:
        >>> import cellbox
        >>> import search
        >>> data = cellbox.read_data("my_experiment")
        >>> settings = cellbox.Settings(steps=50, refinement="none")
        >>> for seed in (0, 1):
        ...     place = cellbox.fit(data, settings, seed=seed).save(f"models/seed{seed}")
        >>> found = search.differences("models/seed0", "models/seed1")
        >>> found.settings, len(found.numbers), 0 < found.r < 1
        ({}, 1, True)
    """
    one, other = read_learned(first), read_learned(second)
    nodes = [name for name in one.network.nodes if name in other.network.nodes]
    if not nodes:
        found = f"expected nodes in common, found none ({', '.join(other.network.nodes[:3])}, ...)"
        raise refuse(other.name, found, "Compare results of the same nodes")
    edges = [_difference(one, other, pair) for pair in sorted({*one.edges, *other.edges})]
    known = [edge for edge in edges if {edge.source, edge.target} <= set(nodes)]
    apart = [edge for edge in known if edge.kind != "changed" or edge.apart]
    apart.sort(key=lambda edge: (_KINDS.index(edge.kind), -abs(edge.second - edge.first)))
    return Differences(
        first=one,
        second=other,
        settings=_differing(one.settings, other.settings),
        numbers={
            name: (one.numbers.get(key), other.numbers.get(key))
            for name, key in (*_ERRORS, *RECOVERIES)
            if one.numbers.get(key) is not None or other.numbers.get(key) is not None
        },
        edges=tuple(apart),
        n_common=sum(edge.kind == "changed" for edge in known),
        r=_correlation(one, other, nodes),
    )


def _difference(one: Learned, other: Learned, pair: tuple[str, str]) -> EdgeDifference:
    first, second = one.edges.get(pair), other.edges.get(pair)
    kind: Kind = "changed"
    if first is None:
        kind = "gained"
    elif second is None:
        kind = "lost"
    elif first.weight * second.weight < 0:
        kind = "flipped"
    return EdgeDifference(
        *pair,
        kind=kind,
        first=0.0 if first is None else first.weight,
        first_low=None if first is None else first.low,
        first_high=None if first is None else first.high,
        second=0.0 if second is None else second.weight,
        second_low=None if second is None else second.low,
        second_high=None if second is None else second.high,
        apart=_apart(first, second),
    )


def _apart(first: JudgedEdge | None, second: JudgedEdge | None) -> bool | None:
    """Whether the intervals have nothing in common; an absent edge is at 0."""
    bounds = [(0.0, 0.0) if edge is None else (edge.low, edge.high) for edge in (first, second)]
    (low, high), (other_low, other_high) = bounds
    if low is None or high is None or other_low is None or other_high is None:
        return None
    return high < other_low or other_high < low


def _differing(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    names = [*first, *(name for name in second if name not in first)]
    pairs = {name: (first.get(name), second.get(name)) for name in names}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def _correlation(one: Learned, other: Learned, nodes: list[str]) -> float | None:
    """None where one of them has all weights alike."""
    first, second = _weights(one, nodes), _weights(other, nodes)
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return None
    return float(np.corrcoef(first, second)[0, 1])


def _weights(learned: Learned, nodes: list[str]) -> np.ndarray:
    places = [learned.network.nodes.index(name) for name in nodes]
    return learned.network.weights[np.ix_(places, places)].ravel()


def _described(learned: Learned) -> dict[str, Any]:
    return {
        "name": learned.name,
        "nodes": list(learned.network.nodes),
        "n_edges": len(learned.edges),
        "verdict": learned.verdict,
        "made": learned.made,
        "versions": dict(learned.versions),
    }
