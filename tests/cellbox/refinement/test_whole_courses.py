import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cellbox
from cellbox.equation.dynamics import Parameters
from cellbox.equation.forward_sensitivity import sensitivities
from cellbox.equation.solver_settings import precision_context
from cellbox.refinement.multiple_shooting import MultipleShooting
from cellbox.refinement.whole_courses import (
    LONGEST_STEP,
    Penalty,
    Series,
    gauss_newton_step,
    row_blocks,
    slope_and_blocks,
    sum_of_squares,
)


@pytest.fixture(scope="module")
def experiment():
    """A network, a point near it, and measurements of which some are missing."""
    network = cellbox.random_network(5, density=0.3, seed=3)
    data = cellbox.simulate(network, n_conditions=7, n_times=3, noise=0.01, seed=0)
    measurements = data.measurements.copy()
    measurements[0, 1] = measurements[2, :, 3] = np.nan
    problem = MultipleShooting(data.perturbations, measurements, data.times)
    rng = np.random.default_rng(0)
    weights = network.weights + 0.1 * rng.standard_normal((5, 5))
    return problem, cellbox.Network(network.nodes, weights, network.amplitudes * 1.1)


def at(network) -> Parameters:
    return Parameters(jnp.asarray(network.weights), jnp.log(jnp.asarray(network.amplitudes)))


def flat(parameters: Parameters) -> np.ndarray:
    return np.concatenate([np.ravel(parameters.weights), np.ravel(parameters.log_amplitudes)])


def exact(problem, network):
    """Residuals, and their derivatives by W (row-major) and log α, by the sensitivities."""
    states, jacobian = sensitivities(network, problem.perturbations, problem.times)
    by_log = np.append(np.ones(network.n_nodes**2), network.amplitudes)
    return (states - problem.measurements)[problem.measured], jacobian[problem.measured] * by_log


def ridge(strength: float, like: Parameters) -> Penalty:
    return Penalty(
        jax.tree.map(lambda values: jnp.full_like(values, strength), like),
        jax.tree.map(jnp.zeros_like, like),
    )


def test_the_sum_of_squares_is_that_of_the_exact_responses(experiment):
    problem, network = experiment
    residuals, _ = exact(problem, network)
    with precision_context("float64"):
        total = float(sum_of_squares(at(network), Series.of(problem), jnp.zeros(())))
    assert total == pytest.approx(np.sum(residuals**2), rel=1e-3)


def test_the_slope_is_that_of_the_exact_sensitivities(experiment):
    problem, network = experiment
    residuals, jacobian = exact(problem, network)
    with precision_context("float64"):
        slope, _ = slope_and_blocks(at(network), Series.of(problem))
    expected = jacobian.T @ residuals
    np.testing.assert_allclose(flat(slope), expected, atol=2e-3 * np.abs(expected).max())


@pytest.mark.parametrize(
    "rough",
    [None, (2 * LONGEST_STEP, "float64"), (2 * LONGEST_STEP, "float32")],
    ids=["its own steps", "twice as long", "in float32"],
)
def test_a_step_is_the_damped_gauss_newton_step_over_the_free_weights(experiment, rough):
    problem, network = experiment
    residuals, jacobian = exact(problem, network)
    free = np.ones((5, 5), bool)
    free[1, 2:4] = False
    among = np.append(free.ravel(), np.ones(5, bool))
    variance, damping, strength = 0.01, 0.1, 2.0
    chosen = jacobian[:, among]
    curvature = chosen.T @ chosen / variance
    with precision_context("float64"):
        point, series = at(network), Series.of(problem)
        blocks = row_blocks(point, series, jnp.zeros(()))
        step = gauss_newton_step(
            point,
            series,
            jnp.zeros(()),
            jnp.asarray(free),
            ridge(strength, point),
            jnp.asarray(variance),
            jnp.asarray(damping),
            blocks=blocks,
            rough=None if rough is None else Series.of(problem, *rough),
        )
        own = flat(blocks.diagonal)[among] / variance
    curvature += np.diag(strength + damping * own)
    downhill = -chosen.T @ residuals / variance - strength * flat(point)[among]
    expected = np.zeros(30)
    expected[among] = np.linalg.solve(curvature, downhill)
    np.testing.assert_allclose(flat(step), expected, atol=0.02 * np.abs(expected).max())
    assert (np.asarray(step.weights)[~free] == 0).all()


def test_row_blocks_are_exact_where_no_node_reacts_to_another():
    # Without edges nothing that one entry of W does comes back through another node.
    network = cellbox.Network(("a", "b", "c"), np.zeros((3, 3)), np.array([0.5, 1.0, 2.0]))
    perturbations = np.array([[1.0, 0.0, 0.5], [0.0, -1.0, 0.3]])
    problem = MultipleShooting(perturbations, np.zeros((2, 2, 3)), np.array([2.0, 5.0]))
    _, jacobian = exact(problem, network)
    with precision_context("float64"):
        blocks = row_blocks(at(network), Series.of(problem), jnp.zeros(()))
    for node in range(3):
        row = [*range(3 * node, 3 * node + 3), 9 + node]
        expected = jacobian[:, row].T @ jacobian[:, row]
        np.testing.assert_allclose(blocks.curvature[node], expected, rtol=0.02, atol=1e-4)


def test_groups_of_conditions_and_their_padding_change_nothing(experiment, monkeypatch):
    problem, network = experiment
    monkeypatch.setattr("cellbox.refinement.whole_courses._MULTIPLE", 1)
    with precision_context("float64"):
        whole = Series.of(problem)
        monkeypatch.setattr("cellbox.refinement.whole_courses._GROUP", 4)
        parts = Series.of(problem)
        assert whole.perturbations.shape[0] == 1
        assert parts.perturbations.shape[0] > 1
        (one, first), (other, second) = (
            slope_and_blocks(at(network), series) for series in (whole, parts)
        )
    np.testing.assert_allclose(flat(one), flat(other), atol=1e-12)
    np.testing.assert_allclose(first.curvature, second.curvature, atol=1e-12)


def test_with_a_gain_of_one_courses_begin_anew_where_they_were_measured(experiment):
    problem, network = experiment
    full = MultipleShooting(
        problem.perturbations, np.nan_to_num(problem.measurements), problem.times
    )
    point = full.point(network)
    with precision_context("float64"):
        total = float(sum_of_squares(at(network), Series.of(full), jnp.ones(())))
    # The ends of intervals from measured states, less what was measured there.
    assert total == pytest.approx(full.tie**2 * full.sum_of_squares(point), rel=1e-3)
