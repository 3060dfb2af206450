"""Experiments as regressions: what each tells of every row of W.

Where the states of all genes are measured, the equation of gene i holds row i of W alone. In a
steady state it is linear in W; in a time course, with its decay known, the solution

    x_i(t) − m_i = ∫ r e^{−r (t−s)} (Σ_j w_ij a_j(s) + b_i d_i(s)) ds

is too, so that only filtered measurements stand on the right and noise is not differentiated.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from cellbox.arrays import EdgeValues, NodeValues
from cellbox.knockouts.experiments import Expression, TimeCourses, WildType

# A response is real with this probability, and then this many standard deviations of noise large.
_REAL_SHARE = 0.05
_REAL_SIZE = 4.0


@dataclass(frozen=True, eq=False)
class Observations:
    """Steady states and moments of time courses, as rows of the regressions of all targets.

    responses: expression minus the wild type's. activities: a of each gene. drives: filtered.
    variances: of the responses. used: whether a row says something of a target (not of one that
    is itself knocked out). known: activities that are set by the experiment, so that what they do
    does not pass through another gene. slope_errors: how far effects differ from experiment to
    experiment, as a share.
    """

    responses: Expression
    activities: Expression
    drives: Expression
    variances: Expression
    used: Bool[np.ndarray, "n_experiments n_genes"]
    known: Bool[np.ndarray, "n_experiments n_genes"]
    slope_errors: Float[np.ndarray, " n_experiments"]


def bounded(
    relative: Float[np.ndarray, "*shape"], saturation: float
) -> Float[np.ndarray, "*shape"]:
    """What a relative change of expression does to a gene's targets: c tanh(change / c)."""
    return saturation * np.tanh(relative / saturation)


def shrunk(
    changes: Expression, noise: NodeValues, expected: Expression, slope_error: float
) -> Expression:
    """Noisy changes of expression as they are expected to be, given what they look like.

    A change is what is `expected` of it, up to noise and a `slope_error` of that, or with a small
    probability something else. All of shape (n_experiments, n_genes), noise per gene.
    """
    off = changes - expected
    own = noise**2
    modelled = (slope_error * expected) ** 2
    real = (_REAL_SIZE * noise) ** 2
    narrow, wide = own + modelled, own + modelled + real
    odds = np.log(_REAL_SHARE / (1 - _REAL_SHARE)) + 0.5 * (
        off**2 / narrow - off**2 / wide + np.log(narrow / wide)
    )
    is_real = 1 / (1 + np.exp(-np.clip(odds, -500, 500)))
    kept = (1 - is_real) * modelled / narrow + is_real * (modelled + real) / wide
    return expected + off * kept


def steady_states(
    values: Expression,
    base: WildType,
    scales: NodeValues,
    *,
    remaining: float,
    saturation: float,
    slope_error: float,
) -> Observations:
    """Steady states in which row k has gene k at `remaining` of the wild type: 0 or a half.

    scales: what counts as a relative change of 1. A knock-out's own activity is known to be −1.
    """
    n = len(base.levels)
    own = np.eye(n, dtype=bool)
    changes = values - base.levels
    relative = shrunk(changes, base.noise, np.zeros_like(changes), 0.0) / scales
    relative[own] = (remaining - 1) * base.levels / scales
    activities = bounded(relative, saturation)
    is_knockout = remaining == 0
    if is_knockout:
        activities[own] = relative[own]
    return Observations(
        responses=changes,
        activities=activities,
        drives=np.zeros_like(changes),
        variances=base.noise_of(values) ** 2,
        used=~own,
        known=own if is_knockout else np.zeros_like(own),
        slope_errors=np.full(n, slope_error),
    )


def course_moments(
    courses: TimeCourses,
    base: WildType,
    scales: NodeValues,
    *,
    rate: float,
    saturation: float,
    variance_factor: float,
    slope_error: float,
) -> Observations:
    """All moments of time courses but the first. rate: of the decay of expression, per time.

    variance_factor: by how much noise variance is raised, since moments of one series share the
    errors of the equation.
    """
    changes = courses.values - base.levels
    n_genes = changes.shape[2]
    filtered, drives = _filtered(changes, courses, rate)
    responses = changes[:, 1:].reshape(-1, n_genes)
    activities = bounded(filtered[:, 1:].reshape(-1, n_genes) / scales, saturation)
    everywhere = np.ones(responses.shape, dtype=bool)
    return Observations(
        responses=responses,
        activities=activities,
        drives=drives[:, 1:].reshape(-1, n_genes),
        variances=variance_factor * base.noise_of(responses + base.levels) ** 2,
        used=everywhere,
        known=~everywhere,
        slope_errors=np.full(len(responses), slope_error),
    )


def together(parts: list[Observations]) -> Observations:
    """Observations of several kinds, one below the other."""
    names = ("responses", "activities", "drives", "variances", "used", "known", "slope_errors")
    return Observations(
        **{name: np.concatenate([getattr(part, name) for part in parts]) for name in names}
    )


def normal_equations(
    seen: Observations, variances: Expression, drive_variance: float
) -> tuple[Float[np.ndarray, "n_nodes n_nodes n_nodes"], EdgeValues, NodeEquations]:
    """XᵀX and Xᵀy of each target's regression with the effect of its own drive marginalised.

    Also what that effect follows from, once W is known. drive_variance: of its prior.
    """
    n = seen.responses.shape[1]
    precision = seen.used / variances
    curvatures = np.empty((n, n, n))
    projections = np.empty((n, n))
    crossed = np.empty((n, n))
    for target in range(n):
        sources = seen.activities.copy()
        # No gene acts on itself here: that would be a change of its decay.
        sources[:, target] = 0
        weighted = sources * precision[:, target, None]
        curvatures[target] = sources.T @ weighted
        projections[target] = seen.responses[:, target] @ weighted
        crossed[target] = seen.drives[:, target] @ weighted
    own = (precision * seen.drives**2).sum(axis=0) + 1 / drive_variance
    told = (precision * seen.drives * seen.responses).sum(axis=0)
    curvatures -= crossed[:, :, None] * crossed[:, None, :] / own[:, None, None]
    projections -= crossed * (told / own)[:, None]
    return curvatures, projections, NodeEquations(crossed, told, own)


@dataclass(frozen=True, eq=False)
class NodeEquations:
    """What the effect of each gene's own drive follows from."""

    crossed: EdgeValues
    told: NodeValues
    own: NodeValues

    def drive_effects(self, weights: EdgeValues) -> NodeValues:
        """The posterior mean of b, the effect of a drive of 1, for these rows of W."""
        return (self.told - (self.crossed * weights).sum(axis=1)) / self.own


def _filtered(
    changes: Float[np.ndarray, "n_series n_times n_genes"], courses: TimeCourses, rate: float
) -> tuple[
    Float[np.ndarray, "n_series n_times n_genes"], Float[np.ndarray, "n_series n_times n_genes"]
]:
    """Measured changes and drives as the decay filters them; changes move on straight lines."""
    steps = np.diff(courses.times)
    states, drives = np.zeros_like(changes), np.zeros_like(changes)
    for place, step in enumerate(steps, start=1):
        gone = np.exp(-rate * step)
        share = (rate * step - 1 + gone) / (rate * step * (1 - gone))
        before, after = changes[:, place - 1], changes[:, place]
        average = before + (after - before) * share
        states[:, place] = gone * states[:, place - 1] + (1 - gone) * average
        driven = courses.times[place] <= courses.drive_ends
        drives[:, place] = gone * drives[:, place - 1] + (1 - gone) * driven * courses.drives
    return states, drives
