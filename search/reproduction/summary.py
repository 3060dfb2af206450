"""From the records of tasks to rows: one for each system and noise, over all its seeds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cellbox.networks.known_systems import system
from cellbox.scores.baselines import BASELINES
from search.reproduction.task import Task

#: What is summarised over seeds, as `cellbox.evaluation.report.evaluate` names it; the last is
#: the mean |learned - true| of the amplitudes.
METRICS = (
    *("test_mae_noise_free", "test_mae", "test_pearson"),
    *("pearson", "pearson_off_diagonal", "pearson_alpha"),
    *("auprc_ratio", "early_precision_ratio", "sign_accuracy"),
    *("rounding_sensitive_share", "wrong_basin_share", "amplitude_error"),
)
ERRORS = ("test_mae_noise_free", "test_mae")
BOUNDS = ("rmse", "r", "rmse_known_support", "r_known_support")

#: What Ji et al. 2021 (arXiv 2104.06467) report, by kind of system.
PAPER = {
    "abstract": {
        "test_mae": "on average below 1e-3",
        "pearson": "above 0.9",
        "systems": ["LI", "CY", "BF", "LL"],
    },
    "biological": {
        "test_mae": "1e-4 to 1e-3",
        "pearson": "0.9 to 0.99",
        "systems": ["mCAD", "VSC", "HSC", "GSD"],
    },
}


@dataclass(frozen=True)
class TaskResult:
    """A task and what became of it.

    record: as it is kept; of a task that left none, its status and message alone.
    """

    task: Task
    record: dict[str, Any]

    @property
    def ok(self) -> bool:
        """Whether there is a network to judge."""
        return "metrics" in self.record

    def as_dict(self) -> dict[str, Any]:
        """Task and record as plain values."""
        return {**self.task.as_dict(), **self.record}


def rows_of(results: Iterable[TaskResult], recipe: str) -> list[dict[str, Any]]:
    """A row for each system and noise, in the order in which they come up."""
    groups: dict[tuple[str, float], list[TaskResult]] = {}
    for result in results:
        groups.setdefault((result.task.system, result.task.sigma), []).append(result)
    return [_row(group, recipe) for group in groups.values()]


def spread(values: Sequence[float | None]) -> dict[str, float | None]:
    """Median, lowest and highest of the values that are there."""
    known = [value for value in values if value is not None]
    if not known:
        return {"median": None, "low": None, "high": None}
    return {"median": float(np.median(known)), "low": min(known), "high": max(known)}


def typical(results: Sequence[TaskResult]) -> TaskResult | None:
    """The one that shows a system best: its r of W is the lower median."""
    ok = [result for result in results if result.ok]
    known = [result for result in ok if result.record["metrics"]["pearson"] is not None]
    if not known:
        return ok[0] if ok else None
    known.sort(key=lambda result: result.record["metrics"]["pearson"])
    return known[(len(known) - 1) // 2]


def _row(results: Sequence[TaskResult], recipe: str) -> dict[str, Any]:
    task, known = results[0].task, system(results[0].task.system)
    ok = [result.record for result in results if result.ok]
    baselines = {
        name: {error: spread([_error(record, name, error) for record in ok]) for error in ERRORS}
        for name in BASELINES
    }
    return {
        "system": task.system,
        "title": known.title,
        "kind": known.kind,
        "in_paper": known.in_paper,
        "nodes": known.network.n_nodes,
        "edges": int((known.network.weights != 0).sum()),
        "training_conditions": known.n_conditions,
        "sigma": task.sigma,
        "design": task.design,
        "recipe": recipe,
        "seeds": len(results),
        "seed_numbers": [result.task.seed for result in results],
        "finished": len(ok),
        "problems": [
            f"seed {result.task.seed} {result.record['status']}: {result.record['message']}"
            for result in results
            if result.record["status"] != "completed"
        ],
        **{name: spread([record["metrics"][name] for record in ok]) for name in METRICS},
        "edges_learned": spread([record["edges_learned"] for record in ok]),
        "noise_estimated": spread([record["training"]["noise"] for record in ok]),
        "rounding_sensitive_training_conditions": spread(
            [record["rounding_sensitive_training_conditions"] for record in ok]
        ),
        "baselines": baselines,
        "bound": _bound(ok),
        "seconds": spread([record["seconds"] for record in ok]),
    }


def _error(record: Mapping[str, Any], baseline: str, error: str) -> float | None:
    # Tasks of earlier versions do not know the additive rule.
    score = record["baselines"].get(baseline)
    return None if score is None else score[error]


def _bound(records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The medians of the bounds over seeds, and why one is missing where it is."""
    medians = {
        name: spread([record["bound"][name] for record in records])["median"] for name in BOUNDS
    }
    reasons = [record["bound"]["reason"] for record in records if record["bound"]["reason"]]
    return {**medians, "reason": reasons[0] if reasons else None}
