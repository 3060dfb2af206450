"""What a benchmark on SK-MEL-133 found, as numbers and tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from jaxtyping import Float
from numpy import ndarray

from cellbox.evaluation.held_out_predictions import Entrant
from cellbox.evaluation.paired_comparison import Difference, ModelScore, NodesReport, SchemeReport

if TYPE_CHECKING:
    from pandas import DataFrame

# Ways to learn, see `search.benchmark.skmel133`.
KNOWN, NEW, GIVEN = "known drugs", "new drugs", "settings that were given"

PUBLISHED_CELLBOX = "published CellBox"

SOURCE = (
    "Yuan et al. 2021, Cell Systems 12:128, figures 2 and 3, from the numbers that its authors "
    "published with them (sanderlab/CellBox, folder manuscript)"
)


@dataclass(frozen=True)
class Published:
    """Pearson r of the published CellBox over all 99 nodes. taken: over what."""

    pearson: float
    taken: str


# By scheme. MAE was not published.
PUBLISHED: Mapping[str, Published] = {
    "random": Published(0.926, "all values (there, mean predictions of 1,000 partitions)"),
    "leave-one-out": Published(0.935, "mean of the drugs"),
    "leave-one-out-without-singles": Published(0.780, "mean of the drugs"),
    "single-to-combination": Published(0.924, "mean of the drugs, of each its combinations"),
}


@dataclass(frozen=True, eq=False)
class SchemeResult:
    """One way of holding out: what was learned how, and how it predicts.

    learning: which of the ways to learn (`search.benchmark.skmel133`). published: None for other
    data than the published. like_published: r of each model over all nodes, taken as the published
    is. measured, predicted: all held-out values of the measured nodes (log ratio), and by model.
    """

    report: SchemeReport
    learning: str
    entrant: Entrant
    published: Published | None
    like_published: dict[str, float | None]
    measured: Float[ndarray, " n_values"]
    predicted: dict[str, Float[ndarray, " n_values"]]

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON. The names are an interface."""
        return {
            **asdict(self.report),
            "sentences": self.report.sentences(),
            "learning": self.learning,
            "cellbox": asdict(self.entrant),
            "published": None if self.published is None else asdict(self.published),
            "like_published": self.like_published,
        }

    def rows(self) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
        """Every model over the measured nodes, and how CellBox differs from it, for people.

        The additive rule stands with its scores over what it applies to.
        """
        nodes = self.report.measured_nodes
        header = (
            "model", "pooled r", "pooled MAE", "r, CellBox minus it (95 %)",
            "MAE, CellBox minus it (95 %)", "held-out series",
        )  # fmt: skip
        rows: list[tuple[Any, ...]] = []
        of_rows = next(iter(nodes.differences.values())).of_rows
        for name, score in nodes.scores.items():
            apart = nodes.differences.get(name)
            if apart is None:
                rows.append((name, _r(score.pearson), _mae(score.mae), "", "", f"{of_rows}"))
                continue
            told = (_r(apart.other_pearson), _mae(apart.other_mae))
            differences = (
                _interval(apart.pearson, apart.pearson_low, apart.pearson_high),
                _interval(apart.mae, apart.mae_low, apart.mae_high),
            )
            over = f"{apart.rows}" if apart.rows == of_rows else f"{apart.rows} of {of_rows}"
            rows.append((name, *told, *differences, over))
        return header, rows


@dataclass(frozen=True, eq=False)
class Skmel133Result:
    """What became of every way of holding out.

    is_published: whether the data are the published ones, to whose figures these compare.
    """

    data: str
    is_published: bool
    n_nodes: int
    schemes: tuple[SchemeResult, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON. The names are an interface."""
        from search.benchmark.skmel133_sentences import sentences_of

        return {
            "format": 1,
            "benchmark": "skmel133",
            "data": self.data,
            "published_data": self.is_published,
            "published_source": SOURCE if self.is_published else None,
            "sentences": sentences_of(self),
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
                _r(scheme.published.pearson),
                *(_r(scheme.like_published.get(name)) for name in models),
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


def _r(value: float | None) -> str | None:
    return None if value is None else f"{value:.3f}"


def _mae(value: float | None) -> str | None:
    return None if value is None else f"{value:.4f}"


def _interval(value: float | None, low: float | None, high: float | None) -> str:
    if value is None or low is None or high is None:
        return ""
    return f"{value:+.4f} ({low:+.4f} to {high:+.4f})".replace("-", "−")
