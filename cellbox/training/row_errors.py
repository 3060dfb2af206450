"""What mean absolute errors of validation rows say: whether they became worse, or are noise."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

# Mean errors that are noise, in its standard deviations: 0.8 is expected, of all rows and of each.
_ENOUGH, _ENOUGH_IN_A_ROW = 1.25, 2.0


def are_noise(errors: Float[np.ndarray, " n_rows"], noise: float) -> bool:
    """Whether rows are predicted as well as noise lets them be.

    noise: standard deviation of a measurement (log ratio).
    """
    worst = float(errors.max(initial=0.0))
    return bool(errors.mean() <= _ENOUGH * noise and worst <= _ENOUGH_IN_A_ROW * noise)


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
