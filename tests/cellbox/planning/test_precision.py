"""Errors are those of all parameters together, and what follows from them."""

from dataclasses import replace

import numpy as np
import pytest

from cellbox.equation.network_responses import responses
from cellbox.networks.network import Network
from cellbox.planning import precision
from cellbox.planning.precision import Precision, Prospect
from cellbox.refinement.refined import PRIOR_DEVIATION
from tests.cellbox.planning.conftest import NETWORK, random_conditions

MORE = random_conditions(3, seed=8)


def test_errors_come_from_the_information_of_all_parameters(belief):
    found = Prospect(belief, NETWORK).precision(MORE)
    rows = np.concatenate([belief.perturbations, MORE])

    def values(parameters):
        weights, log_amplitudes = parameters[:16].reshape(4, 4), parameters[16:]
        network = Network(NETWORK.nodes, weights, np.exp(log_amplitudes))
        return responses(network, rows, belief.times).ravel()

    middle = np.append(NETWORK.weights, np.log(NETWORK.amplitudes))
    steps = 1e-4 * np.eye(20)
    slopes = [(values(middle + step) - values(middle - step)) / 2e-4 for step in steps]
    matrix = np.array(slopes) @ np.transpose(slopes) / belief.noise**2
    deviations = np.append(np.full(16, PRIOR_DEVIATION), np.full(4, belief.amplitude_deviation))
    covariance = np.linalg.inv(matrix + np.diag(deviations**-2.0))
    expected = np.sqrt(np.diag(covariance))[:16].reshape(4, 4)
    assert found.errors == pytest.approx(expected, rel=0.01)


def test_more_conditions_make_errors_smaller_and_the_rest_follows(belief):
    prospect = Prospect(belief, NETWORK)
    before, once, twice = (
        prospect.precision(),
        *prospect.precisions(MORE, [np.ones(3), 2 * np.ones(3)]),
    )
    assert (once.errors <= before.errors + 1e-12).all()
    assert before.median_error > once.median_error > twice.median_error
    assert before.r < once.r < twice.r < 1
    assert before.log_volume < once.log_volume < twice.log_volume
    assert before.chance_decided.sum() < twice.chance_decided.sum() <= 16
    assert before.chance_of_sign_change(twice).max() < 0.5


def test_large_networks_are_looked_at_row_by_row(belief, monkeypatch):
    exact = Prospect(belief, NETWORK).precision(MORE)
    monkeypatch.setattr(precision, "MOST_PARAMETERS", 1)
    by_rows = Prospect(belief, NETWORK).precision(MORE)
    ratio = by_rows.errors / exact.errors
    assert 0.5 < np.median(ratio) < 1.05
    assert by_rows.log_volume == pytest.approx(exact.log_volume, rel=0.1)


def test_an_edge_is_decided_where_it_is_surely_there_or_surely_weak():
    network = replace(NETWORK, weights=np.array([[1.0, 0, 0, 0]] * 4))
    errors = np.full((4, 4), 0.1)
    errors[1], errors[2] = 0.4, 2.0
    found = Precision(network, errors, np.ones((4, 4), bool), 0.0)
    assert found.decided.tolist() == [
        [True] * 4, [True, False, False, False], [False] * 4, [True] * 4,
    ]  # fmt: skip
    assert found.chance_decided[0].min() > 0.99
    assert 0.5 < found.chance_decided[1, 0] < 0.9


def test_a_sign_changes_as_often_as_the_estimate_moves_so_far():
    network = replace(NETWORK, weights=np.array([[0.3, 0, 0, 0]] * 4))
    before = Precision(network, np.full((4, 4), 0.5), np.ones((4, 4), bool), 0.0)
    after = replace(before, errors=np.full((4, 4), 0.3))
    chance = before.chance_of_sign_change(after)
    moved = 0.3 + 0.4 * np.random.default_rng(0).standard_normal(100_000)
    assert chance[0, 0] == pytest.approx((moved < 0).mean(), abs=0.01)
    assert not chance[:, 1:].any()
