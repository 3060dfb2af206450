"""The data of a study: one pool for all trials, and the same validation and test for each.

A trial's budget is a set of indices into the pool. Within a repeat, subsets are nested: a
smaller number of conditions, of perturbed nodes or (for files) of time points is part of any
larger one, so that two budgets differ by what was added and by nothing else.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
from jaxtyping import Bool, Float, Int

from cellbox.data.dataset import Dataset, Split, split_rows, validation_rows
from cellbox.data.design import check_perturbed, draw_design
from cellbox.data.readers import read_data
from cellbox.data.simulation import exact_responses
from cellbox.errors import InputError, Problem
from cellbox.networks.known_systems import system
from cellbox.networks.network import Network, read_network
from cellbox.training.fit import check_split
from search.spec.space import Choice, Fixed, Range
from search.spec.tables import DataTable, Spec
from search.study.budget import Budget


@dataclass(frozen=True, eq=False)
class StudyData:
    """What every worker holds: the training pool, and one data set to judge all trials on.

    pool_rows: for each repeat and number of perturbed nodes, indices of the pool's rows,
        condition by condition, in the order in which a growing budget takes them.
    pool_times: for each number of time points, ascending indices into `times`.
    evaluation: validation and test rows; split: which of them are which.
    own: the budget that a trial has unless it searches another.
    rounding_sensitive: the pool's rows whose response rounding decides; None where not known. They
        are trained on like the others.
    """

    perturbations: Float[np.ndarray, "n_pool_rows n_nodes"]
    measurements: Float[np.ndarray, "n_pool_rows n_times n_nodes"]
    noise_free: Float[np.ndarray, "n_pool_rows n_times n_nodes"] | None
    times: Float[np.ndarray, " n_times"]
    pool_rows: dict[tuple[int, int | None], tuple[Int[np.ndarray, " n_rows"], ...]]
    pool_times: dict[int, Int[np.ndarray, " n_chosen"]]
    evaluation: Dataset
    split: Split
    own: Budget
    rounding_sensitive: Bool[np.ndarray, " n_pool_rows"] | None = None

    @property
    def several_times(self) -> bool:
        """Whether responses were measured at more than one time."""
        return len(self.times) > 1

    def indices(
        self, budget: Budget, repeat: int
    ) -> tuple[Int[np.ndarray, " n_rows"], Int[np.ndarray, " n_times"]]:
        """The pool's rows and times that a budget opens in a repeat."""
        conditions = self.pool_rows[repeat, budget.perturbed_nodes][: budget.conditions]
        return np.concatenate(conditions), self.pool_times[budget.time_points]

    def fingerprint(self) -> str:
        """Tells whether files have changed: of measurements, or of the network simulated.

        Simulated measurements do not count: another machine may round them otherwise.
        """
        truth, held_out = self.evaluation.truth, self.evaluation
        arrays = (
            (self.perturbations, self.measurements, held_out.measurements)
            if self.noise_free is None or truth is None
            else (truth.weights, truth.amplitudes)
        )
        digest = hashlib.sha256()
        for values in arrays:
            digest.update(np.ascontiguousarray(values, float).tobytes())
        return digest.hexdigest()

    def training_set(
        self, rows: Int[np.ndarray, " n_rows"], times: Int[np.ndarray, " n_times"]
    ) -> tuple[Dataset, Split]:
        """What a trial saw together with what it is judged on, as one data set, and its split.

        Training measurements stand at the evaluation's times, NaN where the trial saw none.
        """
        held_out = self.evaluation
        split = replace(self.split, training=held_out.n_rows + np.arange(len(rows)))
        noise_free = held_out.noise_free
        if noise_free is not None and self.noise_free is not None:
            exact = self._at_evaluation_times(self.noise_free, rows, np.arange(len(self.times)))
            noise_free = np.concatenate([noise_free, exact])
        sensitive = None
        if held_out.rounding_sensitive is not None and self.rounding_sensitive is not None:
            known = (held_out.rounding_sensitive, self.rounding_sensitive[rows])
            sensitive = np.concatenate(known)
        whole = replace(
            held_out,
            perturbations=np.concatenate([held_out.perturbations, self.perturbations[rows]]),
            measurements=np.concatenate(
                [
                    held_out.measurements,
                    self._at_evaluation_times(self.measurements, rows, times),
                ]
            ),
            row_names=held_out.row_names + tuple(f"training {row + 1}" for row in rows),
            noise_free=noise_free,
            rounding_sensitive=sensitive,
            split=split,
        )
        return whole, split

    @property
    def validation(self) -> Dataset:
        """The validation rows that choose between models."""
        return self.evaluation.rows(validation_rows(self.evaluation, self.split))

    @property
    def pool(self) -> Dataset:
        """All rows and times that some trial may be trained on."""
        return self.trained_on(np.arange(len(self.perturbations)), np.arange(len(self.times)))

    def trained_on(
        self, rows: Int[np.ndarray, " n_rows"], times: Int[np.ndarray, " n_times"]
    ) -> Dataset:
        """What a trial was trained on, and nothing else, at the times that it saw."""
        sensitive = self.rounding_sensitive
        return replace(
            self.evaluation,
            times=self.times[times],
            perturbations=self.perturbations[rows],
            measurements=self.measurements[rows][:, times],
            row_names=tuple(f"training {row + 1}" for row in rows),
            noise_free=None,
            rounding_sensitive=None if sensitive is None else sensitive[rows],
        )

    def _at_evaluation_times(
        self,
        values: Float[np.ndarray, "n_pool_rows n_times n_nodes"],
        rows: Int[np.ndarray, " n_rows"],
        times: Int[np.ndarray, " n_times"],
    ) -> Float[np.ndarray, "n_rows n_evaluation_times n_nodes"]:
        """Values of some rows and times of the pool, at the evaluation's times or NaN."""
        wanted = self.evaluation.times
        found = np.full((len(rows), len(wanted), values.shape[2]), np.nan)
        for time in times:
            found[:, np.isclose(wanted, self.times[time])] = values[rows, time][:, None]
        return found


