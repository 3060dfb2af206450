"""Where one refinement has been, by which another knows that it leads to the same network.

Refinement from another start often comes to where one has been before, and from there on both would
do the same: its steps follow from where it is. So the first leaves landmarks, and the other ends
where it meets one, that is, where no direction of the parameters is further from it than a third
of a standard error.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

_NEAR = 0.3


class Landmark(NamedTuple):
    """Where a search was at the end of a stage.

    free: the parameters that may differ from zero. precision: of these, the inverse of the
    covariance that the data leave of them there.
    """

    parameters: Float[np.ndarray, " n_parameters"]
    free: Bool[np.ndarray, " n_parameters"]
    precision: Float[np.ndarray, "n_free n_free"]

    def is_near(
        self,
        parameters: Float[np.ndarray, " n_parameters"],
        free: Bool[np.ndarray, " n_parameters"],
    ) -> bool:
        """Whether another search, at the end of the same stage, is as good as here."""
        if not np.array_equal(free, self.free):
            return False
        apart = (parameters - self.parameters)[free]
        return bool(apart @ self.precision @ apart < _NEAR**2)
