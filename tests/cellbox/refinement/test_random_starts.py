"""Random starts find what other starts do not, and stop when they have."""

import numpy as np
import pytest

from cellbox.data.simulation import simulate
from cellbox.networks.network import Network
from cellbox.refinement.multiple_shooting import MultipleShooting
from cellbox.refinement.random_starts import random_starts
from cellbox.refinement.refine import refine
from cellbox.refinement.regression_start import regression_start
from cellbox.refinement.unexplained import share_left
from cellbox.scores.metrics import pearson_correlation


@pytest.fixture(scope="module")
def oscillator():
    """A repressilator so strong that it turns around more than once between measurements."""
    weights = -3.0 * np.roll(np.eye(3), 1, axis=0)
    truth = Network(("a", "b", "c"), weights, np.ones(3))
    data = simulate(truth, n_conditions=9, design="balanced", noise=0.01, seed=0)
    return truth, MultipleShooting.of(data, data.split.training)


def found_by(problem, **changes):
    options = {"enough": 0.01 * problem.mean_square, **changes}
    return random_starts(problem, ("a", "b", "c"), **options)


def test_a_strong_oscillator_is_found_where_a_regression_leads_elsewhere(oscillator):
    truth, problem = oscillator
    elsewhere = refine(problem, regression_start(problem, truth.nodes))
    assert share_left(problem, elsewhere.noise) > 0.1
    found = found_by(problem)
    refined = refine(problem, found.networks[0])
    assert pearson_correlation(refined.network.weights, truth.weights) > 0.999
    assert refined.noise == pytest.approx(0.01, rel=0.2)


def test_it_ends_when_enough_is_explained_and_the_same_seed_finds_the_same(oscillator):
    _, problem = oscillator
    one, other = found_by(problem), found_by(problem)
    assert one.n_starts == other.n_starts < 512
    np.testing.assert_array_equal(one.networks[0].weights, other.networks[0].weights)


def test_edges_that_may_not_be_are_not(oscillator):
    truth, problem = oscillator
    allowed = truth.weights != 0
    for network in found_by(problem, allowed_edges=allowed).networks:
        assert not network.weights[~allowed].any()


def test_values_that_were_not_measured_follow_from_those_before(oscillator):
    truth, problem = oscillator
    measurements = problem.measurements.copy()
    measurements[2, 1, 0] = measurements[4, :, 2] = np.nan
    fewer = MultipleShooting(problem.perturbations, measurements, problem.times)
    refined = refine(fewer, found_by(fewer).networks[0])
    assert pearson_correlation(refined.network.weights, truth.weights) > 0.999


def test_no_start_is_tried_where_even_a_few_would_take_too_long():
    large = MultipleShooting(np.zeros((200, 40)), np.zeros((200, 5, 40)), np.arange(1.0, 6.0))
    assert random_starts(large, tuple(map(str, range(40))), enough=0.0).n_starts == 0
