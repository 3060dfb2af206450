"""What a known network answers to perturbations: its equation solved, NumPy in and NumPy out."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Int

from cellbox.arrays import Perturbations, Responses, RowNumbers, Times
from cellbox.equation.dynamics import Parameters
from cellbox.equation.forms import formed_responses
from cellbox.equation.integrate import integrate_each
from cellbox.equation.solver_settings import EXACT, SolverSettings, precision_context
from cellbox.networks.fitted_form import FittedForm
from cellbox.networks.form import EQ_1
from cellbox.networks.interventions import Interventions, check_form_beside
from cellbox.networks.line_networks import names_of_lines, of_line, rows_of_lines
from cellbox.networks.network import Network


def responses(
    network: Network,
    perturbations: Perturbations,
    times: Times,
    solver: SolverSettings = EXACT,
    start: Perturbations | None = None,
    lines: Sequence[str] | None = None,
    interventions: Interventions | None = None,
) -> Responses:
    """The network's response (log ratio) to each perturbation at `times` (model time units).

    start: x(0) of each row (log ratio), by default 0, or that of the network's form.

    lines: the cell line of each row, where the network's form has lines that differ, by default
    the reference; without such a form they do not matter.

    interventions: of each row, nodes that are held and when doses act; None where all doses last.

    Each row is integrated by itself, so that it does not depend on the rows beside it. A row
    that the solver could not finish is NaN.
    """
    if interventions is not None:
        return _with_interventions(network, perturbations, times, solver, start, interventions)
    if names_of_lines(network):
        return _of_lines(network, perturbations, times, solver, start, lines)
    with precision_context(solver.precision):
        number = partial(jnp.asarray, dtype=solver.dtype)
        if network.form is not None:
            return formed_responses(
                network.form,
                number(network.weights),
                number(network.amplitudes),
                number(perturbations),
                number(times),
                solver,
                None if start is None else number(start),
            )
        parameters = Parameters(number(network.weights), jnp.log(number(network.amplitudes)))
        # Always given, so that every start is a matter of the same compiled program.
        from_here = number(np.zeros(np.shape(perturbations)) if start is None else start)
        states, reached = _integrate(
            parameters, number(perturbations), number(times), solver, from_here
        )
        return np.where(np.asarray(reached)[:, None, None], np.asarray(states, float), np.nan)


def _with_interventions(
    network: Network,
    perturbations: Perturbations,
    times: Times,
    solver: SolverSettings,
    start: Perturbations | None,
    interventions: Interventions,
) -> Responses:
    """The responses of rows, some of which have held nodes or doses that begin later or end."""
    check_form_beside(() if network.form is None else network.form.form.names, interventions)
    found = np.empty((len(perturbations), len(times), network.n_nodes))
    ordinary = ~interventions.affected
    own = None if start is None else start[ordinary]
    if ordinary.any():
        found[ordinary] = responses(network, perturbations[ordinary], times, solver, own)
    begun = np.zeros(perturbations.shape) if start is None else start
    if start is None and network.form is not None:
        begun = begun + network.form.values.get("start", 0.0)
    for rows in _of_same_switches(interventions, np.flatnonzero(~ordinary), float(times[-1])):
        done = interventions.rows(rows)
        if done is not None:
            found[rows] = _in_pieces(network, perturbations[rows], times, solver, begun[rows], done)
    return found


def _of_same_switches(
    interventions: Interventions, rows: RowNumbers, until: float
) -> list[Int[np.ndarray, " n_alike"]]:
    """Those of the rows whose doses switch at the same times, group by group.

    Some rows of a group are named twice, so that programs are compiled for few sizes.
    """
    groups: dict[bytes, list[int]] = {}
    for row in rows.tolist():
        done = interventions.rows(np.array([row]))
        key = b"" if done is None else done.switches(until).tobytes()
        groups.setdefault(key, []).append(row)
    return [np.resize(alike, 2 ** (len(alike) - 1).bit_length()) for alike in groups.values()]


def _in_pieces(
    network: Network,
    perturbations: Perturbations,
    times: Times,
    solver: SolverSettings,
    start: Perturbations,
    done: Interventions,
) -> Responses:
    """The responses of rows whose doses switch at the same times, from switch to switch."""
    edges = np.concatenate([[0.0], done.switches(float(times[-1])), [times[-1]]])
    found = np.empty((len(perturbations), len(times), network.n_nodes))
    state = done.with_levels(start)
    fitted = network.form or FittedForm(EQ_1, {})
    for begin, end in pairwise(edges):
        within = (times > begin) & (times < end)
        # Always as many times, so that all pieces are a matter of the same compiled program.
        n_more = len(times) - int(within.sum())
        last = times[within][-1] if within.any() else begin
        more = np.linspace(last, end, n_more + 1)[1:] - begin
        moments = np.concatenate([times[within] - begin, more])
        with precision_context(solver.precision):
            number = partial(jnp.asarray, dtype=solver.dtype)
            states = formed_responses(
                fitted,
                number(network.weights),
                number(network.amplitudes),
                number(done.acting(perturbations, begin)),
                number(moments),
                solver,
                number(state),
                number(done.free.astype(float)),
            )
        found[:, within] = states[:, : within.sum()]
        found[:, times == end] = states[:, -1:]
        state = states[:, -1]
    return found


def _of_lines(
    network: Network,
    perturbations: Perturbations,
    times: Times,
    solver: SolverSettings,
    start: Perturbations | None,
    lines: Sequence[str] | None,
) -> Responses:
    """The responses of rows, each by the network of its line."""
    found = np.empty((len(perturbations), len(times), network.n_nodes))
    of_row = rows_of_lines(network, len(perturbations), lines)
    for line in np.unique(of_row):
        rows = np.flatnonzero(of_row == line)
        found[rows] = responses(
            of_line(network, int(line)),
            perturbations[rows],
            times,
            solver,
            None if start is None else start[rows],
        )
    return found


_integrate = partial(jax.jit, static_argnums=3)(integrate_each)
