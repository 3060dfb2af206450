"""A worker: packs on one device, fed by whoever owns the queue. Knows neither Ray nor Optuna.

What follows a descent (least squares, and what the network is judged by) is done in a thread beside
the packs, one training after another, so that it holds up none that still descends. Its numbers
depend on nothing that runs beside it.
"""

from __future__ import annotations

import platform
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from importlib.metadata import version
from itertools import chain
from typing import Any

import jax
import numpy as np

from cellbox.equation.gradient_check import check_gradient
from cellbox.equation.solver_settings import Precision
from cellbox.evaluation.report import evaluate, evaluate_baselines
from cellbox.refinement.multiple_shooting import MultipleShooting
from cellbox.storage.compilation import keep_compiled_programs
from cellbox.training.finish import Finisher
from cellbox.training.form_search import judge_of
from cellbox.training.lane import Pool, Shape, Status
from cellbox.training.lane_state import UnusableState
from cellbox.training.pack import Harvest, Pack, hyperparameters_of, make_pool, shape_of
from search.console.interrupts import uninterrupted
from search.study.data import StudyData
from search.study.record import RepeatRecord
from search.workers.job import (
    Continued,
    Descended,
    Finished,
    Job,
    Report,
    Saved,
    WorkerEvent,
    WorkerReport,
)
from search.workers.plan import usable_cores
from search.workers.saving import (
    MOST_BYTES,
    SAVE_EVERY,
    WORTH_SAVING,
    Spent,
    Timing,
    beginning_of,
    digest_of_data,
    earlier_reports,
    identity_of,
    saved_as_bytes,
    saved_in,
    state_at_the_end,
)


@dataclass(eq=False)
class _Running:
    """A job in a lane, and what it has cost so far."""

    job: Job
    started: float
    seconds: float = 0.0
    compile_seconds: float = 0.0
    # Of the monotonic clock: when it was begun, as if it had never been interrupted; saved last.
    begun: float = field(default_factory=time.monotonic)
    saved: float = field(default_factory=time.monotonic)

    def spent(self) -> Spent:
        """What it has cost so far."""
        return Spent(self.seconds, self.compile_seconds, time.monotonic() - self.begun)

    def goes_on(self, spent: Spent) -> None:
        """Count what it cost before it was interrupted."""
        self.seconds += spent.seconds
        self.compile_seconds += spent.compile_seconds
        self.started -= spent.elapsed
        self.begun -= spent.elapsed


@dataclass(eq=False)
class _Slots:
    """A pack and who is in its lanes."""

    pack: Pack
    running: dict[int, _Running]
    uncharged_compile_seconds: float
    shape: dict[str, Any]

    def free(self) -> list[int]:
        """The lanes that are free."""
        return [slot for slot in range(self.pack.n_lanes) if slot not in self.running]


