"""Learning curves: well-behaved ones are extrapolated, odd ones are not."""

import numpy as np
import pytest

from cellbox.budgets.learning_curves import fit_learning_curve

SIZES = np.array([5.0, 8.0, 12.0, 20.0, 30.0, 45.0])


def errors(seed, exponent=0.8):
    """Of 8 draws, some of them harder than others."""
    random = np.random.default_rng(seed)
    true = 0.08 + 0.6 * SIZES**-exponent
    return true * random.normal(1, 0.1, (8, 1)) * random.normal(1, 0.03, (8, 6))


def test_larger_sizes_are_predicted_within_the_interval():
    held = []
    for seed in range(4):
        curve = fit_learning_curve(SIZES, errors(seed))
        low, _, high = curve.at(np.array([80.0]))[:, 0]
        held.append(curve.oddity is None and low <= 0.08 + 0.6 * 80**-0.8 <= high)
    assert np.mean(held) >= 0.5


def test_the_last_point_is_predicted_from_the_others():
    curve = fit_learning_curve(SIZES, errors(0))
    low, _, high = curve.predicted_last
    assert low <= curve.means[-1] <= high


def test_a_curve_that_rises_is_odd():
    humped = errors(0)
    humped[:, 3] *= 1.6
    assert fit_learning_curve(SIZES, humped).oddity == "it rises from 12 to 20"


def test_a_curve_that_falls_off_a_cliff_is_odd():
    cliff = np.where(SIZES < 40, 1.0, 0.2) * np.random.default_rng(0).normal(1, 0.01, (8, 6))
    assert fit_learning_curve(SIZES, cliff).oddity is not None


def test_few_sizes_are_too_few():
    curve = fit_learning_curve(SIZES[:3], errors(0)[:, :3])
    assert curve.oddity == "3 sizes are too few"
    assert curve.predicted_last is None


def test_draws_that_lack_sizes_count_where_they_were_tried():
    holes = errors(0)
    holes[::2, 1], holes[1::2, 4] = np.nan, np.nan
    assert np.isfinite(fit_learning_curve(SIZES, holes).at(SIZES)).all()


def test_more_conditions_lower_a_falling_error():
    low, middle, high = fit_learning_curve(SIZES, errors(0)).change(45, 65)
    assert low <= middle <= high
    assert 0 < middle < 0.2


@pytest.mark.parametrize("seed", [0, 1])
def test_the_same_errors_give_the_same_curve(seed):
    first, again = (fit_learning_curve(SIZES, errors(0), seed=seed).at(SIZES) for _ in range(2))
    np.testing.assert_array_equal(first, again)
