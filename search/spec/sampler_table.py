"""How the next trial is chosen, and how many are under way meanwhile."""

from __future__ import annotations

import math
from typing import Literal

from pydantic import Field

from search.spec.table import Table

FEWEST_IN_FLIGHT, _MOST_IN_FLIGHT = 16, 64
_POPULATION, _GENERATIONS = 8, 10
# Trials under way for each lane: a median pruner ends a third to a half of them early.
_AHEAD = 1.5


class SamplerTable(Table):
    """How Optuna chooses the next trial.

    startup_trials: random trials before the sampler learns (TPE, GP).
    in_flight: trials under way at once. Each choice sees exactly the trials that lie this far
        back, so that a sweep is the same whenever its trials end. By default as many as keep the
        lanes of all workers busy, at least 16, settled when the study begins (`first_in_flight`);
        for tpe, random, grid and qmc half of the trials so far where that is more, up to 64. gp,
        nsga2 and cmaes have 16.
    stop_when_tied: after how many trials with the same optimum no more are proposed, since
        settings then make no difference; 0 for never. Studies of several objectives, or that
        search a budget, never stop so.
    population, generations: of pbt: trainings side by side (8), and the parts in which each of them
        is done (10), each a trial.
    """

    name: Literal["tpe", "random", "grid", "qmc", "nsga2", "gp", "cmaes", "pbt"] = "tpe"
    startup_trials: int = Field(default=10, ge=1)
    in_flight: int | None = Field(default=None, ge=1)
    stop_when_tied: int = Field(default=20, ge=0)
    population: int | None = Field(default=None, ge=4)
    generations: int | None = Field(default=None, ge=2)

    @property
    def by_generations(self) -> bool:
        """Whether each trial is a part of a training, which others go on from."""
        return self.name == "pbt"

    @property
    def members(self) -> int:
        """Trials of a generation."""
        return self.population or _POPULATION

    @property
    def n_generations(self) -> int:
        """Parts of which each training has one in each generation."""
        return self.generations or _GENERATIONS

    def last_step(self, generation: int, total_steps: int, validate_every: int) -> int:
        """The step at which the trials of a generation end.

        total_steps: of a whole training. validate_every: steps between validations.
        """
        n_intervals = math.ceil(total_steps / validate_every)
        each = math.ceil(n_intervals / self.n_generations) * validate_every
        return min((generation + 1) * each, total_steps)

    def seen_by(self, number: int, first: int = FEWEST_IN_FLIGHT) -> int:
        """How many trials, the first ones, the sampler has been told when it proposes this one.

        first: trials under way when the study begins, unless a number was chosen.
        """
        if self.by_generations:
            return number // self.members * self.members
        first = self.in_flight or first
        half = (number + 1) // 2
        in_flight = max(first, min(half, self.most_in_flight))
        return max(0, number - in_flight + 1)

    @property
    def most_in_flight(self) -> int:
        """The most trials that may be under way at once, unless more lanes are to be kept busy."""
        if self.by_generations:
            return self.members
        return self.in_flight or (_MOST_IN_FLIGHT if self._follows_lanes else FEWEST_IN_FLIGHT)

    def first_in_flight(self, lanes: int, trials: int) -> int:
        """How many trials are under way when a study begins.

        lanes: trials that all workers can train side by side. trials: that the study will have.
        Some more than the lanes are, since a trial that ends early frees its lane while the next
        proposal still waits for those before it; but of a small study no more than half.
        """
        if self.by_generations:
            return self.members
        if self.in_flight is not None:
            return self.in_flight
        if not self._follows_lanes:
            return FEWEST_IN_FLIGHT
        ahead = min(math.ceil(_AHEAD * lanes), trials // 2)
        return max(FEWEST_IN_FLIGHT, min(lanes, _MOST_IN_FLIGHT), ahead)

    @property
    def _follows_lanes(self) -> bool:
        # The others learn in generations, or from every trial: more at once would be wasted.
        return self.name in ("tpe", "random", "grid", "qmc")
