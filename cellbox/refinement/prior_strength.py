"""How much a prior is worth, told by the data: empirical Bayes for the odds of its edges.

A network that was found without the prior says how reliable it is. Where edges that are listed are
found more often than others, the odds ratio of both is the strength of the prior (Robbins 1956; for
networks Werhli & Husmeier 2007); a list that was drawn at random has none and changes nothing. What
a handful of edges says by chance is taken off: one standard error of the log odds ratio. With that
strength the network is fitted anew and asked again, as in expectation maximisation.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from cellbox.arrays import EdgeMask, EdgeValues
from cellbox.networks.prior import LARGEST_STRENGTH, EdgePrior

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
