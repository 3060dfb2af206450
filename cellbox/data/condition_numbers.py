"""Which rows are of one condition: the same perturbation, cell line and interventions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cellbox.arrays import Perturbations, RowNumbers
from cellbox.data.same_numbers import groups_of_close
from cellbox.networks.interventions import Interventions


def number_conditions(
    perturbations: Perturbations,
    lines: Sequence[str] | None = None,
    interventions: Interventions | None = None,
) -> RowNumbers:
    """Number the rows of u that are the same but for rounding alike, from 0 on.

    lines: of each row; rows of different ones are not the same. interventions: those with other
    levels of held nodes, or other times of doses, are not the same either.
    """
    if interventions is not None:
        perturbations = np.concatenate([perturbations, interventions.keys()], axis=1)
    levels = np.zeros(perturbations.shape, dtype=np.int32)
    for column in np.flatnonzero((perturbations != 0).any(axis=0)):
        rows = np.flatnonzero(perturbations[:, column])
        distinct, of_row = np.unique(perturbations[rows, column], return_inverse=True)
        levels[rows, column] = groups_of_close(distinct)[of_row.reshape(-1)] + 1
    if lines is not None:
        place = {name: number for number, name in enumerate(dict.fromkeys(lines))}
        of_line = np.array([place[name] for name in lines], dtype=np.int32)
        levels = np.column_stack([levels, of_line])
    return numbered_in_order(levels)


def numbered_in_order(keys: np.ndarray) -> RowNumbers:
    """Number equal rows of `keys` alike, counting from 0 in order of first appearance."""
    # By their bytes: sorting rows of hundreds of columns takes many times as long.
    numbers: dict[bytes, int] = {}
    return np.array(
        [numbers.setdefault(row.tobytes(), len(numbers)) for row in np.ascontiguousarray(keys)],
        dtype=int,
    )
