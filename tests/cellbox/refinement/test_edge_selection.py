"""Edges are chosen by the information criterion on a quadratic."""

import numpy as np
import pytest

from cellbox.refinement.edge_selection import (
    Minimum,
    information_criterion,
    leave_out,
    missing_edge,
)


@pytest.fixture(scope="module")
def regression():
    """A linear regression, whose sum of squares is a quadratic everywhere."""
    random = np.random.default_rng(0)
    design = random.normal(size=(200, 8))
    true = np.array([2.0, 0.0, -1.5, 0.0, 0.0, 0.7, 0.0, 0.0])
    outcome = design @ true + 0.1 * random.normal(size=200)
    curvature = design.T @ design
    best = np.linalg.solve(curvature, design.T @ outcome)
    return design, outcome, curvature, best, true


def sum_of_squares(design, outcome, values):
    return float(((outcome - design @ values) ** 2).sum())


def test_what_the_data_do_not_ask_for_is_left_out(regression):
    design, outcome, curvature, best, true = regression
    total = sum_of_squares(design, outcome, best)
    kept, values = leave_out(Minimum(curvature, total, 200), best, np.ones(8, bool))
    assert (kept == (true != 0)).all()
    refitted = np.linalg.lstsq(design[:, kept], outcome, rcond=None)[0]
    np.testing.assert_allclose(values[kept], refitted, rtol=1e-8)
    assert (values[~kept] == 0).all()


def test_what_may_not_be_left_out_stays(regression):
    design, outcome, curvature, best, true = regression
    removable = np.ones(8, bool)
    removable[1] = False
    total = sum_of_squares(design, outcome, best)
    kept, _ = leave_out(Minimum(curvature, total, 200), best, removable)
    assert (kept == ((true != 0) | ~removable)).all()


def test_no_more_are_left_out_than_asked(regression):
    design, outcome, curvature, best, _ = regression
    total = sum_of_squares(design, outcome, best)
    kept, _ = leave_out(Minimum(curvature, total, 200), best, np.ones(8, bool), fewest=6)
    assert kept.sum() == 6


def test_an_edge_that_is_missing_is_found(regression):
    design, outcome, curvature, _, true = regression
    kept = (true != 0) & (np.arange(8) != 5)
    values = np.zeros(8)
    values[kept] = np.linalg.lstsq(design[:, kept], outcome, rcond=None)[0]
    gradient = design.T @ (design @ values - outcome)
    total = sum_of_squares(design, outcome, values)
    assert missing_edge(Minimum(curvature, total, 200), gradient, kept) == 5


def test_where_none_is_missing_none_is_found(regression):
    design, outcome, curvature, _, true = regression
    kept = true != 0
    values = np.zeros(8)
    values[kept] = np.linalg.lstsq(design[:, kept], outcome, rcond=None)[0]
    gradient = design.T @ (design @ values - outcome)
    total = sum_of_squares(design, outcome, values)
    assert missing_edge(Minimum(curvature, total, 200), gradient, kept) is None
    assert missing_edge(Minimum(curvature, total, 200), gradient, np.ones(8, bool)) is None


def test_the_criterion_weighs_fit_against_parameters():
    assert information_criterion(1.0, 100, 5) < information_criterion(1.0, 100, 6)
    assert information_criterion(0.5, 100, 6) < information_criterion(1.0, 100, 5)
    assert information_criterion(0.0, 100, 5) == -np.inf
