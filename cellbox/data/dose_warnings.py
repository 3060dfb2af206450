"""Doses that Eq. 1 can hardly mean: concentrations, logarithms, two units, none."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.special import bdtrc

from cellbox.data.control_responses import root_mean_square
from cellbox.data.dataset import Dataset
from cellbox.data.measured_values import measured_values
from cellbox.errors import DataWarning, listed

# tanh(3) = 0.995: larger doses are all the same to Eq. 1.
_SATURATING_DOSE = 3.0
# Neighbours in size that are so many times apart are of two scales; a dose that is so much smaller
# than the largest of its node is what rounding left of 0.
_TWO_SCALES, _LEFT_OF_ZERO = 50.0, 1e-6
# Of responses of perturbed nodes, of at least this share of what is typical, the share that goes
# where no dose would push it, and how often chance would bring that.
_MOVES, _OTHER_WAY, _CHANCE = 0.25, 0.7, 0.002
# Fewer rows are no series in which a dose could have changed.
_FEWEST_ROWS = 4
_NAMED = 6


def dose_warnings(data: Dataset) -> Iterator[DataWarning]:
    """Everything that speaks against the doses."""
    if not data.touched.any():
        yield DataWarning(
            "nothing_perturbed",
            f"No row of {data.n_rows:,} has a perturbation: all doses are 0 or missing, and by "
            "Eq. 1 nothing moves",
            "Give the doses of each condition, as positive numbers near 1 where a node is pushed "
            "down",
        )
        return
    yield from _two_scales(data)
    yield from _left_of_zero(data)
    yield from _never_changing(data)
    yield from _on_unmeasured(data)
    yield from _sizes(data)


def _two_scales(data: Dataset) -> Iterator[DataWarning]:
    """Doses in two units: some near 1, and others far above."""
    sizes = np.sort(np.abs(data.perturbations[data.perturbations != 0]))
    if len(sizes) < 2 or sizes[-1] <= _SATURATING_DOSE or sizes[0] <= 0:
        return
    apart = sizes[1:] / sizes[:-1]
    gap = int(np.argmax(apart))
    if apart[gap] < _TWO_SCALES or sizes[gap + 1] <= _SATURATING_DOSE:
        return
    u = np.abs(data.perturbations)
    few = u > sizes[gap] if 2 * (gap + 1) >= len(sizes) else (u > 0) & (u <= sizes[gap])
    places = np.argwhere(few)
    named = [
        f"{data.nodes[node]} in {data.row_names[row]} ({data.perturbations[row, node]:.4g})"
        for row, node in places[:_NAMED]
    ]
    more = f" and {len(places) - _NAMED:,} more" if len(places) > _NAMED else ""
    yield DataWarning(
        "doses_of_two_scales",
        f"Doses are of two scales, {sizes[0]:.4g} to {sizes[gap]:.4g} and {sizes[gap + 1]:.4g} to "
        f"{sizes[-1]:.4g}, as in two units: {', '.join(named)}{more}",
        "Give all doses in one unit, or each node's EC50 in the unit of its doses "
        "(--dose-transform hill --ec50 NODE=VALUE)",
    )


def _left_of_zero(data: Dataset) -> Iterator[DataWarning]:
    """Doses that are 0 but for rounding: they make perturbed conditions of controls."""
    sizes = np.abs(data.perturbations)
    least = np.maximum(_LEFT_OF_ZERO * sizes.max(axis=0), _LEFT_OF_ZERO**2 * sizes.max())
    tiny = (sizes > 0) & (sizes < least)
    places = np.argwhere(tiny)
    if not len(places):
        return
    row, node = places[0]
    doses = "1 dose is" if len(places) == 1 else f"{len(places):,} doses are"
    yield DataWarning(
        "doses_left_of_zero",
        f"{doses} 0 but for rounding, such as {data.perturbations[row, node]:.3g} of "
        f"{data.nodes[node]} in {data.row_names[row]}, beside doses up to {sizes.max():.3g}: each "
        "counts as a perturbation",
        "Write 0, or leave the dose out",
    )


def _never_changing(data: Dataset) -> Iterator[DataWarning]:
    """Nodes with the same dose in every row."""
    if data.n_rows < _FEWEST_ROWS:
        return
    u = data.perturbations
    same = np.flatnonzero((u != 0).all(axis=0) & (np.ptp(u, axis=0) <= 1e-6 * np.abs(u[0])))
    if len(same):
        named = ", ".join(f"{data.nodes[node]} ({u[0, node]:.3g})" for node in same[:_NAMED])
        yield DataWarning(
            "doses_never_change",
            f"The dose of {named} is the same in every row",
            "What never changes teaches nothing: check these doses, or take values relative to a "
            "row without them",
        )


def _on_unmeasured(data: Dataset) -> Iterator[DataWarning]:
    """Perturbations of which most act on nodes that nobody measured, such as drugs."""
    perturbed = (data.perturbations != 0).any(axis=0)
    unmeasured = np.flatnonzero(perturbed & ~np.isfinite(data.measurements).any(axis=(0, 1)))
    if 2 * len(unmeasured) <= perturbed.sum():
        return
    names = listed([data.nodes[node] for node in unmeasured], _NAMED)
    yield DataWarning(
        "perturbed_not_measured",
        f"{len(unmeasured)} of {int(perturbed.sum())} perturbed nodes are never measured "
        f"({names}): what they do to others is told up to a factor at most, and often not "
        "found at all",
        "Perturb the measured nodes that they act on instead where these are known, or give each a "
        "measured activity (activity_nodes.csv)",
    )


def sign_warnings(data: Dataset) -> Iterator[DataWarning]:
    """Perturbed nodes that move as their doses say, where Eq. 1 has them move against these."""
    doses = data.perturbations[data.perturbations != 0]
    if any(warning.kind == "doses_are_logarithms" for warning in _sizes(data)) or not len(doses):
        return
    measured = measured_values(data)
    known = np.isfinite(measured)
    mean = np.where(known, measured, 0.0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)
    along = mean * np.sign(data.perturbations)
    # What hardly moves tells no direction.
    told = np.abs(along) > _MOVES * root_mean_square(measured)
    n_told, n_along = int(told.sum()), int((told & (along > 0)).sum())
    if not n_along or n_along < _OTHER_WAY * n_told:
        return
    if bdtrc(n_along - 1, n_told, 0.5) > _CHANCE:
        return
    nodes = np.argsort(-(told & (along > 0)).sum(axis=0))[:_NAMED]
    named = ", ".join(data.nodes[node] for node in nodes if (along[:, node] > 0).any())
    yield DataWarning(
        "doses_of_other_sign",
        f"Perturbed nodes move the other way: of {n_told:,} of their own "
        f"responses {n_along:,} have the sign of the dose ({named}), and by Eq. 1 a positive dose "
        "pushes its node down",
        "Change the sign of the doses if positive ones push up; where a drug raises what it acts "
        "on, as inhibited kinases may be phosphorylated more, give the drug a node of its own",
    )


def _sizes(data: Dataset) -> Iterator[DataWarning]:
    """Doses that are concentrations, or logarithms of them."""
    doses = data.perturbations[data.perturbations != 0]
    if not len(doses):
        return
    size = np.abs(doses)
    negative = float((doses < 0).mean())
    if negative >= 0.9 and np.median(size) >= 3 and size.max() <= 15:
        yield DataWarning(
            "doses_are_logarithms",
            f"Doses look like logarithms of a concentration: {100 * negative:.0f} % of "
            f"{len(doses):,} are negative, from {doses.min():.4g} to {doses.max():.4g}; Eq. 1 "
            "takes them for strong activation, all alike since tanh saturates",
            "Transform them: --dose-transform log10-hill --ec50 VALUE, with the concentration of "
            "half the effect",
        )
    elif float((size > _SATURATING_DOSE).mean()) > 0.5:
        yield DataWarning(
            "doses_saturate",
            f"Doses saturate: {int((size > _SATURATING_DOSE).sum()):,} of {len(doses):,} are above "
            f"{_SATURATING_DOSE:g} (up to {size.max():.4g}), where tanh is flat and all doses do "
            "the same; they look like concentrations (nM, µM)",
            "Transform them: --dose-transform hill --ec50 VALUE (or NODE=VALUE for each drug), in "
            "the unit of the doses; scale and log are the others",
        )
    elif size.max() < 0.01 and root_mean_square(measured_values(data)) > 10 * size.max():
        yield DataWarning(
            "doses_vanish",
            f"Doses are tiny: the largest of {len(doses):,} is {size.max():.3g}, and responses of "
            f"{root_mean_square(measured_values(data)):.2g} cannot come of them; they look like "
            "molar concentrations",
            "Transform them: --dose-transform hill --ec50 VALUE, in the unit of the doses",
        )
