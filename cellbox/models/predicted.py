"""What a model predicts, and how sure that is."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from cellbox.refinement.edge_intervals import LEVEL, student_quantile


class Predicted(NamedTuple):
    """Predictions, with the ends of their 90 % intervals; these are None where nothing tells them.

    Intervals are of the response without measurement noise, and NaN where some of the networks that
    tell them could not be solved.
    """

    value: Float[np.ndarray, "*shape"]
    low: Float[np.ndarray, "*shape"] | None
    high: Float[np.ndarray, "*shape"] | None

    def each(self, change: Callable[[np.ndarray], np.ndarray]) -> Predicted:
        """The same with all its parts changed alike."""
        low, high = (None if end is None else change(end) for end in (self.low, self.high))
        return Predicted(change(self.value), low, high)


def with_draws(
    value: Float[np.ndarray, "*shape"], drawn: Sequence[Float[np.ndarray, "*shape"]]
) -> Predicted:
    """A network's predictions ± Student's t · how far those of its draws are (root mean square)."""
    if not drawn:
        return Predicted(value, None, None)
    deviation = np.sqrt(np.mean(np.square(np.array(drawn) - value), axis=0))
    within = student_quantile(LEVEL, len(drawn)) * deviation
    return Predicted(value, value - within, value + within)


def of_members(every: Float[np.ndarray, "n_members *shape"]) -> Predicted:
    """The mean of members' predictions ± Student's t · their standard deviation.

    What some but not all members can solve is the mean of the others, without an interval.
    """
    solved = np.isfinite(every)
    total, count = np.where(solved, every, 0.0).sum(axis=0), solved.sum(axis=0)
    value = np.where(count > 0, total / np.maximum(count, 1), np.nan)
    if len(every) < 2:
        return Predicted(value, None, None)
    within = student_quantile(LEVEL, len(every) - 1) * every.std(axis=0, ddof=1)
    return Predicted(value, value - within, value + within)
