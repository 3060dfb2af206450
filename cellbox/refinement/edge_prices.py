"""What edges cost in the information criterion where something is known of them beforehand.

By default every edge costs log(n_values): all edges are as likely. A prior (`EdgePrior`) of some
strength makes the odds of an edge exp(strength · confidence) times those of one that it does not
list, with some share of all expected. An edge of another sign than the listed one counts as not
listed. The criterion is then −2 log posterior: beside log(n_values), an edge costs −2 times how
much its log odds are larger than they would be without the prior. What the prior does not cover
costs what it did.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float
from scipy.special import expit, logit

from cellbox.arrays import EdgeMask, EdgeValues
from cellbox.networks.prior import EdgePrior

# What an edge costs at least, however likely it was, and at most, as a multiple of what it costs
# without a prior, however unlikely: so it stays a choice of the data.
LEAST_PRICE, MOST_PRICE = 2.0, 3.0


class Surcharges(NamedTuple):
    """What each parameter costs beside log(n_values), where it is positive and where it is not."""

    positive: Float[np.ndarray, " n_parameters"]
    negative: Float[np.ndarray, " n_parameters"]

    def of(self, values: Float[np.ndarray, " n_parameters"]) -> Float[np.ndarray, " n_parameters"]:
        """Those of parameters with these values."""
        return np.where(values > 0, self.positive, self.negative)

    def among(self, which: Bool[np.ndarray, " n_parameters"]) -> Surcharges:
        """Those of some parameters."""
        return Surcharges(self.positive[which], self.negative[which])


@dataclass(frozen=True, eq=False)
class EdgePrices:
    """Surcharges of all entries of W, by their sign.

    constant: what makes criteria comparable between strengths. strength: the log odds ratio of an
    edge that is surely listed. density: the share of covered edges that are expected.
    """

    positive: EdgeValues
    negative: EdgeValues
    constant: float
    strength: float
    density: float

    def of(self, weights: EdgeValues) -> EdgeValues:
        """What each entry of W costs beside log(n_values), with the sign that it has here."""
        return np.where(weights > 0, self.positive, self.negative)

    @property
    def least(self) -> EdgeValues:
        """What each entry of W costs beside log(n_values), with the likelier sign."""
        return np.minimum(self.positive, self.negative)

    def total(self, weights: EdgeValues) -> float:
        """What the edges of a network cost altogether beside log(n_values) each."""
        return float(self.of(weights)[weights != 0].sum()) + self.constant

    def of_row(self, row: int) -> Surcharges:
        """Of a row of W and of one other parameter behind it, which costs nothing beside."""
        return Surcharges(np.append(self.positive[row], 0.0), np.append(self.negative[row], 0.0))

    def of_parameters(self, n_parameters: int) -> Surcharges:
        """Of W row by row and of other parameters, which cost nothing beside."""
        rest = np.zeros(n_parameters - self.positive.size)
        return Surcharges(
            np.concatenate([self.positive.ravel(), rest]),
            np.concatenate([self.negative.ravel(), rest]),
        )


def edge_prices(
    prior: EdgePrior,
    strength: float,
    n_values: int,
    allowed: EdgeMask,
    *,
    density: float,
    without: float | None = None,
) -> EdgePrices:
    """What edges cost with a prior of this strength.

    density: the share of all covered edges that are expected, above 0 and below 1. without: the
    same without the prior, which prices are relative to; by default as many.
    """
    covered = prior.covered & allowed
    without = density if without is None else without
    sure = strength * prior.confidence
    base = _base(sure[covered], density)
    listed, unlisted = base + sure - logit(without), base - logit(without)
    own = np.log(n_values)
    least, most = LEAST_PRICE - own, MOST_PRICE * own - own

    def surcharges(sign: int) -> EdgeValues:
        odds = np.where((prior.signs == 0) | (prior.signs == sign), listed, unlisted)
        return np.where(covered, np.clip(-2 * odds, least, most), 0.0)

    absent = np.log1p(-expit(base + sure[covered])) - np.log1p(-without)
    return EdgePrices(
        surcharges(1), surcharges(-1), float(-2 * absent.sum()), float(strength), float(density)
    )


def _base(sure: Float[np.ndarray, " n_covered"], density: float) -> float:
    """The log odds of an edge that is not listed, so that this share is expected of all."""
    middle = float(logit(density))
    if not len(sure):
        return middle
    from scipy.optimize import brentq

    low = middle - float(sure.max()) - 1.0
    return float(brentq(lambda base: expit(base + sure).mean() - density, low, middle + 1.0))
