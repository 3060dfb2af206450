"""What metrics are called by people, and what they were called in files of earlier versions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_CURRENT_NAMES = {
    "undetermined_share": "rounding_sensitive_share",
    "undetermined_conditions": "rounding_sensitive_conditions",
    "undetermined_training_conditions": "rounding_sensitive_training_conditions",
}


#: What is said of a recovered network, and its name in a report of `cellbox.evaluate`.
RECOVERIES = (
    ("Pearson r of all weights", "pearson"),
    ("the same without self-regulation", "pearson_off_diagonal"),
    ("Pearson r of the amplitudes", "pearson_alpha"),
    ("AUPRC over that of chance", "auprc_ratio"),
    ("early precision over that of chance", "early_precision_ratio"),
    ("share of true edges with the right sign", "sign_accuracy"),
)


def current_metric_names(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """The same values in the same order, under the names that this version gives them.

    Reads as `object_hook` of `json.loads` every part of a record, however deep it stands.
    """
    return {_CURRENT_NAMES.get(name, name): value for name, value in metrics.items()}
