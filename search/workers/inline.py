"""Working in this very process: for notebooks, debugging, and re-running one trial."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from search.workers.executor import Executor, MakeWorker, SavingWorker
from search.workers.job import Key, Work, WorkerReport


class InlineExecutor(Executor):
    """One worker, here."""

    def __init__(self, make_worker: MakeWorker, data: Any, n_lanes: int):
        super().__init__([n_lanes])
        self._worker = make_worker(data, n_lanes)
        self._call: tuple[Sequence[Work], Sequence[Key]] = ((), ())
        self._saving = False

    def _send(self, worker: int, jobs: Sequence[Work], cancelled: Sequence[Key]) -> None:
        self._call = (jobs, cancelled)

    def _receive(self) -> tuple[int, WorkerReport]:
        if self._saving and isinstance(self._worker, SavingWorker):
            return 0, self._worker.save()
        return 0, self._worker.work(*self._call)

    def _ask_to_save(self, worker: int) -> bool:
        if not isinstance(self._worker, SavingWorker):
            return False
        # A call that was interrupted is not made again.
        self._loads[worker].calls.clear()
        self._saving = True
        return True

    def _restart(self, worker: int) -> None:
        raise AssertionError("a worker in this process cannot die alone")

    def close(self) -> None:
        """Nothing to let go of."""
