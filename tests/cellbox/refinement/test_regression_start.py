"""A network guessed by regression: right where the assumptions hold, and usable where not."""

from dataclasses import replace

import numpy as np
import pytest

import cellbox
import cellbox.equation.network_responses
from cellbox.data.simulation import simulate_system
from cellbox.networks.known_systems import system
from cellbox.networks.network import Network
from cellbox.refinement.multiple_shooting import MultipleShooting
from cellbox.refinement.regression_start import regression_start
from cellbox.scores.metrics import pearson_correlation


def experiment(name="LI", **changes):
    data = simulate_system(system(name), seed=1, noise=0.01, design="balanced", **changes)
    return data, MultipleShooting.of(data, data.split.training)


def test_with_known_amplitudes_steady_states_without_noise_give_the_network_itself():
    network = Network(("a", "b"), np.array([[0.0, -0.8], [0.6, 0.0]]), np.array([1.0, 1.0]))
    doses = np.random.default_rng(0).uniform(-1, 1, (30, 2))
    states = cellbox.equation.network_responses.responses(network, doses, np.array([50.0]))
    # The largest response of each node is to be its amplitude over what the guess multiplies by.
    doses = np.vstack([doses, np.zeros((1, 2))])
    extreme = np.full((1, 1, 2), 1 / 1.1)
    doses[-1] = network.weights @ extreme[0, 0] - np.arctanh(extreme[0, 0])
    problem = MultipleShooting(doses, np.vstack([states, extreme]), np.array([50.0]))
    guess = regression_start(problem, network.nodes)
    np.testing.assert_allclose(guess.amplitudes, 1.0)
    np.testing.assert_allclose(guess.weights, network.weights, atol=0.03)


def test_it_lies_near_the_network_that_made_the_data():
    data, problem = experiment()
    guess = regression_start(problem, data.nodes)
    assert pearson_correlation(guess.weights, data.truth.weights) > 0.7


def test_edges_that_may_not_be_are_not():
    data, problem = experiment("mCAD")
    allowed = np.ones((5, 5), bool)
    allowed[2] = False
    allowed[0, 3] = False
    guess = regression_start(problem, data.nodes, allowed)
    assert (guess.weights[~allowed] == 0).all()
    assert (guess.weights[allowed] != 0).all()


@pytest.mark.parametrize("lost", [0.1, 0.3])
def test_missing_values_are_bridged(lost):
    data, problem = experiment()
    random = np.random.default_rng(2)
    missing = random.random(problem.measurements.shape) < lost
    problem = replace(problem, measurements=np.where(missing, np.nan, problem.measurements))
    guess = regression_start(problem, data.nodes)
    assert pearson_correlation(guess.weights, data.truth.weights) > 0.5


def test_nodes_that_were_never_measured_and_data_without_response_give_finite_numbers():
    _, problem = experiment("mCAD")
    nothing = np.zeros_like(problem.measurements)
    nothing[..., 2] = np.nan
    guess = regression_start(replace(problem, measurements=nothing), tuple("abcde"))
    assert np.isfinite(guess.weights).all()
    assert (guess.amplitudes > 0).all()


def test_an_interval_without_length_tells_nothing():
    data, problem = experiment()
    problem = replace(problem, times=np.array([4.0, 4.0, 8.0, 12.0, 16.0]))
    guess = regression_start(problem, data.nodes)
    assert np.isfinite(guess.weights).all()
    assert np.isfinite(guess.amplitudes).all()


def test_from_it_steady_states_are_learned_where_descent_diverges():
    data, _ = experiment(n_times=1, n_conditions=35)
    model = cellbox.fit(data, seed=0)
    assert model.training.status == "completed"
    assert pearson_correlation(model.network.weights, data.truth.weights) > 0.999
