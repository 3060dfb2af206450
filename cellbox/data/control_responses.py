"""Rows without a perturbation that respond: by Eq. 1 nothing moves there, whatever W is."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.special import fdtrc

from cellbox.arrays import Responses
from cellbox.data.dataset import Dataset
from cellbox.errors import DataWarning, listed

# A control responds where it is so many times larger than noise, and not by chance.
_TIMES_NOISE, _CHANCE, _CHANCE_ALIKE = 3.0, 1e-6, 1e-4
# Where noise is not known: as strongly as so much of what perturbed rows show, and either alike in
# several rows, as noise is not, or so strongly that noise would be half of all variance.
_AS_STRONG, _HALF_OF_VARIANCE = 0.5, 0.7
_NAMED = 8


def control_warnings(
    data: Dataset, measured: Responses, noise: float | None
) -> Iterator[DataWarning]:
    """A warning where rows without a perturbation respond.

    measured: the measurements that count, NaN where there is none.
    noise: standard deviation of a measurement where replicates tell it; without them it is taken
        from how a control's values change from one time to the next, which a drift does slowly.
    """
    perturbed = data.touched.any(axis=1)
    sizes = np.array([root_mean_square(row) for row in measured])
    controls = np.flatnonzero(~perturbed & np.isfinite(sizes))
    others = sizes[perturbed & np.isfinite(sizes)]
    if not len(controls):
        return
    typical = float(np.median(others)) if len(others) else np.nan
    noises = np.array([_noise_of(measured[row], noise) for row in controls])
    responds = _respond(measured[controls], sizes[controls], noises, typical, noise is not None)
    if not responds.any():
        yield from _as_noisy(data, controls, sizes[controls], noises, typical)
        return
    rows = controls[responds]
    names = [
        f"{data.row_names[row]} ({_against(sizes[row], noises[controls == row][0])})"
        for row in rows
    ]
    have = (
        "has no perturbation and responds" if len(rows) == 1 else "have no perturbation and respond"
    )
    of = f"{len(rows):,} of {data.n_rows:,} rows {have} all the same"
    beside = (
        f", with root mean squares of {np.median(sizes[rows]):.3g} beside {typical:.3g} in rows "
        "that are perturbed"
        if len(others)
        else ", and no row has a perturbation"
    )
    yield DataWarning(
        "unperturbed_rows_respond",
        f"{of}{beside}: {listed(names, _NAMED)}. By Eq. 1 nothing moves there, so no network can "
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
    as_strong = ~known & (sizes > (_AS_STRONG * typical if np.isfinite(typical) else 0.0))
    return beyond | (as_strong & _alike(measured))


def _alike(measured: Float[np.ndarray, "n_controls n_times n_nodes"]) -> bool:
    """Whether controls have more in common, node by node, than noise can have."""
    flat = measured.reshape(len(measured), -1)
    flat = flat[:, np.isfinite(flat).all(axis=0)]
    n_controls, n_values = flat.shape
    if n_controls < 3 or n_values < 2:
        return False
    mean = flat.mean(axis=0)
    between = n_controls * np.mean(mean**2)
    within = np.sum((flat - mean) ** 2) / (n_values * (n_controls - 1))
    chance = fdtrc(n_values, n_values * (n_controls - 1), between / max(within, 1e-300))
    return bool(chance < _CHANCE_ALIKE)


def _as_noisy(
    data: Dataset,
    controls: Int[np.ndarray, " n_controls"],
    sizes: Float[np.ndarray, " n_controls"],
    noises: Float[np.ndarray, " n_controls"],
    typical: float,
) -> Iterator[DataWarning]:
    """A warning where controls vary as strongly as perturbed rows, and nothing tells why."""
    size = float(np.median(sizes))
    if np.isfinite(noises).any() or not size > _HALF_OF_VARIANCE * typical:
        return
    names = listed([data.row_names[row] for row in controls], _NAMED)
    rows = "The row" if len(sizes) == 1 else f"The {len(sizes):,} rows"
    vary = "varies" if len(sizes) == 1 else "vary"
    yield DataWarning(
        "controls_vary",
        f"{rows} without a perturbation {vary} as strongly as the perturbed ones (root mean "
        f"squares of {size:.3g} and {typical:.3g}; {names}): noise is as large as the "
        "responses, or a drug was given there that the perturbations do not tell",
        "Measure replicates, which tell noise from responses, or name what perturbs these rows",
    )


def root_mean_square(values: np.ndarray) -> float:
    """Of what was measured; NaN where nothing was."""
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
    ratio = root_mean_square(values) ** 2 / max(np.mean(steps**2) / 2, 1e-300)
    n_values = int(np.isfinite(values).sum())
    return bool(fdtrc(n_values, len(steps), ratio) < _CHANCE)
