"""How Eq. 1 is integrated and differentiated: which solver, which steps, which adjoint.

Loads no JAX, so that a spec is checked in a moment.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from cellbox.errors import InputError, Problem

EXPLICIT_SOLVERS = (
    "tsit5", "dopri5", "dopri8", "bosh3", "heun", "midpoint", "ralston", "euler",
)  # fmt: skip
IMPLICIT_SOLVERS = ("kvaerno3", "kvaerno5")
SOLVER_NAMES = EXPLICIT_SOLVERS + IMPLICIT_SOLVERS
ADJOINTS = ("auto", "step_replay", "steady_state", "recursive_checkpoint", "backsolve", "direct")
_REPLAYING = ("step_replay", "steady_state")

Precision = Literal["float32", "float64"]
PRECISIONS = get_args(Precision)


@dataclass(frozen=True)
class SolverSettings:
    """How Eq. 1 is integrated and differentiated. Part of what is compiled.

    The default is the step-replay gradient of this project's own batched loop with diffrax's
    tableaus, since it is as exact and takes a tenth of the time; diffrax's adjoints run when named.

    solver: a name in `SOLVER_NAMES`; "kvaerno5" for stiff networks.
    rtol, atol: tolerances of the adaptive steps; unused with a fixed `step`.
    step: a fixed step in the model's time unit, or None for adaptive steps. "euler" needs one;
        the implicit "kvaerno3" and "kvaerno5" take none.
    adjoint: "step_replay" (exact and fastest, explicit solvers only; see
        `cellbox.equation.step_replay`); "steady_state" (for data of one time point: ends once the
        response rests and differentiates what it has come to; see `cellbox.equation.steady_state`;
        explicit solvers only); or one of diffrax's: "recursive_checkpoint" (exact), "backsolve"
        (the paper's family; slower and approximate) or "direct" (exact, for checks). "auto" is
        step_replay for explicit solvers and recursive_checkpoint for implicit ones.
    max_steps: the most steps between two measurements; a model that needs more has diverged.
        Models train side by side, so it also bounds how much one can slow the others down.
    precision: "float32" or "float64".

    Example:
        >>> import cellbox
        >>> cellbox.SolverSettings().replays  # the steps are ours, and their gradient too
        True
        >>> cellbox.SolverSettings(adjoint="recursive_checkpoint").replays  # diffrax's
        False
    """

    solver: str = "tsit5"
    rtol: float = 1e-3
    atol: float = 1e-6
    step: float | None = None
    adjoint: str = "auto"
    max_steps: int = 64
    precision: Precision = "float32"

    def __post_init__(self) -> None:
        problems = list(_problems(self))
        if problems:
            raise InputError(problems)

    @property
    def replays(self) -> bool:
        """Whether our own steps are taken, which can be replayed, and not those of diffrax."""
        if self.adjoint == "auto":
            return self.solver not in IMPLICIT_SOLVERS
        return self.adjoint in _REPLAYING

    @property
    def seeks_rest(self) -> bool:
        """Whether training looks for the steady state that a response comes to."""
        return self.adjoint == "steady_state"

    @property
    def dtype(self) -> np.dtype:
        """The floating type of everything computed with these settings."""
        return np.dtype(self.precision)


def _problems(settings: SolverSettings) -> Iterator[Problem]:
    def problem(setting: str, expected: str, fix: str) -> Problem:
        found = getattr(settings, setting)
        return Problem(f"solver setting {setting}", f"expected {expected}, found {found!r}", fix)

    choices = {"solver": SOLVER_NAMES, "adjoint": ADJOINTS, "precision": PRECISIONS}
    for name, known in choices.items():
        if getattr(settings, name) not in known:
            yield problem(name, f"one of {', '.join(known)}", "Choose one of these")
    if settings.solver == "euler" and settings.step is None:
        yield problem("solver", "a fixed step beside euler", "Set step, for example step = 0.05")
    elif settings.step is not None and settings.solver in IMPLICIT_SOLVERS:
        # Each of their steps is itself solved to a tolerance, and rejected where that fails.
        yield problem("step", f"adaptive steps beside {settings.solver}", "Leave step out")
    if settings.adjoint in _REPLAYING and settings.solver in IMPLICIT_SOLVERS:
        yield problem("adjoint", f"another adjoint beside {settings.solver}", "Leave adjoint out")
    for name in ("rtol", "atol"):
        if not 0 < _number(getattr(settings, name)) < 1:
            yield problem(name, "a number between 0 and 1", "Use for example 1e-3 or 1e-6")
    if settings.step is not None and not 0 < _number(settings.step) < math.inf:
        yield problem("step", "a positive step or none", "Leave it out for adaptive steps")
    if not isinstance(settings.max_steps, int) or not _number(settings.max_steps) >= 1:
        yield problem("max_steps", "a whole number, at least 1", "Use for example 64")


def _number(value: object) -> int | float:
    """The value if it is a number, else NaN, which lies in no range."""
    return value if isinstance(value, int | float) and not isinstance(value, bool) else math.nan


#: For true trajectories: what a simulation is made with.
EXACT = SolverSettings(
    solver="dopri8", rtol=1e-10, atol=1e-12, max_steps=100_000, precision="float64"
)


@contextmanager
def precision_context(precision: Precision) -> Iterator[None]:
    """Compute in this precision inside the block, whatever JAX's global setting is."""
    # Imported late: who only reads or checks settings waits for no JAX.
    import jax

    with jax.enable_x64(precision == "float64"):
        yield
