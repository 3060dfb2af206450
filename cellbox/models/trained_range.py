"""What perturbations and times a model was trained on, and in what a question goes beyond them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from cellbox.arrays import Perturbations, RowNumbers, Times
from cellbox.data.dataset import Dataset
from cellbox.data.units import MODEL_UNITS, Units

# Doses that went through a file and its units differ by rounding.
_ROUNDING = 1e-6


def trained_range(data: Dataset, training: Sequence[int] | RowNumbers) -> dict[str, Any]:
    """The doses of each node that the training rows perturb, in u, and the last time, as JSON.

    Doses reach from the lowest to the highest, of which 0, no dose, is one.
    """
    u = data.perturbations[np.asarray(training, int)]
    lowest, highest = u.min(axis=0, initial=0.0), u.max(axis=0, initial=0.0)
    return {
        "doses": {
            node: [float(low), float(high)]
            for node, low, high in zip(data.nodes, lowest, highest, strict=True)
            if low < 0 or high > 0
        },
        "last_time": float(data.times[-1]),
    }


def beyond_training(
    u: Perturbations,
    times: Times,
    nodes: Sequence[str],
    trained: Mapping[str, Any] | None,
    units: Units = MODEL_UNITS,
) -> list[str]:
    """In what conditions go beyond what `trained_range` tells, each thing once; none if unknown.

    u: (n_rows, n_nodes). times: in decay times. units: those that people asked in; where they are
        others, it is said that notes are in the model's.
    """
    notes: dict[str, None] = {}
    for row in u if trained is not None else ():
        for time in times:
            note = note_of(row, float(time), nodes, trained, units)
            notes |= dict.fromkeys(note.split("; ") if note else ())
    return list(notes)


def note_of(
    row: np.ndarray,
    time: float,
    nodes: Sequence[str],
    trained: Mapping[str, Any] | None,
    units: Units = MODEL_UNITS,
) -> str:
    """In what one condition goes beyond the training data; "" where it does not."""
    if trained is None:
        return ""
    notes = []
    in_u = "" if units.dose_transform is None else "u of "
    decay_times = "" if units.time_unit is None else " decay times"
    for node, dose in zip(nodes, row, strict=True):
        if dose == 0:
            continue
        low, high = trained["doses"].get(node, (0.0, 0.0))
        spare = _ROUNDING * max(-low, high)
        if low == high == 0:
            notes.append(f"{node} was never perturbed in training")
        elif not low - spare <= dose <= high + spare:
            reach = f"({low:g} to {high:g})"
            notes.append(f"{in_u}{node} = {dose:g} is beyond the doses of training {reach}")
    last = trained["last_time"]
    if time > last * (1 + _ROUNDING):
        notes.append(f"time {time:g}{decay_times} is after the last measurement ({last:g})")
    return "; ".join(notes)
