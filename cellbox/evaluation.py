"""What is reported of a fitted model: prediction, recovery, and the baselines beside it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from cellbox.baselines import score_baselines
from cellbox.dataset import Dataset, Split
from cellbox.metrics import Recovery, prediction_score, recovery
from cellbox.model import FittedModel

_NO_RECOVERY: dict[str, None] = dict.fromkeys(Recovery.__dataclass_fields__)


def evaluate(model: FittedModel, data: Dataset, split: Split) -> dict[str, Any]:
    """Score a model on the test rows of its data.

    Headline numbers leave out activity nodes; where there are any, "all_nodes" has the same
    with them. What needs a truth that is not there is None. The names are an interface.
    """
    predicted = model.predict(data.perturbations[split.test], data.times)
    report: dict[str, Any] = _scores(predicted, data, split, data.measured_nodes)
    if data.activity_nodes.any():
        report["all_nodes"] = _scores(predicted, data, split, np.ones(data.n_nodes, bool))
    else:
        report["all_nodes"] = None
    if data.truth is None:
        report.update(_NO_RECOVERY)
    else:
        report.update(asdict(recovery(model.network, data.truth)))
    return report


def evaluate_baselines(data: Dataset, split: Split) -> dict[str, Any]:
    """Scores of the baselines on the same test rows, by name; None where one does not apply."""
    return {
        name: None if score is None else asdict(score)
        for name, score in score_baselines(data, split).items()
    }


def beside_baselines(report: dict[str, Any], baselines: dict[str, Any]) -> dict[str, Any]:
    """A report with its baselines, and whether the model predicts better than ridge."""
    ridge = baselines["ridge"]
    better = (
        None
        if ridge is None or report["test_mae"] is None
        else bool(report["test_mae"] < ridge["test_mae"])
    )
    return {**report, "baselines": baselines, "better_than_ridge": better}


def _scores(predicted, data: Dataset, split: Split, nodes) -> dict[str, float | None]:
    noise_free = None if data.noise_free is None else data.noise_free[split.test]
    return asdict(
        prediction_score(predicted, data.measurements[split.test], noise_free, nodes)
    )
