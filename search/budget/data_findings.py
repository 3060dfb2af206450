"""What parts of measured data say of more of them: plain values for people, pages and programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from jaxtyping import Float

from cellbox.budgets.grid import BudgetGrid
from cellbox.budgets.learning_curves import LearningCurve, fit_learning_curve
from cellbox.budgets.subsamples import ADDITIVE, CELLBOX, MODELS, RIDGE
from cellbox.errors import DataWarning
from search.budget.findings import LEVEL, axis_words, curve_rows
from search.report.cells import percent
from search.spec.budget_tables import DataBudgetSpec
from search.study.budget_folder import ExperimentRecord

# Two models whose errors differ by less than this share are as good as each other.
_AS_GOOD = 0.02


def data_findings(
    spec: DataBudgetSpec,
    grid: BudgetGrid,
    records: Sequence[ExperimentRecord],
    warnings: Sequence[DataWarning] = (),
) -> dict[str, Any]:
    """The answer of a study of parts of measured data.

    warnings: what the data can hardly mean, which the answer rests on all the same.
    """
    largest = {name: max(values) for name, values in grid.axes.items()}
    matrices = {name: _errors(grid, records, name, largest) for name in MODELS}
    sizes = np.array(grid.axes["conditions"], float)
    curves = {
        name: fit_learning_curve(sizes, errors, seed=spec.seed)
        for name, errors in matrices.items()
        if np.isfinite(errors).any(axis=0).sum() > 1
    }
    further = sizes[-1] + spec.further
    sentences = []
    if CELLBOX in curves:
        sentences.append(_what_more_buys(curves[CELLBOX], sizes[-1], spec.further))
    sentences += _beside(matrices, RIDGE)
    sentences += _beside(matrices, ADDITIVE)
    for axis in ("time_points", "nodes"):
        sentences += _axis_effect(grid, records, axis, largest)
    sentences.append(
        f"{len(records)} trainings: {len({r.draw for r in records})} draws of "
        f"{percent(spec.data.test)} of the conditions held out, parts nested within each draw."
    )
    sentences += [f"What the numbers can hardly mean: {warning}" for warning in warnings]
    return {
        "kind": "data",
        "name": spec.name,
        "folder": spec.data.folder,
        "experiments": len(records),
        "level": LEVEL,
        "axes": {name: list(values) for name, values in grid.axes.items()},
        "searched": list(grid.searched),
        "sentence": sentences[0],
        "sentences": sentences[1:],
        "further": spec.further,
        "curves": {name: curve_rows(curve, name, further) for name, curve in curves.items()},
        "cells": _data_rows(grid, records),
        "data_warnings": [asdict(warning) for warning in warnings],
    }


def _errors(
    grid: BudgetGrid,
    records: Sequence[ExperimentRecord],
    model: str,
    at: Mapping[str, Any],
    axis: str = "conditions",
) -> Float[np.ndarray, "n_draws n_sizes"]:
    """Errors of a model by draw and by the value of an axis, the other axes as given."""
    values = list(grid.axes[axis])
    n_draws = 1 + max((record.draw for record in records), default=0)
    errors = np.full((n_draws, len(values)), np.nan)
    for record in records:
        rest = all(record.cell[name] == at[name] for name in grid.axes if name != axis)
        if rest and record.outcome.get(model) is not None:
            errors[record.draw, values.index(record.cell[axis])] = record.outcome[model]
    return errors


def _what_more_buys(curve: LearningCurve, size: float, further: int) -> str:
    if curve.oddity is not None:
        return (
            f"What {further} more conditions would bring is not said: CellBox's learning curve is "
            f"odd ({curve.oddity})."
        )
    low, middle, high = curve.change(size, size + further)
    checked = ""
    if curve.predicted_last is not None:
        at, expected, up = curve.predicted_last
        checked = (
            f" Smaller parts predict the error at {size:g} conditions as {expected:.3g} "
            f"[{at:.3g}, {up:.3g}], and it is {curve.means[-1]:.3g}."
        )
    return (
        f"{further} more conditions would lower CellBox's error by {100 * middle:.0f} % "
        f"[{100 * max(low, 0.0):.0f}, {100 * high:.0f}].{checked}"
    )


def _beside(matrices: Mapping[str, Float[np.ndarray, "n_draws n_sizes"]], other: str) -> list[str]:
    """Whether a simpler model is as good with all the data, draw by draw."""
    own, simple = matrices[CELLBOX][:, -1], matrices[other][:, -1]
    both = np.isfinite(own) & np.isfinite(simple)
    if both.sum() < 2:
        return []
    apart = own[both] / simple[both] - 1
    # The same conditions come up in several draws, so their spread is taken as it is.
    low, high = np.quantile(apart, [0.05, 0.95])
    median = float(np.median(apart))
    name = "The additive rule" if other == ADDITIVE else other.capitalize()
    whose = "the rule's" if other == ADDITIVE else f"{other}'s"
    shown = f"{100 * median:+.0f} % [{100 * low:+.0f}, {100 * high:+.0f}]".replace("-", "−")
    told = f"CellBox's error differs from {whose} by {shown}."
    if median > _AS_GOOD and low > 0:
        return [f"{name} is better on these data: {told}"]
    if median < -_AS_GOOD and high < 0:
        return [f"CellBox is better than {name[0].lower()}{name[1:]}: {told}"]
    return [f"{name} would be as good: {told}"]


def _axis_effect(
    grid: BudgetGrid, records: Sequence[ExperimentRecord], axis: str, largest: Mapping[str, Any]
) -> list[str]:
    """What fewer time points or nodes would have cost."""
    values = grid.axes[axis]
    if len(values) < 2:
        return []
    errors = _errors(grid, records, CELLBOX, largest, axis)
    worse = errors[:, 0] / errors[:, -1] - 1
    worse = worse[np.isfinite(worse)]
    if len(worse) < 2:
        return []
    low, middle, high = np.quantile(worse, [0.05, 0.5, 0.95])
    return [
        f"With {values[0]} instead of {values[-1]} {axis_words(axis)} CellBox's error differs by "
        f"{100 * middle:+.0f} % [{100 * low:+.0f}, {100 * high:+.0f}].".replace("-", "−")
    ]


def _data_rows(grid: BudgetGrid, records: Sequence[ExperimentRecord]) -> list[dict[str, Any]]:
    """A row for each part: mean error of each model, with the spread over draws."""
    rows = []
    for number, cell in enumerate(grid.cells):
        own = [record for record in records if grid.index(record.cell) == number]
        row: dict[str, Any] = {**cell, "experiments": len(own)}
        for model in MODELS:
            errors = [r.outcome[model] for r in own if r.outcome.get(model) is not None]
            row[model] = float(np.mean(errors)) if errors else None
            row[f"{model} low"] = float(np.quantile(errors, 0.05)) if errors else None
            row[f"{model} high"] = float(np.quantile(errors, 0.95)) if errors else None
        rows.append(row)
    return rows
