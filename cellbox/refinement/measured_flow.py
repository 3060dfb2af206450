"""What a form does to intervals beside their rate: where the first begins, and what is measured.

States that are free are as they would be measured, with the offset of their row. It is taken off
where an interval begins, but for the first, which begins at x(0), and added where it ends.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float

from cellbox.arrays import Perturbations, Responses, Times
from cellbox.equation.interval_flow import Flow, Intervals, Piece
from cellbox.networks.form import Form, treated_rows
from cellbox.networks.interventions import Interventions


def begun(
    form: Form, numbers: Float[np.ndarray, " n_numbers"], states: Responses, offsets: Perturbations
) -> Responses:
    """Where the intervals of each row begin, without the offset."""
    n_nodes = states.shape[2]
    first = np.zeros((len(states), 1, n_nodes))
    if "start" in form.parts:
        first = first + numbers[form.place("start", n_nodes)]
    return np.concatenate([first, states[:, :-1] - offsets[:, None]], axis=1)


def offsets_of(
    form: Form, numbers: Float[np.ndarray, " n_numbers"], perturbations: Perturbations
) -> Perturbations:
    """What is measured beside the states of each row."""
    if "offset" not in form.parts:
        return np.zeros(perturbations.shape)
    offset = numbers[form.place("offset", perturbations.shape[1])]
    return treated_rows(perturbations)[:, None] * offset


def as_measured(
    form: Form,
    there: Flow,
    perturbations: Perturbations,
    offsets: Perturbations,
    free: Bool[np.ndarray, "n_rows n_nodes"] | None = None,
) -> Flow:
    """Where intervals lead as it is measured, with the derivatives by x(0) and the offset.

    free: nodes that are not held, which begin at their level and have no offset; None for all.
    """
    n_rows, n_nodes = perturbations.shape
    n_times = len(there.ends) // n_rows
    first = (np.arange(len(there.ends)) % n_times == 0)[:, None, None]
    by_parameters = there.by_parameters.copy()
    of_form = by_parameters[..., n_nodes**2 + n_nodes :]
    if "start" in form.parts:
        of_form[..., form.place("start", n_nodes)] = np.where(first, there.by_start, 0.0)
    if "offset" in form.parts:
        treated = np.repeat(treated_rows(perturbations), n_times)[:, None, None]
        columns = np.eye(n_nodes) - np.where(first, 0.0, there.by_start)
        of_form[..., form.place("offset", n_nodes)] = treated * columns
    for part in ("start", "offset"):
        if free is not None and part in form.parts:
            of_form[..., form.place(part, n_nodes)] *= np.repeat(free, n_times, axis=0)[:, None]
    ends = there.ends + np.repeat(offsets, n_times, axis=0)
    return there._replace(ends=ends, by_parameters=by_parameters)


def with_interventions(intervals: Intervals, done: Interventions, times: Times) -> Intervals:
    """Intervals of rows in which nodes are held, or doses begin later or end.

    intervals: with the doses of their rows, one row after the other, in each those between times.
    times: ascending, in each row the same.
    """
    n_rows, n_nodes = done.held.shape
    n_times = len(times)
    begins = np.concatenate([[0.0], times[:-1]])
    starts = done.with_levels(intervals.starts.reshape(n_rows, n_times, n_nodes))
    free = np.repeat(done.free.astype(float), n_times, axis=0)
    held = intervals._replace(starts=starts.reshape(-1, n_nodes), free=free)
    if done.lasting.all():
        return held
    doses = intervals.perturbations.reshape(n_rows, n_times, n_nodes)
    pieces = _pieces(done, doses, begins, times)
    return held._replace(
        perturbations=pieces[0].perturbations, durations=pieces[0].durations, later=pieces[1:]
    )


def _pieces(
    done: Interventions, doses: Responses, begins: Times, times: Times
) -> tuple[Piece, ...]:
    """What acts in each interval from switch to switch, one piece after the other.

    doses: of each row and interval. An interval with fewer pieces than others has a duration of 0
    in the last ones.
    """
    n_rows, n_times, n_nodes = doses.shape
    edges = np.stack([done.begins, done.ends], axis=-1).reshape(n_rows, 1, -1)
    # Of each row and interval the times at which anything switches within it, at most once each.
    inside = np.clip(edges, begins[:, None], times[:, None])
    inside = np.sort(inside, axis=-1)
    ends = np.broadcast_to(times[:, None], (n_rows, n_times, 1))
    inside = np.concatenate([inside, ends], axis=-1)
    first = np.broadcast_to(begins[:, None], (n_rows, n_times, 1))
    repeated = np.diff(inside, axis=-1, prepend=first) <= 0
    inside = np.sort(np.where(repeated, np.inf, inside), axis=-1)
    n_pieces = int(np.isfinite(inside).sum(axis=-1).max())
    pieces, begin = [], np.broadcast_to(begins, (n_rows, n_times))
    for end in np.moveaxis(inside[..., :n_pieces], -1, 0):
        there = np.isfinite(end)
        end = np.where(there, end, begin)
        acts = (done.begins[:, None] <= begin[..., None]) & (begin[..., None] < done.ends[:, None])
        acting = np.where(acts & there[..., None], doses, 0.0)
        pieces.append(Piece(acting.reshape(-1, n_nodes), (end - begin).reshape(-1)))
        begin = end
    return tuple(pieces)
