"""Replicates that tell too little: as different as responses are large, or copies."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from cellbox.arrays import Responses, RowNumbers
from cellbox.data.control_responses import root_mean_square
from cellbox.data.dataset import Dataset
from cellbox.data.measured_values import measured_values
from cellbox.errors import DataWarning, listed

# One number that stands so often is filled down, where so many of the others are different.
_OFTEN, _FEWEST_TIMES, _DIFFERENT = 0.03, 6, 0.9
# So few different numbers may agree by chance, or where values have few levels.
_FEWEST_DIFFERENT = 4
_NAMED = 6


def copied_rows(data: Dataset) -> Iterator[DataWarning]:
    """A warning where rows are the same to the last digit, in one condition or in several.

    Not of simulations, whose rows are the same where they have no noise.
    """
    if data.noise_free is not None:
        return
    measured = measured_values(data).reshape(data.n_rows, -1)
    groups = _same_rows(measured)
    of_one = [rows for rows in groups if len(set(data.condition_of_row[rows].tolist())) == 1]
    if of_one:
        counts = np.bincount(data.condition_of_row)
        concerned = {int(data.condition_of_row[rows[0]]) for rows in of_one}
        yield DataWarning(
            "copied_replicates",
            f"Replicates are the same to the last digit in {len(concerned):,} of "
            f"{int((counts > 1).sum()):,} conditions that were measured repeatedly "
            f"({_shown(data, of_one)}): these are copies of one measurement, and noise looks "
            "smaller than it is",
            "Give each measurement once; of readings of one sample give the mean",
        )
    of_several = [rows for rows in groups if len(set(data.condition_of_row[rows].tolist())) > 1]
    if of_several:
        yield DataWarning(
            "copied_rows",
            f"Rows of different perturbations have the same values to the last digit: "
            f"{_shown(data, of_several)}",
            "Look which of them was copied, and leave it out, or correct its perturbation",
        )


def _same_rows(measured: np.ndarray) -> list[RowNumbers]:
    """Groups of rows with the same values, of which several differ from one another."""
    rows_of: dict[bytes, list[int]] = {}
    for place, row in enumerate(measured):
        # Zeros of either sign are the same number.
        rows_of.setdefault((row + 0.0).tobytes(), []).append(place)
    groups = [np.array(rows) for rows in rows_of.values() if len(rows) > 1]
    return [rows for rows in groups if _n_different(measured[rows[0]]) >= _FEWEST_DIFFERENT]


def _n_different(row: np.ndarray) -> int:
    return len(np.unique(row[np.isfinite(row) & (row != 0)]))


def _shown(data: Dataset, groups: list[RowNumbers]) -> str:
    """Rows that are the same, in words."""
    return listed([" = ".join(data.row_names[row] for row in rows) for rows in groups], _NAMED)


def noise_warnings(data: Dataset) -> Iterator[DataWarning]:
    """A warning where replicates differ as much as responses are large."""
    measured = measured_values(data)
    noise = replicate_noise(data, measured)
    perturbed = data.touched.any(axis=1)
    if not perturbed.any():
        return
    size = root_mean_square(measured[perturbed])
    yield from _large_errors(data, measured, size)
    if noise is None:
        return
    # The square of what is measured is that of the response and that of the noise.
    if size**2 < 2 * noise**2:
        yield DataWarning(
            "noise_exceeds_responses",
            f"Noise exceeds the responses: replicates differ by {noise:.3g} (standard deviation), "
            f"and values under perturbation are of size {size:.3g}, noise included",
            "Measure more replicates or stronger perturbations: hardly any edge can be told",
        )


def _large_errors(data: Dataset, measured: Responses, size: float) -> Iterator[DataWarning]:
    """The same of errors that the files tell. size: of values under perturbation."""
    if data.errors is None:
        return
    error = float(np.median(data.errors[np.isfinite(measured)]))
    if size**2 < 2 * error**2:
        yield DataWarning(
            "noise_exceeds_responses",
            f"Errors exceed the responses: half of them are {error:.3g} or more, and values under "
            f"perturbation are of size {size:.3g}, noise included",
            "Check that errors are in the unit of the values (log ratios, not percent or "
            "intensities), or measure more replicates: hardly any edge can be told",
        )


def filled_values(data: Dataset) -> Iterator[DataWarning]:
    """A warning where one number fills whole rows, and the others are all different.

    Levels that many nodes share, and what was set at one time, leave no row full of one number.
    """
    if data.noise_free is not None:
        return
    measured = measured_values(data)
    known = measured[np.isfinite(measured) & (measured != 0)]
    numbers, counts = np.unique(known, return_counts=True)
    if not len(numbers):
        return
    most = int(np.argmax(counts))
    n_others = len(known) - int(counts[most])
    often = counts[most] >= max(_FEWEST_TIMES, _OFTEN * len(known))
    if not often or len(numbers) - 1 < _DIFFERENT * max(n_others, 1):
        return
    places = np.argwhere(measured == numbers[most])
    here = (measured == numbers[most]).sum(axis=(1, 2))
    full = (here == np.isfinite(measured).sum(axis=(1, 2))) & (here >= _FEWEST_DIFFERENT)
    nodes = [data.nodes[node] for node in dict.fromkeys(places[:, 2].tolist())]
    if len(nodes) > 1 and full.any():
        yield DataWarning(
            "repeated_values",
            f"The number {numbers[most]:.6g} stands in {counts[most]:,} of {len(known):,} places, "
            f"of {len(nodes):,} nodes ({listed(nodes, _NAMED)}), where others are all different",
            "Look whether a cell was filled down, or what is missing was replaced by a number",
        )


def replicate_noise(data: Dataset, measured: Responses) -> float | None:
    """The standard deviation between replicates of perturbed conditions; None without any."""
    squares, free = 0.0, 0
    condition = data.condition_of_row
    perturbed = data.touched.any(axis=1)
    counts = np.bincount(condition[perturbed], minlength=1)
    for one in np.flatnonzero(counts > 1):
        values = measured[condition == one]
        known = np.isfinite(values).sum(axis=0)
        mean = np.where(np.isfinite(values), values, 0).sum(axis=0) / np.maximum(known, 1)
        squares += float(np.nansum((values - mean) ** 2))
        free += int(np.maximum(known - 1, 0).sum())
    return float(np.sqrt(squares / free)) if free >= 5 else None
