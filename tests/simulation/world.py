"""What stands in for Ray and JAX: trainings whose results follow from their jobs alone, at once.

Workers answer in any order, late, and twice; they die. The queue that feeds them is the real one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from cellbox.data.dataset import Dataset, Split
from cellbox.models.training_record import Training
from cellbox.networks.network import Network
from cellbox.training.lane_state import LaneState, UnusableState
from search.study.budget import Budget
from search.study.data import StudyData
from search.study.record import RepeatRecord
from search.workers import saving
from search.workers.executor import Executor, WorkerDied
from search.workers.job import (
    Continued,
    Descended,
    Finished,
    Job,
    Key,
    Report,
    Saved,
    WorkerEvent,
    WorkerReport,
)
from search.workers.plan import DevicePlan

NODES = ("a", "b", "c")
_STEPS, _EVERY = 100, 25
_SHAPE = {"lanes": 2, "device": "pretended", "versions": {"jax": "0"}}
_BASELINES = {"ridge": {"test_mae": 0.3, "test_mae_noise_free": 0.3, "test_pearson": 0.5}}


def study_data() -> StudyData:
    """A study's data, small enough to be written in a millisecond."""
    random = np.random.default_rng(0)
    truth = Network(NODES, np.array([[0, 1.0, 0], [0, 0, -1.0], [0.5, 0, 0]]), np.ones(3))
    evaluation = Dataset(
        nodes=NODES,
        times=np.array([1.0, 2.0]),
        perturbations=np.round(random.uniform(size=(2, 3)), 3),
        measurements=np.round(random.normal(size=(2, 2, 3)), 3),
        row_names=("v1", "t1"),
        activity_nodes=np.zeros(3, bool),
        truth=truth,
    )
    pool = np.round(random.uniform(size=(4, 3)), 3)
    rows = tuple(np.array([row]) for row in range(4))
    return StudyData(
        perturbations=pool,
        measurements=np.round(random.normal(size=(4, 2, 3)), 3),
        noise_free=None,
        times=np.array([1.0, 2.0]),
        pool_rows={(repeat, None): rows for repeat in range(4)},
        pool_times={1: np.array([1]), 2: np.array([0, 1])},
        evaluation=evaluation,
        split=Split(np.array([], int), np.array([0]), np.array([1])),
        own=Budget(4, None, 2),
    )


def _random_of(job: Job) -> np.random.Generator:
    """All that a training depends on, and nothing else."""
    known = [asdict(job.settings), job.seed, job.rows.tolist(), job.times.tolist(), job.until]
    if job.begins is not None:
        state = saving.beginning_of(job)
        assert state is not None
        known += [state.step, state.arrays["weights"].tolist()]
    digest = hashlib.sha256(json.dumps(known, sort_keys=True).encode()).digest()
    return np.random.default_rng(list(digest))


def trained(job: Job, *, tied: bool, started: float) -> tuple[list[Report], Finished]:
    """What a training says on its way, and at its end. tied: whether all find the same optimum."""
    random = _random_of(job)
    rate = job.settings.peak_rate
    optimum = 0.05 if tied else 0.05 * (1 + abs(np.log10(rate / 0.05))) * random.uniform(0.8, 1.2)
    diverged = not tied and random.uniform() < 0.1
    steps = list(range(_EVERY, _STEPS + 1, _EVERY))
    curve = [
        float(optimum * (1 + 3 * np.exp(-step / 40) * random.uniform(0.5, 1))) for step in steps
    ]
    reports = [
        Report(job.trial, job.repeat, step, float("nan") if diverged and step == 75 else error)
        for step, error in zip(steps[:-1], curve, strict=False)
    ]
    training = Training(
        status="diverged" if diverged else "completed",
        message="as pretended",
        steps=_STEPS,
        validation_mae=None if diverged else float(optimum),
        history={"step": steps, "training_loss": [None, *curve[1:]], "validation_mae": curve},
        seconds=0.5,
        compile_seconds=0.0,
        selection_error=None if diverged else float(optimum * 1.1),
        refinement="Not refined.",
    )
    metrics = {"validation_mae": float(optimum), "test_mae": float(1.2 * optimum), "auprc": None}
    weights = random.normal(size=(3, 3)) * (random.uniform(size=(3, 3)) < 0.6)
    weights[0, 1] = 0.7
    return reports, Finished(
        trial=job.trial,
        repeat=job.repeat,
        weights=weights,
        amplitudes=random.uniform(0.5, 1.5, size=3),
        record=RepeatRecord(job.seed, training, metrics),
        baselines=_BASELINES,
        shape=_SHAPE,
        started=started,
        state=_end_of(job, weights),
    )


