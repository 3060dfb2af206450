"""The executors in this process and in Ray actors, and what only Ray can do."""

import os
import signal
from dataclasses import replace

import numpy as np
import pytest

from search.spec.tables import WorkersTable
from search.sweeping.trials import error_of
from search.workers.executor import Executor, WorkerDied, WorkersLost
from search.workers.inline import InlineExecutor
from search.workers.job import Descended, Finished, WorkerReport
from search.workers.worker import Worker
from tests.search.executor_contract import (
    LANES,
    ExecutorContract,
    collect,
    data,
    diverging,
    job,
    run_all,
)

__all__ = ["data"]


class TestInline(ExecutorContract):
    @pytest.fixture(scope="class")
    @classmethod
    def executor_of(cls, data):
        return lambda: InlineExecutor(Worker, data, LANES)


@pytest.fixture(scope="module")
def ray_executor(data):
    from search.workers.ray_actors import RayCluster
    from search.workers.ray_executor import PackSizes, RayExecutor

    workers = WorkersTable(count=2, lanes=LANES)
    cluster = RayCluster(workers, num_cpus=2, object_store_memory=200_000_000)
    executor = RayExecutor(cluster, Worker, data, PackSizes(usual=LANES))
    yield executor
    executor.close()


@pytest.mark.cluster
@pytest.mark.slow
class TestRay(ExecutorContract):
    @pytest.fixture(scope="class")
    @classmethod
    def executor_of(cls, ray_executor):
        return lambda: ray_executor

    def test_workers_own_a_core_each_and_stay_off_gpus(self, ray_executor):
        workers = ray_executor.describe_workers()
        assert len({worker["pid"] for worker in workers}) == 2
        for worker in workers:
            assert worker["jax_platforms"] == "cpu"
            assert len(worker["cores"]) == 1
            assert worker["gpus"] == []
        if len(os.sched_getaffinity(0)) > 1:
            assert workers[0]["cores"] != workers[1]["cores"]

    def test_both_workers_give_the_same_to_the_last_bit(self, ray_executor, data):
        # Four copies of one training: two lanes of each worker.
        jobs = [job(data, trial, rate=0.05) for trial in (20, 21, 22, 23)]
        found = run_all(ray_executor, jobs)
        for one in found.values():
            assert np.array_equal(one.weights, found[20, 0].weights)

    def test_this_process_trains_the_same_as_a_worker(self, data, expected):
        here = run_all(InlineExecutor(Worker, data, LANES), [job(data, 0), job(data, 3, repeat=1)])
        for key, finished in here.items():
            there = expected[key]
            if finished.shape == there.shape:
                assert np.array_equal(finished.weights, there.weights)
            error = there.record.training.validation_mae
            assert finished.record.training.validation_mae == pytest.approx(error, rel=0.01)

    def test_jobs_of_a_killed_worker_are_trained_again(self, ray_executor, data, expected):
        ray_executor.notices.clear()
        for trial in range(5):
            ray_executor.submit(job(data, trial, repeat=trial % 2))
        ray_executor.poll()
        victim = ray_executor.describe_workers()[0]["pid"]
        os.kill(victim, signal.SIGKILL)
        found = collect(ray_executor, set(expected))
        for key, finished in expected.items():
            assert np.array_equal(found[key].weights, finished.weights)
        (notice,) = ray_executor.notices
        assert "worker 0 died" in notice
        assert "start again" in notice
        assert victim not in {worker["pid"] for worker in ray_executor.describe_workers()}


class Scripted(Executor):
    """Workers that die whenever they are called, or answer with nothing."""

    def __init__(self, n_workers, deaths):
        super().__init__([LANES] * n_workers)
        self.called = []
        self.restarted = []
        self._deaths = deaths
        self._waiting = []

    def _send(self, worker, jobs, cancelled):
        self.called.append((worker, [one.key for one in jobs], list(cancelled)))
        self._waiting.append(worker)

    def _receive(self):
        worker = self._waiting.pop(0)
        if self._deaths:
            self._deaths -= 1
            raise WorkerDied(worker, "out of memory")
        return worker, WorkerReport((), 1, 0.5)

    def _restart(self, worker):
        self.restarted.append(worker)

    def close(self):
        pass


def test_workers_that_always_die_end_the_sweep_with_a_reason(data):
    executor = Scripted(1, deaths=99)
    executor.submit(job(data, 0))
    executor.poll()
    executor.poll()
    with pytest.raises(WorkersLost, match=r"3 times .*out of memory"):
        executor.poll()
    assert executor.restarted == [0, 0]


