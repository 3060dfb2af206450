"""Making the data of a study, from a network to simulate or from files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
from jaxtyping import Int

from cellbox.arrays import RowNumbers, Times
from cellbox.data.dataset import Dataset, Split, split_rows, with_reference_line
from cellbox.data.design import check_perturbed, draw_design, nested_times
from cellbox.data.plausibility import data_warnings
from cellbox.data.readers import read_data
from cellbox.data.simulation import exact_responses
from cellbox.errors import InputError, Problem
from cellbox.networks.amplitudes import with_amplitudes
from cellbox.networks.interventions import refuse_interventions
from cellbox.networks.known_systems import system
from cellbox.networks.network import Network, read_network
from cellbox.networks.prior_files import read_prior
from cellbox.training.fit import check_split
from search.spec.space import Choice, Fixed, Range
from search.spec.tables import Spec
from search.study.budget import Budget
from search.study.data import StudyData

# What random numbers are for; each purpose has a stream of its own.
_HELD_OUT, _TRAINING, _ORDER = 0, 1, 2


def load_study_data(spec: Spec) -> StudyData:
    """Simulate or read the data of a study. Raises InputError where the budget does not fit."""
    data = _from_files(spec) if spec.data.folder is not None else _simulated(spec)
    if spec.data.prior is None:
        return data
    prior = read_prior(spec.data.prior, data.evaluation.nodes)
    return replace(data, evaluation=replace(data.evaluation, prior=prior))


def _levels(dimension: Range | Choice | Fixed | None, *own: int) -> list[int]:
    """All values a budget axis can take, ascending, the study's own among them."""
    match dimension:
        case None:
            values = []
        case Range(low=low, high=high):
            values = list(range(int(low), int(high) + 1))
        case _:
            values = [int(value) for value in dimension.values]
    return sorted({*values, *own})


def _random(spec: Spec, *purpose: int) -> np.random.Generator:
    """An independent stream of random numbers for each purpose."""
    return np.random.default_rng([spec.seed, *purpose])


@dataclass(frozen=True, eq=False)
class _Source:
    """A network to simulate and the budget it has of its own."""

    network: Network
    own: Budget
    horizon: float
    noise: float
    held_out: int
    design: str
    name: str


def _source(spec: Spec) -> _Source:
    data = spec.data
    if data.system is not None:
        known = system(data.system)
        network, name = known.network, known.name
        own = (known.n_conditions, known.perturbed_nodes, known.n_times)
        horizon, noise, held_out = known.horizon, known.noise, known.n_held_out
    else:
        assert data.network is not None
        network = read_network(data.network, amplitude=data.amplitude or 1.0)
        name = "network"
        own = (max(20, 2 * len(network.nodes)), 2, 5)
        horizon, noise, held_out = 20.0, 0.01, 5
    network = with_amplitudes(
        network, file=data.amplitudes, spread=data.amplitude_spread, seed=spec.seed
    )
    return _Source(
        network=network,
        own=Budget(
            conditions=data.conditions or own[0],
            perturbed_nodes=data.perturbed_nodes or min(own[1], len(network.nodes)),
            time_points=data.time_points or own[2],
        ),
        horizon=data.horizon or horizon,
        noise=noise if data.noise is None else data.noise,
        held_out=data.held_out or held_out,
        design=data.design,
        name=name,
    )


def _simulated(spec: Spec) -> StudyData:
    source = _source(spec)
    axes = spec.space.budget
    assert source.own.perturbed_nodes is not None
    n_conditions = max(_levels(axes.conditions, source.own.conditions))
    node_levels = _levels(axes.perturbed_nodes, source.own.perturbed_nodes)
    for n_perturbed in node_levels:
        check_perturbed(n_perturbed, len(source.network.nodes))
    time_levels = _levels(axes.time_points, source.own.time_points)
    times, pool_times = _time_grid(time_levels, source.horizon)
    blocks: list[np.ndarray] = []
    truths: list[np.ndarray] = []
    measured: list[np.ndarray] = []
    sensitive: list[np.ndarray] = []
    pool_rows: dict[tuple[int, int | None], tuple[np.ndarray, ...]] = {}
    n_rows = 0
    for repeat in range(spec.repeats):
        random = _random(spec, _TRAINING, repeat)
        design = draw_design(n_conditions, len(source.network.nodes), random, kind=source.design)
        for n_perturbed in node_levels:
            perturbations = design.perturbations(n_perturbed)
            exact, decided_by_rounding = exact_responses(
                source.network, perturbations, times, noise=source.noise, name=source.name
            )
            noise = _random(spec, _TRAINING, repeat, n_perturbed).standard_normal(exact.shape)
            blocks.append(perturbations)
            truths.append(exact)
            measured.append(exact + source.noise * noise)
            sensitive.append(decided_by_rounding)
            rows = n_rows + np.arange(n_conditions)
            pool_rows[repeat, n_perturbed] = tuple(rows[:, None])
            n_rows += n_conditions
    evaluation = _held_out(spec, source)
    return StudyData(
        perturbations=np.concatenate(blocks),
        measurements=np.concatenate(measured),
        noise_free=np.concatenate(truths),
        times=times,
        pool_rows=pool_rows,
        pool_times=pool_times,
        evaluation=evaluation,
        split=_parts(source.held_out, source.held_out),
        own=source.own,
        rounding_sensitive=np.concatenate(sensitive),
        warnings=data_warnings(evaluation),
    )


