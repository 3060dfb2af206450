"""One task: simulate an experiment, search for its network, and judge what was found.

The search never sees the truth: models are ranked by their validation error and, when refined, by
their information criterion on the training data (`Training.selection_error`). All that it is told
is which validation conditions are rounding-sensitive, since no model can be judged by those.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from cellbox.data.dataset import Dataset, Split
from cellbox.data.simulation import simulate_system
from cellbox.equation.gradient_check import check_gradient
from cellbox.equation.network_responses import responses
from cellbox.evaluation.report import evaluate, evaluate_baselines
from cellbox.identifiability.recovery_bound import recovery_bounds
from cellbox.models.model import FittedModel
from cellbox.models.model_files import from_the_start
from cellbox.networks.known_systems import system
from cellbox.settings import Settings
from cellbox.training.finish import FinishedTraining, Finisher
from cellbox.training.fit import pool_of, train_to_the_end
from cellbox.training.pack import Harvest, Pack, hyperparameters_of, shape_of
from search.reproduction.recipe import Recipe
from search.reproduction.task import Task

#: Told what is being done and what share of the task is behind (0 to 1).
OnProgress = Callable[[str, float], None]

# Of a task's time about so much goes into gradient descent.
_SHARE_OF_DESCENT = 0.6

_ROWS_DRAWN = 4
_TIMES_DRAWN = 81


@dataclass(frozen=True, eq=False)
class Done:
    """What a task leaves behind: plain values for JSON, and arrays for figures."""

    record: dict[str, Any]
    arrays: dict[str, np.ndarray]


@dataclass(frozen=True, eq=False)
class _Descent:
    """A gradient descent that ended."""

    settings: Settings
    seed: int
    harvest: Harvest

    @property
    def rank(self) -> tuple[bool, float]:
        """Diverged ones last, then by validation error."""
        error = self.harvest.validation_mae
        return self.harvest.status.diverged, error if math.isfinite(error) else math.inf


def run_task(task: Task, recipe: Recipe, on_progress: OnProgress) -> Done:
    """Do one task.

    Raises InputError where the experiment cannot be simulated, and numpy's LinAlgError or
    FloatingPointError where the numbers do not allow what comes after it.
    """
    started = time.perf_counter()
    on_progress("simulating", 0.0)
    known = system(task.system)
    data = simulate_system(known, seed=task.seed, noise=task.sigma, design=task.design)
    split = data.split
    assert split is not None
    descents, compile_seconds = _descend(data, split, task, recipe, on_progress)
    candidates = _refine(data, split, descents, recipe.refined_of(data.n_nodes), on_progress)
    best = min(candidates, key=lambda candidate: candidate.rank)
    on_progress("judging", 0.98)
    model = best.model
    # The task's time is that of all its candidates.
    seconds = time.perf_counter() - started
    training = replace(model.training, seconds=seconds, compile_seconds=compile_seconds)
    record = {
        "status": training.status,
        "message": training.message,
        "metrics": _metrics(model, data, split),
        "baselines": evaluate_baselines(data, split),
        "bound": _bound(data, split, task.sigma),
        "rounding_sensitive_training_conditions": int((~data.judged[split.training]).sum()),
        "edges_learned": int((model.network.weights != 0).sum()),
        "settings": asdict(model.settings),
        "training": asdict(training),
        "candidates": [_described(candidate.model) for candidate in candidates],
    }
    record["seconds"] = time.perf_counter() - started
    return Done(record, _drawn(model, data, split))


def _descend(
    data: Dataset, split: Split, task: Task, recipe: Recipe, on_progress: OnProgress
) -> tuple[list[_Descent], float]:
    """Train every setting of the recipe side by side; also the seconds of compiling."""
    on_progress("compiling", 0.0)
    first = recipe.settings[0]
    check_gradient(first.solver, data.times, data.n_nodes)
    pool = pool_of(data, split, first)
    rows, times = np.arange(len(split.training)), np.arange(len(data.times))
    pack = Pack(pool, shape_of(first, len(rows), len(times)), n_lanes=len(recipe.settings))
    seeds = [_start_seed(task.seed, lane) for lane in range(pack.n_lanes)]
    for lane, settings in enumerate(recipe.settings):
        pack.insert(lane, seeds[lane], hyperparameters_of(settings, rows, times, pool))
    longest = max(settings.total_steps for settings in recipe.settings)
    train_to_the_end(
        pack,
        lambda progress: on_progress(
            "training", _SHARE_OF_DESCENT * int(progress.step.max()) / longest
        ),
    )
    return [
        _Descent(settings, seeds[lane], pack.harvest(lane))
        for lane, settings in enumerate(recipe.settings)
    ], pack.compile_seconds


def _start_seed(seed: int, lane: int) -> int:
    """Another start for every lane of every task."""
    return int(np.random.SeedSequence((seed, lane)).generate_state(1)[0])


def _refine(
    data: Dataset,
    split: Split,
    descents: list[_Descent],
    n_refined: int,
    on_progress: OnProgress,
) -> list[FinishedTraining]:
    """Finish the most promising descents, best first."""
    finisher = Finisher.of(data, split)
    candidates = []
    for number, descent in enumerate(sorted(descents, key=lambda one: one.rank)[:n_refined]):
        share = _SHARE_OF_DESCENT + (0.98 - _SHARE_OF_DESCENT) * number / n_refined
        on_progress("refining", share)
        candidates.append(
            finisher.finish(
                descent.harvest,
                descent.settings,
                seed=descent.seed,
            )
        )
    return candidates


def _metrics(model: FittedModel, data: Dataset, split: Split) -> dict[str, float | None]:
    """What `evaluate` says of the test conditions and the network, and the amplitudes' error."""
    report = evaluate(model, data, split)
    del report["all_nodes"]
    assert data.truth is not None
    apart = np.abs(model.network.amplitudes - data.truth.amplitudes).mean()
    return {**report, "amplitude_error": float(apart) if np.isfinite(apart) else None}


