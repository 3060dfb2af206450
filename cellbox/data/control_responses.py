"""Rows without a perturbation that respond: by Eq. 1 nothing moves there, whatever W is."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from jaxtyping import Bool, Float
from scipy.stats import f as f_distribution

from cellbox.data.dataset import Dataset
from cellbox.errors import DataWarning

# A control responds where it is so many times larger than noise, and not by chance.
_TIMES_NOISE, _CHANCE = 3.0, 1e-6
# Where noise is not known: as strongly as so much of what perturbed rows show.
_AS_STRONG = 0.5
_NAMED = 8


def control_warnings(
    data: Dataset,
    measured: Float[np.ndarray, "n_rows n_times n_nodes"],
    noise: float | None,
) -> Iterator[DataWarning]:
    """A warning where rows without a perturbation respond.

    measured: the measurements that count, NaN where there is none.
    noise: standard deviation of a measurement where replicates tell it; without them it is taken
        from how a control's values change from one time to the next, which a drift does slowly.
    """
    perturbed = (data.perturbations != 0).any(axis=1)
    sizes = np.array([_size(row) for row in measured])
    controls = np.flatnonzero(~perturbed & np.isfinite(sizes))
    others = sizes[perturbed & np.isfinite(sizes)]
    if not len(controls):
        return
    typical = float(np.median(others)) if len(others) else np.nan
    noises = np.array([_noise_of(measured[row], noise) for row in controls])
    responds = _respond(measured[controls], sizes[controls], noises, typical, noise is not None)
    if not responds.any():
        return
    rows = controls[responds]
    names = [
        f"{data.row_names[row]} ({_against(sizes[row], noises[controls == row][0])})"
        for row in rows[:_NAMED]
    ]
    more = f" and {len(rows) - _NAMED} more" if len(rows) > _NAMED else ""
    of = f"{len(rows):,} of {data.n_rows:,} rows have no perturbation and respond all the same"
    beside = (
        f", with root mean squares of {np.median(sizes[rows]):.3g} beside {typical:.3g} in rows "
        "that are perturbed"
        if len(others)
        else ", and no row has a perturbation"
    )
    yield DataWarning(
        "unperturbed_rows_respond",
        f"{of}{beside}: {', '.join(names)}{more}. By Eq. 1 nothing moves there, so no network can "
        "explain them",
        _fix(len(rows)),
    )


def _fix(n_rows: int) -> str:
    if n_rows == 1:
        return (
            "If it is a control that drifts, give values relative to it at the same time "
            "(--transform difference --control NAME, for log values); if a drug was given, name "
            "the node that it acts on"
        )
    return (
        "The likely cause is a drug whose target is no node: give the drug a node of its own (an "
        "activity node), perturbed in these rows, or leave the rows out; if they are controls that "
        "drift, give values relative to them at the same time (--transform difference)"
    )


def _against(size: float, noise: float) -> str:
    return f"{size:.3g}, {size / noise:.0f} times the noise" if noise > 0 else f"{size:.3g}"


def _respond(
    measured: Float[np.ndarray, "n_controls n_times n_nodes"],
    sizes: Float[np.ndarray, " n_controls"],
    noises: Float[np.ndarray, " n_controls"],
    typical: float,
    by_replicates: bool,
) -> Bool[np.ndarray, " n_controls"]:
    """Which controls respond beyond noise, or as strongly as perturbed rows where it is unknown."""
    known = noises > 0
    # Relative to what is seen elsewhere a drift may be too small to matter.
    matters = sizes > 0.05 * typical if np.isfinite(typical) else np.ones(len(sizes), bool)
    beyond = known & (sizes > _TIMES_NOISE * noises) & matters
    if not by_replicates:
        beyond &= np.array([_no_chance(row) for row in measured], bool)
    as_strong = ~known & (sizes > _AS_STRONG * typical) if np.isfinite(typical) else ~known
    return beyond | (as_strong & (sizes > 0))


def _size(values: np.ndarray) -> float:
    finite = values[np.isfinite(values)]
    return float(np.sqrt(np.mean(finite**2))) if len(finite) else np.nan


def _steps(values: Float[np.ndarray, "n_times n_nodes"]) -> np.ndarray:
    steps = np.diff(values, axis=0)
    return steps[np.isfinite(steps)]


def _noise_of(values: Float[np.ndarray, "n_times n_nodes"], noise: float | None) -> float:
    """The noise of a control; NaN where nothing tells it."""
    if noise is not None:
        return noise
    steps = _steps(values)
    # The difference of two values has twice the variance of one.
    return float(np.sqrt(np.mean(steps**2) / 2)) if len(steps) >= 5 else np.nan


def _no_chance(values: Float[np.ndarray, "n_times n_nodes"]) -> bool:
    """Whether values are larger than their steps by more than chance would have it."""
    steps = _steps(values)
    if len(steps) < 5:
        return True
    ratio = _size(values) ** 2 / max(np.mean(steps**2) / 2, 1e-300)
    n_values = int(np.isfinite(values).sum())
    return bool(f_distribution.sf(ratio, n_values, len(steps)) < _CHANCE)
