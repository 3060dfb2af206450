import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cellbox
from cellbox.equation.dynamics import Parameters
from cellbox.equation.solver_settings import precision_context
from cellbox.refinement.amplitude_pooling import AmplitudePool
from cellbox.refinement.edge_selection import Minimum, leave_out
from cellbox.refinement.few_edges import Around, Choice, FewEdges, are_few, are_sparse
from cellbox.refinement.multiple_shooting import MultipleShooting
from cellbox.refinement.sparse_curvature import curvature_of
from cellbox.refinement.whole_courses import Penalty, Series, half_gradient, residuals

N_NODES = 6


@pytest.fixture(scope="module")
def fitted():
    """A network, and data of it with unequal weights of values."""
    network = cellbox.random_network(N_NODES, density=0.3, amplitude=0.7, seed=4)
    data = cellbox.simulate(network, n_conditions=10, noise=0.01, seed=5)
    problem = MultipleShooting.of(data, np.arange(10))
    with precision_context("float64"):
        parameters = Parameters(
            jnp.asarray(network.weights), jnp.log(jnp.asarray(network.amplitudes))
        )
        yield network.weights != 0, parameters, Series.of(problem)


def near(fitted, free=None, variance=1e-4):
    truth, parameters, series = fitted
    free = truth if free is None else free
    whole = jnp.zeros(())
    half = half_gradient(parameters, series, whole)
    return FewEdges.at(parameters, half, series, whole, free, variance)


@pytest.mark.parametrize("gain", [0.0, 0.3])
def test_the_curvature_is_that_of_all_derivatives_to_rounding(fitted, gain):
    free, parameters, series = fitted
    drawn = jnp.asarray(gain)
    by = jax.jacfwd(lambda at: residuals(at, series, drawn).ravel())(parameters)
    derivatives = np.concatenate(
        [np.asarray(by.weights)[:, free], np.asarray(by.log_amplitudes)], axis=1
    )
    curvature = curvature_of(parameters, series, drawn, free)
    np.testing.assert_allclose(curvature, derivatives.T @ derivatives, atol=1e-12 * curvature.max())


def test_a_step_solves_the_damped_equations(fitted):
    free, parameters, _ = fitted
    known = near(fitted)
    ones = jax.tree.map(jnp.ones_like, parameters)
    step = known.step(Penalty(ones, jax.tree.map(jnp.zeros_like, parameters)), 0.5)
    assert (np.asarray(step.weights)[~free] == 0).all()
    flat = np.concatenate([np.asarray(step.weights)[free], np.asarray(step.log_amplitudes)])
    left = known.curvature @ flat + (1 + 0.5 * np.diag(known.curvature)) * flat
    np.testing.assert_allclose(left, -known.slope - known.values, rtol=1e-8, atol=1e-8)


def test_edges_that_chance_offers_do_not_pay_and_true_ones_do(fitted):
    truth, parameters, series = fitted
    everything = np.ones_like(truth)
    known = near(fitted, everything)
    left = float((residuals(parameters, series, jnp.zeros(())) ** 2).sum())
    pool = AmplitudePool(0.0, 1.0, float(N_NODES))
    worth = known.worth_their_price(Around(left, pool, 300, None), truth, ((),) * N_NODES)
    np.testing.assert_array_equal(worth, truth)


def test_one_edge_is_chosen_instead_of_those_that_stand_in_for_it():
    random = np.random.default_rng(1)
    # The last source is nearly the sum of the others; alone it explains the row to the noise.
    others = random.normal(size=(300, 4))
    source = others.sum(axis=1) + 0.02 * random.normal(size=300)
    design = np.column_stack([others, source])
    measured = source + 0.05 * random.normal(size=300)
    curvature = design.T @ design
    at_minimum = np.linalg.solve(curvature, design.T @ measured)
    left = float(((measured - design @ at_minimum) ** 2).sum())
    choice = Choice(Minimum(curvature, left, 300), at_minimum, None)
    stood_in, places = np.array([True] * 4 + [False]), np.arange(5)
    chosen = choice.with_other_row(stood_in, places, np.array([4, 0]))
    assert chosen.tolist() == [False] * 4 + [True]
    kept, values = leave_out(choice.minimum, at_minimum, np.ones(5, bool))
    assert choice.criterion(chosen) <= choice.criterion(kept)
    np.testing.assert_allclose(choice.values(kept), values[kept], rtol=1e-6)
    unchanged = choice.with_other_row(chosen, places, np.array([4, 0]))
    assert unchanged.tolist() == chosen.tolist()


def test_how_sure_amplitudes_are_depends_on_what_else_is_free(fitted):
    estimates, covariance = near(fitted).amplitudes()
    _, of_more = near(fitted, np.ones((N_NODES, N_NODES), bool)).amplitudes()
    assert (np.diag(of_more) > np.diag(covariance)).all()
    apart = estimates - np.log(0.7)
    assert apart @ np.linalg.solve(covariance, apart) < 30


def test_few_are_counted_with_the_amplitudes_of_no_more_nodes_than_pay():
    five_each = np.tile(np.arange(107) < 5, (107, 1))
    assert are_few(five_each[:106, :106])
    assert not are_few(five_each)
    assert are_few(np.eye(128, dtype=bool))
    assert not are_few(np.eye(129, dtype=bool))


def test_networks_are_sparse_where_nodes_have_few_regulators_however_many_nodes():
    assert are_sparse(np.eye(321, dtype=bool))
    assert not are_sparse(np.ones((321, 321), dtype=bool))
