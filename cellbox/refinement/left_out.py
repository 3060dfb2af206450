"""Conditions left out in turn, and errors there that say as good as the same."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

from cellbox.arrays import Perturbations, RowNumbers

# Into how many parts conditions are divided, each of which is left out once.
PARTS = 3


def is_as_good(
    errors: Float[np.ndarray, " n_rows"],
    least: Float[np.ndarray, " n_rows"],
    condition: RowNumbers,
) -> bool:
    """Whether errors exceed the least ones by no more than one standard error of the difference.

    errors, least: of the same rows (log ratio). condition: that of each row, numbered from 0 up;
    rows of one condition count as one.

    Example:
        >>> rows = np.arange(4)
        >>> least = np.array([0.1, 0.2, 0.1, 0.2])
        >>> is_as_good(np.array([0.1, 0.3, 0.0, 0.2]), least, rows)
        True
        >>> is_as_good(least + np.array([0.1, 0.1, 0.1, 0.2]), least, rows)
        False
    """
    more = errors - least
    if not more.any():
        return True
    if condition.max() == 0 or not np.isfinite(more).all():
        return False
    apart = np.bincount(condition, weights=more) / np.bincount(condition)
    return bool(apart.mean() <= apart.std(ddof=1) / np.sqrt(len(apart)))


def left_out_together(perturbations: Perturbations) -> list[Int[np.ndarray, " n_rows_left_out"]]:
    """The rows of a third of the conditions at a time; every condition, with all its rows, once."""
    _, condition = np.unique(perturbations, axis=0, return_inverse=True)
    condition = condition.reshape(-1)
    order = np.random.default_rng(0).permutation(int(condition.max()) + 1)
    parts = np.array_split(order, min(PARTS, len(order)))
    return [np.flatnonzero(np.isin(condition, part)) for part in parts]
