"""Intervals in which perturbations switch: their pieces one after the other.

The solution is not smooth where a dose begins or ends, so an interval is followed to that time, and
from there on with the doses that act then. With f = f₂ ∘ f₁ the derivatives of its end are

    ∂f/∂x = ∂f₂ ∂f₁,    ∂f/∂θ = ∂f₂ (∂f₁/∂θ) + ∂f₂/∂θ

with ∂f₂ by the state where the second piece begins.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float, Int

from cellbox.arrays import EdgeValues, NodeValues
from cellbox.equation.forms import formed_ends, formed_flow, formed_forces
from cellbox.equation.interval_flow import Flow, Forced, Intervals
from cellbox.networks.form import Form


def ends_of_pieces(
    form: Form,
    weights: EdgeValues,
    amplitudes: NodeValues,
    extras: np.ndarray,
    intervals: Intervals,
) -> Float[np.ndarray, "n_intervals n_nodes"]:
    """`formed_ends` of intervals in pieces."""
    ends = formed_ends(form, weights, amplitudes, extras, intervals._replace(later=()))
    for members, piece in _later(intervals):
        begun = piece._replace(starts=ends[members])
        ends[members] = formed_ends(form, weights, amplitudes, extras, begun)
    return ends


def flow_of_pieces(
    form: Form,
    weights: EdgeValues,
    amplitudes: NodeValues,
    extras: np.ndarray,
    intervals: Intervals,
) -> Flow:
    """`formed_flow` of intervals in pieces."""
    flow = formed_flow(form, weights, amplitudes, extras, intervals._replace(later=()))
    for members, piece in _later(intervals):
        begun = piece._replace(starts=flow.ends[members])
        then = formed_flow(form, weights, amplitudes, extras, begun)
        flow.ends[members] = then.ends
        flow.by_start[members] = then.by_start @ flow.by_start[members]
        flow.by_parameters[members] = (
            then.by_start @ flow.by_parameters[members] + then.by_parameters
        )
    return flow


def forces_of_pieces(
    form: Form,
    weights: EdgeValues,
    amplitudes: NodeValues,
    extras: np.ndarray,
    intervals: Intervals,
) -> Forced:
    """`formed_forces` of intervals in pieces."""
    found = formed_forces(form, weights, amplitudes, extras, intervals._replace(later=()))
    if not intervals.later:
        return found
    ends = formed_ends(form, weights, amplitudes, extras, intervals._replace(later=()))
    for members, piece in _later(intervals):
        begun = piece._replace(starts=ends[members])
        then = formed_flow(form, weights, amplitudes, extras, begun)
        more = formed_forces(form, weights, amplitudes, extras, begun)
        for force, of_piece in zip(found, more, strict=True):
            force[members] = then.by_start @ force[members] + of_piece
        ends[members] = then.ends
    return found


def _later(intervals: Intervals) -> Iterator[tuple[Int[np.ndarray, " n_members"], Intervals]]:
    """The pieces that follow the first, each with the intervals that have it."""
    for piece in intervals.later:
        members = np.flatnonzero(piece.durations > 0)
        if len(members):
            free = None if intervals.free is None else intervals.free[members]
            yield (
                members,
                Intervals(
                    intervals.starts[members],
                    piece.perturbations[members],
                    piece.durations[members],
                    free,
                ),
            )