def _end_of(job: Job, weights: np.ndarray) -> bytes | None:
    """With what another goes on, of a training that stops before its last step."""
    if job.until is None or job.until >= _STEPS:
        return None
    state = LaneState({"step": np.array(job.until), "weights": weights}, [(job.until, 0.0, 0.0)])
    return saving.state_at_the_end(state)


@dataclass
class _Training:
    """A job in a lane, what it has still to say, and what it has said."""

    job: Job
    reports: list[Report]
    finished: Finished
    said: list[Report] = field(default_factory=list)
    descended: bool = False

    def saved(self) -> Saved | None:
        """What is needed to go on; what it will find is in it, so that another's shows."""
        if not self.said or self.descended:
            return None
        found = {"weights": self.finished.weights, "amplitudes": self.finished.amplitudes}
        step = self.said[-1].step
        history = [(one.step, 0.0, one.validation_mae) for one in self.said]
        state = LaneState({"step": np.array(step), **found}, history)
        identity = saving.identity_of(self.job, _SHAPE, "data")
        content = saving.saved_as_bytes(state, identity, saving.Spent(0.1, 0.0, 1.0))
        return Saved(self.job.trial, self.job.repeat, step, content)

    def goes_on(self, content: bytes) -> list[WorkerEvent]:
        """What a training says first that was given what had been saved."""
        job = self.job
        try:
            state, _ = saving.saved_in(content, saving.identity_of(job, _SHAPE, "data"))
        except UnusableState as error:
            return [Continued(*job.key, 0, str(error))]
        self.said = [Report(*job.key, step, error) for step, _, error in state.history]
        self.reports = self.reports[len(self.said) :]
        self.finished = replace(self.finished, **{
            name: state.arrays[name] for name in ("weights", "amplitudes")
        })  # fmt: skip
        return [Continued(*job.key, state.step), *self.said]


@dataclass
class Worker:
    """Advances each of its trainings by one report at each call, and sometimes saves some."""

    tied: bool
    clock: Callable[[], float]
    random: np.random.Generator
    running: dict[Key, _Training] = field(default_factory=dict)

    def work(self, jobs: Sequence[Job], cancelled: Sequence[Key]) -> list[WorkerEvent]:
        """What happened in one validation interval."""
        for key in cancelled:
            self.running.pop(key, None)
        events: list[WorkerEvent] = []
        for job in jobs:
            reports, finished = trained(job, tied=self.tied, started=self.clock())
            training = self.running[job.key] = _Training(job, reports, finished)
            if job.saved is not None:
                events += training.goes_on(job.saved)
        for key, training in list(self.running.items()):
            if training.reports:
                training.said.append(training.reports.pop(0))
                events.append(training.said[-1])
                if self.random.uniform() < 0.3:
                    events.append(training.saved())
            elif not training.descended:
                training.descended = True
                events.append(Descended(*key))
            else:
                events.append(training.finished)
                del self.running[key]
        return events

    def save(self) -> list[WorkerEvent]:
        """How far all are."""
        saved = [training.saved() for training in self.running.values()]
        return [one for one in saved if one is not None]


