"""What a curvature leaves uncertain of each parameter by itself."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

# Directions that the data determine so much less than the best one count as not determined.
UNDETERMINED = 1e-12


def inverse_diagonal(
    curvature: Float[np.ndarray, "n_free n_free"],
) -> Float[np.ndarray, " n_free"]:
    """Diagonal of the inverse; infinite where a parameter is part of an undetermined direction."""
    scale = np.sqrt(np.diag(curvature))
    known = scale > 0
    scale = np.where(known, scale, 1.0)
    values, directions = np.linalg.eigh(curvature / np.outer(scale, scale))
    determined = values > UNDETERMINED * values[-1]
    parts = directions**2
    variances = parts[:, determined] @ (1 / values[determined]) / scale**2
    lost = parts[:, ~determined].sum(axis=1) > UNDETERMINED
    return np.where(known & ~lost, variances, np.inf)
