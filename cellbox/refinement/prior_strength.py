"""How much a prior is worth, told by the data: empirical Bayes for the odds of its edges.

The network is fitted without the prior and with it, at one or two usual strengths. Where the
criterion, which is −2 log posterior, is not lower with it by what one number more costs, or where
listed edges are found less often than others without it, the prior says nothing, and the fit
without it stays as it is, to the bit: so ends a list that was drawn at random. Else the network
tells how reliable the prior is: the odds ratio of listed edges and of others, to be found, is its
strength (Robbins 1956; for networks Werhli & Husmeier 2007). What a handful of edges says by chance
is taken off, one standard error of its logarithm. With that strength the network is fitted once
more, as in expectation maximisation, and the fit with the lowest criterion is taken.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from cellbox.arrays import EdgeMask, EdgeValues
from cellbox.networks.prior import AUTO, LARGEST_STRENGTH, EdgePrior
from cellbox.refinement.edge_prices import EdgePrices, edge_prices
from cellbox.refinement.refined import Refined

# The strengths at which a prior is tried, until one is confirmed: an edge that it lists is 20 or 4
# times as likely as another.
_TRIED = (3.0, 1.5)

# Of all edges between nodes of the prior, the least and the largest share that is expected.
_DENSITIES = (0.02, 0.5)

#: The best fit with these prices, None where none can be solved; without prices at all for None.
Fits = Callable[[EdgePrices | None], Refined | None]

# Below that a prior says next to nothing: an edge that it lists is at most 1.3 times as likely.
NEXT_TO_NOTHING = 0.25

# Added to each count, so that none is 0 (Haldane 1940).
_HALF = 0.5


class Reliability(NamedTuple):
    """What a network says of a prior.

    log_odds_ratio: of edges that are listed, over those that are not, whether they are found.
    error: its standard error. density: the share of all covered edges that are found.
    """

    log_odds_ratio: float
    error: float
    density: float

    @property
    def strength(self) -> float:
        """What the prior is worth at least, within one standard error; 0 where that is nothing."""
        sure = self.log_odds_ratio - self.error
        return float(min(sure, LARGEST_STRENGTH)) if sure >= NEXT_TO_NOTHING else 0.0

    @property
    def expected(self) -> float:
        """The density, within what networks have."""
        return float(np.clip(self.density, *_DENSITIES))


def reliability(prior: EdgePrior, weights: EdgeValues, allowed: EdgeMask) -> Reliability:
    """How often the listed edges are found in a network, and the others.

    An edge that is listed with a confidence of 0.3 counts by that, and the rest as not listed; so
    does one with another sign. Self-regulation is not counted, since few lists have it.
    """
    counted = prior.covered & allowed & ~np.eye(len(weights), dtype=bool)
    found = (weights != 0)[counted]
    confidence, agreed = prior.confidence[counted], prior.agreed(weights)[counted]
    # Listed edges that are found with another sign are missing, and are an edge not listed.
    listed_found = agreed[found].sum() + _HALF
    listed_missing = confidence.sum() - agreed[found].sum() + _HALF
    other_found = (1 - agreed)[found].sum() + _HALF
    other_missing = (1 - confidence)[~found].sum() + _HALF
    counts = np.array([listed_found, listed_missing, other_found, other_missing])
    ratio = np.log(listed_found * other_missing / (listed_missing * other_found))
    density = (found.sum() + _HALF) / (len(found) + 1)
    return Reliability(float(ratio), float(np.sqrt((1 / counts).sum())), float(density))


def expected_without(prior: EdgePrior, plain: Refined | None, allowed: EdgeMask) -> float:
    """The share of all covered edges that is expected without the prior, by a fit without it."""
    weights = np.zeros(allowed.shape) if plain is None else plain.network.weights
    return reliability(prior, weights, allowed).expected


def prices_by(
    prior: EdgePrior, found: Refined, plain: Refined | None, n_values: int, allowed: EdgeMask
) -> EdgePrices | None:
    """What edges cost by what a network says of the prior, None where that is nothing new.

    found: the best network so far. plain: the fit that `prices_for` had without the prior.
    """
    told = reliability(prior, found.network.weights, allowed)
    if abs(told.strength - (found.prior_strength or 0.0)) < NEXT_TO_NOTHING or not told.strength:
        return None
    without = expected_without(prior, plain, allowed)
    return edge_prices(
        prior, told.strength, n_values, allowed, density=told.expected, without=without
    )


def _confirmed(prior: EdgePrior, plain: Refined | None, found: Refined, allowed: EdgeMask) -> bool:
    """Whether a fit with the prior is likelier than one without, which does not speak against it.

    The strength is one number more, which costs what an edge costs.
    """
    if plain is None:
        return True
    if reliability(prior, plain.network.weights, allowed).log_odds_ratio < 0:
        return False
    return bool(found.information + np.log(found.n_values) < plain.information)


def prices_for(
    prior: EdgePrior,
    strength: float | str,
    fits: Fits,
    n_values: int,
    allowed: EdgeMask,
) -> EdgePrices | None:
    """What edges cost with a prior of a strength, or of the one that the data ask for (`AUTO`).

    None where the prior says nothing, and all edges cost the same.
    """
    if strength == 0 or not (prior.listed & allowed).any():
        return None
    plain = fits(None)
    without = expected_without(prior, plain, allowed)

    def prices(at: float, density: float) -> EdgePrices:
        return edge_prices(prior, at, n_values, allowed, density=density, without=without)

    for at in _TRIED if strength == AUTO else (float(strength),):
        tried = prices(at, without)
        found = fits(tried)
        if found is not None and (strength != AUTO or _confirmed(prior, plain, found, allowed)):
            break
    else:
        return None if strength == AUTO else tried
    told = reliability(prior, found.network.weights, allowed)
    again = prices(told.strength if strength == AUTO else tried.strength, told.expected)
    if again.strength == 0:
        return None
    refitted = fits(again)
    better = refitted is not None and refitted.information < found.information
    return again if better else tried
