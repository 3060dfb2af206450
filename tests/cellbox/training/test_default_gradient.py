"""The gradient that training uses by default is that of diffrax's recursive checkpointing."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cellbox.data.simulation import simulate_system
from cellbox.equation.dynamics import Parameters
from cellbox.equation.solver_settings import SolverSettings
from cellbox.networks.known_systems import system
from cellbox.training.objective import Minibatch, loss

Problem = tuple[Parameters, jax.Array, jax.Array, jax.Array]


def of_system(name: str) -> Problem:
    """A network on the way to the true one, and the first five conditions that train it."""
    data = simulate_system(system(name))
    rows = data.split.training[:5]
    random = np.random.default_rng(0)
    return problem(
        0.8 * data.truth.weights + random.normal(0, 0.1, data.truth.weights.shape),
        data.truth.amplitudes,
        data.perturbations[rows].T,
        data.times,
        data.measurements[rows].transpose(1, 2, 0),
    )


def of_99_nodes() -> Problem:
    """As many nodes as SK-MEL-133 has, and two conditions."""
    random = np.random.default_rng(0)
    return problem(
        random.normal(0, 0.1, (99, 99)),
        np.ones(99),
        random.uniform(-1, 1, (99, 2)),
        np.array([2.0, 5.0, 10.0]),
        random.normal(0, 0.5, (3, 99, 2)),
    )


def problem(weights, amplitudes, *data) -> Problem:
    number = lambda values: jnp.asarray(values, jnp.float32)  # noqa: E731
    return Parameters(number(weights), jnp.log(number(amplitudes))), *map(number, data)


def gradient(parameters, perturbations, times, measured, **settings) -> np.ndarray:
    """Of the training loss over the whole horizon, in float32."""
    batch = Minibatch(perturbations, times, measured, jnp.ones(measured.shape, bool))
    whole, l1 = jnp.asarray(False), jnp.float32(1e-3)
    solver = SolverSettings(**settings)
    by_parameters = jax.jit(jax.grad(lambda p: loss(p, batch, whole, l1, solver)[0]))
    return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(by_parameters(parameters))])


# Both take adaptive steps of their own, diffrax beginning anew after each measured time; so they
# agree to the tolerance of the steps, which is 1e-3.
@pytest.mark.parametrize("name", ["LI", "GSD", "99 nodes"])
def test_the_default_gradient_is_that_of_recursive_checkpoint_within_the_solvers_tolerance(name):
    given = of_99_nodes() if name == "99 nodes" else of_system(name)
    found = gradient(*given)
    expected = gradient(*given, adjoint="recursive_checkpoint")
    assert np.linalg.norm(found - expected) <= 1e-3 * np.linalg.norm(expected)
