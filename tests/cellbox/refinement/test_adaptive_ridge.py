from dataclasses import replace

import numpy as np
import pytest

import cellbox
from cellbox.refinement.adaptive_ridge import explain_courses, refine_courses
from cellbox.refinement.edge_prices import EdgePrices
from cellbox.refinement.multiple_shooting import MultipleShooting
from cellbox.refinement.refine import explain, refine
from cellbox.refinement.regression_start import regression_start


def correlation(found, truth) -> float:
    return float(np.corrcoef(found.weights.ravel(), truth.weights.ravel())[0, 1])


def experiment(network, n_conditions, **options):
    data = cellbox.simulate(network, n_conditions=n_conditions, design="balanced", **options)
    return data, MultipleShooting.of(data, data.split.training)


@pytest.fixture(scope="module")
def small():
    """Eight nodes: enough to choose among edges, and quick."""
    network = cellbox.random_network(8, density=0.2, amplitude=0.7, seed=4)
    data, problem = experiment(network, 24, noise=0.01, seed=5)
    start = regression_start(problem, data.nodes)
    return data, problem, start, refine_courses(problem, start)


def test_the_true_edges_and_no_others_are_found(small):
    data, _, start, found = small
    assert correlation(start, data.truth) < 0.95
    assert ((found.network.weights != 0) == (data.truth.weights != 0)).all()
    assert correlation(found.network, data.truth) > 0.999
    assert found.noise == pytest.approx(0.01, rel=0.15)
    np.testing.assert_allclose(found.network.amplitudes, 0.7, rtol=0.05)


def test_the_true_edges_explain_data_better_than_their_cost_and_than_all_edges(small):
    data, problem, start, found = small
    assert found.information < explain_courses(problem, start).information
    every = refine_courses(problem, start, select_edges=False)
    assert every.n_edges == 64
    assert found.information < every.information
    assert found.noise < 1.02 * explain_courses(problem, data.truth).noise


def test_edges_that_are_not_allowed_stay_zero(small):
    data, problem, start, _ = small
    allowed = np.ones((8, 8), bool)
    target, source = np.argwhere(data.truth.weights != 0)[0]
    allowed[target, source] = False
    found = refine_courses(problem, start, allowed_edges=allowed)
    assert found.network.weights[target, source] == 0
    assert np.isfinite(found.information)


def test_the_same_start_gives_the_same_network_to_the_bit(small):
    _, problem, start, found = small
    again = refine_courses(problem, start)
    np.testing.assert_array_equal(again.network.weights, found.network.weights)


def test_missing_values_are_explained_by_nothing(small):
    data, problem, start, _ = small
    measurements = problem.measurements.copy()
    measurements[::3, 1] = np.nan
    partly = MultipleShooting(problem.perturbations, measurements, problem.times)
    found = refine_courses(partly, start)
    assert found.n_values == np.isfinite(measurements).sum()
    assert correlation(found.network, data.truth) > 0.99


def test_a_start_that_cannot_be_solved_has_an_infinite_criterion(small):
    _, problem, start, _ = small
    wild = cellbox.Network(start.nodes, start.weights, np.full(8, 1e200))
    # Steps of a quarter are too long where a deviation decays sixteen times in a unit of time.
    stiff = cellbox.Network(start.nodes, -15.0 * np.eye(8), np.ones(8))
    for network in (wild, stiff):
        assert explain_courses(problem, network).information == np.inf


def test_past_the_largest_with_free_states_networks_are_recovered_edge_by_edge(monkeypatch):
    """With 16 nodes; `tests.benchmarks.large` runs with 41 and more."""
    monkeypatch.setattr("cellbox.refinement.refine.LARGEST_WITH_FREE_STATES", 15)
    network = cellbox.random_network(16, density=0.15, amplitude=0.5, motif="acyclic", seed=6)
    data, problem = experiment(network, 24, noise=0.01, seed=7)
    found = refine(problem, regression_start(problem, data.nodes))
    assert ((found.network.weights != 0) == (network.weights != 0)).all()
    assert correlation(found.network, network) > 0.998
    assert found.noise < 1.02 * explain(problem, network).noise


def test_a_prior_lets_edges_in_and_keeps_others_out(small):
    """One true edge is made dear, and one that is none is made cheap."""
    _, problem, _, found = small
    weights = found.network.weights
    target, source = np.argwhere(weights != 0)[0]
    free = np.where(np.abs(weights) > 0, 0.0, -np.log(problem.n_values) + 0.1)
    prices = EdgePrices(free, free, 0.0, 1.0, 0.2)
    more = refine_courses(replace(problem, prices=prices), found.network)
    assert more.n_edges > found.n_edges
    assert more.prior_strength == 1.0
    dear = np.zeros((8, 8))
    dear[target, source] = 1e4
    less = refine_courses(replace(problem, prices=EdgePrices(dear, dear, 0, 1, 0.2)), found.network)
    assert less.network.weights[target, source] == 0
