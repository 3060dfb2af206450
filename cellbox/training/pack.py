"""Many trainings in one compiled program.

A *pack* holds a fixed number of lanes. The host owns the queue: it inserts a training into a
free lane, advances all lanes by one validation interval, and harvests the lanes that ended.
The device only ever sees arrays of one shape, so nothing is compiled twice, and a lane's
numbers do not depend on its slot or on its neighbours.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from cellbox.arrays import EdgeValues, NodeValues, RowNumbers
from cellbox.data.dataset import Dataset
from cellbox.equation.dynamics import Parameters
from cellbox.equation.solver_settings import Precision, precision_context
from cellbox.settings import Settings
from cellbox.storage.compilation import compile_program
from cellbox.training.lane import (
    Hyperparameters,
    Lane,
    LaneReport,
    Pool,
    Shape,
    Status,
    start_lane,
    train_interval,
)
from cellbox.training.lane_state import (
    History,
    LaneState,
    check_state,
    extract_state,
    restore_state,
)
from cellbox.training.schedules import Schedule, ScheduleKind

# Minibatch sizes are rounded up to one of these, so that a study over budgets compiles a few
# programs instead of one per budget; places beyond the budget are masked.
_SIZES = (1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 25, 30, 40, 50, 64, 80, 100, 128, 160, 200, 256)

# "advance" programs train; "insert" and "restore" programs only put a training into its lane, and
# "extract" programs take its state out of it.
_compiled: dict[tuple[str, Hashable], Callable] = {}


def round_up(size: int) -> int:
    """The smallest program size that holds `size` rows or time points."""
    for candidate in _SIZES:
        if size <= candidate:
            return candidate
    return -(-size // 64) * 64


def compiled_programs() -> int:
    """How many training programs this process has compiled: one for each shape of pack."""
    return sum(name == "advance" for name, _ in _compiled)


@dataclass(frozen=True, eq=False)
class Harvest:
    """What a lane leaves behind: the best parameters it had, how it ended, and how it went."""

    weights: EdgeValues
    amplitudes: NodeValues
    validation_mae: float
    step: int
    status: Status
    history: History


def make_pool(
    training: Dataset,
    validation: Dataset,
    precision: Precision,
    *,
    training_places: int = 0,
    validation_places: int = 0,
) -> Pool:
    """Put data that lanes share on the device, in the precision they are trained in.

    training: all rows and times that some lane may learn from. validation: the rows that choose
        between models, at times of their own; its allowed edges hold for all lanes.
    training_places, validation_places: where there are fewer rows than these, rows without a
        measured value stand behind them, so that data of similar size share one program.
    """
    with precision_context(precision):
        number = partial(jnp.asarray, dtype=precision)
        return Pool(
            perturbations=number(_padded(training.perturbations, training_places, 0.0)),
            measurements=number(_padded(training.measurements, training_places, np.nan)),
            times=number(training.times),
            allowed_edges=number(validation.possible_edges),
            validation_perturbations=number(
                _padded(validation.perturbations, validation_places, 0.0)
            ),
            validation_measurements=number(
                _padded(validation.measurements, validation_places, np.nan)
            ),
            validation_times=number(validation.times),
            validation_nodes=jnp.asarray(validation.measured_nodes),
            precisions=_precisions(training, training_places, precision),
            validation_precisions=_precisions(validation, validation_places, precision),
        )


def _precisions(
    data: Dataset, n_places: int, precision: Precision
) -> Float[Array, "n_places n_times n_nodes"] | None:
    """The typical error over that of each value, 1 where nothing was measured."""
    if data.errors is None:
        return None
    known = np.isfinite(data.measurements) & np.isfinite(data.errors)
    of_values = np.where(known, data.typical_error / np.where(known, data.errors, 1.0), 1.0)
    return jnp.asarray(_padded(of_values, n_places, 1.0), dtype=precision)


def _padded(
    rows: Float[np.ndarray, "n_rows ..."], n_places: int, value: float
) -> Float[np.ndarray, "n_places ..."]:
    """The rows, and rows of one value behind them up to a number of places."""
    missing = [(0, max(0, n_places - len(rows)))] + [(0, 0)] * (rows.ndim - 1)
    return np.pad(rows, missing, constant_values=value)


def shape_of(settings: Settings, n_rows: int, n_times: int) -> Shape:
    """The shape of the program that trains these settings on this many rows and times."""
    return Shape(
        rows_per_step=round_up(min(settings.conditions_per_step or n_rows, n_rows)),
        times_per_step=round_up(min(settings.times_per_step or n_times, n_times)),
        validate_every=settings.validate_every,
        solver=settings.solver,
        draws_rows=(settings.conditions_per_step or n_rows) < n_rows,
        draws_times=(settings.times_per_step or n_times) < n_times,
    )


def hyperparameters_of(
    settings: Settings, rows: RowNumbers, times: Int[np.ndarray, " n_times"], pool: Pool
) -> Hyperparameters:
    """Settings and a data budget as the arrays a lane carries.

    rows, times: indices into the pool that the lane may train on; times ascending.
    """
    max_rows, max_times = pool.measurements.shape[:2]
    number = partial(np.asarray, dtype=settings.solver.precision)
    whole = partial(np.asarray, dtype=np.int32)
    n_steps = settings.total_steps
    return Hyperparameters(
        schedule=Schedule(
            kind=whole(ScheduleKind[settings.schedule.upper()]),
            peak=number(settings.peak_rate),
            final_share=number(settings.final_share),
            warmup_share=number(settings.warmup_share),
        ),
        weight_decay=number(settings.weight_decay),
        l1=number(settings.l1),
        gradient_clip=number(settings.gradient_clip),
        n_steps=whole(n_steps),
        interval_steps=whole(round(settings.interval_share * n_steps)),
        patience=whole(settings.patience or np.iinfo(np.int32).max),
        batch_rows=whole(settings.conditions_per_step or len(rows)),
        batch_times=whole(settings.times_per_step or len(times)),
        rows=whole(np.pad(rows, (0, max_rows - len(rows)))),
        n_rows=whole(len(rows)),
        times=whole(np.pad(times, (0, max_times - len(times)))),
        n_times=whole(len(times)),
    )


class Pack:
    """A fixed number of lanes trained side by side by one compiled program."""

    def __init__(self, pool: Pool, shape: Shape, n_lanes: int):
        self.shape = shape
        self.n_lanes = n_lanes
        self.compile_seconds = 0.0
        self._pool = pool
        # What the host knows of the lanes as they are; None where it has to ask.
        self._summary: _Summary | None = None
        self._running: set[int] = set()
        self._histories: list[History] = [[] for _ in range(n_lanes)]
        # Not while lanes are advanced: an interrupt may come in the middle of that.
        self._settled = True
        self._precision = shape.solver.precision
        with self._context():
            self._lanes = self._empty_lanes()
            started = time.perf_counter()
            self._advance = _program("advance", _advance, self._lanes, pool, shape)
            blank = self._blank_hyperparameters()
            self._insert = _program(
                "insert", _insert, self._lanes, np.int32(0), np.uint32(0), blank, pool
            )
            self.compile_seconds = time.perf_counter() - started

    @property
    def running(self) -> bool:
        """Whether any lane is under way."""
        return bool(self._running)

    def insert(
        self,
        slot: int,
        seed: int,
        hyperparameters: Hyperparameters,
        state: LaneState | None = None,
    ) -> None:
        """Start a training in a lane, or go on with one, whatever was in the lane before.

        seed: from 0 to 2**32 - 1; all random numbers of the training follow from it. state: from
        where it goes on; its own random numbers are in it.

        Raises IndexError for a slot that is not there, ValueError for a minibatch larger than
        the pack's shape has places for, and its subclass UnusableState for a state of another one.
        """
        self._check_slot(slot)
        _check_fits(hyperparameters, self.shape)
        if state is not None:
            self._restore(slot, hyperparameters, state)
            return
        self._summary = None
        self._running.add(slot)
        self._histories[slot] = []
        with self._context():
            self._lanes = self._insert(
                self._lanes, np.int32(slot), np.uint32(seed), hyperparameters, self._pool
            )

    def _restore(self, slot: int, hyperparameters: Hyperparameters, state: LaneState) -> None:
        with self._context():
            check_state(state, self._blank_lane(), int(hyperparameters.n_steps))
            arguments = np.int32(slot), hyperparameters, dict(state.arrays)
            restore = _program("restore", restore_state, self._lanes, *arguments)
            self._lanes = restore(self._lanes, *arguments)
        self._summary = None
        self._running.add(slot)
        self._histories[slot] = list(state.history)

    def state(self, slot: int) -> LaneState | None:
        """What is needed to go on with the training in a lane, here or elsewhere.

        None where none is under way, or an interrupt came while the lanes were advanced.
        """
        self._check_slot(slot)
        if slot not in self._running or not self._settled or not self._histories[slot]:
            return None
        with self._context():
            extract = _program("extract", extract_state, self._lanes, np.int32(slot))
            arrays = jax.device_get(extract(self._lanes, np.int32(slot)))
        return LaneState(arrays, list(self._histories[slot]))

    def stop(self, slot: int) -> None:
        """Empty a lane before its training ended; its neighbours do not notice."""
        self._check_slot(slot)
        self._summary = None
        self._running.discard(slot)
        with self._context():
            status = self._lanes.status.at[slot].set(Status.EMPTY)
            self._lanes = eqx.tree_at(lambda lanes: lanes.status, self._lanes, status)

    def advance(self) -> LaneReport:
        """Train every running lane for one validation interval.

        Returns what each lane reports, as NumPy arrays of shape (n_lanes,).
        """
        self._settled = False
        with self._context():
            self._lanes, progress, summary = self._advance(self._lanes, self._pool)
            # Everything a host may ask for comes in one transfer.
            progress, self._summary = jax.device_get((progress, summary))
        for slot in self._running:
            errors = progress.training_error[slot], progress.validation_error[slot]
            entry = int(progress.step[slot]), float(errors[0]), float(errors[1])
            self._histories[slot].append(entry)
        self._running = {slot for slot in self._running if progress.status[slot] == Status.RUNNING}
        self._settled = True
        return progress

    def harvest(self, slot: int) -> Harvest:
        """The best parameters a lane has had so far, and its status."""
        self._check_slot(slot)
        if self._summary is None:
            with self._context():
                self._summary = jax.device_get(_summary(self._lanes))
        best, validation, step, status = jax.tree.map(lambda leaf: leaf[slot], self._summary)
        return Harvest(
            weights=best.weights.astype(np.float64),
            amplitudes=np.exp(best.log_amplitudes.astype(np.float64)),
            validation_mae=float(validation),
            step=int(step),
            status=Status(int(status)),
            history=list(self._histories[slot]),
        )

    def _context(self) -> AbstractContextManager[None]:
        return precision_context(self._precision)

    def _check_slot(self, slot: int) -> None:
        # JAX would quietly leave out, or move, what lies outside of an array.
        if not 0 <= slot < self.n_lanes:
            raise IndexError(f"slot {slot} of a pack with {self.n_lanes} lanes")

    def _blank_hyperparameters(self) -> Hyperparameters:
        no_rows = np.zeros(1, np.int32)
        return hyperparameters_of(
            Settings(validate_every=self.shape.validate_every, solver=self.shape.solver),
            no_rows,
            no_rows,
            self._pool,
        )

    def _blank_lane(self) -> Lane:
        """The types and shapes of a lane."""
        return jax.eval_shape(
            start_lane, np.asarray(0, np.uint32), self._blank_hyperparameters(), self._pool
        )

    def _empty_lanes(self) -> Lane:
        # Of the right types, and nothing is computed: that would be dozens of small programs.
        lanes = jax.tree.map(self._nothing, self._blank_lane())
        empty = jnp.full(self.n_lanes, Status.EMPTY, jnp.int32)
        return eqx.tree_at(lambda lanes: lanes.status, lanes, empty)

    def _nothing(self, leaf: jax.ShapeDtypeStruct) -> Array:
        """Zeros, or keys of nothing, for all lanes."""
        shape = (self.n_lanes, *leaf.shape)
        if not jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            return jnp.asarray(np.zeros(shape, leaf.dtype))
        words = jax.eval_shape(jax.random.key_data, leaf).shape
        return jax.random.wrap_key_data(jnp.asarray(np.zeros((*shape, *words), np.uint32)))


def _check_fits(hyperparameters: Hyperparameters, shape: Shape) -> None:
    """Refuse a minibatch of more rows or times than one step of this shape holds, or draws."""
    given = hyperparameters
    for what, batch, candidates, places, draws in (
        ("rows", given.batch_rows, given.n_rows, shape.rows_per_step, shape.draws_rows),
        ("times", given.batch_times, given.n_times, shape.times_per_step, shape.draws_times),
    ):
        wanted = min(int(batch), int(candidates))
        if wanted > places:
            raise ValueError(f"{wanted} {what} per step do not fit a pack that holds {places}")
        if wanted < candidates and not draws:
            raise ValueError(f"{wanted} of {candidates} {what} per step in a pack that draws none")


def _program(name: str, function: jax.stages.Wrapped, *arguments: Any) -> Callable:
    """The function compiled for arguments like these; found ready if it was compiled before.

    Only what is no array (a `Shape`) counts with its value.
    """
    leaves, structure = jax.tree.flatten(arguments, is_leaf=lambda leaf: isinstance(leaf, Shape))
    described = tuple(leaf if isinstance(leaf, Shape) else jax.typeof(leaf) for leaf in leaves)
    key = (name, (structure, described))
    if key not in _compiled:
        _compiled[key] = compile_program(function.lower(*arguments))
    return _compiled[key]


class _Summary(NamedTuple):
    """What lanes leave behind, for all of them."""

    best: Parameters
    best_validation: Float[Array, " n_lanes"]
    step: Int[Array, " n_lanes"]
    status: Int[Array, " n_lanes"]


def _summary(lanes: Lane) -> _Summary:
    return _Summary(lanes.best, lanes.best_validation, lanes.step, lanes.status)


@partial(jax.jit, static_argnums=2, donate_argnums=0)
def _advance(lanes: Lane, pool: Pool, shape: Shape) -> tuple[Lane, LaneReport, _Summary]:
    lanes, progress = jax.vmap(lambda lane: train_interval(lane, pool, shape))(lanes)
    return lanes, progress, _summary(lanes)


@partial(jax.jit, donate_argnums=0)
def _insert(
    lanes: Lane, slot: Any, seed: Any, hyperparameters: Hyperparameters, pool: Pool
) -> Lane:
    lane = start_lane(seed, hyperparameters, pool)
    return jax.tree.map(lambda all_lanes, one: all_lanes.at[slot].set(one), lanes, lane)
