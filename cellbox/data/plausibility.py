"""Whether data can mean what Eq. 1 takes them for: log ratios, doses near 1, times in decay times.

Text that is well formed may still hold percent, nanomolar or minutes, and a network that is learned
from those is wrong without looking so. Every check here names what it saw, and what helps.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from cellbox.arrays import Responses
from cellbox.data.control_responses import control_warnings, root_mean_square
from cellbox.data.dataset import Dataset
from cellbox.data.dose_warnings import dose_warnings, sign_warnings
from cellbox.data.line_warnings import line_warnings
from cellbox.data.measured_values import measured_values
from cellbox.data.name_warnings import name_warnings
from cellbox.data.replicate_warnings import (
    copied_rows,
    filled_values,
    noise_warnings,
    replicate_noise,
)
from cellbox.errors import DataWarning

# Fewer values than this have no shape that could be judged.
_FEWEST_VALUES = 20
# Log ratios beyond: a factor of a thousand (log2).
_LARGE_RATIO = 10.0
_NAMED = 6
# Of decay times: by the first everything rests, unless it oscillates; longer courses are rare.
_RESTING_TIME, _LONG_TIME, _LONG_STEADY_TIME = 20.0, 50.0, 200.0
_SHORT_TIME = 0.05
# So early a time beside the last one is none, where values are not much smaller than later ones.
_NO_TIME, _AS_LARGE = 1e-5, 0.3
# A node of few values has no spread of its own: beyond so many times what nine tenths of all are.
_WILD_AMONG_ALL = 20.0
# The share of a node's values that are one number and not 0, where it was filled down.
_FILLED, _FEWEST_FILLED = 0.6, 5
# A cell is wild where it is so many times farther from its node's median than nine in ten others
# are, than those of the most mobile nodes are, and than perturbed nodes move.
_WILD = 3.5
# The share of values that are exactly 0 where they were cut off there.
_CUT_OFF = 0.1
# Weights that leave less than this share of the values anything to say.
_LEAST_EFFECTIVE = 0.05
# The share of cells that are looked for as single mistakes; more of them are no mistakes.
_MOST_WILD = 0.1


def data_warnings(data: Dataset) -> tuple[DataWarning, ...]:
    """Everything that speaks against taking the data as Eq. 1 needs them; empty if nothing does.

    Also what their files said (`Dataset.reading_warnings`).

    Example:
        >>> import cellbox
        >>> network = cellbox.random_network(3, density=0.5, seed=0)
        >>> data = cellbox.simulate(network, n_conditions=6, n_times=2, n_held_out=2)
        >>> cellbox.data_warnings(data)
        ()
    """
    found = [warning for check in _CHECKS for warning in check(data)]
    if not any(warning.kind == "not_log_ratios" for warning in found):
        # What 0 means is known: no change.
        found += [warning for check in _CHECKS_OF_RATIOS for warning in check(data)]
        if not any(warning.kind == "unperturbed_rows_respond" for warning in found):
            found += sign_warnings(data)
    return (*data.reading_warnings, *found)


def _not_log_ratios(data: Dataset) -> Iterator[DataWarning]:
    measured = measured_values(data)
    values = measured[np.isfinite(measured)]
    if len(values) < _FEWEST_VALUES:
        return
    lowest, middle, highest = values.min(), float(np.median(values)), values.max()
    like = _scale_of(lowest, middle, highest)
    # Levels that were cut off at 0 have no logarithm.
    levels = like is not None and like[0] == _LEVELS and (values == 0).mean() >= _CUT_OFF
    if like is None or levels or _controls_are_near_zero(data, measured, middle):
        yield from _normalised(values)
        return
    what, transform = like
    yield DataWarning(
        "not_log_ratios",
        f"Values look like {what} and not like log ratios: none of {len(values):,} is negative, "
        f"and they reach from {lowest:.4g} to {highest:.4g}, with {middle:.4g} in the middle",
        f"Transform them: {transform}",
    )


def _normalised(values: np.ndarray) -> Iterator[DataWarning]:
    """Values between 0 and 1 that were scaled and cut off there, as for logic models."""
    share = float((values == 0).mean())
    if values.min() < 0 or not 0.5 < values.max() <= 1 or share < _CUT_OFF:
        return
    yield DataWarning(
        "not_log_ratios",
        "Values look like levels scaled to between 0 and 1, as for logic models: of "
        f"{len(values):,} none is negative or above 1, and {100 * share:.0f} % are exactly 0, "
        "where measured log ratios have noise; whether a node went down is lost",
        f"Take the values before they were scaled, and transform them: {_BY_CONTROL}",
    )


_LEVELS = "levels between 0 and 1"
_BY_CONTROL = "--transform log2-ratio --control NAME, with the conditions that are unperturbed"


def _scale_of(lowest: float, middle: float, highest: float) -> tuple[str, str] | None:
    """What values that are never negative look like, and how they become log ratios."""
    if lowest < 0:
        return None
    if 60 <= middle <= 160 and lowest >= 1 and highest < 2_000 and lowest < middle / 1.1:
        return "percent of control", f"--transform log2-percent, or {_BY_CONTROL}"
    if 0.6 <= middle <= 1.6 and lowest > 0.01 and highest < 50 and highest > 1.05 > 0.95 > lowest:
        return "fold changes around 1", "--transform log2, since 1 is no change"
    if lowest >= 3 and highest <= 25:
        by_control = _BY_CONTROL.replace("log2-ratio", "difference")
        return "logarithms of intensities", by_control
    if highest > 20 or (middle > 3 and highest > 5):
        return "intensities or counts", _BY_CONTROL
    if middle > 0.05 * highest and highest <= 1.5:
        return _LEVELS, _BY_CONTROL
    return None


def _controls_are_near_zero(data: Dataset, measured: Responses, middle: float) -> bool:
    """Whether unperturbed rows show that no change is 0 here."""
    controls = measured[~data.touched.any(axis=1)]
    controls = controls[np.isfinite(controls)]
    return len(controls) > 0 and float(np.median(np.abs(controls))) < 0.2 * middle


def _large_ratios(data: Dataset) -> Iterator[DataWarning]:
    """Nodes whose log ratios are so large that they hardly are any."""
    measured = measured_values(data)
    sizes = {}
    for node in range(data.n_nodes):
        values = measured[:, :, node]
        values = np.abs(values[np.isfinite(values)])
        if len(values) >= 5 and np.quantile(values, 0.8) > _LARGE_RATIO:
            sizes[data.nodes[node]] = float(values.max())
    if sizes:
        named = [f"{node} (up to {size:.4g})" for node, size in sizes.items()]
        yield DataWarning(
            "large_ratios",
            f"Values are too large for log ratios in {_count(named, 'node', 'nodes')}: "
            f"{_listed(named)}; log2 ratios of 10 are a factor of 1,024",
            "Check the unit of these values, or transform them: --transform log2 where they are "
            f"ratios, or {_BY_CONTROL}",
        )


def _times(data: Dataset) -> Iterator[DataWarning]:
    first, last, several = data.times[0], data.times[-1], len(data.times) > 1
    shown = ", ".join(f"{time:g}" for time in data.times[:_NAMED])
    shown += ", ..." if len(data.times) > _NAMED else ""
    fix = (
        "Say how long a decay time is: --time-unit 30min where times are minutes and a node needs "
        "about 30 of them to decay to a third"
    )
    if last > (_LONG_TIME if several else _LONG_STEADY_TIME):
        yield DataWarning(
            "times_are_no_decay_times",
            f"Times up to {last:g} ({shown}) look like minutes, hours or seconds: Eq. 1 counts in "
            "decay times, and most nodes rest after 10 of them",
            fix,
        )
    elif several and first > _RESTING_TIME:
        yield DataWarning(
            "times_after_rest",
            f"The first time, {first:g}, comes after everything rests (times {shown}): the course "
            "is not seen, and all times tell the same",
            fix,
        )
    elif last < _SHORT_TIME:
        yield DataWarning(
            "times_too_short",
            f"Times end at {last:g} decay times, before anything moves: a node comes to "
            f"{100 * (1 - np.exp(-last)):.2g} % of its response by then",
            "Say how long a decay time is: --time-unit 0.1h where times are hours",
        )
    elif several and first < _NO_TIME * last:
        early = root_mean_square(measured_values(data)[:, 0])
        if early > _AS_LARGE * root_mean_square(measured_values(data)[:, 1:]):
            yield DataWarning(
                "times_too_short",
                f"The first time, {first:g}, is next to the start beside the others (up to "
                f"{last:g}), and values there are as large as later ones: nothing moves so soon",
                "Correct the time where it is misspelt, or leave its rows out",
            )


def _wild_cells(data: Dataset) -> Iterator[DataWarning]:
    measured = measured_values(data)
    flat = measured.reshape(-1, data.n_nodes)
    known = np.isfinite(flat)
    judged = known.sum(axis=0) >= 10
    if known.sum() < _FEWEST_VALUES:
        return
    middle = np.zeros(data.n_nodes)
    spread = np.zeros(data.n_nodes)
    for node in np.flatnonzero(judged):
        values = flat[known[:, node], node]
        middle[node] = np.median(values)
        spread[node] = np.quantile(np.abs(values - middle[node]), 0.9)
    # A node that seldom responds is not wild where it does: it may move as far as the most mobile
    # nodes do, or those that are perturbed themselves.
    direct = np.broadcast_to((data.perturbations != 0)[:, None, :], measured.shape)
    moved = np.abs(measured - middle)[direct & np.isfinite(measured) & judged]
    widest = np.quantile(spread[judged], 0.95) if judged.any() else 0.0
    farthest = max(widest, np.median(moved) if len(moved) else 0.0)
    scale = np.maximum(np.maximum(spread, float(farthest)), 1e-12)
    distance = np.abs(measured - middle) / scale
    wild = np.isfinite(measured) & judged & (distance > _WILD)
    every = _WILD_AMONG_ALL * np.quantile(np.abs(flat[known]), 0.9)
    wild |= np.isfinite(measured) & ~judged & (np.abs(measured) > max(every, _LARGE_RATIO))
    if not wild.any() or wild.sum() > _MOST_WILD * known.sum():
        return
    places = np.argwhere(wild)
    order = np.argsort(-distance[wild], kind="stable")
    named = [
        f"{data.nodes[node]} in {data.row_names[row]} at time {data.times[slot]:g} is "
        f"{measured[row, slot, node]:.4g} (others {_range(measured[:, :, node], wild[:, :, node])})"
        for row, slot, node in places[order[:_NAMED]]
    ]
    more = f", and {len(places) - _NAMED} more" if len(places) > _NAMED else ""
    cells = "1 value lies" if len(places) == 1 else f"{len(places):,} values lie"
    yield DataWarning(
        "wild_values",
        f"{cells} far outside what their nodes show: {'; '.join(named)}{more}",
        "Correct them, or leave the cells empty: one such value can spoil a whole network",
    )


def _range(values: np.ndarray, wild: np.ndarray) -> str:
    others = values[np.isfinite(values) & ~wild]
    return f"{others.min():.3g} to {others.max():.3g}" if len(others) else "none"


def _constant_nodes(data: Dataset) -> Iterator[DataWarning]:
    constant = [
        f"{data.nodes[node]} (always {value:g})"
        for node, value in _constants(measured_values(data)).items()
    ]
    if constant:
        yield DataWarning(
            "constant_nodes",
            f"{_count(constant, 'node never changes', 'nodes never change')}: {_listed(constant)}",
            "Leave such nodes out, or check how they were measured: nothing can be learned of them",
        )


def _filled_nodes(data: Dataset) -> Iterator[DataWarning]:
    """Nodes most of whose values are one number: filled down, or cut off there."""
    measured = measured_values(data)
    constant = _constants(measured)
    told = []
    for node in range(data.n_nodes):
        values = measured[:, :, node]
        values = values[np.isfinite(values)]
        if node in constant or len(values) < _FEWEST_FILLED:
            continue
        numbers, counts = np.unique(values, return_counts=True)
        most = int(np.argmax(counts))
        if numbers[most] != 0 and counts[most] >= _FILLED * len(values):
            name = data.nodes[node]
            told.append(f"{name} ({numbers[most]:g} in {counts[most]} of {len(values)})")
    # Where most nodes have few levels, values were made so.
    if told and len(told) <= 0.5 * data.n_nodes:
        yield DataWarning(
            "repeated_values",
            f"{_count(told, 'node has', 'nodes have')} the same number nearly everywhere: "
            f"{_listed(told)}",
            "Look whether a cell was filled down, or values were cut off there",
        )


def _constants(measured: Responses) -> dict[int, float]:
    """The nodes whose values are all the same, and what they are."""
    typical = root_mean_square(measured)
    found = {}
    for node in range(measured.shape[2]):
        values = measured[:, :, node]
        values = values[np.isfinite(values)]
        if len(values) > 2 and np.ptp(values) <= 1e-9 * max(typical, float(np.abs(values).max())):
            found[node] = float(values[0])
    return found


def _errors(data: Dataset) -> Iterator[DataWarning]:
    """Errors that leave all but a few values without weight."""
    if data.errors is None:
        return
    measured = np.isfinite(measured_values(data))
    errors = data.errors[measured]
    if len(errors) < _FEWEST_VALUES:
        return
    weights = (errors.min() / errors) ** 2
    # As many values of one error would tell as much (Kish's effective size of a sample).
    effective = weights.sum() ** 2 / (weights**2).sum()
    if effective < _LEAST_EFFECTIVE * len(errors):
        row, slot, node = np.argwhere(measured)[int(np.argmin(errors))]
        yield DataWarning(
            "errors_decide",
            f"Errors differ so much, from {errors.min():.3g} to {errors.max():.3g}, that of "
            f"{len(errors):,} values about {effective:.0f} decide; the smallest is that of "
            f"{data.nodes[node]} in {data.row_names[row]} at time {data.times[slot]:g}",
            "Standard deviations of a few replicates are small by chance: give the error that the "
            "method of measurement has as well, or take the column out",
        )


def _controls(data: Dataset) -> Iterator[DataWarning]:
    measured = measured_values(data)
    # A node that never changes is told by itself, and is no response.
    measured[:, :, list(_constants(measured))] = np.nan
    yield from control_warnings(data, measured, replicate_noise(data, measured))


def _count(items: Sequence, one: str, many: str) -> str:
    return f"1 {one}" if len(items) == 1 else f"{len(items):,} {many}"


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


_CHECKS: tuple[Callable[[Dataset], Iterator[DataWarning]], ...] = (
    _not_log_ratios,
    dose_warnings,
    _times,
    name_warnings,
    _wild_cells,
    _constant_nodes,
    _filled_nodes,
    line_warnings,
    _errors,
)
_CHECKS_OF_RATIOS: tuple[Callable[[Dataset], Iterator[DataWarning]], ...] = (
    _large_ratios,
    _controls,
    noise_warnings,
    copied_rows,
    filled_values,
)
