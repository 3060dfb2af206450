"""Heavy tails are told from Gaussian noise, and count as they should."""

import math

import numpy as np
import pytest

from cellbox.refinement.student_noise import noise_of, outlying

SHAPE = (60, 5, 4)
ALL = np.ones(SHAPE, bool)


def gaussian(seed, size=0.02):
    return size * np.random.default_rng(seed).normal(size=SHAPE)


def contaminated(seed, share=0.03):
    random = np.random.default_rng(seed)
    values = gaussian(seed)
    wild = random.random(SHAPE) < share
    return np.where(wild, random.choice([-1.0, 1.0], SHAPE), values), wild


def test_gaussian_noise_is_gaussian():
    noises = [noise_of(gaussian(seed), ALL) for seed in range(30)]
    assert all(noise.is_gaussian and noise.widening(gaussian(0)) == 1 for noise in noises)
    assert noises[0].core == pytest.approx(0.02, rel=0.1)


def test_the_deviance_is_the_likelihood_of_students_distribution():
    from scipy.stats import t

    values = 0.1 * np.random.default_rng(1).standard_t(3, size=SHAPE)
    noise = noise_of(values, ALL)
    assert noise.freedom == 3
    scale = t.fit(values.ravel(), f0=3, floc=0)[2]
    density = t.logpdf(values.ravel(), 3, scale=scale).sum()
    n_values = values.size
    expected = -2 * density - n_values * (math.log(2 * math.pi) + 1) + 2 * math.log(n_values)
    assert noise.deviance == pytest.approx(expected, rel=1e-4)


def test_wild_values_hardly_count_and_are_named():
    values, wild = contaminated(2)
    noise = noise_of(values, ALL)
    assert not noise.is_gaussian
    assert noise.weights[wild].max() < 0.01 < 0.5 < np.median(noise.weights[~wild])
    assert noise.core == pytest.approx(0.02, rel=0.15)
    assert (outlying(values, ALL) == wild).mean() > 0.999


def test_what_was_not_measured_counts_for_nothing():
    values, wild = contaminated(3)
    measured = ~wild
    noise = noise_of(np.where(measured, values, 0.0), measured)
    assert noise.is_gaussian
    assert (noise.weights == measured).all()
    assert not outlying(values, measured).any()


def test_residuals_that_are_no_numbers_explain_nothing():
    assert noise_of(np.full(SHAPE, np.nan), ALL).deviance == math.inf


def test_errors_are_as_wide_as_the_spread_of_robust_means():
    means, said = [], []
    for seed in range(200):
        values = contaminated(seed)[0]
        centre = 0.0
        for _ in range(20):
            noise = noise_of(values - centre, ALL)
            centre = float(np.average(values, weights=noise.weights))
        squares = np.average((values - centre) ** 2, weights=noise.weights)
        means.append(centre)
        said.append(noise.widening(values - centre) * math.sqrt(squares / values.size))
    assert np.mean(said) == pytest.approx(np.std(means), rel=0.2)


def test_values_without_any_noise_are_no_reason_for_a_tail():
    values = np.where(np.random.default_rng(4).random(SHAPE) < 0.5, 0.0, gaussian(4))
    with np.errstate(all="raise"):
        assert noise_of(values, ALL).is_gaussian
