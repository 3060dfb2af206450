"""Equation 1 follows the paper's conventions, and starts where the paper's code starts."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cellbox.equation.dynamics import initial_parameters, velocity
from cellbox.networks.network import Network
from tests.cellbox.small import LOOP, parameters_of


def velocity_of(network: Network, state, perturbation) -> np.ndarray:
    arguments = (parameters_of(network), jnp.asarray(perturbation, jnp.float32))
    return np.asarray(velocity(0.0, jnp.asarray(state, jnp.float32), arguments))


def network(weights, amplitudes) -> Network:
    nodes = tuple(f"g{number}" for number in range(len(amplitudes)))
    return Network(nodes, np.asarray(weights, float), np.asarray(amplitudes, float))


def test_a_positive_perturbation_pushes_its_own_node_down_and_no_other():
    pushed = velocity_of(network(np.zeros((2, 2)), [1.0, 1.0]), [0.0, 0.0], [0.5, 0.0])
    np.testing.assert_allclose(pushed, [-np.tanh(0.5), 0.0], rtol=1e-6)


def test_the_row_of_w_is_the_target_and_the_column_the_source():
    second_acts_on_first = network([[0.0, 2.0], [0.0, 0.0]], [1.0, 1.0])
    moved = velocity_of(second_acts_on_first, [0.0, 0.3], [0.0, 0.0])
    np.testing.assert_allclose(moved, [np.tanh(0.6), -0.3], rtol=1e-6)


def test_the_amplitude_scales_the_response_and_not_the_decay():
    moved = velocity_of(network([[0.5]], [0.2]), [0.8], [-1.0])
    np.testing.assert_allclose(moved, [0.2 * np.tanh(0.4 + 1.0) - 0.8], rtol=1e-6)


def test_conditions_side_by_side_move_as_each_does_alone():
    states, perturbations = np.random.default_rng(0).normal(size=(2, 3, 4))
    together = velocity_of(LOOP, states, perturbations)
    for column in range(4):
        alone = velocity_of(LOOP, states[:, column], perturbations[:, column])
        np.testing.assert_allclose(together[:, column], alone, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_training_starts_in_the_ranges_of_the_papers_code(precision):
    with jax.enable_x64(precision == "float64"):
        start = initial_parameters(jax.random.key(3), 30, jnp.dtype(precision))
        assert start.weights.dtype == start.log_amplitudes.dtype == precision
        weights, amplitudes = np.asarray(start.weights), np.asarray(start.amplitudes)
    assert (weights >= 0).all()
    assert (weights < 0.01).all()
    assert weights.std() == pytest.approx(0.01 / np.sqrt(12), rel=0.1)
    assert (amplitudes > 0.5 - 1e-6).all()
    assert (amplitudes < 0.51 + 1e-6).all()


def test_a_start_depends_on_its_key_alone():
    first, again, other = (
        initial_parameters(jax.random.key(seed), 3, jnp.dtype("float32")) for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first.weights, again.weights)
    assert not np.array_equal(first.weights, other.weights)
    assert not np.array_equal(first.log_amplitudes, other.log_amplitudes)
