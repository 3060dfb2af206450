"""The two tables of a reproduction as cells, for whoever prints or draws them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cellbox.scores.baselines import BASELINES
from search.reproduction.summary import PAPER

Row = Mapping[str, Any]

_KINDS = {"abstract": "Abstract systems", "biological": "Biological systems"}
_PREDICTION = ("system", "nodes", "conditions", "σ", "MAE noise-free", "MAE measured", *BASELINES)
_RECOVERY = (
    *("system", "σ", "r of W", "r off diagonal", "r of α"),
    *("AUPRC ratio", "early ratio", "signs", "bound of r", "zeros known"),
)


@dataclass(frozen=True)
class Part:
    """A table: its header, and its rows as text. The first column names the row."""

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class KindTable:
    """What is said of the systems of one kind: what they predict, and what was recovered."""

    title: str
    prediction: Part
    recovery: Part
    notes: tuple[str, ...]

    @property
    def parts(self) -> tuple[Part, Part]:
        """Both parts."""
        return self.prediction, self.recovery


def tables_of(rows: Sequence[Row]) -> list[KindTable]:
    """The tables of these rows; a kind without any row has none."""
    tables = []
    for kind, title in _KINDS.items():
        of_kind = [row for row in rows if row["kind"] == kind]
        if of_kind:
            tables.append(_table(kind, title, of_kind))
    return tables


def explanation(rows: Sequence[Row]) -> list[str]:
    """What one has to know to read the tables, in sentences."""
    if not rows:
        return []
    first = rows[0]
    numbers = first["seed_numbers"]
    seeds = f"seed {numbers[0]}" if len(numbers) == 1 else f"seeds {numbers[0]} to {numbers[-1]}"
    over = "" if len(numbers) == 1 else "; medians over seeds, with the lowest and highest"
    return [
        f"Design {first['design']}, recipe {first['recipe']}, {seeds} (of design, noise and "
        f"start){over}.",
        "Errors are mean absolute errors of log ratios over whole time courses of unseen test "
        "conditions; those of the baselines (training mean, ridge, the additive rule where all "
        "single responses were measured, and persistence, which is told earlier measurements) are "
        "against the noise-free truth as well.",
        "Ratios are over those of a random ranking of the edges; signs is the share of true edges "
        "whose sign is right; an r of α does not exist where all true amplitudes are equal, as "
        "here, and their mean error stands for it.",
        "The bound is the r that the Cramér–Rao bound leaves to unbiased estimators, from the "
        "training conditions that are not rounding-sensitive, without and with the true zeros "
        "known. What uses further knowledge may lie above either: that edges are few, or that "
        "amplitudes are alike, which training finds out (in these systems all true amplitudes are "
        "equal).",
    ]


def _table(kind: str, title: str, rows: Sequence[Row]) -> KindTable:
    has_r = any(row["pearson_alpha"]["median"] is not None for row in rows)
    header = tuple("r of α" if has_r else "error of α" if c == "r of α" else c for c in _RECOVERY)
    of_alpha = "pearson_alpha" if has_r else "amplitude_error"
    return KindTable(
        title=title,
        prediction=Part(
            "Prediction of unseen conditions", _PREDICTION, tuple(_prediction(row) for row in rows)
        ),
        recovery=Part(
            "Recovery of the network", header, tuple(_recovery(row, of_alpha) for row in rows)
        ),
        notes=(*_beside_the_paper(kind, rows), *_remarks(rows)),
    )


def _prediction(row: Row) -> tuple[str, ...]:
    return (
        row["system"],
        str(row["nodes"]),
        str(row["training_conditions"]),
        f"{row['sigma']:g}",
        _ranged(row["test_mae_noise_free"], ".2g"),
        _number(row["test_mae"]["median"], ".2g"),
        *(_number(row["baselines"][b]["test_mae_noise_free"]["median"], ".2g") for b in BASELINES),
    )


def _recovery(row: Row, of_alpha: str) -> tuple[str, ...]:
    return (
        row["system"],
        f"{row['sigma']:g}",
        _ranged(row["pearson"], ".4f"),
        _number(row["pearson_off_diagonal"]["median"], ".4f"),
        _number(row[of_alpha]["median"], ".2g"),
        _number(row["auprc_ratio"]["median"], ".2f"),
        _number(row["early_precision_ratio"]["median"], ".2f"),
        _number(row["sign_accuracy"]["median"], ".2f"),
        _number(row["bound"]["r"], ".4f"),
        _number(row["bound"]["r_known_support"], ".4f"),
    )


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)


def _ranged(values: Mapping[str, float | None], form: str) -> str:
    """The median, and where seeds differ the lowest and highest."""
    median, low, high = (_number(values[key], form) for key in ("median", "low", "high"))
    return median if low == high else f"{median} ({low} to {high})"


def _range(low: float, high: float) -> str:
    """Both ends, or one where they look alike."""
    ends = f"{low:.4f}", f"{high:.4f}"
    return ends[0] if ends[0] == ends[1] else " to ".join(ends)


def _beside_the_paper(kind: str, rows: Sequence[Row]) -> list[str]:
    """What the paper claims, and the same numbers from here, for each noise level asked for."""
    paper = PAPER[kind]
    lines = [f"Ji et al. 2021 report: MAE {paper['test_mae']}, r of W {paper['pearson']}."]
    ranks: dict[str, int] = {}
    levels: dict[int, list[Row]] = {}
    for row in rows:
        if row["in_paper"] and row["finished"]:
            rank = ranks[row["system"]] = ranks.get(row["system"], -1) + 1
            levels.setdefault(rank, []).append(row)
    for level in levels.values():
        names = ", ".join(row["system"] for row in level)
        sigmas = sorted({row["sigma"] for row in level})
        errors = [row["test_mae_noise_free"]["median"] for row in level]
        errors = [error for error in errors if error is not None]
        rs = [row["pearson"]["median"] for row in level if row["pearson"]["median"] is not None]
        if errors and rs:
            lines.append(
                f"Here, over {names} at σ {' and '.join(f'{s:g}' for s in sigmas)}: average MAE "
                f"{np.mean(errors):.2g} (noise-free), r of W {_range(min(rs), max(rs))}."
            )
    return lines


def _remarks(rows: Sequence[Row]) -> list[str]:
    """What has to be said of single systems."""
    lines = []
    for row in rows:
        where = f"{row['system']} at σ {row['sigma']:g}"
        sensitive, wrong = (
            row[name]["median"] or 0.0 for name in ("rounding_sensitive_share", "wrong_basin_share")
        )
        if row["rounding_sensitive_share"]["high"] or row["wrong_basin_share"]["high"]:
            left_out = row["rounding_sensitive_training_conditions"]["median"] or 0.0
            lines.append(
                f"{where}: {sensitive:.0%} of the test conditions are rounding-sensitive (rounding "
                f"decides them) and count in the measured MAE alone; of the others {wrong:.0%} end "
                f"in another steady state. {left_out:.0f} of {row['training_conditions']} training "
                "conditions are rounding-sensitive and left out of the bound."
            )
        if row["bound"]["r"] is None and row["finished"]:
            lines.append(f"{where}: no bound. {row['bound']['reason']}")
        lines += [f"{where}: {problem}" for problem in row["problems"]]
    return lines