def _bound(data: Dataset, split: Split, sigma: float) -> dict[str, Any]:
    """How well W can be recovered from the training conditions that it applies to.

    Rounding-sensitive ones respond without limit to the smallest change, which no Fisher
    information holds.
    """
    assert data.truth is not None
    rows = split.training[data.judged[split.training]]
    return recovery_bounds(data.truth, data.perturbations[rows], data.times, sigma)


def _described(model: FittedModel) -> dict[str, Any]:
    """A candidate in a few plain values."""
    settings, training = model.settings, model.training
    return {
        "l1": settings.l1,
        "interval_share": settings.interval_share,
        "peak_rate": settings.peak_rate,
        "status": training.status,
        "refinement": training.refinement,
        "validation_mae": training.validation_mae,
        "selection_error": training.selection_error,
        "noise": training.noise,
    }


def _drawn(model: FittedModel, data: Dataset, split: Split) -> dict[str, np.ndarray]:
    """What a figure needs: both networks, and curves of a few test conditions."""
    assert data.truth is not None
    judged = split.test[data.judged[split.test]]
    rows = (judged if len(judged) else split.test)[:_ROWS_DRAWN]
    dense = np.linspace(0, data.times[-1], _TIMES_DRAWN)
    doses = data.perturbations[rows]
    return {
        "nodes": np.array(data.nodes),
        "weights": model.network.weights,
        "amplitudes": model.network.amplitudes,
        "true_weights": data.truth.weights,
        "true_amplitudes": data.truth.amplitudes,
        "times": data.times,
        "row_names": np.array([data.row_names[row] for row in rows]),
        "perturbations": doses,
        "measurements": data.measurements[rows],
        "dense_times": dense,
        "predicted": from_the_start(model.predict(doses, dense[1:])),
        "exact": from_the_start(responses(data.truth, doses, dense[1:])),
    }
