"""What refining a training came to."""

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


def tail_sentence(found: Refined) -> str:
    """A sentence, with a space before it, where large residuals count less; else ""."""
    if math.isinf(found.freedom):
        return ""
    return (
        " Large residuals count less: the data ask for noise by Student's t distribution with "
        f"{found.freedom:g} degrees of freedom."
    )
