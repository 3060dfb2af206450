"""Studies so small that a trial takes a fraction of a second."""

from __future__ import annotations

import copy
import json
from typing import Any

from search.spec.reading import make_spec
from search.spec.tables import Spec
from search.sweeping.display import Silent
from search.sweeping.run import sweep

# Every test that trains uses these data, so that one process compiles one program.
BASE: dict[str, Any] = {
    "name": "tiny",
    "seed": 3,
    "trials": 6,
    "data": {"system": "CY", "conditions": 6, "time_points": 2, "held_out": 2},
    # The default adjoint is also the one that is compiled soonest, by far.
    "training": {"steps": 100, "validate_every": 25, "refinement": "none"},
    "space": {"weight_decay": 1e-5},
    "objective": {"minimise": ["validation_mae"]},
    "sampler": {"name": "tpe", "startup_trials": 3, "in_flight": 3},
    "pruner": {"name": "none"},
    "workers": {"executor": "inline", "lanes": 2},
    "tracking": {"enabled": False},
}


def values(**changes: Any) -> dict[str, Any]:
    """The tiny sweep as plain values; a table changes in part, and None drops a value."""
    merged = copy.deepcopy(BASE)
    for key, change in changes.items():
        if change is None:
            merged.pop(key)
        elif isinstance(change, dict) and isinstance(merged.get(key), dict):
            merged[key] = {k: v for k, v in {**merged[key], **change}.items() if v is not None}
        else:
            merged[key] = change
    return merged


def spec(**changes: Any) -> Spec:
    return make_spec(values(**changes))


def toml(content: dict[str, Any]) -> str:
    """Such values as the text of a spec."""

    def shown(value: Any) -> str:
        if isinstance(value, dict):
            return "{" + ", ".join(f"{k} = {shown(v)}" for k, v in value.items()) + "}"
        return json.dumps(value)

    return "\n".join(f"{key} = {shown(value)}" for key, value in content.items())


def run(folder, trials=None, **changes):
    # Reports have tests of their own, and take longer than a tiny study.
    return sweep(spec(**changes), study=folder, trials=trials, display=Silent(), report=False)


TWO_OBJECTIVES = {
    "space": {"weight_decay": 1e-5, "budget": {"conditions": [4, 6]}},
    "objective": {"minimise": ["validation_mae", "cost"]},
}
