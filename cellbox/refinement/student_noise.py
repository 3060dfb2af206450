"""Noise with heavy tails: how often values are far off, and how much each of them is to count.

Residuals are taken to come from Student's t distribution, whose degrees of freedom and scale are
estimated with the network (Lange, Little & Taylor 1989). A residual r then counts with the weight

    (freedom + 1) / (freedom + (r / scale)²),

so that a value that is far off has hardly any part in the least squares. Gaussian noise, its limit,
is what is assumed unless the data ask for another one by the information criterion.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from cellbox.arrays import Responses, ValueMask

# Degrees of freedom that are compared. With more the tails are hardly heavier than Gaussian ones,
# and values count much alike.
_FREEDOMS = (1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0)

_MOST_STEPS, _SETTLED = 200, 1e-8

# Residuals below this share of their size are none, and so many of them are no noise.
_EXACT, _MOST_EXACT = 1e-9, 0.05

# A Gaussian value is farther off than an outlying one, in scales of the noise, with this chance
# among all values.
_CHANCE = 0.01


class StudentNoise(NamedTuple):
    """The noise that explains residuals best.

    freedom: degrees of freedom, infinite for Gaussian noise. core: standard deviation of what is
    not far off (log ratio). weights: of squares, 0 where nothing was measured. deviance: −2 log
    likelihood without log 2π + 1 for each value, which is n log(mean square) where it is Gaussian.
    """

    freedom: float
    core: float
    weights: Responses
    deviance: float

    def widening(self, residuals: Responses) -> float:
        """How many times larger errors are than weighted least squares would say.

        Weights that follow from the residuals are no known weights: the variance of an estimate is
        E[ψ²] / E[ψ']² with ψ = weight · residual (Huber 1964), not E[ψ r] / E[weight].
        """
        if self.is_gaussian:
            return 1.0
        counted = self.weights > 0
        weights, values = self.weights[counted], residuals[counted]
        pulls = weights * values
        slopes = weights - 2 * pulls**2 / ((self.freedom + 1) * np.mean(pulls * values))
        right = np.mean(pulls**2) / np.mean(slopes) ** 2
        return float(np.sqrt(right * np.mean(weights) / np.mean(pulls * values)))

    @property
    def is_gaussian(self) -> bool:
        """Whether all values count alike."""
        return math.isinf(self.freedom)


def noise_of(residuals: Responses, measured: ValueMask) -> StudentNoise:
    """The noise of these residuals (log ratio): Gaussian unless heavy tails explain them better.

    Residuals that are not numbers have an infinite deviance.
    A heavy tail counts as two parameters of the information criterion: an estimated one that is
    chosen among several.
    """
    values = residuals[measured]
    gaussian = StudentNoise(
        math.inf,
        float(np.sqrt(np.mean(values**2))),
        measured.astype(float),
        _gaussian_deviance(values),
    )
    if not math.isfinite(gaussian.deviance) or _mostly_exact(values, gaussian.core):
        return gaussian
    tailed = [_fitted(values, freedom) for freedom in _FREEDOMS]
    deviance, scale, freedom = min(tailed)
    price = 2 * math.log(len(values))
    if deviance + price >= gaussian.deviance:
        return gaussian
    weights = np.where(measured, (freedom + 1) / (freedom + (residuals / scale) ** 2), 0.0)
    return StudentNoise(freedom, _core(values), weights, deviance + price)


def _mostly_exact(values: Float[np.ndarray, " n_values"], size: float) -> bool:
    """Whether many values have no noise at all: a tail beside them would have no width.

    As where values were cut off at 0, and so is what the network predicts there.
    """
    return float(np.mean(np.abs(values) <= _EXACT * size)) > _MOST_EXACT


def outlying(residuals: Responses, measured: ValueMask) -> ValueMask:
    """The values that are farther off than Gaussian noise of the others' size would bring them."""
    # Here, since the package promises an import that loads nothing heavy.
    from scipy.special import ndtri

    values = residuals[measured]
    if not len(values):
        return np.zeros(measured.shape, bool)
    farthest = -ndtri(_CHANCE / (2 * len(values)))
    return measured & (np.abs(residuals) > farthest * _core(values))


def _core(values: Float[np.ndarray, " n_values"]) -> float:
    """The standard deviation that most of the values would have, were they Gaussian."""
    # The median of |x| where x is Gaussian of size 1.
    return float(np.median(np.abs(values))) / 0.6745


def _gaussian_deviance(values: Float[np.ndarray, " n_values"]) -> float:
    mean_square = float(np.mean(values**2)) if len(values) else 0.0
    if not math.isfinite(mean_square):
        return math.inf
    return len(values) * math.log(mean_square) if mean_square > 0 else -math.inf


def _fitted(values: Float[np.ndarray, " n_values"], freedom: float) -> tuple[float, float, float]:
    """Deviance, scale and degrees of freedom of the best t distribution with these."""
    squares = values**2
    # Of the middle of the values: what is far off has no part in it.
    variance = max(float(np.median(squares)), 1e-300)
    for _ in range(_MOST_STEPS):
        before = variance
        variance = float(np.mean((freedom + 1) * squares / (freedom + squares / before)))
        if abs(variance - before) <= _SETTLED * before:
            break
    n_values = len(values)
    constant = (
        math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2) - 0.5 * math.log(freedom / 2)
    )
    # Less log 2π + 1 a value, as above; the density's own constant has log(π freedom) / 2.
    tails = (freedom + 1) * float(np.log1p(squares / (freedom * variance)).sum())
    deviance = n_values * (math.log(variance) - 2 * constant - 1.0) + tails
    return deviance, math.sqrt(variance), freedom
