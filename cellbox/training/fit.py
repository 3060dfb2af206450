"""Data and settings in, fitted model out."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import replace
from os import PathLike
from typing import Literal

import numpy as np

from cellbox.criticism.criticise import criticise
from cellbox.criticism.criticism import Criticism
from cellbox.data.checked_numbers import check_numbers
from cellbox.data.dataset import Dataset, Split, split_rows, validation_rows
from cellbox.equation.gradient_check import check_gradient
from cellbox.errors import InputError, Problem, refuse
from cellbox.models.model import FittedModel
from cellbox.models.network_draws import draws_of
from cellbox.models.provenance import provenance
from cellbox.networks.form import NONE
from cellbox.networks.interventions import refuse_interventions
from cellbox.networks.network import Network
from cellbox.networks.prior import EdgePrior
from cellbox.networks.prior_files import read_prior
from cellbox.refinement.rounds import OnRound, listening
from cellbox.settings import Settings, check_seed
from cellbox.storage.compilation import keep_compiled_programs
from cellbox.threads import in_one_thread
from cellbox.training.finish import FinishedTraining, Finisher
from cellbox.training.lane import LaneReport, Pool
from cellbox.training.pack import Pack, hyperparameters_of, make_pool, shape_of


@in_one_thread
def fit(
    data: Dataset,
    settings: Settings | None = None,
    *,
    seed: int = 0,
    split: Split | None = None,
    on_progress: Callable[[int, float], None] | None = None,
    descent: Literal["always", "where needed"] | None = None,
    form: str | None = None,
    on_refinement: OnRound | None = None,
    prior: EdgePrior | str | PathLike[str] | None = None,
) -> FittedModel:
    """Learn a network from perturbation data.

    split: which rows train, validate and test; by default the one that came with the data, or
        else a random one (see `split_rows`) drawn from `seed`.
    on_progress: called after each validation with the step and the best validation error.
    on_refinement: called after each round of least squares; `print` does.
    descent: "where needed" begins with least squares from a regression, and ends there where these
        explain the data: all tests of `criticise` find nothing but noise. Settings of the descent
        then play no part; so that is the default where no settings are given, else "always".
    form: instead of `settings.form`: "search", or what the equation may have beside Eq. 1, such as
        "drive,decay" (see `cellbox.networks.form`).
    prior: edges that are said to exist, or a file of them (see `cellbox.read_prior`), instead of
        those that came with the data. They are weighed by the data, as `settings.prior_strength`
        says, and never forced upon them; `cellbox.compare_with_prior` tells what came of them.

    Training follows the paper (Ji et al. 2021): AdamW on the mean absolute error. By default its
    gradient is the step-replay gradient of this project's own batched loop with diffrax's tableaus,
    which takes a tenth of the time; diffrax's adjoints run when named (see `SolverSettings`). The
    parameters with the best validation error are kept, and refined by least squares with a
    selection of edges (`cellbox.refinement.refine`) unless the settings or the size of the data say
    otherwise. Whether Eq. 1 explains the data stands in the model's `criticism`. The same data,
    settings and seed give the same model, to the bit, on the same kind of machine.

    Raises InputError for settings whose gradients are wrong (see `check_gradient`), for a seed
    that is no seed, and for a split without anything to train or to validate on.

    Example:
        >>> import cellbox
        >>> data = cellbox.read_data("my_experiment")
        >>> settings = cellbox.Settings(steps=50, refinement="none")
        >>> model = cellbox.fit(data, settings, seed=0)
        >>> model.training.status, model.network.weights.shape
        ('completed', (3, 3))
    """
    check_seed(seed)
    data = with_prior(data, prior)
    descent = descent or ("where needed" if settings is None else "always")
    settings = settings or Settings()
    settings = with_form(settings, form)
    check_refined(data, settings)
    split = choose_split(data, split, seed)
    check_split(data, split)
    keep_compiled_programs()
    with listening(on_refinement):
        finisher = Finisher.of(data, split)
        model = None
        if descent == "where needed":
            model = _without_descent(finisher, data, split, settings, seed)
        if model is None:
            finished = _trained(finisher, data, split, settings, seed, on_progress)
            criticism = criticise_fit(finished.model.network, data, split)
            model = replace(finished.model, criticism=criticism)
    widening = math.inf if model.criticism is None else model.criticism.widening
    draws = draws_of(model.network, model.training, widening, data, split.training, model.seed)
    return replace(model, provenance=provenance(data, split), draws=draws)


def with_prior(data: Dataset, prior: EdgePrior | str | PathLike[str] | None) -> Dataset:
    """The data with another prior of edges, or as they are for None.

    Raises InputError for a file that cannot be used, or has none of the nodes.
    """
    if prior is None:
        return data
    if not isinstance(prior, EdgePrior):
        prior = read_prior(prior, data.nodes)
    return replace(data, prior=prior.among(data.nodes))


def with_form(settings: Settings, form: str | None) -> Settings:
    """The settings with this form, or their own. Raises InputError where it cannot be fitted."""
    settings = settings if form is None else replace(settings, form=form)
    if settings.form != NONE and settings.refinement == "none":
        raise refuse(
            "setting form",
            f"{settings.form} is fitted by least squares, and refinement is none",
            "Leave form out, or choose refinement select_edges or all_edges",
        )
    return settings


def check_refined(data: Dataset, settings: Settings) -> None:
    """Refuse held nodes and doses that end where nothing is refined: descent knows neither."""
    if settings.refinement == "none":
        fix = "Choose refinement select_edges or all_edges, or leave these conditions out"
        where = f"{data.name}, setting refinement = none"
        refuse_interventions(data.interventions, where, fix, data.row_names)


def descent_data(data: Dataset, split: Split) -> Dataset | None:
    """The data that descent learns from: of conditions with doses that last alone.

    Rows stay where they are, and others count as not measured. None where nothing is left to train
    or to validate on.
    """
    if data.interventions is None:
        return data
    apart = data.interventions.affected[:, None, None]
    measured = np.where(apart, np.nan, data.measurements)
    alone = replace(data, measurements=measured, interventions=None)
    validation = measured[validation_rows(data, split)][..., data.measured_nodes]
    parts = (measured[split.training], validation)
    return alone if all(np.isfinite(part).any() for part in parts) else None


def _trained(
    finisher: Finisher,
    data: Dataset,
    split: Split,
    settings: Settings,
    seed: int,
    on_progress: Callable[[int, float], None] | None,
) -> FinishedTraining:
    """A descent, refined as the settings say."""
    descended_on = descent_data(data, split)
    if descended_on is None:
        return finisher.finish_from_regression(settings, seed=seed)
    check_gradient(settings.solver, data.times, data.n_nodes)
    pool = pool_of(descended_on, split, settings)
    rows = np.arange(len(split.training))
    times = np.arange(len(data.times))
    pack = Pack(pool, shape_of(settings, len(rows), len(times)), n_lanes=1)
    pack.insert(0, seed, hyperparameters_of(settings, rows, times, pool))
    started = time.perf_counter()

    def tell(progress: LaneReport) -> None:
        if on_progress is not None:
            on_progress(int(progress.step[0]), float(progress.best_validation[0]))

    train_to_the_end(pack, tell)
    return finisher.finish(
        pack.harvest(0),
        settings,
        seed=seed,
        seconds=time.perf_counter() - started,
        compile_seconds=pack.compile_seconds,
    )


def _without_descent(
    finisher: Finisher, data: Dataset, split: Split, settings: Settings, seed: int
) -> FittedModel | None:
    """What least squares from a regression lead to, if that explains the data."""
    found = finisher.finish_without_descent(settings, seed=seed)
    if found is None:
        return None
    criticism = criticise_fit(found.model.network, data, split)
    return replace(found.model, criticism=criticism) if criticism.verdict == "explained" else None


def criticise_fit(network: Network, data: Dataset, split: Split) -> Criticism:
    """Whether a network that was learned from a split explains its rows, held-out ones too."""
    held_out = np.concatenate([split.validation, split.test])
    return criticise(network, data, split.training, held_out)


def train_to_the_end(pack: Pack, on_progress: Callable[[LaneReport], None]) -> None:
    """Advance a pack until all its lanes have ended.

    on_progress: called after each validation.
    """
    while pack.running:
        on_progress(pack.advance())


def choose_split(data: Dataset, split: Split | None, seed: int) -> Split:
    """The split that was given, or else that of the data, or else a random one."""
    return split or data.split or split_rows(data, seed=seed)


def check_split(data: Dataset, split: Split) -> None:
    """Refuse a split whose training or validation rows hold no measured value.

    An error over no values would be 0, and every model would look perfect. Nor are numbers let
    through that no reader gives (`cellbox.data.checked_numbers`).
    """
    check_numbers(data)
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
    training, validation = data.rows(split.training), data.rows(validation_rows(data, split))
    return make_pool(training, validation, settings.solver.precision)
