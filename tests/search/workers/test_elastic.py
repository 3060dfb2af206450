"""Workers that come while a sweep runs, and machines that go."""

import pytest

from search.workers.executor import Executor, WorkerDied, WorkersLost
from search.workers.job import WorkerReport
from tests.search.executor_contract import LANES, data, job

__all__ = ["data"]


class Coming(Executor):
    """Workers that are there when a test says so, and die as it says."""

    def __init__(self, n_workers):
        super().__init__([LANES] * n_workers)
        self.there = set()
        self.called = []
        self.waited = 0
        self.deaths = []
        self._waiting = []

    def _available(self, worker):
        return worker in self.there

    def _wait_for_workers(self):
        self.waited += 1

    def _send(self, worker, jobs, cancelled):
        self.called.append((worker, [one.key for one in jobs]))
        self._waiting.append(worker)

    def _receive(self):
        worker = self._waiting.pop(0)
        if self.deaths:
            raise WorkerDied(worker, "its node has left", blameless=self.deaths.pop(0))
        return worker, WorkerReport()

    def _restart(self, worker):
        self.there.discard(worker)

    def add(self):
        self._add_worker()
        self.lanes[-1] = LANES

    def close(self):
        pass


def test_what_is_queued_waits_where_no_worker_is_there(data):
    executor = Coming(1)
    executor.submit(job(data, 0))
    assert executor.poll() == []
    assert (executor.waited, executor.called, executor.n_workers) == (1, [], 0)
    executor.there.add(0)
    executor.poll()
    assert executor.called == [(0, [(0, 0)])]


def test_a_worker_that_comes_later_gets_its_share(data):
    executor = Coming(1)
    executor.there.add(0)
    for trial in range(2 * LANES):
        executor.submit(job(data, trial))
    executor.poll()
    assert [len(keys) for _, keys in executor.called] == [2 * LANES]
    executor.add()
    executor.there.add(1)
    for trial in range(2 * LANES, 4 * LANES):
        executor.submit(job(data, trial))
    executor.poll()
    assert executor.n_workers == 2
    assert 1 in [worker for worker, keys in executor.called[1:] if keys]


def test_jobs_of_a_machine_that_left_go_to_others(data):
    executor = Coming(2)
    executor.there |= {0, 1}
    for trial in range(2):
        executor.submit(job(data, trial))
    executor.deaths = [True]
    executor.poll()
    assert executor.n_workers == 1
    # Once the other has answered.
    executor.poll()
    executor.poll()
    assert (1, [(0, 0)]) in executor.called
    assert "its node has left" in executor.notices[0]


def test_machines_may_leave_as_often_as_they_like(data):
    executor = Coming(1)
    executor.submit(job(data, 0))
    executor.deaths = [True] * 9
    for _ in range(9):
        executor.there.add(0)
        executor.poll()
    executor.deaths = [False] * 3
    for _ in range(2):
        executor.there.add(0)
        executor.poll()
    executor.there.add(0)
    with pytest.raises(WorkersLost):
        executor.poll()


def test_all_that_was_under_way_is_queued_again_in_the_order_of_trials(data):
    executor = Coming(2)
    executor.there |= {0, 1}
    for trial in range(4):
        executor.submit(job(data, trial))
    executor.poll()
    executor.submit(job(data, 9))
    executor._requeue_all()
    assert executor.n_running == 0
    assert [one.trial for one in executor._queue] == [0, 1, 2, 3, 9]
