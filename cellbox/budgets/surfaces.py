"""What experiments at some budgets say of all budgets: a surface with its uncertainty.

A latent surface f over the cells of a grid is normal beforehand: a level, a slope along each
coordinate (doublings of what is counted), and a smooth remainder. What all experiments of one draw
have in common (an easy truth, a lucky design) is an effect b of that draw, normal as well. Then

- success of experiment e at cell c in draw d has the chance 1 / (1 + exp(−f_c − b_d)), and
- a score (transformed so that it may be any number) is f_c + b_d with normal noise.

The posterior is normal around its mode (Laplace's approximation; of scores exact). How strong
slopes, remainder and draws are is not chosen but averaged over a few possibilities, each weighted
by its evidence. Where more data cannot hurt, draws of the surface are made monotone
(`BudgetGrid.rearranged`).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from scipy.special import expit

from cellbox.budgets.grid import BudgetGrid

# Beforehand, in logits: how far the level may be from even chances, and what a doubling, the
# remainder and a draw may bring (standard deviations, of which several are tried).
_LEVEL = 5.0
_STEEP, _SLOPES = (3.0, 10.0), (1.0, 4.0)
_REMAINDERS, _DRAW_EFFECTS = (0.7, 2.0, 4.0), (0.0, 1.0, 3.0)

# Within so many doublings the remainder is much the same.
_LENGTH = 0.5

# Of a score, everything is in units of its own standard deviation; noise as a share of it.
_NOISES = (0.1, 0.3, 0.6, 1.0)

_NEWTON_STEPS, _ARRIVED = 50, 1e-8

# The chance of an experiment with a draw of its own is a mean over draws, at these points.
_POINTS, _WEIGHTS = np.polynomial.hermite_e.hermegauss(9)


class Tried(NamedTuple):
    """Experiments: the cell and the draw of each, and what came of it.

    outcomes: 1 for a success and 0 for a failure, or a score.
    """

    cells: Int[np.ndarray, " n_experiments"]
    draws: Int[np.ndarray, " n_experiments"]
    outcomes: Float[np.ndarray, " n_experiments"]

    @classmethod
    def of(cls, cells: Sequence[int], draws: Sequence[int], outcomes: Sequence[float]) -> Tried:
        """The same from lists."""
        return cls(np.array(cells, int), np.array(draws, int), np.array(outcomes, float))


@dataclass(frozen=True, eq=False)
class Surface:
    """What is known of a quantity at every cell.

    samples: draws from what is known, each a whole surface, monotone where more cannot hurt.
    """

    samples: Float[np.ndarray, "n_samples n_cells"]

    @cached_property
    def median(self) -> Float[np.ndarray, " n_cells"]:
        """The value that is as probably exceeded as not."""
        return np.median(self.samples, axis=0)

    @cached_property
    def deviation(self) -> Float[np.ndarray, " n_cells"]:
        """The standard deviation of what is known."""
        return self.samples.std(axis=0)

    def interval(self, level: float = 0.9) -> Float[np.ndarray, "2 n_cells"]:
        """Low and high ends that hold the value with this probability."""
        tail = (1 - level) / 2
        return np.quantile(self.samples, [tail, 1 - tail], axis=0)


def success_surface(
    grid: BudgetGrid, tried: Tried, *, n_samples: int = 400, seed: int = 0
) -> Surface:
    """The probability that an experiment succeeds, at every cell.

    Example:
        >>> from cellbox.budgets.grid import BudgetGrid
        >>> from cellbox.budgets.surfaces import Tried, success_surface
        >>> grid = BudgetGrid({"conditions": (2, 4, 8, 16)})
        >>> tried = Tried.of([0] * 9 + [3] * 9, [*range(9)] * 2, [0] * 9 + [1] * 9)
        >>> low, _, _, high = success_surface(grid, tried).median
        >>> bool(low < 0.2), bool(high > 0.8)
        (True, True)
    """
    fits = [
        _bernoulli_fit(_Prior(grid, _LEVEL, steep, slope, remainder, effect), tried)
        for steep, slope, remainder, effect in itertools.product(
            _STEEP, _SLOPES, _REMAINDERS, _DRAW_EFFECTS
        )
    ]

    def chances(fit: _Fit, latent: Float[np.ndarray, "n_samples n_cells"]) -> np.ndarray:
        points = latent[..., None] + fit.prior.draw_effect * _POINTS
        return expit(points) @ (_WEIGHTS / _WEIGHTS.sum())

    return Surface(
        np.concatenate(
            [
                grid.rearranged(chances(fit, latent))
                for fit, latent in _sampled(fits, n_samples, seed)
            ]
        )
    )


def score_surface(
    grid: BudgetGrid, tried: Tried, *, falls: bool = False, n_samples: int = 400, seed: int = 0
) -> Surface:
    """The expected score at every cell, in its own unit.

    falls: whether a smaller score is the better one, as of an error.

    Scores should be transformed so that their spread is alike everywhere.
    """
    sign = -1.0 if falls else 1.0
    centre = float(tried.outcomes.mean()) if len(tried.outcomes) else 0.0
    unit = float(tried.outcomes.std()) if len(tried.outcomes) > 1 else 0.0
    unit = unit if unit > 0 else 1.0
    scaled = tried._replace(outcomes=sign * (tried.outcomes - centre) / unit)
    fits = [
        _normal_fit(_Prior(grid, 1.0, 1.0, 0.5, remainder, effect), scaled, noise)
        for remainder, effect, noise in itertools.product((0.3, 0.7), (0.0, 0.3), _NOISES)
    ]
    samples = [grid.rearranged(latent) for _, latent in _sampled(fits, n_samples, seed)]
    return Surface(centre + unit * sign * np.concatenate(samples))


@dataclass(frozen=True, eq=False)
class _Prior:
    """What is held of the latent surface and of draws beforehand (standard deviations).

    steep: of the slope along the number of conditions, on which most depends; slope: of the others.
    """

    grid: BudgetGrid
    level: float
    steep: float
    slope: float
    remainder: float
    draw_effect: float

    @cached_property
    def root(self) -> Float[np.ndarray, "n_cells n_cells"]:
        """The lower triangle whose square is the covariance of f."""
        x = self.grid.coordinates
        apart = ((x[:, None] - x[None]) ** 2).sum(axis=2)
        sloping = x * np.where(self.grid.is_conditions, self.steep, self.slope)
        covariance = self.level**2 + sloping @ sloping.T
        covariance += self.remainder**2 * np.exp(-apart / (2 * _LENGTH**2))
        return np.linalg.cholesky(covariance + 1e-6 * np.eye(len(x)))

    def design(self, tried: Tried) -> Float[np.ndarray, "n_experiments n_unknowns"]:
        """How f + b of each experiment follows from unknowns that are standard normal."""
        of_draws = (tried.draws[:, None] == np.unique(tried.draws)) * self.draw_effect
        return np.concatenate([self.root[tried.cells], of_draws], axis=1)


class _Fit(NamedTuple):
    """The mode of the unknowns, the curvature there, and the logarithm of the evidence."""

    prior: _Prior
    mode: Float[np.ndarray, " n_unknowns"]
    curvature: Float[np.ndarray, "n_unknowns n_unknowns"]
    evidence: float


def _bernoulli_fit(prior: _Prior, tried: Tried) -> _Fit:
    """Newton's method on the posterior of successes and failures, which has one mode."""
    design, signs = prior.design(tried), 2 * tried.outcomes - 1
    mode = np.zeros(design.shape[1])

    def value(at: Float[np.ndarray, " n_unknowns"]) -> float:
        return float(-np.logaddexp(0, -signs * (design @ at)).sum() - at @ at / 2)

    reached = value(mode)
    for _ in range(_NEWTON_STEPS):
        chance = expit(design @ mode)
        curvature = (design.T * (chance * (1 - chance))) @ design + np.eye(len(mode))
        step = np.linalg.solve(curvature, design.T @ (tried.outcomes - chance) - mode)
        share, before = 1.0, reached
        # A whole step may go too far where chances are near 0 or 1.
        while (reached := value(mode + share * step)) < before and share > 1e-6:
            share /= 2
        mode = mode + share * step
        if reached - before < _ARRIVED:
            break
    chance = expit(design @ mode)
    curvature = (design.T * (chance * (1 - chance))) @ design + np.eye(len(mode))
    return _Fit(prior, mode, curvature, reached - np.linalg.slogdet(curvature)[1] / 2)


