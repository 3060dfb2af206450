"""Data and settings in, fitted model out."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence

import numpy as np

from cellbox.data.dataset import Dataset, Split, split_rows, validation_rows
from cellbox.equation.gradient_check import check_gradient
from cellbox.errors import InputError, Problem
from cellbox.models.model import FittedModel, Training
from cellbox.refinement.multiple_shooting import MultipleShooting
from cellbox.settings import Settings, check_seed
from cellbox.training.finish import Finisher, Outcome
from cellbox.training.lane import Pool, Progress, Status
from cellbox.training.pack import Harvest, Pack, hyperparameters_of, make_pool, shape_of

# Step, training error and validation error at each validation.
History = list[tuple[int, float, float]]


def fit(
    data: Dataset,
    settings: Settings | None = None,
    *,
    seed: int = 0,
    split: Split | None = None,
    on_progress: Callable[[int, float], None] | None = None,
) -> FittedModel:
    """Learn a network from perturbation data.

    split: which rows train, validate and test; by default the one that came with the data, or
        else a random one (see `split_rows`) drawn from `seed`.
    on_progress: called after each validation with the step and the best validation error.

    Training follows the paper (Ji et al. 2021): AdamW on the mean absolute error. By default its
    gradient is the step-replay gradient of this project's own batched loop with diffrax's tableaus,
    which takes a tenth of the time; diffrax's adjoints run when named (see `SolverSettings`). The
    parameters with the best validation error are kept, and refined by least squares with a
    selection of edges (`cellbox.refinement.refine`) unless the settings or the size of the data say
    otherwise. The same data, settings and seed give the same model, to the bit, on the same kind of
    machine.

    Raises InputError for settings whose gradients are wrong (see `check_gradient`), for a seed
    that is no seed, and for a split without anything to train or to validate on.
    """
    check_seed(seed)
    settings = settings or Settings()
    split = choose_split(data, split, seed)
    check_split(data, split)
    check_gradient(settings.solver, data.times, data.n_nodes)
    pool = pool_of(data, split, settings)
    rows = np.arange(len(split.training))
    times = np.arange(len(data.times))
    pack = Pack(pool, shape_of(settings, len(rows), len(times)), n_lanes=1)
    pack.insert(0, seed, hyperparameters_of(settings, rows, times, pool))
    started = time.perf_counter()

    def tell(progress: Progress) -> None:
        if on_progress is not None:
            on_progress(int(progress.step[0]), float(progress.best_validation[0]))

    (history,) = train_to_the_end(pack, 1, tell)
    harvest = pack.harvest(0)
    validation = data.rows(validation_rows(data, split))
    finisher = Finisher(MultipleShooting.of(data, split.training), validation)
    outcome = finisher.finish(harvest, settings)
    training = training_record(
        harvest,
        outcome,
        history,
        seconds=time.perf_counter() - started,
        compile_seconds=pack.compile_seconds,
    )
    return FittedModel(outcome.network, settings, data.times, int(seed), training)


def train_to_the_end(
    pack: Pack, n_lanes: int, on_progress: Callable[[Progress], None]
) -> list[History]:
    """Advance a pack until its first lanes have ended; what each showed after every validation.

    on_progress: called after each validation.
    """
    histories: list[History] = [[] for _ in range(n_lanes)]
    running = list(range(n_lanes))
    while running:
        progress = pack.advance()
        for lane in running:
            histories[lane].append(
                (
                    int(progress.step[lane]),
                    float(progress.training_error[lane]),
                    float(progress.validation_error[lane]),
                )
            )
        running = [lane for lane in running if progress.status[lane] == Status.RUNNING]
        on_progress(progress)
    return histories


def choose_split(data: Dataset, split: Split | None, seed: int) -> Split:
    """The split that was given, or else that of the data, or else a random one."""
    return split or data.split or split_rows(data, seed=seed)


def check_split(data: Dataset, split: Split) -> None:
    """Refuse a split whose training or validation rows hold no measured value.

    An error over no values would be 0, and every model would look perfect.
    """
    parts = {
        "training": data.measurements[split.training],
        "validation": data.measurements[validation_rows(data, split)][..., data.measured_nodes],
    }
    problems = [
        Problem(
            f"split of {data.name}, {part}",
            f"expected rows with measured values, found none in {len(values)} rows",
            f"Give conditions with measurements to the {part} part",
        )
        for part, values in parts.items()
        if np.isnan(values).all()
    ]
    if problems:
        raise InputError(problems)


def pool_of(data: Dataset, split: Split, settings: Settings) -> Pool:
    """The training and validation rows of a split, where lanes can reach them."""
    validation = validation_rows(data, split)
    return make_pool(
        perturbations=data.perturbations[split.training],
        measurements=data.measurements[split.training],
        times=data.times,
        validation_perturbations=data.perturbations[validation],
        validation_measurements=data.measurements[validation],
        validation_times=data.times,
        validation_nodes=data.measured_nodes,
        allowed_edges=data.allowed_edges,
        precision=settings.solver.precision,
    )


def training_record(
    harvest: Harvest,
    outcome: Outcome,
    history: Sequence[tuple[int, float, float]],
    *,
    seconds: float,
    compile_seconds: float,
) -> Training:
    """How a training went, in plain values; numbers that are not finite become None."""
    steps, training_errors, validation_errors = zip(*history, strict=True)
    rescued = harvest.status.diverged and outcome.refined
    message = " Least squares found a network all the same." if rescued else ""
    return Training(
        status=final_status(harvest, outcome),
        message=harvest.status.sentence + message,
        steps=harvest.step,
        validation_mae=_finite(outcome.validation_mae),
        history={
            "step": list(steps),
            "training_loss": [_finite(value) for value in training_errors],
            "validation_mae": [_finite(value) for value in validation_errors],
        },
        seconds=seconds,
        compile_seconds=compile_seconds,
        selection_error=_finite(outcome.selection_error),
        refinement=outcome.refinement,
        noise=outcome.noise,
    )


def final_status(harvest: Harvest, outcome: Outcome) -> str:
    """What became of a training, refinement included: completed, stopped_early or diverged."""
    if harvest.status.diverged:
        return "completed" if outcome.refined else "diverged"
    return harvest.status.name.lower()


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
