"""Surfaces find chances and scores that are known, and say how sure they are."""

import numpy as np
import pytest
from scipy.special import expit

from cellbox.budgets.grid import BudgetGrid
from cellbox.budgets.surfaces import Tried, score_surface, success_surface

GRID = BudgetGrid({"conditions": (4, 6, 8, 12), "perturbed_nodes": (1, 2, 3)})
LATENT = GRID.coordinates @ np.array([6.0, 2.0])


def drawn(seed, n=120, effect=0.0):
    """Experiments whose chances are known, of 20 draws."""
    random = np.random.default_rng(seed)
    cells, draws = random.integers(0, len(LATENT), n), np.arange(n) % 20
    latent = LATENT[cells] + effect * random.normal(size=20)[draws]
    return Tried(cells, draws, (random.random(n) < expit(latent)).astype(float))


def test_intervals_of_chances_hold_the_true_ones():
    held = []
    for seed in range(4):
        low, high = success_surface(GRID, drawn(seed)).interval(0.9)
        held.append(np.mean((expit(LATENT) >= low) & (expit(LATENT) <= high)))
    assert 0.8 <= np.mean(held) <= 1.0


def test_chances_rise_with_conditions_and_order_budgets_as_they_are():
    surface = success_surface(GRID, drawn(0))
    shaped = surface.samples.reshape(-1, 4, 3)
    assert (np.diff(shaped, axis=1) >= 0).all()
    assert np.corrcoef(surface.median, expit(LATENT))[0, 1] > 0.95


def test_the_same_experiments_give_the_same_surface():
    first, again = (success_surface(GRID, drawn(1), seed=3).samples for _ in range(2))
    np.testing.assert_array_equal(first, again)


def test_nothing_tried_is_nothing_known():
    low, high = success_surface(GRID, Tried.of([], [], [])).interval(0.9)
    assert (low < 0.1).all()
    assert (high > 0.9).all()


def test_experiments_of_few_draws_that_are_alike_tell_less():
    """Where draws decide, twelve experiments of one draw are one piece of news."""
    random = np.random.default_rng(0)
    by_draw = (random.random(24) < 0.5).astype(float)
    cells, draws = np.tile(np.arange(12), 24), np.repeat(np.arange(24), 12)
    together = Tried(cells, draws, np.repeat(by_draw, 12))
    apart = Tried(cells, np.arange(288), random.permutation(np.repeat(by_draw, 12)))
    wide, narrow = (np.diff(success_surface(GRID, t).interval(), axis=0) for t in (together, apart))
    assert wide.mean() > 1.3 * narrow.mean()


@pytest.mark.parametrize("falls", [False, True])
def test_scores_are_found_in_their_own_unit(falls):
    tried = drawn(0)
    sign = -1.0 if falls else 1.0
    scores = sign * LATENT + 10
    noise = 0.3 * np.random.default_rng(1).normal(size=len(tried.cells))
    surface = score_surface(GRID, tried._replace(outcomes=scores[tried.cells] + noise), falls=falls)
    low, high = surface.interval(0.95)
    assert np.abs(surface.median - scores).mean() < 0.3
    assert ((scores >= low) & (scores <= high)).mean() > 0.8
