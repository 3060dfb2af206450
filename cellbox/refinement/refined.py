"""What refinement gives, whichever way it went."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from cellbox.networks.network import Network
from cellbox.refinement.landmarks import Landmark

# Standard deviation of a weak Gaussian prior on the entries of W, around 0. It keeps those that the
# data do not determine from running away.
PRIOR_DEVIATION = 1.0


@dataclass(frozen=True, eq=False)
class Refined:
    """A network after refinement.

    noise: estimated standard deviation of the measurements (log ratio).
    n_edges: entries of W that are not zero. n_values: measured values that it was fitted to.
    information: the Bayesian information criterion; infinite where the network cannot be solved.
    price: what of that its parameters cost. freedom: degrees of freedom of Student's t noise,
    infinite where the noise is Gaussian. landmarks: one for each stage of the way there, where they
    were asked for. prior_strength: of a prior of edges, None without one.
    """

    network: Network
    noise: float
    n_edges: int
    n_values: int
    n_steps: int
    information: float
    price: float = 0.0
    freedom: float = math.inf
    landmarks: tuple[Landmark, ...] = ()
    prior_strength: float | None = None

    @property
    def penalised_noise(self) -> float:
        """The information criterion as an error (log ratio): noise · n_values^(p / 2 n_values).

        It falls as a network of p parameters explains the data better, and rises with p.
        """
        return float(np.exp(self.information / (2 * self.n_values)))
