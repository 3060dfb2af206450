"""Studies of several kinds, so small that one takes a tenth of a second."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from search.spec.reading import make_spec
from search.spec.tables import Spec
from tests.simulation.server import Server

_FIXED = {
    "schedule": "cosine",
    **{"final_share": 0.1, "weight_decay": 1e-5, "l1": 1e-5, "interval_share": 0.5},
}

#: Studies of several kinds, as changes of `_BASE`; "tied" is the world's and not the spec's.
SCENARIOS: tuple[dict[str, Any], ...] = (
    {"trials": 5},
    {"trials": 5, "sampler": {"name": "random"}, "space": {"peak_rate": [0.02, 0.05], **_FIXED}},
    {"trials": 6, "repeats": 2, "pruner": {"name": "median", "startup_trials": 1, "reports": 3}},
    {"trials": 6, "pruner": {"name": "asha", "reports": 3}},
    {"trials": 6, "repeats": 3, "pruner": {"name": "wilcoxon", "p_threshold": 0.45}},
    {
        "trials": 5,
        "space": {"budget": {"conditions": [2, 3, 4]}},
        "objective": {"minimise": ["validation_mae", "cost"]},
    },
    {
        "trials": 9,
        "sampler": {"name": "grid"},
        "space": {**_FIXED, "peak_rate": [0.02, 0.05], "schedule": ["constant", "cosine"]},
    },
    {"trials": 9, "sampler": {"name": "tpe", "stop_when_tied": 3}, "tied": True},
    {"trials": 9, "patience": 2},
    {
        "trials": 16,
        "sampler": {"name": "random"},
        "expected_gain": {"improvement": 0.5, "trials": 1, "confidence": 0.6},
    },
    {
        "trials": 5,
        "constraints": {"edges": 6},
        "enqueue": [{"l1": 2e-5}, {"schedule": "constant", "peak_rate": 0.03}],
    },
    {"trials": 2, "earlier": True},
    {"trials": 5, "sampler": {"name": "nsga2"}, "repeats": 2},
    {"trials": 6, "sampler": {"name": "qmc"}, "pruner": {"name": "hyperband", "reports": 3}},
    {
        "trials": 8,
        "sampler": {"name": "pbt", "population": 4, "generations": 2, "in_flight": None},
    },
)

_BASE: dict[str, Any] = {
    "name": "simulated",
    "seed": 3,
    "data": {"system": "CY"},
    "training": {"steps": 100, "validate_every": 25, "refinement": "none"},
    "objective": {"minimise": ["validation_mae"]},
    "sampler": {"startup_trials": 3, "in_flight": 3},
    "pruner": {"name": "none"},
    "workers": {"executor": "inline"},
    "tracking": {"uri": "http://mlflow.example:5000"},
}


@dataclass(frozen=True)
class Place:
    """Where a history happens: the study's folder, its server, and its spec."""

    study: Path
    server: Server
    spec: Spec
    tied: bool


def spec_of(scenario: int, earlier: Path) -> tuple[Spec, bool]:
    changes = dict(SCENARIOS[scenario])
    tied = changes.pop("tied", False)
    if changes.pop("earlier", False):
        changes["earlier"] = [str(earlier)]
    merged = {**_BASE, **changes}
    merged["sampler"] = {**_BASE["sampler"], **changes.get("sampler", {})}
    return make_spec(merged), tied
