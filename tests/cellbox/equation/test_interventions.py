"""Eq. 1 with held nodes and doses that begin and end, and its derivatives."""

import numpy as np
import pytest

from cellbox.equation.network_responses import responses
from cellbox.errors import InputError
from cellbox.refinement.linearised import Iterate
from cellbox.refinement.multiple_shooting import MultipleShooting
from tests.cellbox.formed import NETWORK, formed, with_hidden
from tests.cellbox.intervened import interventions_of, scipy_with_interventions

TIMES = np.array([1.0, 2.5, 4.0, 8.0])
DOSES = np.array(
    [[0.6, 0, 0, 0.4], [0.8, 0, 0.5, 0], [0.7, 0.3, 0, 0], [0, 0, 0.9, 0.2], [0.5, 0, 0, 0]]
)
# A held node, doses that switch between and at measured times, both at once, and neither.
DONE = interventions_of(
    5,
    4,
    {(0, 1): -1.5, (3, 0): 0.7},
    {(1, 0): (0.5, 3.0), (1, 2): (1.7, 2.2), (2, 0): (2.5, np.inf), (3, 2): (0.0, 5.0)},
)
HELD_ALONE = interventions_of(5, 4, {(0, 1): -1.5, (3, 0): 0.7}, {})


def test_responses_are_those_of_scipy():
    found = responses(NETWORK, DOSES, TIMES, interventions=DONE)
    expected = scipy_with_interventions(NETWORK, DOSES, TIMES, DONE)
    np.testing.assert_allclose(found, expected, atol=2e-8)
    assert (found[0, :, 1] == -1.5).all()


def test_rows_in_which_nothing_was_done_answer_as_ever():
    found = responses(NETWORK, DOSES, TIMES, interventions=DONE)
    plain = responses(NETWORK, DOSES[4:], TIMES)
    np.testing.assert_array_equal(found[4:], plain)


@pytest.mark.parametrize("row", range(4))
def test_a_row_does_not_depend_on_when_doses_of_others_switch(row):
    together = responses(NETWORK, DOSES, TIMES, interventions=DONE)
    own = DONE.rows(np.array([row]))
    alone = responses(NETWORK, DOSES[[row]], TIMES, interventions=own)
    np.testing.assert_array_equal(alone[0], together[row])


def test_forms_are_followed_beside_held_nodes():
    network = formed(decay=[1.0, 1.4, 0.8, 1.0], drive=[0.2, 0, 0, 0])
    found = responses(network, DOSES, TIMES, interventions=DONE)
    # Far beyond the pulses it is at rest, where α tanh(W x − u + b) = γ x in all free nodes.
    late = responses(network, DOSES, np.array([60.0]), interventions=DONE)[:, 0]
    u = DONE.acting(DOSES, 60.0) - network.form.values["drive"]
    speed = network.amplitudes * np.tanh(late @ network.weights.T - u)
    speed = (speed - network.form.values["decay"] * late) * DONE.free
    assert np.isfinite(found).all()
    np.testing.assert_allclose(speed, 0.0, atol=1e-6)


def test_hidden_nodes_and_offsets_that_end_are_refused():
    with pytest.raises(InputError, match="found hidden"):
        responses(with_hidden(), DOSES, TIMES, interventions=HELD_ALONE)
    with pytest.raises(InputError, match="found offset"):
        responses(formed(offset=[0, 0, 0.2, 0]), DOSES, TIMES, interventions=DONE)


@pytest.mark.parametrize(
    ("network", "done"),
    [(NETWORK, DONE), (formed(start=[0.1, 0.2, 0, 0], offset=[0.1, 0.2, 0.1, 0]), HELD_ALONE)],
    ids=["pieces", "start and offset"],
)
def test_derivatives_of_intervals_are_those_of_differences(network, done):
    exact = responses(network, DOSES, TIMES, interventions=done)
    measured = np.where(done.free[:, None], exact, np.nan)
    problem = MultipleShooting(DOSES, measured, TIMES, interventions=done).of_form(network)
    point = problem.point(network)
    # Where the network leads, held nodes at their levels.
    np.testing.assert_allclose(point.states, exact, atol=1e-5)
    assert problem.sum_of_squares(point) < 1e-7
    found = problem._flow(point).by_parameters
    for place in range(0, len(point.parameters), 3):
        step = np.zeros(len(point.parameters))
        step[place] = 1e-5
        ends = [
            problem._reached(Iterate(point.parameters + sign * step, point.states))
            for sign in (1, -1)
        ]
        by_differences = (ends[0] - ends[1]) / 2e-5
        np.testing.assert_allclose(found[..., place], by_differences, atol=1e-3)
    quadratic = problem.linearise(point)
    held = ~np.repeat(done.free[:, None], len(TIMES), axis=1).reshape(len(DOSES), -1)
    assert (quadratic.to_states[held] == 0).all()
