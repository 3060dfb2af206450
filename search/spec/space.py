"""What a sweep may vary, and how Optuna is asked for a point of it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Protocol

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

Value = bool | int | float | str

WHOLE_NUMBERS = {"conditions_per_step", "times_per_step"}
NEEDS_SEVERAL_TIMES = ("interval_share", "times_per_step")
# What only least squares fit.
NEED_REFINEMENT = ("form", "prior_strength")
BUDGET_AXES = ("conditions", "perturbed_nodes", "time_points")


class Range(BaseModel):
    """Every number from `low` to `high`; `log` spreads the search evenly over magnitudes."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    low: int | float
    high: int | float
    log: bool = False

    @model_validator(mode="after")
    def _ordered(self) -> Range:
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise ValueError(f"low must be below high, found {self.low} and {self.high}")
        if self.log and self.low <= 0:
            raise ValueError(f"a range with log = true must begin above 0, found {self.low}")
        return self

    @property
    def values(self) -> tuple[Value, ...]:
        """The two ends, for checks."""
        return (self.low, self.high)


class Choice(BaseModel):
    """One of several values."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    values: tuple[Value, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _distinct(self) -> Choice:
        if len(set(self.values)) < len(self.values):
            raise ValueError(f"the values must differ, found {list(self.values)}")
        return self


class Fixed(BaseModel):
    """One value for every trial."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    value: Value

    @property
    def values(self) -> tuple[Value, ...]:
        """The value, for checks."""
        return (self.value,)


def _as_dimension(given: Any) -> Any:
    """A list is a choice, a table with low and high a range, a plain value fixed."""
    if isinstance(given, Range | Choice | Fixed):
        return given
    if isinstance(given, list | tuple):
        return Choice(values=tuple(given))
    if isinstance(given, Mapping):
        if set(given) == {"values"} and isinstance(given["values"], list | tuple):
            return Choice(values=tuple(given["values"]))
        if set(given) == {"value"}:
            return Fixed(value=given["value"])
        return Range(**given)
    return Fixed(value=given)


Dimension = Annotated[Range | Choice | Fixed, BeforeValidator(_as_dimension)]


class BudgetSpace(BaseModel):
    """How much data a trial may see; what is left out stays at the study's own budget."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    conditions: Dimension | None = None
    perturbed_nodes: Dimension | None = None
    time_points: Dimension | None = None


class Space(BaseModel):
    """The dimensions of a search. The defaults are the built-in space.

    `final_share` applies to schedules that fall, `warmup_share` to warmup_cosine alone, and
    `interval_share` to data with several time points; elsewhere they are not asked for.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    peak_rate: Dimension = Range(low=0.02, high=0.2, log=True)
    schedule: Dimension = Choice(values=("cosine", "warmup_cosine", "exponential", "constant"))
    final_share: Dimension = Range(low=1e-3, high=0.3, log=True)
    warmup_share: Dimension = Range(low=0.02, high=0.3)
    weight_decay: Dimension = Range(low=1e-6, high=1e-2, log=True)
    l1: Dimension = Range(low=1e-6, high=3e-4, log=True)
    interval_share: Dimension = Range(low=0.0, high=1.0)
    refinement: Dimension = Choice(values=("select_edges", "none"))
    form: Dimension | None = None
    prior_strength: Dimension | None = None
    conditions_per_step: Dimension | None = None
    times_per_step: Dimension | None = None
    budget: BudgetSpace = BudgetSpace()

    def dimensions(self) -> Iterator[tuple[str, Range | Choice | Fixed]]:
        """Every dimension with its name, budget axes as "budget.conditions" and so on."""
        for name in type(self).model_fields:
            if name != "budget" and (dimension := getattr(self, name)) is not None:
                yield name, dimension
        for axis in BUDGET_AXES:
            if (dimension := getattr(self.budget, axis)) is not None:
                yield f"budget.{axis}", dimension

    def searched_budget_axes(self) -> list[str]:
        """The budget axes that take more than one value."""
        return [
            axis
            for axis in BUDGET_AXES
            if isinstance(dimension := getattr(self.budget, axis), Range)
            or (isinstance(dimension, Choice) and len(dimension.values) > 1)
        ]

    def grid(self, *, several_times: bool = True) -> dict[str, list[Value]]:
        """The values of every searched dimension, for a grid. Ranges have none."""
        return {
            name: list(dimension.values)
            for name, dimension in self.dimensions()
            if isinstance(dimension, Choice) and (several_times or name not in NEEDS_SEVERAL_TIMES)
        }

    def grid_size(self, *, several_times: bool = True) -> int:
        """How many points a grid over this space has."""
        return math.prod(len(values) for values in self.grid(several_times=several_times).values())


def applies(name: str, schedule: str, several_times: bool) -> bool:
    """Whether a dimension means anything beside this schedule and these data."""
    if name == "final_share":
        return schedule != "constant"
    if name == "warmup_share":
        return schedule == "warmup_cosine"
    if name in NEEDS_SEVERAL_TIMES:
        return several_times
    return True


class Suggests(Protocol):
    """The part of an Optuna trial that a space needs."""

    def suggest_float(self, name: str, low: float, high: float, *, log: bool) -> float:
        """Ask for a number."""

    def suggest_int(self, name: str, low: int, high: int, *, log: bool) -> int:
        """Ask for a whole number."""

    def suggest_categorical(self, name: str, choices: Any) -> Any:
        """Ask for one of several values."""


def suggest(space: Space, trial: Suggests, *, several_times: bool) -> dict[str, Value]:
    """Ask for a point of the space: every dimension that applies, fixed ones included."""
    point: dict[str, Value] = {}
    # The schedule comes first, since it decides which of the others apply.
    dimensions = dict(space.dimensions())
    for name in itertools.chain(["schedule"], (name for name in dimensions if name != "schedule")):
        if applies(name, str(point.get("schedule", "")), several_times):
            point[name] = _suggest_one(name, dimensions[name], trial)
    return point


def _suggest_one(name: str, dimension: Range | Choice | Fixed, trial: Suggests) -> Value:
    match dimension:
        case Fixed(value=value):
            return value
        case Choice(values=values):
            return trial.suggest_categorical(name, list(values))
        case Range(low=low, high=high, log=log) if is_whole(name):
            return trial.suggest_int(name, int(low), int(high), log=log)
        case Range(low=low, high=high, log=log):
            return trial.suggest_float(name, float(low), float(high), log=log)


def is_whole(name: str) -> bool:
    """Whether a dimension counts things."""
    return name in WHOLE_NUMBERS or name.startswith("budget.")
