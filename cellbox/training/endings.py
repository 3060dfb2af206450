"""What a refinement came to, and whether that is an improvement."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from cellbox.refinement.refined import Refined


class Candidate(NamedTuple):
    """A refined network, where its refinement began, and its error in each validation row."""

    found: Refined
    start: str
    errors: Float[np.ndarray, " n_rows"]

    @property
    def noise(self) -> float:
        """What it leaves of the training data."""
        return self.found.noise


class Explained(NamedTuple):
    """The selection error and the noise of a network that was not refined."""

    error: float
    noise: float | None


def is_worse(
    before: Float[np.ndarray, " n_rows"], after: Float[np.ndarray, " n_rows"], noise: float
) -> bool:
    """Whether the mean absolute errors of some rows have become worse beyond noise.

    noise: standard deviation of a measurement (log ratio).

    That is, on average by more than a quarter of the noise; or at all on average, and by more than
    the noise in some row, as where that comes to another steady state; or if a row cannot be solved
    any more.
    """
    if not np.isfinite(after).all():
        return True
    if not np.isfinite(before).all():
        return False
    difference = after - before
    allowed = 0.0 if (difference > noise).any() else noise / 4
    return bool(difference.mean() > allowed)


def tail_sentence(found: Refined) -> str:
    """A sentence, with a space before it, where large residuals count less; else ""."""
    if math.isinf(found.freedom):
        return ""
    return (
        " Large residuals count less: the data ask for noise by Student's t distribution with "
        f"{found.freedom:g} degrees of freedom."
    )
