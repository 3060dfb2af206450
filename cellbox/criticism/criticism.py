"""Whether Eq. 1 explains data, as people and other programs read it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from cellbox.html_tables import html_of

#: "explained": no test finds anything but noise. "partly": something is no noise, but less than
#: half of what the network leaves; or it is some values that are far off; or nothing speaks against
#: Eq. 1, but another network would leave less. "not explained": half or more of what the network
#: leaves is no noise. "not judged": the data are too few to tell.
Verdict = Literal["explained", "partly", "not explained", "not judged"]

_CELLS_NAMED, _ROWS_NAMED = 5, 3


@dataclass(frozen=True)
class Finding:
    """Something that speaks against the model.

    kind: a short name, the same in every version ("start", "offset", "outliers"). sentence: the
    same in words. p_value: the chance of as much where Eq. 1 explains the data; None where that is
    not the question. left: the variance that would be left, were it accounted for, as a share of
    what is left; None where not known.
    """

    kind: str
    sentence: str
    p_value: float | None = None
    left: float | None = None


@dataclass(frozen=True)
class OutlyingValue:
    """A measured value that is far from what the network explains. predicted: by its fit."""

    row: str
    time: float
    node: str
    measured: float
    predicted: float


@dataclass(frozen=True)
class Criticism:
    """What residuals say about a model.

    noise: what the network leaves (standard deviation, log ratio); least_noise: what would be left,
    were the best explanation found accounted for; replicate_noise: what replicates differ by. None
    where not known. n_tests: how many questions were asked of n_values values, n_left_out rows
    aside. findings: what speaks against the model, the most telling first. outlying_values: those
    that are far off; outlying_rows: rows that leave far more than others.
    """

    verdict: Verdict
    why: str
    noise: float | None = None
    least_noise: float | None = None
    replicate_noise: float | None = None
    n_values: int = 0
    n_tests: int = 0
    findings: tuple[Finding, ...] = ()
    outlying_values: tuple[OutlyingValue, ...] = ()
    outlying_rows: tuple[str, ...] = ()
    advice: str = ""

    @property
    def edges_hold(self) -> bool:
        """Whether edges may be called determined: nothing but outlying values was found."""
        return self.verdict in ("explained", "not judged") or (
            self.verdict == "partly" and {finding.kind for finding in self.findings} == {"outliers"}
        )

    @property
    def widening(self) -> float:
        """How many times wider intervals of edges have to be; infinite where they say nothing."""
        if self.edges_hold:
            return 1.0
        if self.verdict == "not explained" or not self.noise or not self.least_noise:
            return float("inf")
        # Where misfit is spread like noise, errors grow with it; it may be worse along an edge.
        return 2.0 * self.noise / self.least_noise

    def sentences(self) -> list[str]:
        """The verdict, and what there is behind it."""
        return [
            self.why,
            *(finding.sentence for finding in self.findings),
            *self._outlying_sentences(),
            *([self.advice] if self.advice else []),
            *([] if self.edges_hold else [self._edges_sentence()]),
        ]

    def _outlying_sentences(self) -> list[str]:
        said = []
        if self.outlying_values:
            cells = [
                f"{one.node} in {one.row} at time {one.time:g} is {one.measured:.3g} instead of "
                f"{one.predicted:.3g}"
                for one in self.outlying_values[:_CELLS_NAMED]
            ]
            more = len(self.outlying_values) - len(cells)
            rest = f", and {more:,} more" if more else ""
            said.append(f"Outlying values: {'; '.join(cells)}{rest}.")
        if self.outlying_rows:
            more = len(self.outlying_rows) - _ROWS_NAMED
            rest = f" and {more:,} more" if more > 0 else ""
            named = ", ".join(self.outlying_rows[:_ROWS_NAMED])
            said.append(
                f"Rows that leave far more than others (between two steady states?): {named}{rest}."
            )
        return said

    def _edges_sentence(self) -> str:
        if self.widening == float("inf"):
            return "No edge is called determined, and intervals of edges are withheld."
        return (
            "No edge is called determined, and intervals of edges are made "
            f"{self.widening:.2g} times as wide."
        )

    def __str__(self) -> str:
        return "\n".join(self.sentences())

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return html_of(f"Eq. 1 and these data: {self.verdict}", self.sentences())

    def to_dict(self) -> dict[str, Any]:
        """Plain values, with the sentences; the names are an interface."""
        return {**asdict(self), "sentences": self.sentences()}


def criticism_of(content: Mapping[str, Any] | None) -> Criticism | None:
    """A criticism of its plain values; None of None."""
    if content is None:
        return None
    parts = {name: value for name, value in content.items() if name != "sentences"}
    parts["findings"] = tuple(Finding(**one) for one in parts["findings"])
    parts["outlying_values"] = tuple(OutlyingValue(**one) for one in parts["outlying_values"])
    parts["outlying_rows"] = tuple(parts["outlying_rows"])
    return Criticism(**parts)
