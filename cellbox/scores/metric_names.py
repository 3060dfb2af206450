"""What metrics were called before, so that what earlier versions wrote is still read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_CURRENT_NAMES = {
    "undetermined_share": "rounding_sensitive_share",
    "undetermined_conditions": "rounding_sensitive_conditions",
    "undetermined_training_conditions": "rounding_sensitive_training_conditions",
}


def current_metric_names(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """The same values in the same order, under the names that this version gives them.

    Reads as `object_hook` of `json.loads` every part of a record, however deep it stands.
    """
    return {_CURRENT_NAMES.get(name, name): value for name, value in metrics.items()}
