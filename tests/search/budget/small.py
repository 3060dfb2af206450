"""A budget study so small that an experiment takes a fraction of a second."""

from __future__ import annotations

import copy
from typing import Any

from search.budget.display import Silent
from search.budget.result import BudgetResult
from search.budget.running import budget_study
from search.spec.budget_reading import make_budget_spec
from search.spec.budget_tables import BudgetSpec

BASE: dict[str, Any] = {
    "name": "small",
    "seed": 2,
    "experiments": 10,
    "draws": 5,
    "truth": {"family": {"nodes": 3, "density": 0.5}},
    "axes": {
        "conditions": [2, 4, 8], "perturbed_nodes": 1, "time_points": [1, 2], "horizon": 4,
        "noise": 0.01,
    },
    "success": {"threshold": 0.9},
    "choosing": {"in_flight": 4, "interval": 0.0},
    "workers": {"executor": "inline"},
    "tracking": {"enabled": False},
}  # fmt: skip


def values(**changes: Any) -> dict[str, Any]:
    """The small study as plain values; a table changes in part."""
    merged = copy.deepcopy(BASE)
    for key, change in changes.items():
        if isinstance(change, dict) and isinstance(merged.get(key), dict):
            merged[key] = {**merged[key], **change}
        else:
            merged[key] = change
    return merged


def spec(**changes: Any) -> BudgetSpec:
    made = make_budget_spec(values(**changes))
    assert isinstance(made, BudgetSpec)
    return made


def run(folder: Any, *, report: bool = False, **changes: Any) -> BudgetResult:
    return budget_study(spec(**changes), study=folder, display=Silent(), report=report)
