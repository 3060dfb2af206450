"""What is reported of a fitted model: prediction, recovery, and the baselines beside it."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

import numpy as np
from jaxtyping import Float

from cellbox.arrays import NodeMask
from cellbox.data.dataset import Dataset, Split
from cellbox.models.model import FittedModel
from cellbox.networks.line_networks import names_of_lines, of_line
from cellbox.networks.network import Network, in_order_of
from cellbox.scores.additive import predictable
from cellbox.scores.baselines import baselines, score_baselines
from cellbox.scores.metrics import (
    PredictionScore,
    Recovery,
    prediction_score,
    recovery,
    unsteady_share,
    wrong_basin_share,
)

_NO_RECOVERY: dict[str, None] = dict.fromkeys(Recovery.__dataclass_fields__)


def evaluate(model: FittedModel, data: Dataset, split: Split) -> dict[str, Any]:
    """Score a model on the test rows of its data.

    Headline numbers leave out activity nodes; where there are any, "all_nodes" has the same
    with them. What needs a truth that is not there is None, and so is an error that is not
    finite because the model could not be solved. The names are an interface.

    rounding_sensitive_share: share of the test rows that are rounding-sensitive (see
        `cellbox.data.rounding_sensitivity`), which neither test_mae_noise_free nor
        wrong_basin_share counts; None where not known.
    wrong_basin_share: share of the others in which some node is off by more than half its true
        amplitude at the last time.
    unsteady_share: where there is one time point, which is most often meant as a steady state:
        share of the test rows in which the model has not come to rest by then; else None.
    test_error_ratio: root mean square of how many of its own errors each held-out value lies from
        its prediction; None where the data tell no errors.

    Example:
        >>> import cellbox
        >>> data = cellbox.read_data("my_experiment")
        >>> settings = cellbox.Settings(steps=50, refinement="none")
        >>> model = cellbox.fit(data, settings)
        >>> report = cellbox.evaluate(model, data, cellbox.split_rows(data, seed=0))
        >>> bool(0 < report["test_mae"] < 1)
        True
    """
    predicted = model.predict_rows(data, split.test)
    report: dict[str, Any] = _scores(predicted, data, split, data.measured_nodes)
    report["rounding_sensitive_share"] = _rounding_sensitive_share(data, split)
    report["wrong_basin_share"] = _wrong_basin_share(predicted, data, split)
    report["unsteady_share"] = _unsteady_share(model, predicted, data, split)
    report["test_error_ratio"] = _error_ratio(predicted, data, split)
    every = _every_node(data)
    report["all_nodes"] = None if every is None else _scores(predicted, data, split, every)
    if data.truth is None:
        report.update(_NO_RECOVERY)
    else:
        report.update(asdict(recovery(model.network, _true_reference(data.truth, data))))
    return report


def evaluate_baselines(data: Dataset, split: Split) -> dict[str, Any]:
    """Scores of the baselines on the same test rows: mean, ridge, additive and persistence.

    A baseline that does not apply is None. The additive rule also has "conditions_predicted" of so
    many "conditions"; unless that is all of them, it has no scores, since those of a part of the
    conditions could not be set beside the others. As in `evaluate`, activity nodes are left out;
    where there are any, "all_nodes" has the same with them, and else it is None.
    """
    every = _every_node(data)
    return {
        **_baseline_scores(data, split, data.measured_nodes),
        "all_nodes": None if every is None else _baseline_scores(data, split, every),
    }


def _every_node(data: Dataset) -> NodeMask | None:
    """A mask of all nodes where the headline numbers leave some out, else None."""
    return np.ones(data.n_nodes, bool) if data.activity_nodes.any() else None


def _scores(
    predicted: Float[np.ndarray, "n_test_rows n_times n_nodes"],
    data: Dataset,
    split: Split,
    nodes: NodeMask,
) -> dict[str, float | None]:
    noise_free = None if data.noise_free is None else data.noise_free[split.test]
    measured, judged = data.measurements[split.test], data.judged[split.test]
    return _plain(prediction_score(predicted, measured, noise_free, nodes, judged))


def _rounding_sensitive_share(data: Dataset, split: Split) -> float | None:
    if data.rounding_sensitive is None or not len(split.test):
        return None
    return float(data.rounding_sensitive[split.test].mean())


def _wrong_basin_share(
    predicted: Float[np.ndarray, "n_test_rows n_times n_nodes"], data: Dataset, split: Split
) -> float | None:
    if data.truth is None or data.noise_free is None:
        return None
    judged, nodes = data.judged[split.test], data.measured_nodes
    exact = data.noise_free[split.test]
    return wrong_basin_share(
        predicted[judged, -1][:, nodes],
        exact[judged, -1][:, nodes],
        in_order_of(data.truth, data.nodes).amplitudes[nodes],
    )


def _true_reference(truth: Network, data: Dataset) -> Network:
    """The true network of the line that others are compared with, where there are several."""
    names = names_of_lines(truth)
    reference = data.line_names[0] if data.lines else ""
    return of_line(truth, names.index(reference)) if reference in names else truth


def _unsteady_share(
    model: FittedModel,
    predicted: Float[np.ndarray, "n_test_rows n_times n_nodes"],
    data: Dataset,
    split: Split,
) -> float | None:
    if len(data.times) > 1:
        return None
    lines, done = data.lines_of(split.test), data.interventions_of(split.test)
    doses, states = data.perturbations[split.test], predicted[:, 0]
    if done is not None:
        doses = done.acting(doses, float(data.times[0]))
    free = None if done is None else done.free
    return unsteady_share(model.network, doses, states, lines, free)


def _error_ratio(
    predicted: Float[np.ndarray, "n_test_rows n_times n_nodes"], data: Dataset, split: Split
) -> float | None:
    if data.errors is None:
        return None
    nodes = data.measured_nodes
    apart = (predicted - data.measurements[split.test])[..., nodes]
    ratios = apart / data.errors[split.test][..., nodes]
    known = np.isfinite(data.measurements[split.test][..., nodes])
    if not known.any():
        return None
    ratio = float(np.sqrt(np.mean(ratios[known] ** 2)))
    return ratio if math.isfinite(ratio) else None


def _baseline_scores(data: Dataset, split: Split, nodes: NodeMask) -> dict[str, Any]:
    scores: dict[str, Any] = {
        name: None if score is None else _plain(score)
        for name, score in score_baselines(data, split, nodes).items()
    }
    scores["additive"] |= _additive_conditions(data, split, nodes)
    return scores


def _additive_conditions(data: Dataset, split: Split, nodes: NodeMask) -> dict[str, int]:
    """How many of the test conditions the additive rule can predict, and how many there are."""
    predicted = baselines(data, split)["additive"]
    assert predicted is not None
    told = predictable(predicted[..., nodes], data.measurements[split.test][..., nodes])
    conditions = data.condition_of_row[split.test]
    every = np.unique(conditions)
    missed = np.unique(conditions[~told])
    return {"conditions_predicted": len(every) - len(missed), "conditions": len(every)}


def _plain(score: PredictionScore) -> dict[str, float | None]:
    """A score as JSON can hold it: an error that is not finite becomes None."""
    return {
        name: value if value is not None and math.isfinite(value) else None
        for name, value in asdict(score).items()
    }
