"""What a benchmark on SK-MEL-133 found, as numbers and tables."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cellbox.evaluation.paired_comparison import Difference, ModelScore, NodesReport
from search.benchmark.skmel133_scheme import PUBLISHED_CELLBOX, SOURCE, SchemeResult, shown_r
from search.benchmark.skmel133_sentences import sentences_of

if TYPE_CHECKING:
    from pandas import DataFrame


@dataclass(frozen=True, eq=False)
class Skmel133Result:
    """What became of every way of holding out."""

    data: str
    schemes: tuple[SchemeResult, ...]

    @property
    def is_published(self) -> bool:
        """Whether the data are the published ones, to whose figures these compare."""
        return any(scheme.published is not None for scheme in self.schemes)

    def sentences(self) -> list[str]:
        """What to know at once, and what to know of it."""
        return sentences_of(self.schemes)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON. The names are an interface."""
        return {
            "format": 1,
            "benchmark": "skmel133",
            "data": self.data,
            "published_data": self.is_published,
            "published_source": SOURCE if self.is_published else None,
            "sentences": self.sentences(),
            "schemes": [scheme.as_dict() for scheme in self.schemes],
        }

    def to_frame(self) -> DataFrame:
        """A row for each scheme and model, a column for each number."""
        import pandas as pd

        header, rows = self.table()
        return pd.DataFrame(rows, columns=list(header))

    def table(self) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
        """The numbers of all schemes and models, under their names."""
        header = ("held_out", "nodes", "model", *_SCORES, *_DIFFERENCES)
        return header, [row for scheme in self.schemes for row in _rows_of(scheme)]

    def published_rows(self) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
        """The published r beside r here, taken in the same way; none for other data."""
        models = ("CellBox", "ridge", "ridge with total dose")
        header = (
            "held out", "r over all nodes: over what", PUBLISHED_CELLBOX,
            *(f"{name} here" for name in models),
        )  # fmt: skip
        rows = [
            (
                scheme.report.scheme,
                scheme.published.taken,
                shown_r(scheme.published.pearson),
                *(shown_r(scheme.like_published.get(name)) for name in models),
            )
            for scheme in self.schemes
            if scheme.published is not None
        ]
        return header, rows


_SCORES = ("pearson", "mae", "pearson_mean", "pearson_median", "mae_mean")
_DIFFERENCES = (
    *("rows", "of_rows", "other_pearson", "other_mae", "cellbox_pearson", "cellbox_mae"),
    *("pearson_difference", "pearson_low", "pearson_high", "mae_difference", "mae_low", "mae_high"),
)


def _rows_of(scheme: SchemeResult) -> Iterator[tuple[Any, ...]]:
    report = scheme.report
    for which, nodes in (("measured", report.measured_nodes), ("all", report.all_nodes)):
        if nodes is not None:
            yield from _rows_of_nodes(report.scheme, which, nodes)
    if scheme.published is not None:
        unknown = (None,) * (len(_SCORES) + len(_DIFFERENCES) - 1)
        yield (report.scheme, "all", PUBLISHED_CELLBOX, scheme.published.pearson, *unknown)


def _rows_of_nodes(scheme: str, which: str, nodes: NodesReport) -> Iterator[tuple[Any, ...]]:
    for name, score in nodes.scores.items():
        yield (scheme, which, name, *_scores(score), *_apart(nodes.differences.get(name)))


def _scores(score: ModelScore) -> tuple[float | None, ...]:
    return tuple(getattr(score, name) for name in _SCORES)


def _apart(apart: Difference | None) -> tuple[Any, ...]:
    if apart is None:
        return (None,) * len(_DIFFERENCES)
    return tuple(getattr(apart, name.removesuffix("_difference")) for name in _DIFFERENCES)
