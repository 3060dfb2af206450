"""How an error falls with the size of an experiment, and what a larger one would bring.

Two forms with an asymptote are fitted, since none suits all curves (Viering & Loog 2023, IEEE TPAMI
45:7799): the power law a + b n^−c, and that of Morgan, Mercer and Flodin (1975),
(a b + c n^d) / (b + n^d). Intervals come from a bootstrap over draws, each of which keeps all its
sizes, and from both forms alike. About one curve in seven is not well behaved there: one that
rises, that neither form fits, or whose last point its others do not predict is not extrapolated.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.stats import norm
from scipy.stats import t as student_t

_BOOTSTRAPS = 200
_FEWEST_SIZES = 4

# Changes below this share of the error are none.
_NOTHING = 0.02

# A curve that misses means by more standard errors than this does not fit.
_TOO_FAR = 3.0

# What the forms have beside the two numbers that enter linearly: the exponent of a power law, and
# where half of the way is gone (in sizes) with the exponent of the other form.
_POWERS = np.linspace(0.1, 3.0, 30)
_HALVES = np.geomspace(0.5, 500.0, 16)
_EXPONENTS = np.linspace(0.4, 5.0, 12)

Sizes = Float[np.ndarray, " n_sizes"]


@dataclass(frozen=True, eq=False)
class _Fits:
    """Fitted curves: each a number of `_shapes`, and what its two basis functions count."""

    shapes: np.ndarray
    counts: Float[np.ndarray, "n_fits 2"]

    def at(self, sizes: Sizes) -> Float[np.ndarray, "n_fits n_sizes"]:
        """The curves at some sizes."""
        return np.einsum("fsk,fk->fs", _shapes(sizes)[self.shapes], self.counts)


@dataclass(frozen=True, eq=False)
class LearningCurve:
    """An error by size, fitted.

    sizes: ascending. errors: of each draw at each size, NaN where it was not tried.
    oddity: why the curve is not extrapolated, in words; None where it is well behaved.
    predicted_last: what the other sizes predict of the largest: low, expected, high; None where
        there are too few of them.
    """

    sizes: Sizes
    errors: Float[np.ndarray, "n_draws n_sizes"]
    oddity: str | None
    predicted_last: tuple[float, float, float] | None
    _fits: _Fits

    @property
    def means(self) -> Sizes:
        """The mean error at each size."""
        return np.nanmean(self.errors, axis=0)

    def at(self, sizes: Sizes, level: float = 0.9) -> Float[np.ndarray, "3 n_sizes"]:
        """Low, expected and high error at any sizes, those beyond the largest included."""
        return _interval(self._fits.at(np.asarray(sizes, float)), len(self.errors), level)

    def change(self, size: float, further: float, level: float = 0.9) -> tuple[float, float, float]:
        """Low, expected and high share by which the error falls between two sizes."""
        both = self._fits.at(np.array([size, further], float))
        low, middle, high = _interval(1 - both[:, 1:] / both[:, :1], len(self.errors), level)[:, 0]
        return float(low), float(middle), float(high)


def fit_learning_curve(
    sizes: Sizes, errors: Float[np.ndarray, "n_draws n_sizes"], *, seed: int = 0
) -> LearningCurve:
    """Fit the errors of several draws at several sizes, positive and in any unit.

    Example:
        >>> import numpy as np
        >>> from cellbox.budgets.learning_curves import fit_learning_curve
        >>> sizes = np.array([5.0, 10.0, 20.0, 40.0])
        >>> spread = np.random.default_rng(0).normal(1.0, 0.02, (8, 4))
        >>> curve = fit_learning_curve(sizes, (0.1 + 1 / sizes) * spread)
        >>> low, expected, high = curve.at(np.array([80.0]))[:, 0]
        >>> curve.oddity is None, bool(0.1 < expected < 0.125)
        (True, True)
    """
    known = np.isfinite(errors).any(axis=0)
    sizes, errors = np.asarray(sizes, float)[known], np.asarray(errors, float)[:, known]
    fits = _bootstrapped(sizes, errors, seed)
    if len(sizes) < _FEWEST_SIZES:
        return LearningCurve(sizes, errors, f"{len(sizes)} sizes are too few", None, fits)
    earlier = _bootstrapped(sizes[:-1], errors[:, :-1], seed)
    low, middle, high = _interval(earlier.at(sizes[-1:]), len(errors), 0.9)[:, 0]
    predicted = float(low), float(middle), float(high)
    return LearningCurve(sizes, errors, _oddity(sizes, errors, fits, predicted), predicted, fits)


def _interval(
    values: Float[np.ndarray, "n_fits n_values"], n_draws: int, level: float
) -> Float[np.ndarray, "3 n_values"]:
    """Low, middle and high of what the fits say.

    A bootstrap of few draws is too sure: their spread is (n − 1)/n of what it should be, and known
    no better than that of a Student distribution.
    """
    tail = (1 - level) / 2
    low, middle, high = np.quantile(values, [tail, 0.5, 1 - tail], axis=0)
    wider = 1.0
    if n_draws > 1:
        wider = np.sqrt(n_draws / (n_draws - 1)) * float(
            student_t.ppf(1 - tail, n_draws - 1) / norm.ppf(1 - tail)
        )
    return np.array([middle - wider * (middle - low), middle, middle + wider * (high - middle)])


def _oddity(
    sizes: Sizes,
    errors: Float[np.ndarray, "n_draws n_sizes"],
    fits: _Fits,
    predicted: tuple[float, float, float],
) -> str | None:
    """What is odd about a curve, in words; None where it is well behaved."""
    means, deviations = np.nanmean(errors, axis=0), _standard_errors(errors)
    for place in range(len(sizes) - 1):
        # Draws that were tried at both: what they have in common is no rise.
        rises = errors[:, place + 1] - errors[:, place]
        rises = rises[np.isfinite(rises)]
        if len(rises) < 2:
            continue
        least = max(2 * rises.std(ddof=1) / np.sqrt(len(rises)), _NOTHING * means[place])
        if rises.mean() > least:
            return f"it rises from {sizes[place]:g} to {sizes[place + 1]:g}"
    missed = np.abs(np.median(fits.at(sizes), axis=0) - means)
    if (missed > np.maximum(_TOO_FAR * deviations, 2 * _NOTHING * means)).any():
        return "no form with an asymptote fits it"
    low, _, high = predicted
    slack = max(2 * deviations[-1], _NOTHING * means[-1])
    if not low - slack <= means[-1] <= high + slack:
        return f"its other points do not predict the one at {sizes[-1]:g}"
    return None


def _standard_errors(errors: Float[np.ndarray, "n_draws n_sizes"]) -> Sizes:
    """Of the mean at each size; a tenth of it where only one draw was tried."""
    counts = np.isfinite(errors).sum(axis=0)
    apart = np.nan_to_num(errors - np.nanmean(errors, axis=0))
    spread = np.sqrt((apart**2).sum(axis=0) / np.maximum(counts - 1, 1))
    spread = np.where(spread > 0, spread, 0.1 * np.nanmean(errors, axis=0))
    return spread / np.sqrt(counts)


def _bootstrapped(sizes: Sizes, errors: Float[np.ndarray, "n_draws n_sizes"], seed: int) -> _Fits:
    """Both forms fitted to draws of the draws."""
    random = np.random.default_rng(seed)
    weights = 1.0 / _standard_errors(errors)
    shapes = _shapes(sizes)
    found: list[tuple[int, np.ndarray]] = []
    for _ in range(_BOOTSTRAPS):
        chosen = errors[random.integers(0, len(errors), len(errors))]
        counted = np.isfinite(chosen)
        used = counted.any(axis=0)
        means = np.nan_to_num(chosen).sum(axis=0)[used] / counted.sum(axis=0)[used]
        for form in (slice(None, len(_POWERS)), slice(len(_POWERS), None)):
            shape, counts = _best_shape(shapes[form][:, used], means, weights[used])
            found.append((shape + (form.start or 0), counts))
    return _Fits(np.array([shape for shape, _ in found]), np.array([c for _, c in found]))


def _best_shape(
    shapes: Float[np.ndarray, "n_shapes n_sizes 2"], means: Sizes, weights: Sizes
) -> tuple[int, Float[np.ndarray, " 2"]]:
    """The shape that explains the means best, and how much of its two basis functions it takes.

    Neither is negative: an error has no asymptote below 0.
    """
    basis, wanted = shapes * weights[:, None], means * weights
    squares = np.einsum("fsk,fsl->fkl", basis, basis)
    products = np.einsum("fsk,s->fk", basis, wanted)
    alone = np.maximum(products, 0) / np.maximum(squares[:, [0, 1], [0, 1]], 1e-300)
    both = np.linalg.solve(
        squares + 1e-9 * np.trace(squares, axis1=1, axis2=2)[:, None, None] * np.eye(2),
        products[..., None],
    )[..., 0]
    nothing = np.zeros(len(shapes))
    candidates = np.stack(
        [
            np.stack([alone[:, 0], nothing], axis=1),
            np.stack([nothing, alone[:, 1]], axis=1),
            np.where((both >= 0).all(axis=1, keepdims=True), both, 0.0),
        ]
    )
    left = np.einsum("fsk,cfk->cfs", basis, candidates) - wanted
    errors = (left**2).sum(axis=2)
    which, shape = np.unravel_index(np.argmin(errors), errors.shape)
    return int(shape), candidates[which, shape]


def _shapes(sizes: Sizes) -> Float[np.ndarray, "n_shapes n_sizes 2"]:
    """The two basis functions of every shape: power laws first."""
    powers = sizes ** -_POWERS[:, None]
    grown = (sizes / _HALVES[:, None, None]) ** _EXPONENTS[:, None]
    gone = (grown / (1 + grown)).reshape(-1, len(sizes))
    return np.concatenate(
        [
            np.stack([np.ones_like(powers), powers], axis=2),
            np.stack([gone, 1 - gone], axis=2),
        ]
    )
