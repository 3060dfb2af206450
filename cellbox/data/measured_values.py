"""The measurements that say something about a network."""

from __future__ import annotations

import numpy as np

from cellbox.arrays import Responses
from cellbox.data.dataset import Dataset


def measured_values(data: Dataset) -> Responses:
    """The measurements, NaN for activity nodes: those follow from the dose."""
    return np.where(data.activity_nodes, np.nan, data.measurements)
