"""Measured series, what each value counts, and how large they are."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float

from cellbox.arrays import Perturbations, Responses, Times, ValueMask
from cellbox.networks.interventions import Interventions


@dataclass(frozen=True, eq=False)
class MeasuredSeries:
    """What was measured in each row, and how sure it is.

    measurements: log ratios, NaN where nothing was measured. times: ascending.
    weights: of the squares of measured values, beside what their errors say; None where all count
        alike.
    errors: standard error of each measured value (log ratio), None where it is not known: then
        all are taken to be the same. A square counts by (typical_error / error)², so that what is
        called the noise is that of a value with the typical error.
    interventions: nodes that are held, and doses that begin later or end; None where all last.
        What is held is not measured.
    """

    perturbations: Perturbations
    measurements: Responses
    times: Times
    weights: Responses | None = None
    errors: Responses | None = None
    typical_error: float = 1.0
    interventions: Interventions | None = None

    @property
    def n_nodes(self) -> int:
        """Number of nodes."""
        return self.perturbations.shape[1]

    @property
    def conditions(self) -> Float[np.ndarray, "n_rows n_keys"]:
        """Numbers that are the same in rows of one condition alone."""
        if self.interventions is None:
            return self.perturbations
        return np.concatenate([self.perturbations, self.interventions.keys()], axis=1)

    @cached_property
    def measured(self) -> ValueMask:
        """What was measured."""
        return np.isfinite(self.measurements)

    @property
    def n_values(self) -> int:
        """Number of measured values."""
        return int(self.measured.sum())

    @property
    def root_weights(self) -> Responses | float:
        """What residuals are multiplied by before they are squared."""
        return self.root_precision * (1.0 if self.weights is None else np.sqrt(self.weights))

    @cached_property
    def root_precision(self) -> Responses | float:
        """The typical error over that of each value; 1 where all are the same."""
        if self.errors is None:
            return 1.0
        return np.where(
            self.measured, self.typical_error / np.where(self.measured, self.errors, 1.0), 1.0
        )

    @property
    def mean_square(self) -> float:
        """Of all measured values, by their errors, in squared log ratio."""
        return float(np.nanmean((self.measurements * self.root_precision) ** 2))
