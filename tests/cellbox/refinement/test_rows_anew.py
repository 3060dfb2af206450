from dataclasses import replace

import numpy as np
import pytest

import cellbox
from cellbox.refinement import search as refining
from cellbox.refinement.damped_steps import least_squares
from cellbox.refinement.edge_prices import EdgePrices
from cellbox.refinement.multiple_shooting import MultipleShooting
from cellbox.refinement.refine import refine
from cellbox.refinement.regression_start import regression_start
from cellbox.refinement.rows_anew import Here, choose_rows_anew


@pytest.fixture(scope="module")
def few():
    """VSC from fewer conditions than a row has entries: six, of two nodes each."""
    network = cellbox.system("VSC").network
    data = cellbox.simulate(network, n_conditions=6, design="balanced", noise=0.001, seed=1307)
    return network, MultipleShooting.of(data, data.split.training)


@pytest.fixture(scope="module")
def found(few):
    network, problem = few
    return refined(problem, network)


def refined(problem, network, **options):
    return refine(problem, regression_start(problem, network.nodes), **options)


def correlation(one, network) -> float:
    return float(np.corrcoef(one.network.weights.ravel(), network.weights.ravel())[0, 1])


def test_a_network_is_found_from_fewer_conditions_than_leaving_out_finds_it_from(
    few, found, monkeypatch
):
    network, problem = few
    monkeypatch.setattr(refining, "_MOST_CHOICES", 0)
    before = refined(problem, network)
    assert correlation(before, network) < 0.9
    assert found.information < before.information - 10
    assert correlation(found, network) > 0.99
    assert ((found.network.weights != 0) == (network.weights != 0)).all()


def chosen_at(problem, network, free):
    """What rows choose where the network is, its states fitted."""
    point, _ = least_squares(problem, problem.point(network), np.zeros_like(free))
    allowed = np.ones_like(free)
    quadratic, squares = problem.linearise(point, allowed), problem.sum_of_squares(point)
    return choose_rows_anew(
        Here(problem, point.parameters, free, allowed, quadratic, squares, None)
    )


def test_near_the_truth_rows_choose_its_edges_whatever_they_have(few):
    network, problem = few
    n_weights = network.weights.size
    everything = np.ones(n_weights + network.n_nodes, bool)
    chosen = chosen_at(problem, network, everything)
    free, true = chosen.free[:n_weights], (network.weights != 0).ravel()
    # All 64 entries were free, and 15 are true.
    assert (free != true).sum() <= 3
    assert chosen.free[n_weights:].all()
    assert np.corrcoef(chosen.parameters[:n_weights], network.weights.ravel())[0, 1] > 0.95


def test_the_row_of_a_node_that_was_not_measured_stays(few):
    network, problem = few
    measurements = problem.measurements.copy()
    measurements[:, :, 3] = np.nan
    free = np.ones(network.weights.size + network.n_nodes, bool)
    chosen = chosen_at(replace(problem, measurements=measurements), network, free)
    of_node = chosen.free[: network.weights.size].reshape(network.weights.shape)[3]
    assert of_node.all()
    kept = chosen.parameters[: network.weights.size].reshape(network.weights.shape)[3]
    np.testing.assert_array_equal(kept, network.weights[3])


def test_edges_that_are_not_allowed_stay_out(few):
    network, problem = few
    allowed = np.ones_like(network.weights, bool)
    target, source = np.argwhere(network.weights != 0)[0]
    allowed[target, source] = False
    assert refined(problem, network, allowed_edges=allowed).network.weights[target, source] == 0


def test_a_prior_decides_what_data_leave_open(few, found):
    network, problem = few
    target, source = np.argwhere(found.network.weights == 0)[0]
    nothing = np.zeros_like(network.weights)
    dear = nothing.copy()
    dear[found.network.weights == 0] = 20.0
    priced = replace(problem, prices=EdgePrices(dear, dear, 0.0, 1.0, 0.2))
    kept = refined(priced, network).network.weights
    assert kept[target, source] == 0
    assert ((kept != 0) <= (network.weights != 0)).all()
