"""Baselines: the right numbers, the right rows, missing values."""

from dataclasses import replace

import numpy as np
import pytest

from cellbox.data.dataset import Dataset, Split
from cellbox.scores import baselines as module
from cellbox.scores.baselines import baselines, fit_ridge, score_baselines

NAN = float("nan")


def simulated(n_rows=24, n_times=3, n_nodes=4, missing=0.0, seed=0):
    rng = np.random.default_rng(seed)
    perturbations = rng.random((n_rows, n_nodes)) * (rng.random((n_rows, n_nodes)) < 0.5)
    slopes = rng.normal(size=(n_nodes, n_times * n_nodes))
    values = perturbations @ slopes + 0.3 + 0.05 * rng.normal(size=(n_rows, n_times * n_nodes))
    values[rng.random(values.shape) < missing] = NAN
    measurements = values.reshape(n_rows, n_times, n_nodes)
    return Dataset(
        nodes=tuple(f"g{node}" for node in range(n_nodes)),
        times=np.arange(1.0, n_times + 1),
        perturbations=perturbations,
        measurements=measurements,
        row_names=tuple(f"row {row}" for row in range(n_rows)),
        activity_nodes=np.zeros(n_nodes, bool),
        noise_free=np.nan_to_num(measurements) * 0.5,
    )


def thirds(n_rows):
    order = np.random.default_rng(1).permutation(n_rows)
    return Split(*np.array_split(order, 3))


def normal_equations(inputs, values, penalty):
    """Intercept and slopes of ridge for one output, by solving its normal equations."""
    design = np.column_stack([np.ones(len(inputs)), inputs])
    penalties = np.diag([0.0] + [penalty] * inputs.shape[1])
    return np.linalg.solve(design.T @ design + penalties, design.T @ values)


def test_mean_is_that_of_training_and_validation_rows():
    data = simulated()
    split = thirds(data.n_rows)
    rows = np.concatenate([split.training, split.validation])
    predicted = baselines(data, split)["mean"]
    assert predicted.shape == data.measurements[split.test].shape
    np.testing.assert_allclose(predicted[3], data.measurements[rows].mean(axis=0))


def test_mean_falls_back_to_the_nodes_mean_and_then_to_zero():
    data = simulated()
    measurements = data.measurements.copy()
    measurements[:, 0, 1] = NAN
    measurements[:, :, 2] = NAN
    measurements[0, :, 3] = NAN
    data = replace(data, measurements=measurements)
    split = Split(np.arange(10), np.arange(10, 16), np.arange(16, 24))
    predicted = baselines(data, split)
    np.testing.assert_allclose(predicted["mean"][0, 0, 1], measurements[:16, 1:, 1].mean())
    assert (predicted["mean"][:, :, 2] == 0).all()
    np.testing.assert_allclose(predicted["mean"][0, 1, 3], measurements[1:16, 1, 3].mean())
    # Ridge has nothing to go by there either.
    np.testing.assert_allclose(predicted["ridge"][:, 0, 1], predicted["mean"][:, 0, 1])
    assert (predicted["ridge"][:, :, 2] == 0).all()


@pytest.mark.parametrize("missing", [0.0, 0.2])
def test_ridge_equals_the_normal_equations_of_each_outputs_own_rows(missing):
    data = simulated(missing=missing)
    values = data.measurements.reshape(data.n_rows, -1)
    fitted = fit_ridge(data.perturbations, values, data.condition_of_row)
    for output in range(values.shape[1]):
        rows = ~np.isnan(values[:, output])
        expected = normal_equations(data.perturbations[rows], values[rows, output], fitted.penalty)
        np.testing.assert_allclose(fitted.intercept[output], expected[0])
        np.testing.assert_allclose(fitted.coefficients[:, output], expected[1:])


