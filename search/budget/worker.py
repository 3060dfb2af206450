"""A worker of a budget study: does experiments one after another, on the core it was given."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from cellbox.storage.compilation import keep_compiled_programs
from search.workers.job import Ended, Work, WorkerReport


class Experiments(Protocol):
    """All experiments of a study; each is made when it is asked for."""

    def run(self, cell: Mapping[str, Any], draw: int) -> dict[str, Any]:
        """Do one, and say what came of it in plain values."""


@dataclass(frozen=True, eq=False)
class ExperimentToDo(Work):
    """An experiment: its number is that of its trial. cell: its budget."""

    cell: Mapping[str, Any]
    draw: int


@dataclass(frozen=True, eq=False)
class ExperimentDone(Ended):
    """What came of an experiment. started, finished: seconds since 1970."""

    outcome: Mapping[str, Any]
    started: float
    finished: float


class ExperimentWorker:
    """Does experiments; see `search.workers.executor.WorkerInProcess`."""

    def __init__(self, experiments: Experiments, n_lanes: int):
        """n_lanes: of no use here, since experiments are done one after another."""
        keep_compiled_programs()
        self._experiments = experiments
        self._waiting: deque[ExperimentToDo] = deque()

    def work(
        self, jobs: Sequence[ExperimentToDo], cancelled: Sequence[tuple[int, int]]
    ) -> WorkerReport:
        """Take new experiments, and do the next one."""
        self._waiting.extend(jobs)
        self._waiting = deque(job for job in self._waiting if job.key not in cancelled)
        if not self._waiting:
            return WorkerReport()
        job, started = self._waiting.popleft(), time.time()
        outcome = self._experiments.run(job.cell, job.draw)
        done = ExperimentDone(job.trial, job.repeat, outcome, started, time.time())
        return WorkerReport(events=(done,))
