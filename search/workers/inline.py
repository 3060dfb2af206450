"""Training in this very process: for notebooks, debugging, and re-running one trial."""

from __future__ import annotations

from collections.abc import Sequence

from search.study.data import StudyData
from search.workers.executor import Executor
from search.workers.job import Job, WorkerReport


class InlineExecutor(Executor):
    """One worker, here."""

    def __init__(self, data: StudyData, n_lanes: int):
        # Imported late: it brings JAX, whose threads are settled when it starts.
        from search.workers.worker import Worker

        super().__init__([n_lanes])
        self._worker = Worker(data, n_lanes)
        self._call: tuple[Sequence[Job], Sequence[tuple[int, int]]] = ((), ())

    def _send(self, worker: int, jobs: Sequence[Job], cancelled: Sequence[tuple[int, int]]) -> None:
        self._call = (jobs, cancelled)

    def _receive(self) -> tuple[int, WorkerReport]:
        return 0, self._worker.work(*self._call)

    def _restart(self, worker: int) -> None:
        raise AssertionError("a worker in this process cannot die alone")

    def close(self) -> None:
        """Nothing to let go of."""