def load_study_data(spec: Spec) -> StudyData:
    """Simulate or read the data of a study. Raises InputError where the budget does not fit."""
    if spec.data.folder is not None:
        return _from_files(spec)
    return _simulated(spec)


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


_HELD_OUT, _TRAINING, _ORDER = 0, 1, 2


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


def _source(data: DataTable) -> _Source:
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
    source = _source(spec.data)
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
    return StudyData(
        perturbations=np.concatenate(blocks),
        measurements=np.concatenate(measured),
        noise_free=np.concatenate(truths),
        times=times,
        pool_rows=pool_rows,
        pool_times=pool_times,
        evaluation=_held_out(spec, source),
        split=_parts(source.held_out, source.held_out),
        own=source.own,
        rounding_sensitive=np.concatenate(sensitive),
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
) -> tuple[Float[np.ndarray, " n_times"], dict[int, Int[np.ndarray, " n_chosen"]]]:
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
        spec.data.folder, structural_zeros=spec.data.structural_zeros, time=spec.data.time
    )
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
    times = _nested_times(len(data.times))
    return StudyData(
        perturbations=training.perturbations,
        measurements=training.measurements,
        noise_free=training.noise_free,
        times=data.times,
        pool_rows=pool_rows,
        pool_times={
            level: np.sort(times[:level]) for level in _levels(axes.time_points, own.time_points)
        },
        evaluation=data.rows(np.concatenate([split.validation, split.test])),
        split=_parts(len(split.validation), len(split.test)),
        own=own,
        rounding_sensitive=training.rounding_sensitive,
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
) -> tuple[Int[np.ndarray, " n_rows"], ...]:
    """Rows of each condition that is allowed, conditions in a random order."""
    # The order is drawn before any condition is left out, so that it is the same for all levels.
    order = random.permutation(training.n_conditions)
    rows = [np.flatnonzero(training.condition_of_row == condition) for condition in order]
    return tuple(of_condition for of_condition in rows if allowed[of_condition[0]])


def _nested_times(n_times: int) -> Int[np.ndarray, " n_times"]:
    """Time indices, the last first, then always the one farthest from those chosen."""
    chosen = [n_times - 1]
    while len(chosen) < n_times:
        distance = np.abs(np.arange(n_times)[:, None] - np.array(chosen)).min(axis=1)
        chosen.append(int(np.argmax(distance)))
    return np.array(chosen)


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