class Worker:
    """Trains jobs side by side, in packs of the shapes that have come up.

    Packs of one shape share one program; there are several when one is not enough.
    """

    def __init__(self, data: StudyData, n_lanes: int):
        keep_compiled_programs()
        self._data = data
        self._n_lanes = n_lanes
        self._pools: dict[Precision, Pool] = {}
        self._packs: dict[Shape, list[_Slots]] = {}
        self._finishers: dict[tuple[bytes, bytes], Finisher] = {}
        self._waiting: list[Job] = []
        self._beside = ThreadPoolExecutor(1, thread_name_prefix="finishing")
        # In the order in which their descents ended.
        self._finishing: deque[Future[Finished]] = deque()
        self._first_job: float | None = None
        self._training_seconds = 0.0
        self._compile_seconds = 0.0
        self._lanes_advanced = self._lanes_filled = 0
        self._timing = Timing()

    def work(self, jobs: Sequence[Job], cancelled: Sequence[tuple[int, int]]) -> WorkerReport:
        """Drop cancelled jobs, take new ones, and train everything for one validation interval.

        Where nothing descends any more, waits for the next training to be finished.
        """
        if self._first_job is None:
            self._first_job = time.perf_counter()
        self._drop(cancelled)
        self._waiting += jobs
        events: list[WorkerEvent] = []
        events += self._fill_lanes()
        for slots in self._all_packs():
            if slots.running:
                events += self._advance(slots)
        if self._timing.rested:
            events += self._save(SAVE_EVERY, MOST_BYTES)
        events += self._finished(wait=not any(slots.running for slots in self._all_packs()))
        return self._report(events)

    def save(self) -> WorkerReport:
        """Say how far all trainings are that have come some way."""
        return self._report(self._save(WORTH_SAVING, None))

    def _report(self, events: Sequence[WorkerEvent]) -> WorkerReport:
        assert self._first_job is not None
        return WorkerReport(
            events=tuple(events),
            programs=len(self._packs),
            compile_seconds=self._compile_seconds,
            training_seconds=self._training_seconds,
            seconds=time.perf_counter() - self._first_job,
            lanes_advanced=self._lanes_advanced,
            lanes_filled=self._lanes_filled,
        )

    def _drop(self, cancelled: Sequence[tuple[int, int]]) -> None:
        self._waiting = [job for job in self._waiting if job.key not in cancelled]
        for slots in self._all_packs():
            for slot, running in list(slots.running.items()):
                if running.job.key in cancelled:
                    slots.pack.stop(slot)
                    del slots.running[slot]

    def _all_packs(self) -> Iterator[_Slots]:
        return chain.from_iterable(self._packs.values())

    def _fill_lanes(self) -> list[WorkerEvent]:
        """Put waiting jobs, in their order, into free lanes of their shape."""
        by_shape: dict[Shape, list[Job]] = {}
        for job in self._waiting:
            shape = shape_of(job.settings, len(job.rows), len(job.times))
            by_shape.setdefault(shape, []).append(job)
        self._waiting = []
        events: list[WorkerEvent] = []
        for shape, jobs in by_shape.items():
            places = self._places(shape, len(jobs))
            for job, (slots, slot) in zip(jobs, places, strict=False):
                events += self._insert(job, slots, slot)
            self._waiting += jobs[len(places) :]
        return events

    def _places(self, shape: Shape, n_jobs: int) -> list[tuple[_Slots, int]]:
        """Free lanes for jobs of a shape, fewer than there are jobs where some had better wait."""
        packs = self._packs.setdefault(shape, [])
        busy = [slots for slots in packs if slots.running]
        left = n_jobs - sum(len(slots.free()) for slots in busy)
        # Part of a pack costs as much as all of it, so a further one is begun when it gets full.
        n_more = max(0, left) // self._n_lanes or (0 if busy else 1)
        idle = [slots for slots in packs if not slots.running]
        while len(idle) < n_more:
            idle.append(self._new_pack(shape))
            packs.append(idle[-1])
        return [(slots, slot) for slots in busy + idle[:n_more] for slot in slots.free()]

    def _pool(self, precision: Precision) -> Pool:
        if precision not in self._pools:
            self._pools[precision] = make_pool(self._data.pool, self._data.validation, precision)
        return self._pools[precision]

    def _new_pack(self, shape: Shape) -> _Slots:
        """A pack of this shape; the first one is compiled."""
        held_out = self._data.evaluation
        check_gradient(shape.solver, held_out.times, held_out.n_nodes)
        started = time.perf_counter()
        pack = Pack(self._pool(shape.solver.precision), shape, self._n_lanes)
        seconds = time.perf_counter() - started
        self._compile_seconds += seconds
        return _Slots(pack, {}, seconds, describe_shape(pack))

    def _insert(self, job: Job, slots: _Slots, slot: int) -> list[WorkerEvent]:
        """Begin a training in a lane, or go on with it; what is to be said of the latter."""
        pool = self._pool(job.settings.solver.precision)
        hyperparameters = hyperparameters_of(job.settings, job.rows, job.times, pool)
        running = _Running(job, started=time.time())
        running.compile_seconds = slots.uncharged_compile_seconds
        slots.uncharged_compile_seconds = 0.0
        slots.running[slot] = running
        beginning = beginning_of(job)
        if job.saved is None:
            slots.pack.insert(slot, job.seed, hyperparameters, beginning)
            return []
        # Given to nobody else, and large.
        running.job = replace(job, saved=None)
        try:
            state, spent = saved_in(job.saved, self._identity(job, slots))
            slots.pack.insert(slot, job.seed, hyperparameters, state)
        except UnusableState as error:
            slots.pack.insert(slot, job.seed, hyperparameters, beginning)
            return [Continued(*job.key, 0, str(error))]
        running.goes_on(spent)
        return [Continued(*job.key, state.step), *earlier_reports(job, state)]

    def _identity(self, job: Job, slots: _Slots) -> dict[str, Any]:
        return identity_of(job, slots.shape, self._digest_of_data)

    @cached_property
    def _digest_of_data(self) -> str:
        return digest_of_data(self._data)

    def _save(self, after: float, most_bytes: int | None) -> list[WorkerEvent]:
        """What is to be saved now, of trainings that were not saved for so many seconds.

        most_bytes: after which the rest has to wait; None for no limit.
        """
        started = time.monotonic()
        events: list[WorkerEvent] = []
        n_bytes = 0
        for slots in self._all_packs():
            for slot, running in slots.running.items():
                waits = most_bytes is not None and n_bytes > most_bytes
                if waits or started - running.saved < after:
                    continue
                state = slots.pack.state(slot)
                if state is not None:
                    identity = self._identity(running.job, slots)
                    content = saved_as_bytes(state, identity, running.spent())
                    events.append(Saved(*running.job.key, state.step, content))
                    n_bytes += len(content)
                    running.saved = started
        if events:
            self._timing.took(time.monotonic() - started)
        return events

    def _advance(self, slots: _Slots) -> list[WorkerEvent]:
        started = time.perf_counter()
        self._lanes_advanced += slots.pack.n_lanes
        self._lanes_filled += len(slots.running)
        # Ctrl-C in the middle of it would leave nothing to go on with; JAX is deaf to it meanwhile.
        with uninterrupted():
            progress = slots.pack.advance()
        seconds = time.perf_counter() - started
        self._training_seconds += seconds
        # Lanes share the device, so each is charged its share of the time.
        share = seconds / len(slots.running)
        events: list[WorkerEvent] = []
        for slot, running in list(slots.running.items()):
            running.seconds += share
            step, best = int(progress.step[slot]), float(progress.best_validation[slot])
            if progress.status[slot] == Status.RUNNING and step < (running.job.until or np.inf):
                events.append(Report(running.job.trial, running.job.repeat, step, best))
            else:
                self._finish_beside(slots, slot, running)
                events.append(Descended(running.job.trial, running.job.repeat))
                del slots.running[slot]
        return events

    def _finish_beside(self, slots: _Slots, slot: int, running: _Running) -> None:
        """Let a training that has ended be finished; its lane is free for another."""
        harvest, state = slots.pack.harvest(slot), None
        if harvest.status == Status.RUNNING:
            # Here it is over, and another goes on from its end.
            state = state_at_the_end(slots.pack.state(slot))
            harvest = replace(harvest, status=Status.COMPLETED)
            slots.pack.stop(slot)
        ended = harvest, slots.shape, state
        self._finishing.append(self._beside.submit(self._finish, running, *ended))

    def _finished(self, *, wait: bool) -> Iterator[Finished]:
        """Trainings that have been finished, in order; wait: at least one, if any is to come."""
        while self._finishing and (wait or self._finishing[0].done()):
            started = time.perf_counter()
            finished = self._finishing.popleft().result()
            # Only what nothing descended beside.
            self._training_seconds += time.perf_counter() - started
            yield finished
            wait = False

    def _finisher(self, job: Job) -> Finisher:
        """What finishes trainings on the data of this job: one for each budget and repeat."""
        budget = (job.rows.tobytes(), job.times.tobytes())
        if budget not in self._finishers:
            seen = self._data.trained_on(job.rows, job.times)
            rows = np.arange(seen.n_rows)
            self._finishers[budget] = Finisher(
                MultipleShooting.of(seen, rows), self._data.validation, judge=judge_of(seen, rows)
            )
        return self._finishers[budget]

    def _finish(
        self, running: _Running, harvest: Harvest, shape: dict[str, Any], state: bytes | None
    ) -> Finished:
        job, data = running.job, self._data
        model = (
            self._finisher(job)
            .finish(
                harvest,
                job.settings,
                seed=job.seed,
                seconds=running.seconds,
                compile_seconds=running.compile_seconds,
            )
            .model
        )
        metrics = evaluate(model, data.evaluation, data.split)
        return Finished(
            trial=job.trial,
            repeat=job.repeat,
            weights=model.network.weights,
            amplitudes=model.network.amplitudes,
            record=RepeatRecord(job.seed, model.training, metrics),
            baselines=evaluate_baselines(*data.training_set(job.rows, job.times)),
            shape=shape,
            started=running.started,
            state=state,
        )


# Rises when the same training gives other last bits, as after a change of how steps are computed.
# Descents amplify that to some per cent of an error; what refinement finds hardly notices.
TRAINING_CODE = 2


def describe_shape(pack: Pack) -> dict[str, Any]:
    """All that a training's numbers depend on beside its settings, data and seed."""
    solver = asdict(pack.shape.solver)
    return {
        "lanes": pack.n_lanes,
        "conditions_per_step": pack.shape.rows_per_step,
        "times_per_step": pack.shape.times_per_step,
        "validate_every": pack.shape.validate_every,
        "solver": solver,
        "device": jax.devices()[0].device_kind,
        "threads": usable_cores() if jax.default_backend() == "cpu" else None,
        "machine": platform.machine(),
        "versions": {
            name: version(name) for name in ("jax", "jaxlib", "diffrax", "equinox", "optax")
        },
        # Records from before this was noted have none.
        "training_code": TRAINING_CODE,
    }
