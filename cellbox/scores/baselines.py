"""What a model without any network predicts; the least that a CellBox model has to beat.

The baselines are fitted to the training and validation rows together: they stop nowhere early,
so the rows that a CellBox model keeps back for that are theirs to learn from. That makes the
comparison hard for CellBox on purpose.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from cellbox.arrays import NodeMask, Perturbations, Responses, RowNumbers
from cellbox.data.dataset import Dataset, Split
from cellbox.scores.additive import additive_responses
from cellbox.scores.metrics import PredictionScore, prediction_score

BASELINES = ("mean", "ridge", "additive", "persistence")

# Penalties that ridge chooses from, as multiples of the perturbations' mean squared singular
# value, so that the unit in which doses are given does not matter.
RELATIVE_PENALTIES = np.logspace(-4, 3, 29)


@dataclass(frozen=True, eq=False)
class Ridge:
    """A linear map from perturbation to outputs, with an unpenalised intercept.

    penalty: the factor λ on the squared coefficients, the same for all outputs.
    """

    intercept: Float[np.ndarray, " n_outputs"]
    coefficients: Float[np.ndarray, "n_nodes n_outputs"]
    penalty: float

    def predict(self, perturbations: Perturbations) -> Float[np.ndarray, "n_rows n_outputs"]:
        """The outputs expected for these perturbations."""
        return self.intercept + perturbations @ self.coefficients


def baselines(
    data: Dataset, split: Split
) -> dict[str, Float[np.ndarray, "n_test_rows n_times n_nodes"] | None]:
    """Predictions of the test rows' measurements (log ratio) by each baseline, by its name.

    mean: the mean of each (time, node) over the rows fitted to; where none was measured, the
        node's mean over all times; where there is none either, 0.
    ridge: each (time, node) value as a linear function of the perturbation; see `fit_ridge`.
        Values that were never measured are predicted as by `mean`.
    additive: the sum of the single responses, see `additive_responses`; NaN where a single response
        was not measured.
    To ridge and the additive rule a node that is held is one more dose, its level, and a dose
    that begins later or ends counts by the share of the time in which it acts (see
    `Interventions.inputs`).
    persistence: a row's own last measured value of the node, 0 before the first. It sees the
        test row's earlier measurements, which no other prediction does, and predicts from
        one time to the next only. None where the data have a single time point.
    """
    rows = np.concatenate([split.training, split.validation])
    inputs = data.perturbations
    if data.interventions is not None:
        inputs = data.interventions.inputs(inputs, float(data.times[-1]))
    perturbations, measurements = inputs[rows], data.measurements[rows]
    n_rows, n_times, n_nodes = measurements.shape
    mean = _mean_response(measurements)
    fitted = fit_ridge(
        perturbations,
        measurements.reshape(n_rows, n_times * n_nodes),
        data.condition_of_row[rows],
        where_unmeasured=mean.reshape(-1),
    )
    shape = (len(split.test), n_times, n_nodes)
    asked, held_out = inputs[split.test], data.measurements[split.test]
    summed = additive_responses(perturbations, measurements.reshape(n_rows, -1), asked)
    return {
        "mean": np.broadcast_to(mean, shape).copy(),
        "ridge": fitted.predict(asked).reshape(shape),
        "additive": summed.reshape(shape),
        "persistence": _persistence(held_out) if n_times > 1 else None,
    }


def score_baselines(
    data: Dataset, split: Split, nodes_mask: NodeMask | None = None
) -> dict[str, PredictionScore | None]:
    """Each baseline's score on the test rows, by its name; None where it does not apply.

    That of the additive rule has an infinite error where it cannot predict all of them.
    nodes_mask: the nodes to score; by default those that the headline metrics count.
    """
    scored = data.measured_nodes if nodes_mask is None else nodes_mask
    measured = data.measurements[split.test]
    noise_free = None if data.noise_free is None else data.noise_free[split.test]
    judged = data.judged[split.test]
    return {
        name: None
        if predicted is None
        else prediction_score(predicted, measured, noise_free, scored, judged)
        for name, predicted in baselines(data, split).items()
    }


def fit_ridge(
    perturbations: Perturbations,
    values: Float[np.ndarray, "n_rows n_outputs"],
    conditions: RowNumbers,
    where_unmeasured: Float[np.ndarray, " n_outputs"] | None = None,
) -> Ridge:
    """Ridge regression of every output on the perturbation, with one penalty for all.

    The penalty is the one of `RELATIVE_PENALTIES` with the least mean absolute error, over all
    measured values, when each condition in turn (all its replicates) is predicted from the
    others; of equal ones the largest. Each output is fitted to exactly the rows in which it
    was measured (not NaN). Perturbations are not standardised: their unit is common to all
    nodes.

    conditions: rows with the same number are never on both sides of the cross-validation.
    where_unmeasured: intercepts of outputs that no row measured; 0 by default.
    """
    centred = perturbations - perturbations.mean(axis=0)
    singular = np.linalg.svd(centred, compute_uv=False)
    present = singular > 1e-10 * max(singular.max(initial=0.0), np.finfo(float).tiny)
    scale = float((singular[present] ** 2).mean()) if present.any() else 1.0
    penalties = RELATIVE_PENALTIES * scale

    errors = np.zeros(len(penalties))
    parts = _outputs_by_rows(values)
    for rows, outputs in parts:
        errors += _held_out_errors(
            perturbations[rows], values[np.ix_(rows, outputs)], conditions[rows], penalties
        )
    # The last of equal ones is the largest penalty, the simpler model.
    penalty = float(penalties[len(errors) - 1 - np.argmin(errors[::-1])])

    n_outputs = values.shape[1]
    intercept = np.zeros(n_outputs) if where_unmeasured is None else where_unmeasured.copy()
    coefficients = np.zeros((perturbations.shape[1], n_outputs))
    for rows, outputs in parts:
        intercept[outputs], coefficients[:, outputs] = _ridge_solution(
            perturbations[rows], values[np.ix_(rows, outputs)], penalty
        )
    return Ridge(intercept, coefficients, penalty)


def _ridge_solution(
    inputs: Perturbations, values: Float[np.ndarray, "n_rows n_outputs"], penalty: float
) -> tuple[Float[np.ndarray, " n_outputs"], Float[np.ndarray, "n_nodes n_outputs"]]:
    """Intercept and coefficients; centring takes the intercept out of the penalty."""
    input_mean, value_mean = inputs.mean(axis=0), values.mean(axis=0)
    left, singular, right = np.linalg.svd(inputs - input_mean, full_matrices=False)
    shrinkage = singular / (singular**2 + penalty)
    coefficients = right.T @ (shrinkage[:, None] * (left.T @ (values - value_mean)))
    return value_mean - input_mean @ coefficients, coefficients


def _held_out_errors(
    inputs: Perturbations,
    values: Float[np.ndarray, "n_rows n_outputs"],
    conditions: RowNumbers,
    penalties: Float[np.ndarray, " n_penalties"],
) -> Float[np.ndarray, " n_penalties"]:
    """Sum of absolute errors of every condition predicted from the others, by penalty.

    No refits: with the smoother H (fitted values = H values), the rows g left out have the
    residuals (I − H_gg)⁻¹ (values − H values)_g, exactly, for any group g.
    """
    _, group = np.unique(conditions, return_inverse=True)
    sizes = np.bincount(group)
    errors = np.zeros(len(penalties))
    if len(sizes) < 2:
        return errors  # Nothing is left to predict the only condition from.
    by_group = np.argsort(group, kind="stable")
    size_of_row = sizes[group[by_group]]
    blocks = [by_group[size_of_row == size].reshape(-1, size) for size in np.unique(sizes)]
    left, singular, _ = np.linalg.svd(inputs - inputs.mean(axis=0), full_matrices=False)
    for index, penalty in enumerate(penalties):
        kept = singular**2 / (singular**2 + penalty)
        smoother = (left * kept) @ left.T + 1 / len(inputs)
        residuals = values - smoother @ values
        for rows in blocks:
            own = smoother[rows[:, :, None], rows[:, None, :]]
            held_out = np.linalg.solve(np.eye(rows.shape[1]) - own, residuals[rows])
            errors[index] += np.abs(held_out).sum()
    return errors


def _outputs_by_rows(
    values: Float[np.ndarray, "n_rows n_outputs"],
) -> list[tuple[Int[np.ndarray, " n_measured"], Int[np.ndarray, " n_alike"]]]:
    """Outputs that were measured in the same rows, with those rows; unmeasured ones left out."""
    patterns, of_output = np.unique(~np.isnan(values), axis=1, return_inverse=True)
    of_output = of_output.reshape(-1)
    return [
        (np.flatnonzero(patterns[:, number]), np.flatnonzero(of_output == number))
        for number in range(patterns.shape[1])
        if patterns[:, number].any()
    ]


def _mean_response(measurements: Responses) -> Float[np.ndarray, "n_times n_nodes"]:
    """Mean over rows, else over rows and times, else 0; NaN does not count."""
    known = ~np.isnan(measurements)
    total, count = np.where(known, measurements, 0.0).sum(axis=0), known.sum(axis=0)
    of_node = total.sum(axis=0) / np.maximum(count.sum(axis=0), 1)
    return np.where(count > 0, total / np.maximum(count, 1), of_node)


def _persistence(measurements: Responses) -> Responses:
    """The row's last measured value before each time, 0 (the start) before the first."""
    predicted = np.zeros_like(measurements)
    for time in range(1, measurements.shape[1]):
        latest = measurements[:, time - 1]
        predicted[:, time] = np.where(np.isnan(latest), predicted[:, time - 1], latest)
    return predicted
