"""Smaller experiments inside a measured one: what fewer conditions, times or nodes would have told.

Some conditions are held out; of the others a part is learned from, and the held-out ones are
predicted by CellBox and by simpler models from the same part. Within a draw parts are nested, and
the held-out conditions are the same, so that sizes differ by what was added alone.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Int

from cellbox.arrays import NodeMask
from cellbox.budgets.grid import BudgetGrid
from cellbox.data.dataset import Dataset, Split, split_rows
from cellbox.data.design import nested_times
from cellbox.data.split_schemes import TEST_SHARE
from cellbox.equation.network_responses import responses
from cellbox.networks.interventions import refuse_interventions
from cellbox.refinement.multiple_shooting import MultipleShooting
from cellbox.scores.baselines import baselines
from cellbox.scores.metrics import mean_absolute_error
from cellbox.training.without_descent import learn_without_descent

CELLBOX, RIDGE, ADDITIVE, MEAN = "CellBox", "ridge", "additive", "mean"
MODELS = (CELLBOX, RIDGE, ADDITIVE, MEAN)


@dataclass(frozen=True, eq=False)
class Subsamples:
    """Experiments within measured data; each is made when it is asked for.

    The grid's axes are conditions, time_points and nodes. test: share of the conditions that are
    held out in each draw.
    """

    grid: BudgetGrid
    dataset: Dataset
    test: float = TEST_SHARE
    seed: int = 0

    def __post_init__(self) -> None:
        """Raise InputError for data with held nodes, or doses that begin later or end."""
        done, names = self.dataset.interventions, self.dataset.row_names
        refuse_interventions(done, f"{self.dataset.name}, learning curves", row_names=names)

    def run(self, cell: Mapping[str, Any], draw: int) -> dict[str, Any]:
        """Learn from a part of the data and predict what is held out: errors by model.

        status: "learned", or "failed" where CellBox found no network; its error is then None, as is
        that of the additive rule where single responses are missing.
        """
        started = time.perf_counter()
        data, split, slots, scored = self._part(cell, draw)
        held_out = data.rows(split.test)
        simple = baselines(data, split)
        predictions = {name: simple[name] for name in (RIDGE, ADDITIVE, MEAN)}
        training = replace(
            data,
            times=data.times[slots],
            measurements=data.measurements[:, slots],
            errors=None if data.errors is None else data.errors[:, slots],
        )
        learned = learn_without_descent(
            MultipleShooting.of(training, split.training),
            data.nodes,
            allowed_edges=data.allowed_edges,
            scored=data.measured_nodes,
        )
        if learned is not None:
            predictions[CELLBOX] = responses(
                learned.network, held_out.perturbations, data.times, lines=held_out.lines
            )
        errors = {
            name: _finite(
                mean_absolute_error(values[..., scored], held_out.measurements[..., scored])
            )
            for name, values in predictions.items()
            if values is not None
        }
        return {
            "status": "learned" if learned is not None else "failed",
            "message": "No network was found." if learned is None else learned.sentence,
            **{name: errors.get(name) for name in MODELS},
            "seconds": time.perf_counter() - started,
        }

    def _part(
        self, cell: Mapping[str, Any], draw: int
    ) -> tuple[Dataset, Split, Int[np.ndarray, " n_slots"], NodeMask]:
        """The data of a cell, its split, its times, and the nodes that are scored."""
        random = np.random.default_rng([self.seed, draw])
        parts = split_rows(self.dataset, test=self.test, seed=int(random.integers(2**31)))
        left = np.concatenate([parts.training, parts.validation])
        condition = self.dataset.condition_of_row[left]
        chosen = random.permutation(np.unique(condition))[: cell["conditions"]]
        training = np.sort(left[np.isin(condition, chosen)])
        order = self._nodes_in_order(random)
        nodes = np.sort(order[: cell["nodes"]])
        # Those that every size has, so that errors are of the same values.
        scored = np.isin(nodes, order[: min(self.grid.axes["nodes"])])
        data = of_nodes(self.dataset, nodes)
        slots = np.sort(nested_times(len(data.times))[: cell["time_points"]])
        dropped = np.setdiff1d(np.arange(len(data.times)), slots)
        measurements = data.measurements.copy()
        measurements[np.ix_(training, dropped)] = np.nan
        split = Split(training, training[:0], parts.test)
        return replace(data, measurements=measurements), split, slots, scored & data.measured_nodes

    def _nodes_in_order(self, random: np.random.Generator) -> Int[np.ndarray, " n_nodes"]:
        """The nodes as a growing panel takes them: those that are perturbed, then the others."""
        perturbed = (self.dataset.perturbations != 0).any(axis=0)
        order = random.permutation(self.dataset.n_nodes)
        return np.concatenate([order[perturbed[order]], order[~perturbed[order]]])


def largest_part(data: Dataset, test: float = TEST_SHARE) -> int:
    """How many conditions are left to learn from when this share is held out."""
    return data.n_conditions - round(test * data.n_conditions)


def fewest_nodes(data: Dataset) -> int:
    """The nodes that every panel has: those that are perturbed, and one that answers."""
    perturbed = int((data.perturbations != 0).any(axis=0).sum())
    return min(data.n_nodes, perturbed + 1)


def of_nodes(data: Dataset, nodes: Int[np.ndarray, " n_chosen"]) -> Dataset:
    """The data of some nodes, as if no other had been measured."""
    allowed, kept = data.allowed_edges, tuple(data.nodes[node] for node in nodes)
    return replace(
        data,
        nodes=kept,
        prior=None if data.prior is None else data.prior.among(kept),
        perturbations=data.perturbations[:, nodes],
        measurements=data.measurements[:, :, nodes],
        activity_nodes=data.activity_nodes[nodes],
        allowed_edges=None if allowed is None else allowed[np.ix_(nodes, nodes)],
        noise_free=None if data.noise_free is None else data.noise_free[:, :, nodes],
        errors=None if data.errors is None else data.errors[:, :, nodes],
        truth=None,
        split=None,
    )


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
