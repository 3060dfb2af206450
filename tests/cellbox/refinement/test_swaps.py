"""Exchanges of parameters, and edges that a hidden node may stand for."""

import numpy as np

from cellbox.refinement.shared_edges import shifts, taken_over
from cellbox.refinement.swaps import best_swaps


def test_the_right_one_of_two_that_resemble_each_other_comes_in():
    random = np.random.default_rng(0)
    design = random.normal(size=(60, 3))
    # The last resembles the first, and is what made the values.
    design[:, 2] = design[:, 0] + 0.3 * random.normal(size=60)
    values = 1.5 * design[:, 2] - design[:, 1]
    kept = np.array([True, True, False])
    fitted = np.zeros(3)
    fitted[:2] = np.linalg.lstsq(design[:, :2], values, rcond=None)[0]
    gradient = design.T @ (design @ fitted - values)
    (swap,) = best_swaps(design.T @ design, gradient, fitted, kept, np.ones(3, bool), 5)
    assert (swap.comes, swap.goes) == (2, 0)
    left = float(((design @ fitted - values) ** 2).sum())
    assert 0.5 * left < swap.gain <= left + 1e-9
    assert best_swaps(design.T @ design, gradient, fitted, kept, np.zeros(3, bool), 5) == []


def test_edges_in_proportion_to_those_of_a_hidden_node_are_its_own():
    weights = np.zeros((5, 5))
    weights[:4, 4] = [1.5, -1.4, 1.0, 0.7]
    # Of the second node: as the hidden one's but for one entry.
    weights[:4, 1] = [0.0, -0.57, 0.4, 0.28]
    weights[3, 2] = 0.9
    (shift,) = shifts(weights, 4, 3)
    assert (shift.hidden, shift.source, shift.n_fewer) == (4, 1, 2)
    moved = shift.shifted(weights)
    np.testing.assert_allclose(moved[:, 1], [-0.6, 0, 0, 0, 0.4], atol=0.02)
    assert moved[3, 2] == 0.9
    assert np.count_nonzero(moved) == np.count_nonzero(weights) - shift.n_fewer + 1
    (alone,) = taken_over(weights, 4, 3)
    assert (alone == moved).all()
