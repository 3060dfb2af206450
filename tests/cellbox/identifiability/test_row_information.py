"""Derivatives by rows are those of least squares, and gains are what knowledge changes by."""

import jax.numpy as jnp
import numpy as np
import pytest

from cellbox.equation.dynamics import Parameters
from cellbox.equation.solver_settings import precision_context
from cellbox.identifiability.row_information import RowDerivatives, factors_after, gains, updated
from cellbox.refinement.multiple_shooting import MultipleShooting
from cellbox.refinement.whole_courses import Series, row_blocks
from tests.cellbox.planning.conftest import NETWORK, random_conditions

TIMES = np.array([1.0, 4.0, 10.0])
U = random_conditions(6)


@pytest.fixture(scope="module")
def along():
    return RowDerivatives([NETWORK], TIMES)


@pytest.fixture(scope="module")
def factors(along):
    deviations = np.full((1, 4, 5), 0.7)
    deviations[0, 2, 0] = 0.0
    return factors_after(along(U[:3]), np.ones((3, 3, 4)), deviations, 0.05)


def test_derivatives_give_the_row_blocks_of_least_squares(along):
    found = along(U)[0].astype(float)
    with precision_context("float64"):
        parameters = Parameters(jnp.asarray(NETWORK.weights), jnp.log(NETWORK.amplitudes))
        series = Series.of(MultipleShooting(U, np.zeros((6, 3, 4)), TIMES))
        blocks = np.asarray(row_blocks(parameters, series, jnp.zeros(())).curvature)
    summed = np.einsum("icta,ictb->iab", found, found)
    assert np.abs(summed - blocks).max() < 0.01 * np.abs(blocks).max()


def test_a_gain_is_the_change_of_the_log_determinant_of_what_is_known(along, factors):
    derivatives = along(U)
    told = gains(derivatives, factors, 0.05)[0].sum(axis=0)
    for row in range(6):
        after = updated(factors, derivatives[:, :, row], 0.05)
        change = 0.0
        for node in range(4):
            free = np.ones(5, bool)
            free[0] = node != 2
            before, then = (
                np.linalg.slogdet((each[0, node] @ each[0, node].T)[np.ix_(free, free)])[1]
                for each in (factors, after)
            )
            change += (before - then) / 2
        assert told[row] == pytest.approx(change, rel=1e-3)


def test_what_is_taken_away_again_leaves_what_was_known(along, factors):
    derivatives = along(U)[:, :, 4]
    more = updated(factors, derivatives, 0.05)
    again = updated(more, derivatives, 0.05, take_away=True)
    covariances = [each @ np.swapaxes(each, 2, 3) for each in (factors, again, more)]
    assert covariances[1] == pytest.approx(covariances[0], abs=1e-6)
    assert np.trace(covariances[2][0, 0]) < np.trace(covariances[0][0, 0])


def test_what_may_not_be_stays_zero(factors):
    assert not factors[0, 2, 0].any()


def test_few_directions_of_the_times_tell_nearly_as_much(factors):
    late = RowDerivatives([NETWORK], np.array([2.0, 12.0, 14.0, 16.0, 18.0, 20.0]))
    few = late.in_few_directions(U)
    assert few.n_times < 6
    all_, some = (gains(each(U), factors, 0.05).sum(axis=1) for each in (late, few))
    assert (some <= all_ * (1 + 1e-4)).all()
    assert some == pytest.approx(all_, rel=0.05)
