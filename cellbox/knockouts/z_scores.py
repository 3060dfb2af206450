"""The knock-out z-score, by which the challenges' best ranked edges: no model at all."""

from __future__ import annotations

import numpy as np

from cellbox.arrays import EdgeValues
from cellbox.knockouts.experiments import Expression


def knockout_z_scores(knockouts: Expression) -> EdgeValues:
    """|z| of each gene in each knock-out, over that gene's mean and spread in all of them.

    knockouts: row k is the steady state with gene k knocked out. The answer is [target, source]; 0
    of a gene that never changes. See Pinna, Soranzo & de la Fuente 2010 (PLoS ONE 5:e12912).

    Example:
        >>> import numpy as np
        >>> from cellbox.knockouts.z_scores import knockout_z_scores
        >>> knockouts = np.array([[0.0, 0.1, 0.4], [0.5, 0.0, 0.4], [0.5, 0.4, 0.0]])
        >>> knockout_z_scores(knockouts).round(1)
        array([[1.4, 0.7, 0.7],
               [0.4, 1. , 1.4],
               [0.7, 0.7, 1.4]])
    """
    spread = knockouts.std(axis=0)
    off = np.abs(knockouts - knockouts.mean(axis=0))
    return np.divide(off, spread, out=np.zeros_like(off), where=spread > 0).T
