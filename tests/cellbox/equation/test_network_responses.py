"""Responses of a known network: from any start, and honest about what was not solved."""

import numpy as np
import pytest

from cellbox.equation.network_responses import responses
from cellbox.equation.solver_settings import EXACT, SolverSettings
from tests.cellbox.small import LOOP, scipy_response

ROWS = np.array([[0.0, 0.0, 0.0], [0.9, 0.5, 0.1]])
TIMES = np.array([1.0, 14.0])


@pytest.mark.parametrize(
    ("solver", "tolerance"),
    [
        (EXACT, 1e-8),
        (SolverSettings("kvaerno5", rtol=1e-6, max_steps=1000, precision="float64"), 1e-4),
    ],
    ids=["explicit", "implicit"],
)
def test_each_row_starts_where_it_is_told_to(solver, tolerance):
    start = np.array([[0.3, -0.2, 0.1], [0.0, 0.5, 0.0]])
    states = responses(LOOP, ROWS, TIMES, solver, start)
    for row in range(2):
        expected = scipy_response(LOOP, ROWS[row], TIMES, start[row])
        np.testing.assert_allclose(states[row], expected, atol=tolerance)


def test_without_a_start_the_response_is_that_from_zero():
    zero = np.zeros_like(ROWS)
    np.testing.assert_array_equal(
        responses(LOOP, ROWS, TIMES), responses(LOOP, ROWS, TIMES, start=zero)
    )


def test_a_row_that_the_solver_cannot_finish_is_nan_and_the_others_are_not():
    # Where nothing is perturbed nothing moves, and few steps are enough.
    quick = SolverSettings(max_steps=8)
    states = responses(LOOP, ROWS, np.array([14.0]), quick)
    np.testing.assert_array_equal(states[0], 0.0)
    assert np.isnan(states[1]).all()
