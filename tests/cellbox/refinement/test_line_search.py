"""Cell lines in least squares: right derivatives, and differences that pay for themselves."""

from dataclasses import replace

import numpy as np
import pytest

from cellbox.criticism.criticise import criticise
from cellbox.data.simulation import simulate
from cellbox.networks.form import EQ_1, form_of
from cellbox.networks.line_networks import names_of_lines, shown_differences
from cellbox.networks.random_lines import with_lines
from cellbox.refinement.hidden_start import first_guess
from cellbox.refinement.multiple_shooting import MultipleShooting
from cellbox.refinement.refine import refine
from tests.cellbox.formed import NETWORK

FORM = form_of("lines")


def measured(network):
    return simulate(network, n_conditions=10, n_times=4, n_held_out=2, design="balanced", seed=3)


@pytest.fixture(scope="module")
def truth():
    return with_lines(NETWORK, 2, 4, seed=2)


@pytest.fixture(scope="module")
def data(truth):
    return measured(truth)


@pytest.fixture(scope="module")
def problem(data):
    return MultipleShooting.of(data, data.split.training).with_form(FORM)


def refined(problem, data):
    return refine(problem, first_guess(problem, data.nodes))


def test_derivatives_by_differences_are_right(problem, truth):
    point = problem.point(truth)
    there, _, _ = problem.ties(point)
    n_nodes, step = problem.n_nodes, 1e-6
    begin = problem.n_parameters - problem.lines.n_numbers(n_nodes)
    # An entry of W, an amplitude and an offset, of the second line.
    for place in (1, n_nodes**2, n_nodes**2 + n_nodes + 1):
        ends = []
        for sign in (1, -1):
            moved = point.parameters.copy()
            moved[begin + place] += sign * step
            ends.append(problem.ties(point._replace(parameters=moved))[0].ends)
        slope = (ends[0] - ends[1]) / (2 * step)
        assert np.abs(slope).max() > 1e-3
        of_reference = np.repeat(problem.lines.row == 0, len(problem.times))
        assert not slope[of_reference].any()
        np.testing.assert_allclose(there.by_parameters[..., begin + place], slope, atol=5e-4)


def test_a_network_is_a_point_and_back(problem, truth, data):
    again = problem.network(problem.point(truth), data.nodes)
    assert [one[:4] for one in shown_differences(again)] == [
        one[:4] for one in shown_differences(truth)
    ]


def test_differences_are_found_and_no_others(problem, truth, data):
    found = refined(problem, data)
    wanted = {one[:4]: one for one in shown_differences(truth)}
    learned = {one[:4]: one for one in shown_differences(found.network)}
    assert learned.keys() == wanted.keys()
    for place, one in learned.items():
        assert one.error is not None
        assert abs(one.in_line - wanted[place].in_line) < 5 * one.error + 0.02
    np.testing.assert_allclose(found.network.weights, NETWORK.weights, atol=0.1)
    assert criticise(found.network, data, data.split.training).verdict == "explained"


def test_lines_that_are_taken_as_one_and_differ_are_named_by_the_criticism(data):
    plain = MultipleShooting.of(data, data.split.training)
    found = criticise(refined(plain, data).network, data, data.split.training)
    assert found.verdict == "not explained"
    assert any(finding.kind == "lines" for finding in found.findings)
    assert "--form lines" in found.advice


def test_lines_that_do_not_differ_are_one():
    data = measured(with_lines(NETWORK, 2, 0))
    problem = MultipleShooting.of(data, data.split.training)
    found = refined(problem.with_form(FORM), data)
    assert found.network.form is None
    plain = refined(problem, data)
    np.testing.assert_allclose(found.network.weights, plain.network.weights, atol=1e-5)


def test_data_of_one_line_have_no_lines_to_differ(data):
    alone = replace(data, lines=None, truth=None)
    problem = MultipleShooting.of(alone, alone.split.training)
    assert problem.lines is None
    assert problem.with_form(FORM).form == EQ_1
    assert names_of_lines(NETWORK) == ()
