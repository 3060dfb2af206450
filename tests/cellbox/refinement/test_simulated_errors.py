"""Intervals of large networks say what those of small ones do, without a large matrix."""

import jax.numpy as jnp
import numpy as np
import pytest

from cellbox.data.simulation import simulate
from cellbox.equation.dynamics import Parameters
from cellbox.networks.network import Network
from cellbox.networks.random_networks import random_network
from cellbox.refinement import edge_intervals
from cellbox.refinement.multiple_shooting import MultipleShooting
from cellbox.refinement.simulated_errors import moderated

NETWORK = random_network(8, density=0.25, amplitude=0.7, seed=3)


@pytest.fixture(scope="module")
def problem() -> MultipleShooting:
    data = simulate(NETWORK, n_conditions=24, n_times=3, horizon=6.0, design="balanced", seed=1)
    return MultipleShooting.of(data, data.split.training)


@pytest.fixture(scope="module")
def both(problem) -> list[edge_intervals.EdgeIntervals]:
    """From an inverted curvature, and from simulated noise."""
    found = [edge_intervals.edge_intervals(problem, NETWORK)]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(edge_intervals, "is_large", lambda n_nodes: True)
        return [*found, edge_intervals.edge_intervals(problem, NETWORK)]


def test_both_ways_have_the_same_centres_and_about_the_same_widths(both):
    inverted, simulated = both
    widths = [found.high - found.low for found in both]
    apart = (inverted.high + inverted.low - simulated.high - simulated.low) / 2
    assert np.abs(apart).max() < 0.3 * np.median(widths[0])
    ratios = np.log(widths[1] / widths[0])
    assert abs(np.median(ratios)) < 0.15
    assert np.abs(ratios).max() < 1.0
    assert simulated.n_draws > 0 == inverted.n_draws


def test_simulated_noise_is_the_same_every_time(both, problem, monkeypatch):
    monkeypatch.setattr(edge_intervals, "is_large", lambda n_nodes: True)
    again = edge_intervals.edge_intervals(problem, NETWORK)
    assert (again.low == both[1].low).all()


def test_what_a_large_network_cannot_tell_is_infinite(problem, monkeypatch):
    monkeypatch.setattr(edge_intervals, "is_large", lambda n_nodes: True)
    measurements = problem.measurements.copy()
    measurements[:, :, 2] = np.nan
    unmeasured = MultipleShooting(problem.perturbations, measurements, problem.times)
    found = edge_intervals.edge_intervals(unmeasured, NETWORK)
    assert np.isinf(found.high[2]).all()
    assert np.isfinite(np.delete(found.high, 2, axis=0)).all()


def test_a_node_that_never_moves_and_has_no_edges_leaves_the_others_their_intervals(
    problem, both, monkeypatch
):
    monkeypatch.setattr(edge_intervals, "is_large", lambda n_nodes: True)

    def with_one_more(values):
        return np.concatenate([values, np.zeros_like(values[..., :1])], axis=-1)

    allowed = np.ones((9, 9), bool)
    allowed[8] = allowed[:, 8] = False
    nodes, weights = (*NETWORK.nodes, "still"), np.zeros((9, 9))
    weights[:8, :8] = NETWORK.weights
    network = Network(nodes, weights, np.append(NETWORK.amplitudes, 0.7))
    wider = MultipleShooting(
        with_one_more(problem.perturbations), with_one_more(problem.measurements), problem.times
    )
    found = edge_intervals.edge_intervals(wider, network, allowed_edges=allowed)
    centres = [(one.low + one.high)[:8, :8] for one in (found, both[1])]
    np.testing.assert_allclose(*centres, atol=1e-2)
    assert np.isfinite(found.high).all()


def test_a_step_that_cannot_be_computed_determines_nothing(problem, monkeypatch):
    def unsolved(parameters, series, misfits, *_):
        n_fits, n_nodes = len(misfits), NETWORK.n_nodes
        weights = jnp.full((n_fits, n_nodes, n_nodes), jnp.nan)
        return Parameters(weights, weights[:, 0]), jnp.full(n_fits, jnp.nan)

    monkeypatch.setattr(edge_intervals, "is_large", lambda n_nodes: True)
    monkeypatch.setattr("cellbox.refinement.simulated_errors._steps", unsolved)
    found = edge_intervals.edge_intervals(problem, NETWORK)
    assert np.isneginf(found.low).all()
    assert np.isposinf(found.high).all()


def test_rows_that_agree_share_their_factor_and_others_keep_their_own():
    random, n_draws = np.random.default_rng(0), 8
    factors = np.array([[0.5], [4.0]])
    told = np.ones((2, 400), bool)
    drawn = factors * random.chisquare(n_draws, (2, 400)) / n_draws
    found, freedom = moderated(drawn, np.ones((2, 400)), told, n_draws)
    assert freedom > 100
    assert found == pytest.approx(np.broadcast_to(factors, found.shape), rel=0.2)
    own = np.exp(random.normal(size=(2, 400)))
    found, freedom = moderated(own * drawn, np.ones((2, 400)), told, n_draws)
    assert n_draws < freedom < n_draws + 5
    assert np.corrcoef(np.log(found[0]), np.log(own[0]))[0, 1] > 0.8