def _normal_fit(prior: _Prior, tried: Tried, noise: float) -> _Fit:
    """The same for scores, whose posterior is normal."""
    design = prior.design(tried) / noise
    wanted = tried.outcomes / noise
    curvature = design.T @ design + np.eye(design.shape[1])
    mode = np.linalg.solve(curvature, design.T @ wanted)
    left = wanted - design @ mode
    value = -(left @ left + mode @ mode) / 2 - len(wanted) * np.log(noise)
    return _Fit(prior, mode, curvature, float(value) - np.linalg.slogdet(curvature)[1] / 2)


def _sampled(
    fits: Sequence[_Fit], n_samples: int, seed: int
) -> list[tuple[_Fit, Float[np.ndarray, "n_of_fit n_cells"]]]:
    """Draws of f from the fits, of each as many as its evidence deserves."""
    evidences = np.array([fit.evidence for fit in fits])
    weights = np.exp(evidences - evidences.max())
    # Rounded so that they add up, and the same for the same evidences.
    ends = np.round(np.cumsum(weights / weights.sum()) * n_samples).astype(int)
    random = np.random.default_rng([seed, n_samples])
    drawn = []
    for fit, count in zip(fits, np.diff(ends, prepend=0), strict=True):
        if count:
            standard = random.standard_normal((len(fit.mode), count))
            root = np.linalg.cholesky(fit.curvature)
            unknowns = fit.mode[:, None] + np.linalg.solve(root.T, standard)
            n_cells = len(fit.prior.root)
            drawn.append((fit, (fit.prior.root @ unknowns[:n_cells]).T))
    return drawn