class PretendedExecutor(Executor):
    """The real queue over workers that answer in a random order, say things twice, and die.

    deaths: how many of the workers' answers are their last, as a share.
    """

    whole_packs = False

    def __init__(self, lanes: Sequence[int], random: np.random.Generator, world: World):
        super().__init__(lanes)
        self.calls_at_once = int(random.integers(1, 3))
        self._random, self._world = random, world
        self._workers = [self._worker() for _ in lanes]
        self._answers: list[tuple[int, WorkerReport]] = []
        self._deaths = 0

    def _worker(self) -> Worker:
        return Worker(self._world.tied, self._world.clock, self._random)

    def _ask_to_save(self, worker: int) -> bool:
        self._answers.append((worker, WorkerReport(events=tuple(self._workers[worker].save()))))
        return True

    def _send(self, worker: int, jobs: Sequence[Any], cancelled: Sequence[Key]) -> None:
        events = self._workers[worker].work(jobs, cancelled)
        if events and self._random.uniform() < self._world.trouble:
            # Said twice, or the second time later.
            place = int(self._random.integers(len(events)))
            events.insert(int(self._random.integers(place, len(events))) + 1, events[place])
        self._answers.append((worker, WorkerReport(events=tuple(events), seconds=1.0)))

    def _receive(self) -> tuple[int, WorkerReport] | None:
        self._world.between()
        if self._random.uniform() < self._world.trouble:
            return None
        workers = sorted({worker for worker, _ in self._answers})
        worker = int(self._random.choice(workers))
        if self._deaths < 2 and self._random.uniform() < self._world.trouble:
            self._deaths += 1
            self._answers = [answer for answer in self._answers if answer[0] != worker]
            raise WorkerDied(worker, "as pretended")
        # Of one worker the first call is answered first.
        place = next(n for n, (who, _) in enumerate(self._answers) if who == worker)
        return self._answers.pop(place)

    def _restart(self, worker: int) -> None:
        self._workers[worker] = self._worker()

    def close(self) -> None:
        """Nothing to let go of."""


@dataclass
class World:
    """What a run of a sweep meets.

    trouble: how often workers are late, repeat themselves, or die, as a share. tied: whether all
    trainings find the same optimum. between: called while workers are waited for.
    """

    random: np.random.Generator
    trouble: float
    tied: bool
    now: float = 1_700_000_000.0
    up: float = 0.0
    between: Callable[[], None] = lambda: None

    def clock(self) -> float:
        """Seconds since 1970, by a clock that runs, and is sometimes put back or forth."""
        self.now += 0.003
        if self.trouble and self.random.uniform() < 0.002:
            self.now += float(self.random.normal(scale=5000))
        return self.now

    def uptime(self) -> float:
        """Seconds of a clock that is never put back, and sleeps when the machine does."""
        self.up += 0.05
        if self.trouble and self.random.uniform() < 0.01:
            self.up += float(self.random.uniform(0, 600))
        return self.up

    def executor(self) -> PretendedExecutor:
        """New workers, of which each run may have another number."""
        count = int(self.random.integers(1, 4)) if self.trouble else 2
        return PretendedExecutor([2] * count, self.random, self)


class PretendedWorkers:
    """As `search.workers.start.StartingWorkers`, without Ray."""

    def __init__(self, world: World):
        self._world = world
        self._executor = world.executor()

    def begin_plans(self, *_: Any) -> Callable[[], Mapping[str, DevicePlan]]:
        """How each kind of worker trains."""
        return lambda: {"pretended": DevicePlan("pretended", 2, {"2": 10.0}, None)}

    def lanes(self, plans: Mapping[str, DevicePlan]) -> list[int]:
        """Models that each worker trains side by side."""
        return [2, 2]

    def take(self, data: StudyData, plans: Mapping[str, DevicePlan], *_: Any) -> Executor:
        """The executor, of which no kind comes later."""
        return self._executor

    def close(self) -> None:
        """Nothing to let go of."""
