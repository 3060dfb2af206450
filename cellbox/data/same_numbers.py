"""When two doses or two times are the same in spite of rounding."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int

#: Doses and times that differ by no more than this, relative to the larger one, are the same:
#: they went through float32 or were computed another way (0.1 * 3).
ROUNDING = 1e-6


def merged(numbers: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """The same numbers, those that differ by rounding alone made equal.

    Of numbers that are this close the most frequent stands for all.
    """
    distinct, of_number, counts = np.unique(numbers, return_inverse=True, return_counts=True)
    group = groups_of_close(distinct)
    if len(distinct) == 0 or group[-1] == len(distinct) - 1:
        return numbers
    chosen = distinct.copy()
    for one in np.unique(group):
        members = np.flatnonzero(group == one)
        chosen[members] = distinct[members[np.argmax(counts[members])]]
    return chosen[of_number.reshape(-1)]


def groups_of_close(ascending: Float[np.ndarray, " n"]) -> Int[np.ndarray, " n"]:
    """Number ascending numbers from 0 on so that neighbours that are the same have one number."""
    size = np.maximum(np.abs(ascending[1:]), np.abs(ascending[:-1]))
    apart = np.diff(ascending) > ROUNDING * size
    return np.concatenate([[0], np.cumsum(apart)]).astype(int)[: len(ascending)]
