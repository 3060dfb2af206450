"""What a user chooses about one training."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, fields, replace
from numbers import Integral
from typing import Any

from cellbox.equation.solver_settings import SolverSettings
from cellbox.errors import InputError, Problem, refuse
from cellbox.networks.form import NONE, check_form
from cellbox.networks.prior import AUTO, check_strength

SCHEDULES = ("constant", "exponential", "cosine", "warmup_cosine")
REFINEMENTS = ("select_edges", "all_edges", "none")


@dataclass(frozen=True)
class Settings:
    """Hyperparameters of one training.

    steps: training steps; rounded up to whole validation intervals.
    peak_rate: the highest learning rate of AdamW.
    schedule: "constant", "exponential", "cosine" or "warmup_cosine".
    final_share: last learning rate as a share of the peak (not for constant).
    warmup_share: share of the steps spent rising to the peak (warmup_cosine only).
    weight_decay: decoupled decay of W, optax's convention: each step subtracts rate · decay · W.
    l1: weight of Σ|W| in the loss; what makes a network sparse.
    interval_share: share of the steps, from the first, that use interval shooting; the rest
        integrate the whole horizon. Data with one time point have no intervals.
    refinement: what follows gradient descent: "select_edges", least squares with only the edges
        that the data ask for; "all_edges", least squares; or "none" (see
        `cellbox.refinement.refine`). Where data are too few for that, the first two draw weights
        to zero instead (see `cellbox.refinement.shrinkage`).
    form: what the equation may have beside Eq. 1 (see `cellbox.networks.form`): "none"; names of
        parts with commas between them, such as "drive,decay", of which what the data do not ask
        for is left out as edges are; or "search", which chooses parts where Eq. 1 alone does not
        explain the data. Fitted by least squares, in networks of up to 40 nodes; it plays no part
        where refinement is "none".
    prior_strength: how much a prior of edges counts, where the data have one: the log odds ratio of
        an edge that is surely listed (3 makes it 20 times as likely as another); 0 leaves the prior
        out; "auto" is what the data confirm (see `cellbox.refinement.prior_strength`). It plays no
        part where no edges are selected.
    conditions_per_step: measured series in one step's minibatch, or None for all.
    times_per_step: time points in one step's minibatch, or None for all.
    gradient_clip: largest global norm of a gradient; larger ones are scaled down to it;
        1e12 for no clipping.
    patience: validations without improvement after which training stops, or None for never.
    validate_every: steps between validations.
    solver: how the equations are integrated.

    Example:
        >>> import cellbox
        >>> cellbox.Settings(steps=120, validate_every=50).total_steps
        150
        >>> cellbox.Settings(l1=-1)
        Traceback (most recent call last):
        cellbox.errors.InputError: setting l1: expected a number from 0 up, found -1. ...
    """

    steps: int = 3000
    peak_rate: float = 0.05
    schedule: str = "cosine"
    final_share: float = 0.01
    warmup_share: float = 0.1
    weight_decay: float = 0.0
    l1: float = 1e-5
    interval_share: float = 0.7
    refinement: str = "select_edges"
    form: str = NONE
    prior_strength: float | str = AUTO
    conditions_per_step: int | None = None
    times_per_step: int | None = None
    gradient_clip: float = 1.0
    patience: int | None = None
    validate_every: int = 50
    solver: SolverSettings = field(default_factory=SolverSettings)

    def __post_init__(self) -> None:
        problems = list(_problems(self))
        if problems:
            raise InputError(problems)

    @property
    def total_steps(self) -> int:
        """Training steps, rounded up to whole validation intervals."""
        return math.ceil(self.steps / self.validate_every) * self.validate_every


SETTING_NAMES = tuple(item.name for item in fields(Settings) if item.name != "solver")
SOLVER_SETTING_NAMES = tuple(item.name for item in fields(SolverSettings))


def settings_from_dict(values: dict[str, Any], where: str | None = None) -> Settings:
    """Settings from plain values; solver settings may stand beside the others or in "solver".

    "solver" is thus either the name of a solver or a dict of solver settings. "form" may be a list
    of names.
    where: the place that the values come from, to name it in problems.

    Raises InputError naming every unknown key and every value that cannot be.
    """
    inner = values.get("solver")
    if isinstance(inner, dict):
        values = {**{key: value for key, value in values.items() if key != "solver"}, **inner}
    if isinstance(values.get("form"), list | tuple):
        values = {**values, "form": ",".join(map(str, values["form"]))}
    known = SETTING_NAMES + SOLVER_SETTING_NAMES
    problems = [
        Problem(where or "settings", f"unknown setting {name!r}", f"Use one of {', '.join(known)}")
        for name in values
        if name not in known
    ]
    built: dict[str, Any] = {}
    for kind, names in ((SolverSettings, SOLVER_SETTING_NAMES), (Settings, SETTING_NAMES)):
        own = {name: values[name] for name in names if name in values}
        try:
            built[kind.__name__] = kind(**own)
        except InputError as error:
            problems += [
                replace(problem, where=f"{where}, {problem.where}" if where else problem.where)
                for problem in error.problems
            ]
    if problems:
        raise InputError(problems)
    return replace(built["Settings"], solver=built["SolverSettings"])


_RANGES: dict[str, tuple[float, float, str]] = {
    "steps": (1, 10_000_000, "a whole number of steps, at least 1"),
    "peak_rate": (1e-12, 100.0, "a positive learning rate"),
    "final_share": (0.0, 1.0, "a share between 0 and 1"),
    "warmup_share": (0.0, 0.99, "a share between 0 and 0.99"),
    "weight_decay": (0.0, 1e6, "a number from 0 up"),
    "l1": (0.0, 1e6, "a number from 0 up"),
    "interval_share": (0.0, 1.0, "a share between 0 and 1"),
    "conditions_per_step": (1, 1_000_000, "a whole number, at least 1, or none for all"),
    "times_per_step": (1, 1_000_000, "a whole number, at least 1, or none for all"),
    "gradient_clip": (1e-12, 1e12, "a positive norm"),
    "patience": (1, 1_000_000, "a whole number, at least 1, or none"),
    "validate_every": (1, 1_000_000, "a whole number of steps, at least 1"),
}
_WHOLE = {"steps", "conditions_per_step", "times_per_step", "patience", "validate_every"}
_OPTIONAL = {"conditions_per_step", "times_per_step", "patience"}


def _problems(settings: Settings) -> Iterator[Problem]:
    for name, (low, high, expected) in _RANGES.items():
        value = getattr(settings, name)
        if value is None and name in _OPTIONAL:
            continue
        kind = int if name in _WHOLE else (int, float)
        if isinstance(value, bool) or not isinstance(value, kind) or not low <= value <= high:
            yield Problem(
                f"setting {name}",
                f"expected {expected}, found {value!r}",
                f"Choose a value from {low:g} to {high:g}",
            )
    for name, known in (("schedule", SCHEDULES), ("refinement", REFINEMENTS)):
        value = getattr(settings, name)
        if not isinstance(value, str) or value not in known:
            yield Problem(
                f"setting {name}",
                f"expected one of {', '.join(known)}, found {value!r}",
                "Choose one of these",
            )
    yield from check_form(settings.form, "setting form")
    yield from check_strength(settings.prior_strength, "setting prior_strength")
    if not isinstance(settings.solver, SolverSettings):
        yield Problem(
            "setting solver",
            f"expected SolverSettings, found {settings.solver!r}",
            'Write for example SolverSettings(solver="tsit5")',
        )


LARGEST_SEED = 2**32 - 1


def check_seed(seed: int) -> None:
    """Refuse a seed that the random generators cannot take."""
    if isinstance(seed, bool) or not isinstance(seed, Integral) or not 0 <= seed <= LARGEST_SEED:
        raise refuse(
            "seed",
            f"expected a whole number from 0 to {LARGEST_SEED}, found {seed!r}",
            "Choose one in this range",
        )
