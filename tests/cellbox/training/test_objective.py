"""The loss masks what was not measured, and shooting restarts where it should."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cellbox.equation.shooting import shoot
from cellbox.equation.solver_settings import SolverSettings
from cellbox.training.objective import Minibatch, loss, mean_absolute_error
from tests.cellbox.small import LOOP, parameters_of, scipy_response

SETTINGS = SolverSettings(rtol=1e-5)
TIMES = np.array([0.5, 1.5, 3.0])
U = np.random.default_rng(0).uniform(-1, 1, (3, 2)).astype(np.float32)
_shoot = jax.jit(lambda *arguments: shoot(*arguments, SETTINGS))
_loss = jax.jit(jax.value_and_grad(lambda *arguments: loss(*arguments, SETTINGS), has_aux=True))


def follow(measurements, *, restart: bool, times=TIMES) -> np.ndarray:
    """Predictions by shooting through measurements: (n_times, n_nodes, n_conditions)."""
    arguments = (jnp.asarray(times, jnp.float32), jnp.asarray(measurements, jnp.float32))
    predicted, reached = _shoot(parameters_of(LOOP), U, *arguments, jnp.asarray(restart))
    assert reached
    return np.asarray(predicted)


def measured(seed=1) -> np.ndarray:
    """Measurements that are nowhere near the model's own response."""
    return np.random.default_rng(seed).normal(size=(len(TIMES), 3, 2))


def test_single_shooting_follows_the_response_whatever_was_measured():
    expected = np.stack([scipy_response(LOOP, u, TIMES) for u in U.T], axis=-1)
    np.testing.assert_allclose(follow(measured(), restart=False), expected, atol=1e-4)


def test_interval_shooting_restarts_each_interval_from_the_measured_state():
    values = measured()
    predicted = follow(values, restart=True)
    for column, u in enumerate(U.T):
        start = np.zeros(3)
        for slot, length in enumerate(np.diff(TIMES, prepend=0.0)):
            expected = scipy_response(LOOP, u, [length], start)[0]
            np.testing.assert_allclose(predicted[slot, :, column], expected, atol=1e-4)
            start = values[slot, :, column]


def test_a_missing_start_value_continues_from_the_model():
    values = measured()
    values[0, 1, 0] = np.nan
    predicted = follow(values, restart=True)
    start = values[0, :, 0].copy()
    start[1] = predicted[0, 1, 0]
    expected = scipy_response(LOOP, U[:, 0], [TIMES[1] - TIMES[0]], start)[0]
    np.testing.assert_allclose(predicted[1, :, 0], expected, atol=1e-4)


def test_interval_shooting_with_nothing_measured_is_single_shooting():
    nothing = np.full((len(TIMES), 3, 2), np.nan)
    np.testing.assert_array_equal(follow(nothing, restart=True), follow(nothing, restart=False))


def test_with_one_time_point_both_kinds_of_shooting_are_the_same():
    values = measured()[:1]
    alike = [follow(values, restart=restart, times=TIMES[-1:]) for restart in (True, False)]
    np.testing.assert_array_equal(*alike)


def test_a_repeated_time_adds_an_interval_in_which_nothing_happens():
    nothing = np.full((len(TIMES) + 1, 3, 2), np.nan)
    predicted = follow(nothing, restart=False, times=[*TIMES, TIMES[-1]])
    np.testing.assert_array_equal(predicted[-1], predicted[-2])


def loss_of(measurements, counted=None, *, restart=True, l1=0.0):
    measurements = jnp.asarray(measurements, jnp.float32)
    counted = jnp.ones(measurements.shape, bool) if counted is None else jnp.asarray(counted)
    return _loss(
        parameters_of(LOOP),
        Minibatch(U, jnp.asarray(TIMES, jnp.float32), measurements, counted),
        jnp.asarray(restart),
        jnp.asarray(l1, jnp.float32),
    )


@pytest.mark.parametrize("restart", [True, False])
def test_missing_measurements_leave_error_and_gradient_finite(restart):
    values = measured()
    values[0, 0, 0] = values[2, 1, 1] = values[1, :, 0] = np.nan
    (value, (error, reached)), gradient = loss_of(values, restart=restart)
    assert reached
    predicted = follow(values, restart=restart)
    assert error == pytest.approx(np.nanmean(np.abs(predicted - values)), rel=1e-5)
    assert value == error
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(gradient))
    assert np.abs(gradient.weights).max() > 0


def test_what_is_not_counted_does_not_matter_even_if_it_is_nan():
    counted = np.ones((len(TIMES), 3, 2), bool)
    counted[-1] = False
    results = []
    for value in (np.nan, 0.0, 1e6):
        values = measured()
        values[-1] = value
        results.append(loss_of(values, counted))
    for (_, (error, _)), gradient in results[1:]:
        assert error == results[0][0][1][0]
        np.testing.assert_array_equal(gradient.weights, results[0][1].weights)


def test_with_nothing_measured_the_error_is_zero_and_so_is_its_gradient():
    (value, _), gradient = loss_of(np.full((len(TIMES), 3, 2), np.nan))
    assert value == 0
    np.testing.assert_array_equal(gradient.weights, np.zeros((3, 3)))


def test_the_penalty_is_the_sum_of_absolute_weights():
    (value, (error, _)), gradient = loss_of(measured(), l1=0.1)
    assert value - error == pytest.approx(0.1 * np.abs(LOOP.weights).sum(), rel=1e-4)
    _, without = loss_of(measured())
    penalty = np.asarray(gradient.weights - without.weights)
    present = LOOP.weights != 0
    np.testing.assert_allclose(penalty[present], 0.1 * np.sign(LOOP.weights[present]), atol=1e-5)
    np.testing.assert_array_equal(gradient.log_amplitudes, without.log_amplitudes)


def test_the_mean_error_is_over_measured_and_counted_values_alone():
    error = mean_absolute_error(
        jnp.asarray([1.0, 2.0, 3.0, 4.0]),
        jnp.asarray([0.0, jnp.nan, 3.5, 9.0]),
        jnp.asarray([True, True, True, False]),
    )
    assert error == pytest.approx((1.0 + 0.5) / 2)


def test_values_count_by_their_precision_where_it_is_known():
    def error_of(*precisions):
        apart = (jnp.asarray([1.0, 2.0, 4.0]), jnp.asarray([0.0, 0.0, jnp.nan]))
        return mean_absolute_error(*apart, jnp.ones(3, bool), jnp.asarray(precisions))

    assert error_of(3.0, 1.0, 9.0) == pytest.approx((3 * 1 + 1 * 2) / 4)
    assert error_of(0.5, 0.5, 0.5) == pytest.approx(1.5)
    assert error_of(0.0, 0.0, 1.0) == 0
