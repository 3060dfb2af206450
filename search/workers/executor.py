"""The queue that the host owns: which job goes to which worker, and what comes back."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, runtime_checkable

from cellbox.errors import InputError, Problem
from search.workers.job import Descended, Ended, Event, Job, Key, Work, WorkerReport


class WorkerInProcess(Protocol):
    """What does the work in a worker's process."""

    def work(self, jobs: Sequence[Any], cancelled: Sequence[Key]) -> WorkerReport:
        """Drop cancelled work, take new, go on for a moment, and say what happened."""


@runtime_checkable
class SavingWorker(Protocol):
    """One that can say how far its work is."""

    def save(self) -> WorkerReport:
        """What is needed to go on with what is under way."""


#: Makes that of the study's data and of how much is done side by side.
MakeWorker = Callable[[Any, int], WorkerInProcess]


class WorkersLost(InputError):
    """Workers die again and again without finishing anything."""


@dataclass
class _Load:
    """What a worker has in its hands."""

    running: dict[tuple[int, int], Work] = field(default_factory=dict)
    # Those of them that need no lane any more.
    descended: set[tuple[int, int]] = field(default_factory=set)
    cancelled: list[tuple[int, int]] = field(default_factory=list)
    # What was running at each call that has not been answered.
    calls: deque[dict[tuple[int, int], Work]] = field(default_factory=deque)
    report: WorkerReport = field(default_factory=WorkerReport)
    losses: int = 0

    @property
    def n_descending(self) -> int:
        """How many need a lane."""
        return len(self.running) - len(self.descended)


class WorkerDied(Exception):
    """A worker is gone; what it was training must be given to another.

    blameless: whether it went with its machine, as nodes of a cluster do.
    """

    def __init__(self, worker: int, reason: str, *, blameless: bool = False):
        super().__init__(reason)
        self.worker = worker
        self.reason = reason
        self.blameless = blameless


