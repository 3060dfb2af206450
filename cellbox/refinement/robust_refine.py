"""Refinement where some values are far off: least squares that are weighted anew until they settle.

Under Student's t noise (`cellbox.refinement.student_noise`) the most likely network is a weighted
least-squares fit whose weights follow from its own residuals (iteratively reweighted least
squares). Whether the data ask for such noise, the information criterion says; where they do not,
nothing is done, and the Gaussian fit stays as it is.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from cellbox.arrays import EdgeMask, Responses
from cellbox.networks.network import Network
from cellbox.refinement.hidden_start import first_guess
from cellbox.refinement.multiple_shooting import MultipleShooting
from cellbox.refinement.refine import explain, refine, residuals_of
from cellbox.refinement.refined import Refined
from cellbox.refinement.student_noise import StudentNoise, noise_of
from cellbox.threads import in_one_thread

_MOST_FITS = 4

# Weights have settled when the deviance changes by less than this.
_SETTLED = 1.0

# A regression leaves out values that lie so many times as far from the middle of their node's as
# nine tenths of the others, and of all nodes' do.
_WILD = 2.0


@in_one_thread
def refine_robustly(
    problem: MultipleShooting,
    gaussian: Refined,
    start: Network,
    *,
    allowed_edges: EdgeMask | None = None,
    select_edges: bool = True,
) -> Refined | None:
    """The refined network under Student's t noise, or None where Gaussian noise explains as much.

    gaussian: what `refine` led to from `start`. Its residuals tell whether tails are heavy.
    Raises numpy's LinAlgError where the equations of a step have no solution.
    """
    noise = _noise(problem, gaussian.network)
    if noise.is_gaussian and np.isfinite(noise.deviance):
        return None
    # What is far off may have led the fit astray, and the start less.
    without = replace(problem, measurements=_without_wild(problem))
    others = (start, first_guess(without, start.nodes, allowed_edges))
    tried = [(noise, gaussian.network), *((_noise(problem, one), one) for one in others)]
    noise, network = min(tried, key=lambda one: one[0].deviance)
    best: Refined | None = None
    for _ in range(_MOST_FITS):
        if noise.is_gaussian:
            break
        found = refine(
            replace(problem, weights=noise.weights),
            network,
            allowed_edges=allowed_edges,
            select_edges=select_edges,
        )
        before, noise, network = noise.deviance, _noise(problem, found.network), found.network
        found = _with_noise(found, noise)
        if best is None or found.information < best.information:
            best = found
        if abs(noise.deviance - before) < _SETTLED:
            break
    return best if best is not None and best.information < gaussian.information else None


def weighted(problem: MultipleShooting, network: Network) -> tuple[MultipleShooting, float]:
    """The problem with the weights that the residuals of a network ask for, if they ask for any.

    Also by how much these make errors larger than weighted least squares would say.
    """
    residuals = residuals_of(problem, network)
    noise = noise_of(residuals, problem.measured)
    if noise.is_gaussian:
        return problem, 1.0
    return replace(problem, weights=noise.weights), noise.widening(residuals)


def explain_robustly(problem: MultipleShooting, network: Network) -> Refined:
    """How well a network as it is explains the data, under the noise that these ask for."""
    found = explain(problem, network)
    if not np.isfinite(found.information):
        return found
    noise = _noise(problem, network)
    better = noise.deviance + found.price < found.information
    return _with_noise(found, noise) if better and not noise.is_gaussian else found


def _with_noise(found: Refined, noise: StudentNoise) -> Refined:
    """A weighted fit, judged by the likelihood of its noise rather than by weighted squares."""
    if noise.is_gaussian:
        return replace(found, information=noise.deviance + found.price)
    return replace(
        found, information=noise.deviance + found.price, noise=noise.core, freedom=noise.freedom
    )


def _noise(problem: MultipleShooting, network: Network) -> StudentNoise:
    return noise_of(residuals_of(problem, network), problem.measured)


def _without_wild(problem: MultipleShooting) -> Responses:
    """The measurements without what is far from the middle of its node."""
    measured = problem.measurements
    # A node that was not measured has no middle.
    seen = problem.measured.any(axis=(0, 1))
    apart = np.full(measured.shape, np.nan)
    apart[..., seen] = np.abs(measured[..., seen] - np.nanmedian(measured[..., seen], axis=(0, 1)))
    spread = np.full(problem.n_nodes, np.inf)
    spread[seen] = np.nanquantile(apart[..., seen], 0.9, axis=(0, 1))
    spread[seen] = np.maximum(spread[seen], np.nanquantile(apart, 0.9))
    return np.where(apart > _WILD * spread, np.nan, measured)