def test_jobs_of_a_dead_worker_come_before_those_that_wait(data):
    executor = Scripted(1, deaths=1)
    for trial in range(3):
        executor.submit(job(data, trial))
    executor.poll()
    executor.poll()
    assert executor.called[1][1] == executor.called[0][1] == [(0, 0), (1, 0)]
    assert executor.n_running == 2


def test_workers_are_given_whole_packs_and_the_rest_waits(data):
    executor = Scripted(2, deaths=0)
    for trial in range(3 * LANES * 2 + 1):
        executor.submit(job(data, trial))
    executor.poll()
    assert [len(keys) for _, keys, _ in executor.called] == [3 * LANES, 3 * LANES]


def test_each_worker_is_filled_with_lanes_of_its_own(data):
    executor = Scripted(2, deaths=0)
    executor.lanes = (4, 1)
    for trial in range(9):
        executor.submit(job(data, trial))
    executor.poll()
    assert [len(keys) for _, keys, _ in executor.called] == [4, 5]


def test_few_jobs_are_spread_over_all_workers(data):
    executor = Scripted(2, deaths=0)
    for trial in range(2):
        executor.submit(job(data, trial))
    executor.poll()
    assert [len(keys) for _, keys, _ in executor.called] == [1, 1]


def test_a_second_pack_is_begun_when_it_gets_full_and_shares_the_program(data):
    worker = Worker(data, LANES)
    jobs = [job(data, trial) for trial in range(2 * LANES + 1)]
    worker.work(jobs[: 2 * LANES - 1], [])
    (packs,) = worker._packs.values()
    assert [len(slots.running) for slots in packs] == [LANES]
    report = worker.work(jobs[2 * LANES - 1 :], [])
    assert [len(slots.running) for slots in packs] == [LANES, LANES]
    assert report.programs == 1


def test_a_job_that_waits_at_its_worker_can_be_cancelled(data):
    worker = Worker(data, LANES)
    worker.work([job(data, trial) for trial in range(LANES + 1)], [])
    finished = set()
    cancelled = [(LANES, 0)]
    for _ in range(10):
        report = worker.work([], cancelled)
        cancelled = []
        finished |= {event.trial for event in report.events if isinstance(event, Finished)}
    assert finished == set(range(LANES))


def test_the_share_of_time_spent_training_is_told(data):
    executor = InlineExecutor(Worker, data, LANES)
    assert executor.training_share is None
    run_all(executor, [job(data, 0)])
    assert 0 < executor.training_share <= 1


def test_a_worker_is_told_of_a_cancelled_job_once(data):
    executor = Scripted(1, deaths=0)
    executor.submit(job(data, 0))
    executor.poll()
    executor.cancel(0)
    executor.poll()
    executor.poll()
    assert executor.called[1:] == [(0, [], [(0, 0)])]


def test_trainings_of_one_budget_and_repeat_share_what_is_the_same_for_all(data):
    worker = Worker(data, LANES)
    jobs = [
        job(data, trial, repeat=repeat, conditions=conditions)
        for trial in range(2)
        for repeat in range(2)
        for conditions in (4, 6)
    ]
    finishers = {(one.repeat, len(one.rows)): worker._finisher(one) for one in jobs}
    assert len(set(finishers.values())) == 4
    for one in jobs:
        assert worker._finisher(one) is finishers[one.repeat, len(one.rows)]


def test_a_descent_that_diverged_counts_with_what_least_squares_made_of_it(data):
    wild = diverging(data, 0)
    refined = replace(wild, settings=replace(wild.settings, refinement="select_edges"))
    found = run_all(InlineExecutor(Worker, data, LANES), [refined])
    training = found[0, 0].record.training
    assert training.status == "completed"
    assert "found a network all the same" in training.message
    assert training.selection_error < 0.1
    assert error_of(found[0, 0], 9.0, "selection_error") == training.selection_error


class Descending(Scripted):
    """A worker whose trainings have all descended when it answers first."""

    def _receive(self):
        worker = self._waiting.pop(0)
        return worker, WorkerReport(
            tuple(Descended(*key) for _, keys, _ in self.called for key in keys)
        )


def test_a_training_that_only_has_to_be_finished_holds_no_lane(data):
    executor = Descending(1, deaths=0)
    for trial in range(LANES + 1):
        executor.submit(job(data, trial))
    assert executor.poll() == []
    executor.poll()
    handed = [keys for _, keys, _ in executor.called]
    assert [len(keys) for keys in handed] == [LANES, 1]
    assert executor.n_running == LANES + 1
