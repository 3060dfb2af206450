"""Simulated experiments in which nodes are knocked out, and doses begin later or end."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cellbox.arrays import Perturbations
from cellbox.errors import InputError, Problem
from cellbox.networks.interventions import Interventions, no_interventions

# Drawn from a stream of random numbers of their own, which changes no other draw.
_STREAM = 0xC1A3

# When doses begin at the latest, how long they act at least and when they end at the latest, as
# shares of the time of the last measurement.
_LATEST_BEGIN, _SHORTEST, _LATEST_END = 0.25, 0.125, 0.75


@dataclass(frozen=True)
class Drawn:
    """What is done in simulated conditions beside doses that last.

    knock_outs: share of the conditions in which one of the perturbed nodes is held instead, at
        `level` (log ratio). pulses: share of the conditions whose doses begin later and end.

    Raises InputError for shares outside 0 to 1, and for a level that is not finite.
    """

    knock_outs: float = 0.0
    level: float = -2.0
    pulses: float = 0.0

    def __post_init__(self) -> None:
        problems = [
            Problem(name, f"expected a share from 0 to 1, found {share}", "Use 0.33")
            for name, share in (("knock-outs", self.knock_outs), ("pulses", self.pulses))
            if not 0 <= share <= 1
        ]
        if not np.isfinite(self.level):
            found = f"expected a log ratio, found {self.level}"
            problems.append(Problem("knock-out level", found, "Use -2"))
        if problems:
            raise InputError(problems)


NOTHING_DRAWN = Drawn()


def drawn_interventions(
    perturbations: Perturbations, drawn: Drawn, horizon: float, seed: int
) -> tuple[Perturbations, Interventions | None]:
    """Doses without those of held nodes, and what is done beside them; None where nothing is.

    horizon: time of the last measurement.
    """
    done = no_interventions(*perturbations.shape)
    random = np.random.default_rng([seed, _STREAM])
    doses = perturbations.copy()
    for row in _share(drawn.knock_outs, len(doses), random):
        node = random.choice(np.flatnonzero(doses[row]))
        doses[row, node], done.held[row, node] = 0.0, drawn.level
    for row in _share(drawn.pulses, len(doses), random):
        begin = random.uniform(0.0, _LATEST_BEGIN)
        end = random.uniform(begin + _SHORTEST, _LATEST_END)
        dosed = doses[row] != 0
        done.begins[row, dosed], done.ends[row, dosed] = begin * horizon, end * horizon
    return doses, done if done.affected.any() else None


def _share(share: float, n_rows: int, random: np.random.Generator) -> np.ndarray:
    """So large a share of the rows, drawn at random."""
    return np.sort(random.permutation(n_rows)[: round(share * n_rows)])