@pytest.mark.parametrize("missing", [0.0, 0.2])
def test_penalty_is_the_best_when_whole_conditions_are_held_out(missing):
    data = simulated(n_rows=18, missing=missing, seed=3)
    perturbations = data.perturbations.copy()
    perturbations[12:] = perturbations[[0, 0, 1, 2, 3, 3]]
    data = replace(data, perturbations=perturbations)
    values, groups = data.measurements.reshape(18, -1), data.condition_of_row
    singular = np.linalg.svd(perturbations - perturbations.mean(axis=0), compute_uv=False)
    penalties = module.RELATIVE_PENALTIES * (singular**2).mean()
    errors = []
    for penalty in penalties:
        total = 0.0
        for group in np.unique(groups):
            for output in range(values.shape[1]):
                known = ~np.isnan(values[:, output])
                kept, held_out = known & (groups != group), known & (groups == group)
                solution = normal_equations(perturbations[kept], values[kept, output], penalty)
                predicted = solution[0] + perturbations[held_out] @ solution[1:]
                total += np.abs(predicted - values[held_out, output]).sum()
        errors.append(total)
    fitted = fit_ridge(perturbations, values, groups)
    np.testing.assert_allclose(fitted.penalty, penalties[np.argmin(errors)])


def test_replicates_cannot_vouch_for_each_other():
    # Pure noise of the condition, the same in its replicates: only a leak would make it
    # predictable, and then the smallest penalties would win.
    rng = np.random.default_rng(0)
    perturbations = np.repeat(rng.random((12, 10)), 4, axis=0)
    values = np.repeat(rng.normal(size=(12, 30)), 4, axis=0)
    conditions = np.repeat(np.arange(12), 4)
    grouped = fit_ridge(perturbations, values, conditions)
    leaking = fit_ridge(perturbations, values, np.arange(48))
    assert leaking.penalty < 0.01 * grouped.penalty


def test_test_rows_never_change_the_fit():
    data = simulated(missing=0.1)
    split = thirds(data.n_rows)
    measurements = data.measurements.copy()
    measurements[split.test] = 1e6
    before, after = (
        baselines(data, split),
        baselines(replace(data, measurements=measurements), split),
    )
    np.testing.assert_array_equal(before["mean"], after["mean"])
    np.testing.assert_array_equal(before["ridge"], after["ridge"])


def test_unit_of_the_doses_does_not_change_ridge():
    data = simulated()
    split = thirds(data.n_rows)
    scaled = replace(data, perturbations=data.perturbations * 1000)
    np.testing.assert_allclose(baselines(scaled, split)["ridge"], baselines(data, split)["ridge"])


def test_ridge_without_any_perturbation_predicts_the_mean():
    data = simulated()
    data = replace(data, perturbations=np.zeros_like(data.perturbations))
    predicted = baselines(data, thirds(data.n_rows))
    np.testing.assert_allclose(predicted["ridge"], predicted["mean"])


def test_persistence_carries_the_last_measured_value_on():
    data = simulated(n_rows=3, n_times=4, n_nodes=1)
    measurements = np.array([[1.0, NAN, 3.0, 4.0], [NAN, 2.0, NAN, NAN], [9.0] * 4])[:, :, None]
    data = replace(data, measurements=measurements)
    split = Split(np.array([2]), np.array([2]), np.array([0, 1]))
    predicted = baselines(data, split)["persistence"]
    np.testing.assert_array_equal(predicted[:, :, 0], [[0, 1, 1, 3], [0, 0, 2, 2]])


def test_single_time_point_has_no_persistence():
    data = simulated(n_times=1)
    split = thirds(data.n_rows)
    assert baselines(data, split)["persistence"] is None
    assert score_baselines(data, split)["persistence"] is None


def test_scores_leave_activity_nodes_out_unless_asked():
    data = simulated()
    measurements = data.measurements.copy()
    measurements[..., 3] *= 100
    activity = np.array([False, False, False, True])
    data = replace(data, measurements=measurements, activity_nodes=activity)
    split = thirds(data.n_rows)
    headline = score_baselines(data, split)
    everything = score_baselines(data, split, np.ones(4, bool))
    assert set(headline) == {"mean", "ridge", "additive", "persistence"}
    assert headline["mean"].test_mae < 0.2 * everything["mean"].test_mae
    assert headline["ridge"].test_mae < headline["mean"].test_mae
    assert headline["ridge"].test_mae_noise_free is not None
