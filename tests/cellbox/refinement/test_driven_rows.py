from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest

import cellbox
from cellbox.equation.dynamics import Parameters
from cellbox.equation.solver_settings import precision_context
from cellbox.refinement.course_fit import ROUGHLY, CourseFit
from cellbox.refinement.driven_rows import Terms, choose_rows, row_fits
from cellbox.refinement.edge_prices import EdgePrices
from cellbox.refinement.multiple_shooting import MultipleShooting
from cellbox.refinement.regression_start import regression_start
from cellbox.refinement.whole_courses import Series, row_blocks, sum_of_squares


@pytest.fixture(scope="module")
def problem():
    """The experiment of test_adaptive_ridge.py, whose programs are compiled for these shapes."""
    network = cellbox.random_network(8, density=0.2, amplitude=0.7, seed=4)
    data = cellbox.simulate(network, n_conditions=24, design="balanced", noise=0.01, seed=5)
    return network, MultipleShooting.of(data, data.split.training)


def at(network) -> Parameters:
    return Parameters(jnp.asarray(network.weights), jnp.log(jnp.asarray(network.amplitudes)))


def correlation(weights, network) -> float:
    return float(np.corrcoef(weights.ravel(), network.weights.ravel())[0, 1])


def terms_of(problem, **changed) -> Terms:
    everywhere = np.ones((problem.n_nodes, problem.n_nodes), bool)
    counts = problem.measured.sum(axis=(0, 1))
    return replace(Terms(everywhere, counts, np.log(problem.n_values)), **changed)


def chosen(problem, courses, terms, gain=1.0):
    with precision_context("float64"):
        rows, free = choose_rows(at(courses), Series.of(problem), jnp.asarray(gain), terms)
        return np.asarray(rows.weights), np.exp(np.asarray(rows.log_amplitudes)), free


def test_rows_driven_by_their_own_courses_explain_what_these_do(problem):
    network, shooting = problem
    with precision_context("float64"):
        point, series, whole = at(network), Series.of(shooting), jnp.zeros(())
        fits = row_fits(point, point, series, whole)
        blocks = row_blocks(point, series, whole)
        np.testing.assert_allclose(fits.curvature, blocks.curvature, rtol=1e-10, atol=1e-12)
        together = float(sum_of_squares(point, series, whole))
        assert float(fits.squares.sum()) == pytest.approx(together, rel=0.02)


def test_their_slope_is_that_of_their_squares(problem):
    network, shooting = problem
    with precision_context("float64"):
        courses, series, gain = at(network), Series.of(shooting), jnp.ones(())
        rows = Parameters(0.8 * courses.weights + 0.05, courses.log_amplitudes - 0.1)

        def squares(of):
            return np.asarray(row_fits(courses, of, series, gain).squares)

        moved, step = np.asarray(rows.weights).copy(), 1e-5
        moved[:, 3] += step
        ahead = squares(Parameters(jnp.asarray(moved), rows.log_amplitudes))
        moved[:, 3] -= 2 * step
        behind = squares(Parameters(jnp.asarray(moved), rows.log_amplitudes))
        slope = np.asarray(row_fits(courses, rows, series, gain).slope)[:, 3]
        np.testing.assert_allclose((ahead - behind) / (4 * step), slope, rtol=2e-3, atol=1e-6)


def test_rows_choose_the_true_edges_though_the_courses_are_of_a_fit_of_all_entries(problem):
    network, shooting = problem
    everywhere = np.ones((8, 8), bool)
    with precision_context("float64"):
        fit = CourseFit(shooting, regression_start(shooting, network.nodes), everywhere)
        fit.draw(1.0, ROUGHLY)
        fit.descend(6, 0.02)
        dense = np.asarray(fit.parameters.weights)
        fit.choose_rows(1.0)
        sparse, free = np.asarray(fit.parameters.weights), fit.free
    true = network.weights != 0
    assert (dense != 0).all()
    assert free[true].all()
    assert (free & ~true).sum() < 0.2 * (~true).sum()
    assert correlation(sparse, network) > max(0.98, correlation(dense, network))


def test_driven_by_the_true_courses_they_are_the_true_ones(problem):
    network, shooting = problem
    weights, _, free = chosen(shooting, network, terms_of(shooting), gain=0.0)
    assert (free == (network.weights != 0)).all()
    np.testing.assert_allclose(weights, network.weights, atol=0.1)


def test_edges_that_are_not_allowed_and_rows_without_values_stay(problem):
    network, shooting = problem
    allowed = np.ones_like(network.weights, bool)
    target, source = np.argwhere(network.weights != 0)[0]
    allowed[target, source] = False
    unmeasured = (target + 1) % 8
    measurements = shooting.measurements.copy()
    measurements[:, :, unmeasured] = np.nan
    partly = MultipleShooting(shooting.perturbations, measurements, shooting.times)
    weights, _, free = chosen(partly, network, terms_of(partly, allowed=allowed), gain=0.0)
    assert not free[target, source]
    assert weights[target, source] == 0
    np.testing.assert_array_equal(weights[unmeasured], network.weights[unmeasured])


def test_a_prior_lets_edges_in_and_keeps_others_out(problem):
    network, shooting = problem
    nothing = np.zeros((8, 8))
    target, source = np.argwhere(network.weights != 0)[0]
    dear, cheap = nothing.copy(), nothing.copy()
    dear[target, source] = 1e4
    cheap[target] = -np.log(shooting.n_values) + 0.01
    terms = terms_of(shooting, prices=EdgePrices(dear, dear, 0.0, 1.0, 0.2))
    assert not chosen(shooting, network, terms, gain=0.0)[2][target, source]
    terms = terms_of(shooting, prices=EdgePrices(cheap, cheap, 0.0, 1.0, 0.2))
    n_true = (network.weights[target] != 0).sum()
    assert chosen(shooting, network, terms, gain=0.0)[2][target].sum() > n_true


def test_a_row_that_cannot_be_solved_stays_as_it_was(problem):
    network, shooting = problem
    wild = cellbox.Network(network.nodes, network.weights, np.full(8, 1e200))
    with np.errstate(all="ignore"):
        weights, _, _ = chosen(shooting, wild, terms_of(shooting), gain=0.0)
    np.testing.assert_array_equal(weights, network.weights)
