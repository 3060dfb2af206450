"""Least squares with free states: derivatives, missing values, unstable responses."""

from dataclasses import replace

import numpy as np
import pytest

from cellbox.data.simulation import simulate
from cellbox.networks.network import Network
from cellbox.refinement.damped_steps import least_squares
from cellbox.refinement.linearised import Iterate
from cellbox.refinement.multiple_shooting import MultipleShooting

NETWORK = Network(
    ("a", "b", "c"),
    np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.5], [0.0, 0.0, 0.8]]),
    np.array([0.8, 1.0, 0.6]),
)


def problem_of(data):
    rows = data.split.training
    return MultipleShooting.of(data, rows)


@pytest.fixture(scope="module")
def problem():
    return problem_of(simulate(NETWORK, n_conditions=12, n_times=4, noise=0.01, seed=1))


def everything(problem):
    return np.ones(problem.n_nodes * (problem.n_nodes + 1), bool)


@pytest.mark.parametrize("missing", [0.0, 0.2])
def test_the_quadratic_is_the_sum_of_squares_over_the_best_states(problem, missing):
    lost = np.random.default_rng(3).random(problem.measurements.shape) < missing
    problem = replace(problem, measurements=np.where(lost, np.nan, problem.measurements))
    free = everything(problem)
    point, _ = least_squares(problem, problem.point(NETWORK), np.zeros_like(free))
    quadratic = problem.linearise(point)
    for parameter in range(len(free)):
        values = []
        for step in (-1e-4, 1e-4):
            parameters = point.parameters.copy()
            parameters[parameter] += step
            near = Iterate(parameters, point.states)
            best, _ = least_squares(problem, near, np.zeros_like(free), tolerance=1e-12)
            values.append(problem.sum_of_squares(best))
        slope = (values[1] - values[0]) / 2e-4
        assert slope == pytest.approx(2 * quadratic.gradient[parameter], rel=1e-2, abs=1e-4)


def test_from_a_rough_start_it_finds_the_network(problem):
    rough = Network(NETWORK.nodes, NETWORK.weights * 0.6 + 0.1, NETWORK.amplitudes * 1.3)
    point, steps = least_squares(problem, problem.point(rough), everything(problem))
    found = problem.network(point, NETWORK.nodes)
    assert 0 < steps < 30
    np.testing.assert_allclose(found.weights, NETWORK.weights, atol=0.15)
    np.testing.assert_allclose(found.amplitudes, NETWORK.amplitudes, atol=0.05)
    noise = np.sqrt(problem.sum_of_squares(point) / problem.n_values)
    assert noise == pytest.approx(0.01, rel=0.25)


def test_parameters_that_are_not_free_stay_where_they_are(problem):
    free = everything(problem)
    free[2] = False
    start = problem.point(NETWORK)
    point, _ = least_squares(problem, start, free)
    assert point.parameters[2] == start.parameters[2]


def test_missing_values_cost_information_and_nothing_else():
    data = simulate(NETWORK, n_conditions=20, n_times=4, noise=0.001, seed=2)
    data.measurements[np.random.default_rng(0).random(data.measurements.shape) < 0.2] = np.nan
    problem = problem_of(data)
    assert problem.n_values == np.isfinite(data.measurements[data.split.training]).sum()
    point, _ = least_squares(problem, problem.point(NETWORK), everything(problem))
    found = problem.network(point, NETWORK.nodes)
    np.testing.assert_allclose(found.weights, NETWORK.weights, atol=0.05)


def test_a_network_that_cannot_be_solved_has_an_infinite_sum_and_stays(problem):
    stiff = Network(NETWORK.nodes, NETWORK.weights * 1e300, NETWORK.amplitudes * 1e300)
    start = problem.point(stiff)
    assert problem.sum_of_squares(start) == np.inf
    point, steps = least_squares(problem, start, everything(problem))
    assert steps == 0
    assert (point.parameters == start.parameters).all()


@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_steps_of_wildly_unstable_networks_can_be_solved(missing):
    data = simulate(NETWORK, n_conditions=12, n_times=4, noise=0.01, seed=1)
    random = np.random.default_rng(4)
    data.measurements[random.random(data.measurements.shape) < missing] = np.nan
    problem = problem_of(data)
    solved = 0
    for scale in (3.0, 10.0, 30.0):
        for _ in range(4):
            wild = Network(NETWORK.nodes, scale * random.normal(size=(3, 3)), NETWORK.amplitudes)
            start = problem.point(wild)
            if np.isfinite(problem.sum_of_squares(start)):
                point, _ = least_squares(problem, start, everything(problem))
                assert problem.sum_of_squares(point) <= problem.sum_of_squares(start)
                solved += 1
    assert solved >= 6
