"""Nodes that were not measured are fitted beside those that were, as far as data tell them."""

from dataclasses import replace

import numpy as np
import pytest

from cellbox.equation.network_responses import responses
from cellbox.networks.form import form_of
from cellbox.networks.whole_network import whole
from cellbox.refinement.edge_intervals import edge_intervals
from cellbox.refinement.hidden_drives import point_with_drives
from cellbox.refinement.hidden_start import first_guess, hidden_obstacle
from cellbox.refinement.multiple_shooting import MultipleShooting
from cellbox.refinement.refine import refine, residuals_of
from cellbox.scores.metrics import pearson_correlation
from tests.cellbox.formed import NETWORK, NOISE, experiment_with_hidden, with_hidden


@pytest.fixture(scope="module")
def data():
    return experiment_with_hidden()


@pytest.fixture(scope="module")
def problem(data):
    return MultipleShooting.of(data, data.split.training).with_form(form_of("hidden"))


def test_derivatives_by_drives_and_by_weights_of_hidden_nodes_are_right(problem):
    point = problem.point(with_hidden())
    parameters = point.parameters.copy()
    parameters[-problem.hidden.n_drives :] = 0.3
    point = point._replace(parameters=parameters)
    there, _, _ = problem.ties(point)
    n_nodes, step = problem.n_nodes, 1e-6
    # A drive of the third row, and a weight to and from the hidden node.
    for place in (len(parameters) - problem.hidden.n_drives + 2, 4 * n_nodes, n_nodes - 1):
        ends = []
        for sign in (1, -1):
            moved = parameters.copy()
            moved[place] += sign * step
            ends.append(problem.ties(point._replace(parameters=moved))[0].ends)
        slope = (ends[0] - ends[1]) / (2 * step)
        assert np.abs(slope).max() > 1e-3
        np.testing.assert_allclose(there.by_parameters[..., place], slope, atol=5e-4)


def test_the_network_is_found_beside_a_node_that_was_not_measured(problem, data):
    found = refine(problem, first_guess(problem, data.nodes))
    network, hidden = found.network, found.network.form.hidden
    assert pearson_correlation(network.weights, NETWORK.weights) > 0.99
    assert found.noise == pytest.approx(NOISE, rel=0.2)
    assert network.form.form == form_of("hidden")
    # By convention the strongest weight is positive.
    np.testing.assert_allclose(hidden.targets[:, 0], [1.2, -0.9, 0, -1.1], atol=0.3)
    np.testing.assert_allclose(hidden.sources[0], [0, 0, 0.9, 0, 0], atol=0.3)
    assert hidden.n_driven[0] < 16
    assert residuals_of(problem, network).shape == problem.measurements.shape
    intervals = edge_intervals(problem, network)
    held = (intervals.low <= NETWORK.weights) & (NETWORK.weights <= intervals.high)
    assert held.mean() >= 0.75
    assert (intervals.high - intervals.low).max() < 1
    plain = problem.without_hidden()
    assert residuals_of(plain, network).shape == plain.measurements.shape


def test_rows_tell_their_own_drives_where_the_network_is_known(problem, data):
    drives = problem.hidden.drives(point_with_drives(problem, with_hidden()).parameters)[:, 0]
    # In training rows every third one has a drive.
    wanted = np.where(data.split.training % 3 == 0, 0.8, 0.0)
    np.testing.assert_allclose(drives, wanted, atol=0.25)


def test_rows_of_a_problem_keep_their_own_drives(problem):
    parameters = np.zeros(problem.n_parameters)
    parameters[-problem.hidden.n_drives :] = np.arange(problem.hidden.n_drives)
    some = problem.rows(np.array([3, 1]))
    assert some.hidden.drives(parameters)[:, 0].tolist() == [3.0, 1.0]
    free = some.free(np.ones((4, 4), bool))
    assert free[-problem.hidden.n_drives :].nonzero()[0].tolist() == [1, 3]
    # The amplitude of a hidden node is a convention.
    assert not free[problem.n_nodes**2 + 4]


def test_hidden_nodes_come_off_again(data):
    plain = MultipleShooting.of(data, data.split.training)
    again = plain.with_form(form_of("hidden2")).without_hidden()
    assert again.hidden is None
    assert (again.measurements == plain.measurements).all()
    assert plain.without_hidden() is plain


def test_predictions_are_those_of_the_whole_network(data):
    network, asked = with_hidden(), data.perturbations[:3]
    every = responses(whole(network), np.pad(asked, ((0, 0), (0, 1))), data.times)
    np.testing.assert_allclose(responses(network, asked, data.times), every[..., :4], atol=1e-9)


def test_one_time_or_few_values_do_not_tell_hidden_nodes(data):
    problem = MultipleShooting.of(data, data.split.training)
    assert hidden_obstacle(problem) is None
    late = replace(problem, measurements=problem.measurements[:, -1:], times=problem.times[-1:])
    assert "one time" in hidden_obstacle(late)
    assert "too few" in hidden_obstacle(problem.rows(np.arange(4)))
