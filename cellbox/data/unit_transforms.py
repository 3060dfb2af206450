"""Numbers of data files made into what Eq. 1 takes, as units say, and answers made into theirs."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float

from cellbox.arrays import Perturbations, Responses, RowMask
from cellbox.data.dataset import Dataset
from cellbox.data.no_logarithms import note_without_logarithm
from cellbox.data.units import TIME_ZERO, Units
from cellbox.errors import listed
from cellbox.storage.problems import Problems, note_unknown

logger = logging.getLogger("cellbox")

# How readers name the rows of a condition that was measured more than once.
_REPLICATE = ", replicate "
_NAMED = 10


def in_model_units(data: Dataset, units: Units, at_zero: Perturbations | None = None) -> Dataset:
    """The dataset with log ratios, doses and times as Eq. 1 takes them.

    at_zero: the values at time 0, NaN where there are none; None where files have no such time.

    Raises InputError where a control is unknown or lacks a value, where a logarithm does not
    exist, or where a perturbed node has no EC50.
    """
    if not units.given:
        return data
    problems = Problems()
    changes: dict[str, np.ndarray | Units | None] = {
        "times": data.times / units.decay_time,
        "units": units,
    }
    if units.dose_transform is not None:
        changes["perturbations"] = u_of_doses(data.perturbations, data.nodes, units, problems)
    if units.transform is not None:
        changes["measurements"] = _values(data, units, at_zero, problems)
        changes["errors"] = _errors(data, units)
        # A table of exact responses is in no other unit than Eq. 1's.
        changes["noise_free"] = None
    problems.raise_any()
    return replace(data, **changes)  # type: ignore[arg-type]


def u_of_doses(
    dose: Float[np.ndarray, "n_rows n_nodes"],
    nodes: Sequence[str],
    units: Units,
    problems: Problems,
) -> Float[np.ndarray, "n_rows n_nodes"]:
    """u of doses in the unit of files; notes perturbed nodes without an EC50."""
    if units.dose_transform is None:
        return dose
    perturbed = (dose != 0).any(axis=0)
    half = np.ones(len(nodes))
    if isinstance(units.ec50, Mapping):
        for name in units.ec50:
            if name not in nodes:
                note_unknown(name, nodes, "ec50", "node", problems)
        missing = [
            node
            for node, dosed in zip(nodes, perturbed, strict=True)
            if dosed and node not in units.ec50
        ]
        if missing:
            none = listed(missing, _NAMED)
            found = f"expected an EC50 for each perturbed node, found none for {none}"
            problems.add("ec50", found, "Add them, or give one number for all")
        half = np.array([units.ec50.get(node, 1.0) for node in nodes])
    elif units.ec50 is not None:
        half = half * units.ec50
    if units.dose_transform == "log10-hill":
        # A dose of 0 is no dose in every form; a logarithm has no sign to keep.
        with np.errstate(over="ignore"):
            amount = 10.0**dose
        # As 1/(1 + K/d), which does not overflow.
        return np.where(dose != 0, 1 / (1 + half / amount), 0.0)
    size = np.abs(dose) / half
    shaped = {
        "scale": lambda: size,
        "log": lambda: np.log2(1 + size),
        "hill": lambda: size / (1 + size),
    }[str(units.dose_transform)]()
    return np.sign(dose) * shaped


def answers(states: Float[np.ndarray, "*shape"], units: Units) -> Float[np.ndarray, "*shape"]:
    """Predicted log ratios as values in these units; see `Units.sentence`.

    The levels of controls are not known where nothing was measured, so that intensities are ratios
    to them, and logarithms differences from them.
    """
    if units.transform is None or units.transform == "difference":
        return states
    with np.errstate(over="ignore"):
        return np.exp2(states) * (100.0 if units.transform == "log2-percent" else 1.0)


def _values(
    data: Dataset, units: Units, at_zero: Perturbations | None, problems: Problems
) -> Responses:
    """Log ratios of the measurements; activity nodes stay as they are."""
    values = np.where(data.activity_nodes, np.nan, data.measurements)
    if units.transform != "difference":
        values, at_zero = _detected(data, values, at_zero, units)
        refused = note_without_logarithm(data, values, problems)
        # What was told already is not told again as a lack of controls.
        instead = 1.0 if refused else np.nan
        values = np.where(values <= 0, instead, values)
        at_zero = None if at_zero is None else np.where(at_zero <= 0, instead, at_zero)
        with np.errstate(invalid="ignore", divide="ignore"):
            values = np.log2(values)
            at_zero = None if at_zero is None else np.log2(at_zero)
    if units.transform == "log2-percent":
        values = values - np.log2(100)
    elif units.control == (TIME_ZERO,):
        values = values - _own_start(data, values, at_zero, problems)
    elif units.control:
        values = values - _of_own_controls(data, values, at_zero, units.control, problems)
    return np.where(data.activity_nodes, data.measurements, values)


def _errors(data: Dataset, units: Units) -> Responses | None:
    """Errors of the log ratios: those of a logarithm are relative ones, by linear theory."""
    if data.errors is None or units.transform == "difference":
        return data.errors
    size = np.maximum(np.abs(data.measurements), units.detection_limit or 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        relative = data.errors / (size * np.log(2))
    return np.where(data.activity_nodes, data.errors, relative)


def _detected(
    data: Dataset, values: Responses, at_zero: Perturbations | None, units: Units
) -> tuple[Responses, Perturbations | None]:
    """Values and those at time 0, where what is below the limit of detection counts as it."""
    limit = units.detection_limit
    if limit is None:
        return values, at_zero
    below = int((values < limit).sum()) + (0 if at_zero is None else int((at_zero < limit).sum()))
    if below:
        said = "%s: %d values below the limit of detection count as it, %g"
        logger.info(said, data.name, below, limit)
    at_zero = None if at_zero is None else np.where(at_zero < limit, limit, at_zero)
    return np.where(values < limit, limit, values), at_zero


def _own_start(
    data: Dataset, values: Responses, at_zero: Perturbations | None, problems: Problems
) -> Float[np.ndarray, "n_rows 1 n_nodes"]:
    """What each series had at time 0."""
    start = np.full((data.n_rows, data.n_nodes), np.nan) if at_zero is None else at_zero
    lacking = (np.isnan(start) & np.isfinite(values).any(axis=1)).any(axis=1)
    if lacking.any():
        rows = [data.row_names[row] for row in np.flatnonzero(lacking)]
        found = (
            f"expected a value above 0 at time 0 of each node, found none in {listed(rows, _NAMED)}"
        )
        problems.add("control", found, "Add them, or name conditions as controls")
    return start[:, None, :]


def _of_own_controls(
    data: Dataset,
    values: Responses,
    at_zero: Perturbations | None,
    names: Sequence[str],
    problems: Problems,
) -> Float[np.ndarray, "n_rows_or_1 n_times n_nodes"]:
    """The controls of each row: of several cell lines those of its own."""
    if len(data.line_names) < 2:
        return _of_controls(data, values, at_zero, names, problems)[None]
    found = np.zeros(values.shape)
    for number, line in enumerate(data.line_names):
        rows = np.flatnonzero(data.line_of_row == number)
        own = data.rows(rows)
        there = [name for name in names if _rows_named(own, name).any()]
        if not there and any(_rows_named(data, name).any() for name in names):
            named = listed(names, _NAMED)
            said = f"expected a control in each cell line, found none of {line} among {named}"
            problems.add("control", said, "Measure one there, or name its own control as well")
            continue
        start = None if at_zero is None else at_zero[rows]
        found[rows] = _of_controls(own, values[rows], start, there or names, problems)
    return found


def _of_controls(
    data: Dataset,
    values: Responses,
    at_zero: Perturbations | None,
    names: Sequence[str],
    problems: Problems,
) -> Float[np.ndarray, "n_times n_nodes"]:
    """The mean of the controls at each time, over all times where they lack one, or at time 0."""
    rows = np.zeros(data.n_rows, bool)
    for name in names:
        of_name = _rows_named(data, name)
        if not of_name.any():
            known = tuple(dict.fromkeys(row.split(_REPLICATE)[0] for row in data.row_names))
            note_unknown(name, known, "control", "condition", problems)
        elif data.touched[of_name].any():
            found = f"expected an unperturbed condition, found {name!r}, which has doses"
            problems.add("control", found, "Name a condition without any")
        rows |= of_name
    if not rows.any():
        return np.zeros(values.shape[1:])
    mean = _mean(values[rows], axis=0)
    overall = _mean(values[rows].reshape(-1, data.n_nodes), axis=0)
    needed = np.isfinite(values).any(axis=0)
    if (needed & np.isnan(mean) & ~np.isnan(overall)).any():
        logger.info("%s: controls lack a time, and count with their mean over times", data.name)
    if at_zero is not None:
        start = _mean(at_zero[rows], axis=0)
        if (needed & np.isnan(overall) & ~np.isnan(start)).any():
            said = "%s: controls were measured at time 0 alone, and count so at all times"
            logger.info(said, data.name)
        overall = np.where(np.isnan(overall), start, overall)
    mean = np.where(np.isnan(mean), overall, mean)
    lacking = [data.nodes[node] for node in np.flatnonzero((needed & np.isnan(mean)).any(axis=0))]
    if lacking:
        found = (
            f"expected the controls to have each node, found no value of {listed(lacking, _NAMED)}"
        )
        problems.add("control", found, "Measure them, or leave these nodes out")
    return mean


def _rows_named(data: Dataset, name: str) -> RowMask:
    """The rows of a condition: all its replicates, in all cell lines."""
    own = [row == name or row.startswith(f"{name}{_REPLICATE}") for row in data.row_names]
    in_lines = [
        row == f"{name}, {line}" or row.startswith(f"{name}, {line}{_REPLICATE}")
        for row, line in zip(data.row_names, data.lines or (), strict=False)
    ]
    return np.array(own, bool) | np.array(in_lines or own, bool)


def _mean(values: np.ndarray, axis: int) -> np.ndarray:
    """The mean of what is known, NaN where nothing is."""
    known = np.isfinite(values)
    count = known.sum(axis=axis)
    total = np.where(known, values, 0.0).sum(axis=axis)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
