"""Data near a network as linear theory sees them: residuals, and what could account for them.

Multiple shooting (`cellbox.refinement.multiple_shooting`) ties the states at measured times to
where Eq. 1 leads. Divided by their own uncertainty, these ties are residuals e that are independent
and as large as the noise, as long as Eq. 1 explains the data:

    e + X δ + C γ = noise

with X their derivatives by W and log α, and C by something that Eq. 1 has not, such as a constant
drive of each node. So whether C is asked for is a question of linear regression, whatever the
network, and needs no other fit (score tests, Rao 1948).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float

from cellbox.arrays import RowMask, RowNumbers
from cellbox.equation.interval_flow import Intervals
from cellbox.networks.form import treated_rows
from cellbox.networks.network import Network
from cellbox.networks.off_targets import OFF_TARGET, tellable_off_targets
from cellbox.refinement.hidden_drives import point_with_drives
from cellbox.refinement.linearised import Iterate, Ties
from cellbox.refinement.multiple_shooting import MultipleShooting

# The states of rows at a network are fitted in so many steps at most, until one gains less than
# this share.
_MOST_STEPS, _TOLERANCE = 8, 1e-3

# Shares of a step that are tried, each from where the one before has led.
_LENGTHS = (1.0, 0.3)

# Derivatives by all parameters are made for so many numbers at once: 160 MB.
_NUMBERS_AT_ONCE = 2e7

# Nodes up to which lines are asked whether their edges differ, and not only amplitudes and drives.
_MOST_WITH_ROWS = 15


@dataclass(frozen=True, eq=False)
class LinearTheory:
    """Residuals of some rows near a network, and their derivatives.

    Values of a row are its times, and in each the nodes. residuals: 0 where nothing was measured.
    by_parameters: by W and log α, as far as these are free. by_drive: by a constant inside each
    node's tanh, in that row alone. alternatives: by what Eq. 1 has not, by name.
    """

    residuals: Float[np.ndarray, "n_rows n_values"]
    measured: Bool[np.ndarray, "n_rows n_values"]
    by_parameters: Float[np.ndarray, "n_rows n_values n_free"]
    by_drive: Float[np.ndarray, "n_rows n_values n_nodes"]
    alternatives: dict[str, Float[np.ndarray, "n_rows n_values n_columns"]]

    def rows(self, rows: slice) -> LinearTheory:
        """That of these rows alone."""
        return LinearTheory(
            self.residuals[rows],
            self.measured[rows],
            self.by_parameters[rows],
            self.by_drive[rows],
            {kind: columns[rows] for kind, columns in self.alternatives.items()},
        )

    def without(self, rows: RowMask) -> LinearTheory:
        """The same where nothing was measured in these rows, nor in those that are not finite."""
        kept = ~rows & np.isfinite(self.residuals).all(axis=1)
        kept &= np.isfinite(self.by_parameters).all(axis=(1, 2))
        flat, deep = kept[:, None], kept[:, None, None]
        return LinearTheory(
            np.where(flat, self.residuals, 0.0),
            self.measured & flat,
            np.where(deep, self.by_parameters, 0.0),
            np.where(deep, self.by_drive, 0.0),
            {kind: np.where(deep, columns, 0.0) for kind, columns in self.alternatives.items()},
        )


def fitted_states(problem: MultipleShooting, network: Network) -> Iterate:
    """The point of a network with the states that explain the data best beside it.

    By Gauss-Newton steps that each row takes where they help it.
    """
    point = point_with_drives(problem, network)
    squares = problem.squares_of_rows(point)
    for _ in range(_MOST_STEPS):
        ties = problem.ties_of_states(point)
        step = (ties.to_states @ ties.residuals[..., None])[..., 0] - ties.misfit
        step = step.reshape(point.states.shape)
        before = squares
        for length in _LENGTHS:
            moved = point._replace(states=point.states + length * step)
            reached = problem.squares_of_rows(moved)
            better = reached < squares
            states = np.where(better[:, None, None], moved.states, point.states)
            point, squares = point._replace(states=states), np.where(better, reached, squares)
        if not (squares < (1 - _TOLERANCE) * before).any():
            break
    return point


def linear_theory(
    problem: MultipleShooting, point: Iterate, free: Bool[np.ndarray, " n_parameters"]
) -> LinearTheory:
    """The linear theory at a point. free: the parameters that it is about."""
    of_row = problem.measurements[0].size * len(free)
    group = max(1, int(_NUMBERS_AT_ONCE / of_row))
    parts = [
        _of_rows(
            problem.rows(np.arange(begin, min(begin + group, len(point.states)))),
            Iterate(point.parameters, point.states[begin : begin + group]),
            free,
        )
        for begin in range(0, len(point.states), group)
    ]
    # What the form has already is no alternative.
    kinds = [kind for kind in parts[0].alternatives if kind not in problem.fitted_form.parts]
    # Where all rows are treated it is the drive.
    if "treated_drive" in kinds and treated_rows(problem.perturbations).all():
        kinds.remove("treated_drive")
    theory = LinearTheory(
        residuals=np.concatenate([part.residuals for part in parts]),
        measured=np.concatenate([part.measured for part in parts]),
        by_parameters=np.concatenate([part.by_parameters for part in parts]),
        by_drive=np.concatenate([part.by_drive for part in parts]),
        alternatives={
            kind: np.concatenate([part.alternatives[kind] for part in parts]) for kind in kinds
        },
    )
    theory = _with_off_targets(theory, problem)
    if problem.lines is None or problem.lines.differ or problem.hidden is not None:
        return theory
    columns = _by_line(theory, problem.lines.row, free, problem.n_nodes)
    return replace(theory, alternatives={**theory.alternatives, "lines": columns})


def _with_off_targets(theory: LinearTheory, problem: MultipleShooting) -> LinearTheory:
    """The same with derivatives by what doses do to other nodes, where they all last.

    Columns are of each node with doses, and in each of the nodes that it acts on; 0 of those that
    these doses do not tell.
    """
    if problem.hidden is not None or problem.differing is not None:
        return theory
    if OFF_TARGET in problem.form.parts:
        return theory
    if problem.interventions is not None and not problem.interventions.lasting.all():
        return theory
    n_rows, n_values, n_nodes = theory.by_drive.shape
    if n_rows * n_values * n_nodes**2 > _NUMBERS_AT_ONCE:
        return theory
    told = tellable_off_targets(problem.perturbations).T
    columns = -np.einsum("rj,rvi,ji->rvji", problem.perturbations, theory.by_drive, told)
    flat = columns.reshape(n_rows, n_values, n_nodes**2)
    return replace(theory, alternatives={**theory.alternatives, OFF_TARGET: flat})


def _by_line(
    theory: LinearTheory,
    line: RowNumbers,
    free: Bool[np.ndarray, " n_parameters"],
    n_nodes: int,
) -> Float[np.ndarray, "n_rows n_values n_columns"]:
    """Derivatives by what may differ in each line: drives, log α, and, of few nodes, rows of W.

    Of each source, if any, nodes come in order. line: of each row.
    """
    places = np.full(len(free), -1)
    places[free] = np.arange(free.sum())
    wanted = places[n_nodes**2 : n_nodes**2 + n_nodes]
    if n_nodes <= _MOST_WITH_ROWS:
        wanted = np.append(wanted, places[: n_nodes**2].reshape(n_nodes, n_nodes).T)
    known = np.where(wanted >= 0, theory.by_parameters[..., wanted], 0.0)
    columns = np.concatenate([theory.by_drive, known], axis=2)
    others = [(line == number)[:, None, None] * columns for number in range(1, line.max() + 1)]
    return np.concatenate(others, axis=2) if others else columns[..., :0]


def _of_rows(
    problem: MultipleShooting, point: Iterate, free: Bool[np.ndarray, " n_parameters"]
) -> LinearTheory:
    """The linear theory of rows whose derivatives by all parameters can be held at once."""
    n_rows, n_times, n_nodes = point.states.shape
    there, intervals, ties = problem.ties(point)
    shape = (n_rows, n_times * n_nodes, -1)
    parameters = there.by_parameters[..., free].reshape(shape) / problem.tie
    drive, alternatives = _alternatives(problem, intervals, ties, point, there.by_start)
    return LinearTheory(
        residuals=ties.residuals,
        measured=problem.measured.reshape(n_rows, -1),
        by_parameters=ties.whiten @ parameters,
        by_drive=drive,
        alternatives=alternatives,
    )


def _alternatives(
    problem: MultipleShooting,
    intervals: Intervals,
    ties: Ties,
    point: Iterate,
    by_start: Float[np.ndarray, "n_intervals n_nodes n_nodes"],
):
    """By a drive in each row, and by what else Eq. 1 has not, of nodes that are not hidden."""
    n_rows, n_times, n_nodes = point.states.shape
    forces = problem.forces(point, intervals)
    shown = np.s_[..., : problem.n_shown]

    def columns(of_ties: np.ndarray) -> np.ndarray:
        flat = of_ties.reshape(n_rows, n_times * n_nodes, n_nodes)
        return ties.whiten @ flat[shown] / problem.tie

    start = by_start.reshape(n_rows, n_times, n_nodes, n_nodes).copy()
    start[:, 1:] = 0.0
    drive = columns(forces.drive)
    same = np.tile(np.eye(n_nodes), (n_times, 1))[shown]
    offset = -ties.whiten @ (ties.by_states @ same)
    treated = treated_rows(problem.perturbations)[:, None, None]
    found = {
        "start": columns(start),
        "drive": drive,
        "offset": offset * treated,
        "decay": columns(forces.decay),
        "response": np.concatenate([columns(forces.square), columns(forces.cube)], axis=2),
    }
    found["treated_drive"] = drive * treated
    if problem.interventions is not None:
        # What is held begins at its level, and is known without an offset.
        free = problem.interventions.free[:, None]
        found |= {kind: found[kind] * free for kind in ("start", "offset")}
    return drive, found
