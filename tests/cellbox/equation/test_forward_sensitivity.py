"""Sensitivities are the derivatives of the response that Eq. 1 gives."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cellbox.equation.dynamics import Parameters
from cellbox.equation.forward_sensitivity import sensitivities, state_and_sensitivities
from cellbox.equation.integrate import integrate_each
from cellbox.equation.network_responses import responses
from cellbox.equation.solver_settings import EXACT, precision_context
from cellbox.networks.network import Network
from cellbox.networks.random_networks import random_network
from tests.cellbox.small import LOOP, scipy_response

TIMES = np.array([0.5, 1.5, 4.0])
PERTURBATIONS = np.random.default_rng(0).uniform(-1, 1, (4, 3))


@pytest.fixture(scope="module")
def computed() -> tuple[np.ndarray, np.ndarray]:
    return sensitivities(LOOP, PERTURBATIONS, TIMES)


def forward_mode(network: Network, perturbations, times) -> np.ndarray:
    """The derivatives of `integrate_each` by W, row by row, and then by α."""
    n = network.n_nodes
    direct = replace(EXACT, adjoint="direct", max_steps=128)
    with precision_context("float64"):

        def response(flat):
            parameters = Parameters(flat[: n * n].reshape(n, n), jnp.log(flat[n * n :]))
            return integrate_each(
                parameters, jnp.asarray(perturbations), jnp.asarray(times), direct
            )[0]

        flat = jnp.concatenate([jnp.ravel(network.weights), network.amplitudes])
        return np.asarray(jax.jit(jax.jacfwd(response))(flat))


def test_states_are_those_of_the_response(computed):
    states, _ = computed
    exact = np.stack([scipy_response(LOOP, row, TIMES) for row in PERTURBATIONS])
    np.testing.assert_allclose(states, exact, atol=1e-8)


def test_derivatives_agree_with_forward_mode_through_the_solver(computed):
    states, jacobian = computed
    assert states.dtype == jacobian.dtype == np.float64
    assert jacobian.shape == (4, 3, 3, 12)
    np.testing.assert_allclose(
        jacobian, forward_mode(LOOP, PERTURBATIONS, TIMES), atol=1e-7, rtol=1e-6
    )


def test_derivatives_agree_with_finite_differences():
    network = random_network(4, density=0.4, amplitude=0.7, seed=2)
    perturbations = np.random.default_rng(1).uniform(0, 1, (2, 4))
    _, jacobian = sensitivities(network, perturbations, TIMES)
    flat = np.concatenate([network.weights.ravel(), network.amplitudes])

    def response(flat):
        changed = Network(network.nodes, flat[:16].reshape(4, 4), flat[16:])
        return responses(changed, perturbations, TIMES)

    step = 1e-4
    for parameter, direction in enumerate(step * np.eye(len(flat))):
        slope = (response(flat + direction) - response(flat - direction)) / (2 * step)
        np.testing.assert_allclose(jacobian[..., parameter], slope, atol=1e-6)


def test_a_node_that_never_moves_tells_nothing_about_what_it_acts_on():
    silent = replace(LOOP, weights=np.array([[0.0, 0.0, 0.0], [1.2, 0.5, 0.3], [0.1, 0.8, 0.0]]))
    perturbations = np.array([[0.0, 0.7, 0.2]])
    _, jacobian = sensitivities(silent, perturbations, TIMES)
    by_weights = jacobian[..., :9].reshape(1, 3, 3, 3, 3)
    assert (by_weights[..., 0] == 0).all()
    assert (by_weights[..., 1:] != 0).any()


def test_a_row_too_stiff_to_solve_is_nan_and_the_others_are_not():
    # Each node represses itself so strongly that explicit steps must be minute.
    stiff = replace(LOOP, weights=-1e6 * np.eye(3))
    states, jacobian = sensitivities(stiff, np.array([[0.0, 0.0, 0.0], [0.5, 0.2, 0.1]]), TIMES)
    assert np.isfinite(jacobian[0]).all()
    assert np.isnan(states[1]).all()
    assert np.isnan(jacobian[1]).all()


def test_a_repeated_time_and_single_precision_are_taken_under_jit():
    times = np.array([0.5, 1.5, 1.5, 4.0])
    run = jax.jit(lambda w, a, u, t: state_and_sensitivities(w, a, u, t, rtol=1e-5))
    states, jacobian, reached = run(
        *(
            jnp.asarray(array, jnp.float32)
            for array in (LOOP.weights, LOOP.amplitudes, PERTURBATIONS, times)
        )
    )
    assert reached.all()
    assert jacobian.dtype == jnp.float32
    np.testing.assert_array_equal(jacobian[:, 1], jacobian[:, 2])
    exact_states, exact = sensitivities(LOOP, PERTURBATIONS, TIMES)
    np.testing.assert_allclose(states[:, [0, 1, 3]], exact_states, atol=1e-5)
    np.testing.assert_allclose(jacobian[:, [0, 1, 3]], exact, atol=1e-4)


def test_the_program_can_be_kept_for_the_next_process():
    shapes = [jax.ShapeDtypeStruct(shape, float) for shape in ((3, 3), (3,), (4, 3), (3,))]
    program = jax.jit(state_and_sensitivities).lower(*shapes).as_text()
    # JAX keeps no program that calls back.
    assert "callback" not in program
