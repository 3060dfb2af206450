"""Intervals hold the true edges about as often as they say, and admit what data do not tell."""

from dataclasses import replace

import numpy as np
import pytest

from cellbox.data.simulation import simulate, simulate_system
from cellbox.networks.known_systems import system
from cellbox.refinement.edge_intervals import edge_intervals, student_quantile
from cellbox.refinement.multiple_shooting import MultipleShooting
from tests.cellbox.small import LOOP


def problem(noise: float = 0.01, seed: int = 0, **changes) -> MultipleShooting:
    chosen = {"n_conditions": 12, "n_times": 4, "horizon": 6.0, "design": "balanced", **changes}
    data = simulate(LOOP, noise=noise, n_held_out=1, seed=seed, **chosen)
    rows = data.split.training
    return MultipleShooting.of(data, rows)


def test_the_truth_lies_within_about_nine_of_ten_intervals():
    inside = []
    for seed in range(30):
        found = edge_intervals(problem(seed=seed), LOOP)
        inside.append((found.low <= LOOP.weights) & (LOOP.weights <= found.high))
    assert 0.83 < np.mean(inside) < 0.97


def test_intervals_shrink_with_the_noise():
    widths = []
    for noise in (0.01, 0.001):
        found = edge_intervals(problem(noise), LOOP)
        widths.append(np.median(found.high - found.low))
    assert widths[0] / widths[1] == pytest.approx(10, rel=0.2)


def test_a_higher_level_gives_wider_intervals():
    narrow, wide = (edge_intervals(problem(), LOOP, level=level) for level in (0.5, 0.99))
    assert (wide.low < narrow.low).all()
    assert (narrow.high < wide.high).all()


def test_an_edge_that_may_not_be_is_zero_for_sure():
    allowed = np.ones((3, 3), bool)
    allowed[0, 0] = False
    found = edge_intervals(problem(), LOOP, allowed_edges=allowed)
    assert found.low[0, 0] == found.high[0, 0] == 0
    assert (found.low < found.high)[allowed].all()


def test_too_few_values_give_no_intervals():
    assert edge_intervals(problem(n_conditions=2, n_times=1), LOOP) is None


def test_what_no_condition_moves_is_not_determined():
    still = problem()
    still = MultipleShooting(0 * still.perturbations, 0.01 * still.measurements, still.times)
    found = edge_intervals(still, replace(LOOP, weights=0 * LOOP.weights))
    assert (found.high - found.low > 1).any()


def test_conditions_followed_to_another_steady_state_are_left_out():
    data = simulate_system(system("BF"), seed=100, noise=0.01, design="balanced")
    rows = data.split.training
    found = edge_intervals(MultipleShooting.of(data, rows), data.truth)
    assert 0 < found.n_left_out < len(rows) / 2
    assert np.median(found.high - found.low) < 0.1


def test_quantiles_are_those_of_student():
    assert student_quantile(0.9, 10) == pytest.approx(1.812, abs=1e-3)
    assert student_quantile(0.9, 10_000) == pytest.approx(1.645, abs=1e-3)
