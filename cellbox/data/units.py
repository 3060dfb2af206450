"""What the numbers of data files mean, and how they become what Eq. 1 takes.

Eq. 1 has log ratios to the unperturbed state, doses of order 1 (tanh saturates), and times in decay
times. Files have intensities, nanomolar and minutes as well.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, get_args

import numpy as np
from jaxtyping import Float

from cellbox.arrays import Perturbations, Responses, RowMask
from cellbox.data.dataset import Dataset
from cellbox.storage.problems import Problems, note_unknown

logger = logging.getLogger("cellbox")

Transform = Literal["log2-ratio", "difference", "log2", "log2-percent"]
DoseTransform = Literal["scale", "log", "hill", "log10-hill"]
TRANSFORMS: tuple[str, ...] = get_args(Transform)
DOSE_TRANSFORMS: tuple[str, ...] = get_args(DoseTransform)
#: As a control: each series' own value at time 0.
TIME_ZERO = "time 0"
_NEED_CONTROL = ("log2-ratio", "difference")
_TIME_UNIT = re.compile(r"(\d+\.?\d*(?:e[+-]?\d+)?)\s*(s|sec|seconds|min|minutes|h|hours|d|days)?")
# How readers name the rows of a condition that was measured more than once.
_REPLICATE = ", replicate "
_NAMED = 10


@dataclass(frozen=True)
class Units:
    """How the numbers of data files are to be read.

    transform: what is done with values: "log2-ratio", log2 of the value over the mean of the
        controls at the same time (the geometric mean of several); "difference", the value less
        that mean, for logarithms; "log2", for ratios; "log2-percent", for percent of control.
    control: names of the conditions that are the controls ("row 3" where rows have none), or
        "time 0": each series' own value at time 0.
    time_unit: how long a decay time is, in the unit of the files: "30min" divides times that are
        in minutes by 30.
    dose_transform: what becomes of a dose d with the node's ec50 K, whose sign is kept: "scale",
        d/K; "log", log2(1 + d/K); "hill", d/(d + K); "log10-hill", hill of 10^d.
    ec50: the concentration of half the effect, in the unit of the doses (for "log10-hill" that of
        10^d): one for all nodes, or one for each.

    Raises InputError for what does not go together.

    Example:
        >>> import cellbox
        >>> units = cellbox.Units(transform="log2-ratio", control=("DMSO",), time_unit="30min")
        >>> units.decay_time
        30.0
    """

    transform: Transform | None = None
    control: tuple[str, ...] = ()
    time_unit: str | None = None
    dose_transform: DoseTransform | None = None
    ec50: float | Mapping[str, float] | None = field(default=None)

    def __post_init__(self) -> None:
        problems = Problems()
        for name, value, known in (
            ("transform", self.transform, TRANSFORMS),
            ("dose_transform", self.dose_transform, DOSE_TRANSFORMS),
        ):
            if value is not None and value not in known:
                found = f"expected {', '.join(known)}, found {value!r}"
                problems.add(name, found, "Choose one of these")
        if self.transform in _NEED_CONTROL and not self.control:
            found = f"expected the unperturbed conditions for {self.transform}, found none"
            problems.add("control", found, f"Name them, or {TIME_ZERO!r} for each series' start")
        if self.control and self.transform not in _NEED_CONTROL:
            found = f"expected a transform that needs controls, found {self.transform or 'none'}"
            problems.add("control", found, "Choose log2-ratio or difference, or leave it out")
        if (self.dose_transform is None) != (self.ec50 is None):
            found = "expected a transform of doses and an EC50 together, found one of them"
            problems.add("dose_transform", found, "Give both, or neither")
        levels = self.ec50.values() if isinstance(self.ec50, Mapping) else [self.ec50]
        for level in levels:
            if level is not None and not 0 < level < np.inf:
                problems.add("ec50", f"expected a number above 0, found {level}", "Correct it")
        if self.time_unit is not None and self._decay_time() is None:
            found = f"expected a length of time such as 30min or 2h, found {self.time_unit!r}"
            problems.add("time_unit", found, "Give a number, and the unit of the files' times")
        problems.raise_any()

    def _decay_time(self) -> float | None:
        found = _TIME_UNIT.fullmatch((self.time_unit or "1").strip().casefold())
        return float(found[1]) if found is not None and 0 < float(found[1]) < np.inf else None

    @property
    def decay_time(self) -> float:
        """How long a decay time is, in the unit of the files; 1 where none was given."""
        return self._decay_time() or 1.0

    @property
    def given(self) -> bool:
        """Whether anything is to be done with the numbers."""
        return self != MODEL_UNITS


#: Numbers that are what Eq. 1 takes already.
MODEL_UNITS = Units()


def in_model_units(data: Dataset, units: Units, at_zero: Perturbations | None = None) -> Dataset:
    """The dataset with log ratios, doses and times as Eq. 1 takes them.

    at_zero: the values at time 0, NaN where there are none; None where files have no such time.

    Raises InputError where a control is unknown or lacks a value, where a logarithm does not
    exist, or where a perturbed node has no EC50.
    """
    if not units.given:
        return data
    problems = Problems()
    changes: dict[str, np.ndarray | None] = {"times": data.times / units.decay_time}
    if units.dose_transform is not None:
        changes["perturbations"] = _doses(data, units, problems)
    if units.transform is not None:
        changes["measurements"] = _values(data, units, at_zero, problems)
        # A table of exact responses is in no other unit than Eq. 1's.
        changes["noise_free"] = None
    problems.raise_any()
    return replace(data, **changes)  # type: ignore[arg-type]


def _doses(data: Dataset, units: Units, problems: Problems) -> Perturbations:
    """u of the doses."""
    dose = data.perturbations
    perturbed = (dose != 0).any(axis=0)
    half = np.ones(data.n_nodes)
    if isinstance(units.ec50, Mapping):
        for name in units.ec50:
            if name not in data.nodes:
                note_unknown(name, data.nodes, "ec50", "node", problems)
        missing = [
            node
            for node, dosed in zip(data.nodes, perturbed, strict=True)
            if dosed and node not in units.ec50
        ]
        if missing:
            found = f"expected an EC50 for each perturbed node, found none for {_named(missing)}"
            problems.add("ec50", found, "Add them, or give one number for all")
        half = np.array([units.ec50.get(node, 1.0) for node in data.nodes])
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


def _values(
    data: Dataset, units: Units, at_zero: Perturbations | None, problems: Problems
) -> Responses:
    """Log ratios of the measurements; activity nodes stay as they are."""
    values = np.where(data.activity_nodes, np.nan, data.measurements)
    if units.transform != "difference":
        _note_without_logarithm(data, values, problems)
        if at_zero is not None and units.control == (TIME_ZERO,):
            at_zero = np.where(at_zero > 0, at_zero, np.nan)
        with np.errstate(invalid="ignore", divide="ignore"):
            values = np.log2(values)
            at_zero = None if at_zero is None else np.log2(at_zero)
    if units.transform == "log2-percent":
        values = values - np.log2(100)
    elif units.control == (TIME_ZERO,):
        values = values - _own_start(data, values, at_zero, problems)
    elif units.control:
        values = values - _of_controls(data, values, units.control, problems)
    return np.where(data.activity_nodes, data.measurements, values)


def _note_without_logarithm(data: Dataset, values: Responses, problems: Problems) -> None:
    bad = np.argwhere(values <= 0)
    if len(bad):
        row, slot, node = bad[0]
        problems.add(
            f"{data.name}, {data.row_names[row]}, time {data.times[slot]:g}, {data.nodes[node]}",
            f"expected values above 0 to take logarithms of, found {len(bad):,} that are not, "
            f"{values[row, slot, node]:g} here",
            "Add a pseudo-count to counts, or leave such cells empty",
        )


def _own_start(
    data: Dataset, values: Responses, at_zero: Perturbations | None, problems: Problems
) -> Float[np.ndarray, "n_rows 1 n_nodes"]:
    """What each series had at time 0."""
    start = np.full((data.n_rows, data.n_nodes), np.nan) if at_zero is None else at_zero
    lacking = (np.isnan(start) & np.isfinite(values).any(axis=1)).any(axis=1)
    if lacking.any():
        rows = [data.row_names[row] for row in np.flatnonzero(lacking)]
        found = f"expected a value above 0 at time 0 of each node, found none in {_named(rows)}"
        problems.add("control", found, "Add them, or name conditions as controls")
    return start[:, None, :]


def _of_controls(
    data: Dataset, values: Responses, names: Sequence[str], problems: Problems
) -> Float[np.ndarray, "n_times n_nodes"]:
    """The mean of the controls at each time, or over all times where they lack one."""
    rows = np.zeros(data.n_rows, bool)
    for name in names:
        of_name = _rows_named(data, name)
        if not of_name.any():
            known = tuple(dict.fromkeys(row.split(_REPLICATE)[0] for row in data.row_names))
            note_unknown(name, known, "control", "condition", problems)
        elif data.perturbations[of_name].any():
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
    mean = np.where(np.isnan(mean), overall, mean)
    lacking = [data.nodes[node] for node in np.flatnonzero((needed & np.isnan(mean)).any(axis=0))]
    if lacking:
        found = f"expected the controls to have each node, found no value of {_named(lacking)}"
        problems.add("control", found, "Measure them, or leave these nodes out")
    return mean


def _rows_named(data: Dataset, name: str) -> RowMask:
    """The rows of a condition: all its replicates."""
    return np.array(
        [row == name or row.startswith(f"{name}{_REPLICATE}") for row in data.row_names], bool
    )


def _mean(values: np.ndarray, axis: int) -> np.ndarray:
    """The mean of what is known, NaN where nothing is."""
    known = np.isfinite(values)
    count = known.sum(axis=axis)
    total = np.where(known, values, 0.0).sum(axis=axis)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