class Executor(ABC):
    """Trains jobs on workers. Subclasses only know how to call a worker and wait for one.

    A worker that dies gets its jobs again after a fresh start, from where they were saved last or
    from their first step; jobs are deterministic, so nothing else changes.
    """

    #: Deaths of one worker in a row, without a finished job between, before giving up.
    max_losses = 3

    #: Whether a worker takes work in whole packs, since part of one costs as much as all of it.
    whole_packs = True

    #: Calls of one worker at a time. With two, a worker trains on while its last answer is read.
    calls_at_once = 1

    def __init__(self, lanes: Sequence[int]):
        """lanes: models that each worker trains side by side in one pack."""
        self.lanes = list(lanes)
        self.notices: list[str] = []
        #: What was saved of a training; asked for whenever it is given to a worker.
        self.saved: Callable[[Key], bytes | None] = lambda key: None
        self._queue: deque[Work] = deque()
        self._loads = [_Load() for _ in self.lanes]

    @abstractmethod
    def _send(self, worker: int, jobs: Sequence[Work], cancelled: Sequence[Key]) -> None:
        """Call a worker; its answer comes through `_receive`."""

    @abstractmethod
    def _receive(self) -> tuple[int, WorkerReport] | None:
        """Wait for the answer of any called worker; None where none comes for a while.

        Raises WorkerDied.
        """

    @abstractmethod
    def _restart(self, worker: int) -> None:
        """Put a new worker in the place of a dead one."""

    @abstractmethod
    def close(self) -> None:
        """Let go of the workers."""

    def _available(self, worker: int) -> bool:
        """Whether a worker can be called: it may still be coming up."""
        return True

    def _wait_for_workers(self) -> None:
        """Wait for a while, where no worker has anything to do; here none ever comes later."""
        return None

    def _add_worker(self) -> None:
        """Count one more worker, which comes up later."""
        self.lanes.append(0)
        self._loads.append(_Load())

    @property
    def n_workers(self) -> int:
        """How many workers there are that can be called."""
        return sum(map(self._available, range(len(self._loads))))

    @property
    def programs(self) -> int:
        """Programs compiled by all workers."""
        return sum(load.report.programs for load in self._loads)

    @property
    def compile_seconds(self) -> float:
        """Time all workers spent compiling."""
        return sum(load.report.compile_seconds for load in self._loads)

    @property
    def training_share(self) -> float | None:
        """Share of the workers' time, since each got its first job, that their devices trained.

        Compiling is left out of that time: it is shown by itself. None before any has trained.
        """
        reports = [load.report for load in self._loads]
        seconds = sum(report.seconds - report.compile_seconds for report in reports)
        return sum(report.training_seconds for report in reports) / seconds if seconds > 0 else None

    @property
    def lanes_advanced(self) -> tuple[int, int]:
        """Lanes that packs were advanced with so far, and how many of them held a training."""
        reports = [load.report for load in self._loads]
        advanced = sum(report.lanes_advanced for report in reports)
        return advanced, sum(report.lanes_filled for report in reports)

    @property
    def n_running(self) -> int:
        """Jobs in the hands of workers: in a lane, or waiting for the next free one."""
        return sum(len(load.running) for load in self._loads)

    def submit(self, job: Work) -> None:
        """Queue a job."""
        self._queue.append(job)

    def cancel(self, trial: int) -> None:
        """Drop the jobs of a trial, queued or running."""
        self._queue = deque(job for job in self._queue if job.trial != trial)
        for load in self._loads:
            for key in [key for key in load.running if key[0] == trial]:
                del load.running[key]
                load.descended.discard(key)
                load.cancelled.append(key)

    def withhold(self) -> None:
        """Drop the jobs that no worker has been given yet."""
        self._queue.clear()

    def poll(self) -> list[Event]:
        """Give free workers what is queued, wait for the next answer, and return its events.

        Events of jobs cancelled in the meantime are left out.
        """
        self._hand_out()
        if not any(load.calls for load in self._loads):
            self._wait_for_workers()
            return []
        try:
            answer = self._receive()
        except WorkerDied as death:
            self._recover(death)
            return []
        return [] if answer is None else self._take(*answer)

    def _take(self, worker: int, report: WorkerReport) -> list[Event]:
        """The events of an answer that still count."""
        load = self._loads[worker]
        at_call = load.calls.popleft()
        load.report = report
        events: list[Event] = []
        for event in report.events:
            key = event.trial, event.repeat
            # A job may have been cancelled, or even come back, while the worker was at work.
            if key not in load.running or at_call.get(key) is not load.running[key]:
                continue
            if isinstance(event, Descended):
                load.descended.add(key)
                continue
            events.append(event)
            if isinstance(event, Ended):
                load.losses = 0
                load.descended.discard(key)
                del load.running[key]
        return events

    def save(self, seconds: float) -> list[Event]:
        """Let workers say how far their trainings are, as a run ends, and return their last events.

        Waits for so many seconds at most. No worker is given anything afterwards.
        """
        until = time.monotonic() + seconds
        for worker, load in enumerate(self._loads):
            if load.n_descending > 0 and self._available(worker) and self._ask_to_save(worker):
                load.calls.append(dict(load.running))
        events: list[Event] = []
        while any(load.calls for load in self._loads) and time.monotonic() < until:
            try:
                answer = self._receive()
            except WorkerDied as death:
                self._loads[death.worker] = _Load()
                continue
            if answer is not None:
                events += self._take(*answer)
        return events

    def _ask_to_save(self, worker: int) -> bool:
        """Ask a worker how far its trainings are; False where it cannot say that."""
        return False

    def _hand_out(self) -> None:
        # The emptiest worker first, so that the last jobs of a study spread over all.
        there = filter(self._available, range(len(self._loads)))
        for worker in sorted(there, key=lambda w: self._loads[w].n_descending):
            load = self._loads[worker]
            while len(load.calls) < self.calls_at_once:
                n_jobs = min(self._fair_share(load, self.lanes[worker]), len(self._queue))
                jobs = [self._queue.popleft() for _ in range(n_jobs)]
                load.running |= {job.key: job for job in jobs}
                if not (load.running or load.cancelled):
                    break
                cancelled, load.cancelled = load.cancelled, []
                load.calls.append(dict(load.running))
                self._send(worker, [self._with_saved(job) for job in jobs], cancelled)

    def _with_saved(self, job: Work) -> Work:
        if not isinstance(job, Job) or (saved := self.saved(job.key)) is None:
            return job
        return replace(job, saved=saved)

    def _fair_share(self, load: _Load, n_lanes: int) -> int:
        """How many more jobs a worker may take, leaving an equal part of few jobs to others.

        A few more jobs than its packs hold wait with it, so that a lane is filled again in the
        moment it is free.
        """
        descending = sum(load.n_descending for load in self._loads)
        fair = -(-(len(self._queue) + descending) // self.n_workers)
        in_lanes = n_lanes * (max(1, fair // n_lanes) if self.whole_packs else 1)
        most = in_lanes + (n_lanes // 4 if self.calls_at_once > 1 else 0)
        return max(0, min(most, fair) - load.n_descending)

    def _recover(self, death: WorkerDied) -> None:
        load = self._loads[death.worker]
        losses = load.losses + (not death.blameless)
        self._queue.extendleft(reversed(load.running.values()))
        self._loads[death.worker] = _Load(losses=losses)
        self.notices.append(
            f"worker {death.worker} died ({death.reason}); its trials go on from where they were "
            "saved, or start again"
        )
        if losses >= self.max_losses:
            raise WorkersLost(
                [
                    Problem(
                        f"worker {death.worker}",
                        f"expected it to train, and it died {losses} times without finishing "
                        f"anything ({death.reason})",
                        "Look for too little memory (fewer lanes need less) or a failing device; "
                        "what has finished is kept",
                    )
                ]
            )
        self._restart(death.worker)

    def _requeue_all(self) -> None:
        """Let all that is in the hands of workers be trained again, in the order of trials."""
        under_way = [job for load in self._loads for job in load.running.values()]
        self._queue.extendleft(sorted(under_way, key=lambda job: job.key, reverse=True))
        self._loads = [_Load(losses=load.losses) for load in self._loads]