def _held_out(spec: Spec, source: _Source) -> Dataset:
    """Validation and test conditions at the source's own budget, the same for all trials."""
    random = _random(spec, _HELD_OUT)
    n_rows = 2 * source.held_out
    n_nodes = len(source.network.nodes)
    assert source.own.perturbed_nodes is not None
    design = draw_design(n_rows, n_nodes, random, kind=source.design)
    perturbations = design.perturbations(source.own.perturbed_nodes)
    times, _ = _time_grid([source.own.time_points], source.horizon)
    exact, sensitive = exact_responses(
        source.network, perturbations, times, noise=source.noise, name=source.name
    )
    return Dataset(
        nodes=source.network.nodes,
        times=times,
        perturbations=perturbations,
        measurements=exact + source.noise * random.standard_normal(exact.shape),
        row_names=tuple(f"held out {row + 1}" for row in range(n_rows)),
        activity_nodes=np.zeros(n_nodes, bool),
        noise_free=exact,
        rounding_sensitive=sensitive,
        truth=source.network,
        name=source.name,
    )


def _time_grid(
    levels: Sequence[int], horizon: float
) -> tuple[Times, dict[int, Int[np.ndarray, " n_chosen"]]]:
    """All times that some level measures at, and which of them each level has."""
    # Fractions, so that 2/4 of the horizon and 3/6 of it are one time and not nearly one.
    parts = {level: [Fraction(k, level) for k in range(1, level + 1)] for level in levels}
    union = sorted({part for of_level in parts.values() for part in of_level})
    times = np.array([horizon * float(part) for part in union])
    return times, {
        level: np.array([union.index(part) for part in of_level])
        for level, of_level in parts.items()
    }


def _from_files(spec: Spec) -> StudyData:
    assert spec.data.folder is not None
    data = read_data(
        spec.data.folder,
        structural_zeros=spec.data.structural_zeros,
        time=spec.data.time,
        units=spec.data.units(),
    )
    refuse_interventions(data.interventions, f"sweep of {data.name}", row_names=data.row_names)
    if spec.data.reference_line is not None:
        data = with_reference_line(data, spec.data.reference_line, "[data] reference_line")
    split = data.split or split_rows(
        data,
        test=spec.data.test,
        validation=spec.data.validation,
        seed=spec.seed,
        by=spec.data.split_by,
    )
    check_split(data, split)
    training = data.rows(split.training)
    own = Budget(training.n_conditions, None, len(data.times))
    axes = spec.space.budget
    n_perturbed = (training.perturbations != 0).sum(axis=1)
    node_levels: list[int | None] = (
        [None] if axes.perturbed_nodes is None else [None, *_levels(axes.perturbed_nodes)]
    )
    pool_rows = {
        (repeat, level): _nested_conditions(
            training, n_perturbed <= (level or np.inf), _random(spec, _ORDER, repeat)
        )
        for repeat in range(spec.repeats)
        for level in node_levels
    }
    _refuse_missing(spec, pool_rows, own)
    times = nested_times(len(data.times))
    return StudyData(
        perturbations=training.perturbations,
        measurements=training.measurements,
        noise_free=training.noise_free,
        errors=training.errors,
        lines=training.lines,
        times=data.times,
        pool_rows=pool_rows,
        pool_times={
            level: np.sort(times[:level]) for level in _levels(axes.time_points, own.time_points)
        },
        evaluation=data.rows(np.concatenate([split.validation, split.test])),
        split=_parts(len(split.validation), len(split.test)),
        own=own,
        rounding_sensitive=training.rounding_sensitive,
        warnings=data_warnings(data),
    )


def _parts(n_validation: int, n_test: int) -> Split:
    """Which of the evaluation's rows are which: the validation rows come first."""
    return Split(
        training=np.zeros(0, int),
        validation=np.arange(n_validation),
        test=np.arange(n_validation, n_validation + n_test),
    )


def _nested_conditions(
    training: Dataset, allowed: np.ndarray, random: np.random.Generator
) -> tuple[RowNumbers, ...]:
    """Rows of each condition that is allowed, conditions in a random order."""
    # The order is drawn before any condition is left out, so that it is the same for all levels.
    order = random.permutation(training.n_conditions)
    rows = [np.flatnonzero(training.condition_of_row == condition) for condition in order]
    return tuple(of_condition for of_condition in rows if allowed[of_condition[0]])


def _refuse_missing(
    spec: Spec, pool_rows: dict[tuple[int, int | None], tuple[np.ndarray, ...]], own: Budget
) -> None:
    axes = spec.space.budget
    problems = []
    wanted = max(_levels(axes.conditions, 1))
    # A study that does not search the number of conditions takes what each limit leaves.
    for (repeat, level), conditions in pool_rows.items():
        if repeat == 0 and len(conditions) < wanted:
            limit = "" if level is None else f" with at most {level} perturbed nodes"
            problems.append(
                Problem(
                    "space.budget.conditions",
                    f"{wanted} training conditions are asked for, and the data have "
                    f"{len(conditions)}{limit}",
                    "Ask for fewer, or hold out less for validation and test",
                )
            )
    most_times = max(_levels(axes.time_points, 1))
    if most_times > own.time_points:
        problems.append(
            Problem(
                "space.budget.time_points",
                f"{most_times} time points are asked for, and the data have {own.time_points}",
                "Ask for fewer",
            )
        )
    if problems:
        raise InputError(problems)
