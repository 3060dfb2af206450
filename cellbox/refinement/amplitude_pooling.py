"""Amplitudes borrow strength from one another: how alike they are is part of what data tell.

A node that acts on itself comes to rest where α/(1 − α W_ii) is the same as without that edge and
with a larger α, as long as tanh is nearly straight; data then tell amplitudes and self-regulation
much better together than apart. So log α of all nodes is taken to come from one normal
distribution, whose centre and width are estimated with it (partial pooling; Efron & Morris 1975).
Where the nodes' own data say that amplitudes differ, the width is large and each keeps its own;
where they are as alike as their errors allow, they are drawn together.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from cellbox.arrays import EdgeValues, NodeValues

# How alike amplitudes may be taken to be, and how different: the standard deviation of log α.
_WIDTHS = np.geomspace(1.0, 0.02, 60)


class AmplitudePool(NamedTuple):
    """The distribution that log α of the nodes come from.

    centre, width: its mean and standard deviation. n_effective: how many parameters the amplitudes
    count for, from 1 where they are drawn to one value to n_nodes where each is its own.
    """

    centre: float
    width: float
    n_effective: float


def pool_amplitudes(estimates: NodeValues, covariance: EdgeValues) -> AmplitudePool:
    """The distribution that explains estimates of log α best, given their errors.

    estimates: of each node by its own data. covariance: of their errors, positive definite.

    The width maximises width · the restricted likelihood (Patterson & Thompson 1971) of
    estimates ~ normal(centre, covariance + width²), from 0.02 to 1. The first factor keeps few
    nodes from seeming more alike than they are (a prior that avoids 0, Chung et al. 2013).
    """
    variances, directions = np.linalg.eigh(covariance)
    variances = np.maximum(variances, 0.0)
    values, ones = directions.T @ estimates, directions.T @ np.ones(len(estimates))
    # One row for each width.
    spread = variances + _WIDTHS[:, None] ** 2
    precision = (ones**2 / spread).sum(axis=1)
    centres = (ones * values / spread).sum(axis=1) / precision
    misfit = ((values - centres[:, None] * ones) ** 2 / spread).sum(axis=1)
    likelihood = -0.5 * (np.log(spread).sum(axis=1) + np.log(precision) + misfit)
    best = int(np.argmax(likelihood + np.log(_WIDTHS)))
    # The trace of what maps estimates to their pooled values: of each by itself, and of the centre.
    own = (_WIDTHS[best] ** 2 / spread[best]).sum()
    common = (ones**2 * variances / spread[best] ** 2).sum() / precision[best]
    return AmplitudePool(float(centres[best]), float(_WIDTHS[best]), float(own + common))
