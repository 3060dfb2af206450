"""What one way of holding conditions out of SK-MEL-133 showed, beside the published figures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from jaxtyping import Float
from numpy import ndarray

from cellbox.evaluation.held_out_predictions import Entrant
from cellbox.evaluation.paired_comparison import SchemeReport

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
                rows.append((name, shown_r(score.pearson), _mae(score.mae), "", "", f"{of_rows}"))
                continue
            told = (shown_r(apart.other_pearson), _mae(apart.other_mae))
            differences = (
                _interval(apart.pearson, apart.pearson_low, apart.pearson_high),
                _interval(apart.mae, apart.mae_low, apart.mae_high),
            )
            over = f"{apart.rows}" if apart.rows == of_rows else f"{apart.rows} of {of_rows}"
            rows.append((name, *told, *differences, over))
        return header, rows


def shown_r(value: float | None) -> str | None:
    """A correlation for people."""
    return None if value is None else f"{value:.3f}"


def _mae(value: float | None) -> str | None:
    return None if value is None else f"{value:.4f}"


def _interval(value: float | None, low: float | None, high: float | None) -> str:
    if value is None or low is None or high is None:
        return ""
    return f"{value:+.4f} ({low:+.4f} to {high:+.4f})".replace("-", "−")
