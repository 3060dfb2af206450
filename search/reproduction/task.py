"""What is to be done: one simulated experiment on one system for each task."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from cellbox.data.design import DESIGNS
from cellbox.errors import InputError, Problem
from cellbox.networks.known_systems import SYSTEM_NAMES, System, system
from cellbox.settings import LARGEST_SEED

# What a program for a network's size costs to compile, in the unit of `Task.cost`.
_START_UP = 5000


@dataclass(frozen=True)
class Task:
    """One simulated experiment, and the search for its network.

    system: the name of one of the ten. sigma: standard deviation of a measurement (log ratio).
    seed: of the design, the noise and the starts. design: see `cellbox.data.design.draw_design`.
    """

    system: str
    sigma: float
    seed: int
    design: str

    @property
    def name(self) -> str:
        """The task in words."""
        return f"{self.system}, σ {self.sigma:g}, seed {self.seed}"

    @property
    def cost(self) -> float:
        """About how long the task takes, against others."""
        known = system(self.system)
        return _START_UP + known.n_conditions * known.network.n_nodes**2

    def as_dict(self) -> dict[str, Any]:
        """The task as plain values."""
        return asdict(self)


def make_tasks(
    systems: Iterable[str] | None,
    sigma: float | Sequence[float] | None,
    seeds: int,
    first_seed: int,
    design: str,
) -> list[Task]:
    """The tasks that were asked for, system by system.

    systems: names in any case; all ten by default. sigma: one or several; by default the paper's
    own for each system. seeds: how many, from first_seed on.

    Raises InputError naming everything that cannot be.
    """
    problems: list[Problem] = []
    chosen = _systems(SYSTEM_NAMES if systems is None else systems, problems)
    sigmas = None if sigma is None else _sigmas(sigma, problems)
    _check_whole("seeds", seeds, 1, problems)
    _check_whole("first seed", first_seed, 0, problems)
    if design not in DESIGNS:
        found = f"expected {' or '.join(DESIGNS)}, found {design!r}"
        problems.append(Problem("design", found, "Choose one of these"))
    if not problems and first_seed + seeds - 1 > LARGEST_SEED:
        found = f"expected seeds up to {LARGEST_SEED}, found {first_seed + seeds - 1}"
        problems.append(Problem("seeds", found, "Choose a smaller first seed"))
    if problems:
        raise InputError(problems)
    return [
        Task(each.name, value, seed, design)
        for each in chosen
        for value in (sigmas or [each.noise])
        for seed in range(first_seed, first_seed + seeds)
    ]


def _systems(names: Iterable[str], problems: list[Problem]) -> list[System]:
    found: dict[str, System] = {}
    for name in [names] if isinstance(names, str) else names:
        try:
            known = system(name)
        except InputError as error:
            problems += error.problems
        else:
            found[known.name] = known
    if not found and not problems:
        problems.append(Problem("systems", "expected at least one, found none", "Name one"))
    return [found[name] for name in SYSTEM_NAMES if name in found]


def _sigmas(sigma: float | Sequence[float], problems: list[Problem]) -> list[float]:
    values = list(sigma) if isinstance(sigma, Sequence) else [sigma]
    if not values or not all(math.isfinite(value) and value > 0 for value in values):
        found = f"expected standard deviations above 0, found {values}"
        problems.append(Problem("sigma", found, "Use for example 0.01"))
    return list(dict.fromkeys(float(value) for value in values))


def _check_whole(where: str, value: int, least: int, problems: list[Problem]) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        found = f"expected a whole number from {least} up, found {value!r}"
        problems.append(Problem(where, found, "Choose another"))
