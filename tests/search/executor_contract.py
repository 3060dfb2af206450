"""What every executor must do. A test class inherits these and has a fixture `executor_of`."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from search.study.data_loading import load_study_data
from search.sweeping.trials import make_job, make_plan
from search.workers.job import Finished
from tests.search.tiny import TWO_OBJECTIVES, spec

LANES = 2
SPEC = spec(repeats=2, **TWO_OBJECTIVES)
RATES = (0.02, 0.05, 0.1, 0.15, 0.2)


@pytest.fixture(scope="module")
def data():
    return load_study_data(SPEC)


def job(data, trial, *, rate=None, repeat=0, conditions=6, **settings):
    parameters = {
        "peak_rate": rate or RATES[trial % len(RATES)],
        "budget.conditions": conditions,
        **settings,
    }
    return make_job(make_plan(trial, parameters, SPEC, data), repeat, SPEC, data)


def diverging(data, trial):
    whole = job(data, trial)
    wild = replace(whole.settings, peak_rate=100.0, schedule="constant")
    return replace(whole, settings=wild)


def run_all(executor, jobs, most_polls=4000):
    """Every job's result by (trial, repeat); fails where one comes twice or never."""
    for one in jobs:
        executor.submit(one)
    return collect(executor, {one.key for one in jobs}, most_polls)


def collect(executor, wanted, most_polls=4000):
    found = {}
    for _ in range(most_polls):
        if wanted == set(found):
            break
        for event in executor.poll():
            if isinstance(event, Finished):
                assert (event.trial, event.repeat) not in found
                found[event.trial, event.repeat] = event
    assert set(found) == wanted
    assert executor.n_running == 0
    return found


def assert_same(one, other):
    assert np.array_equal(one.weights, other.weights)
    assert np.array_equal(one.amplitudes, other.amplitudes)
    trainings = [each.record.training for each in (one, other)]
    for name in ("validation_mae", "steps", "history", "status"):
        assert getattr(trainings[0], name) == getattr(trainings[1], name), name
    assert (one.record.seed, one.record.metrics) == (other.record.seed, other.record.metrics)
    assert one.baselines == other.baselines


class ExecutorContract:
    @pytest.fixture(scope="class")
    @classmethod
    def expected(cls, executor_of, data):
        """Five trainings, more than there are lanes, of two repeats."""
        jobs = [job(data, trial, repeat=trial % 2) for trial in range(5)]
        return run_all(executor_of(), jobs)

    def test_every_job_finishes_once_though_there_are_more_than_lanes(self, expected):
        assert len(expected) == 5
        for finished in expected.values():
            assert finished.record.training.status == "completed"
            assert finished.record.training.steps == 100
            assert finished.record.training.seconds > 0
            assert finished.shape["lanes"] == LANES

    def test_results_do_not_depend_on_the_order_of_the_queue(self, executor_of, data, expected):
        jobs = [job(data, trial, repeat=trial % 2) for trial in reversed(range(5))]
        again = run_all(executor_of(), jobs)
        for key, finished in expected.items():
            assert_same(finished, again[key])

    def test_a_job_alone_gives_the_same_as_beside_others(self, executor_of, data, expected):
        alone = run_all(executor_of(), [job(data, 3, repeat=1)])
        assert_same(alone[3, 1], expected[3, 1])

    def test_reports_come_in_order_at_every_validation(self, executor_of, data):
        executor = executor_of()
        executor.submit(job(data, 0))
        steps = []
        while True:
            for event in executor.poll():
                if isinstance(event, Finished):
                    assert steps == [25, 50, 75]
                    return
                steps.append(event.step)

    def test_cancelled_jobs_are_dropped_whether_queued_or_running(
        self, executor_of, data, expected
    ):
        executor = executor_of()
        for trial in range(5):
            executor.submit(job(data, trial, repeat=trial % 2))
        executor.poll()
        for trial in (0, 4):
            executor.cancel(trial)
        found = collect(executor, {(1, 1), (2, 0), (3, 1)})
        for key, finished in found.items():
            assert_same(finished, expected[key])

    def test_a_cancelled_trial_can_be_trained_again(self, executor_of, data, expected):
        executor = executor_of()
        executor.submit(job(data, 0))
        executor.poll()
        executor.cancel(0)
        found = run_all(executor, [job(data, 0)])
        assert_same(found[0, 0], expected[0, 0])

    def test_nothing_to_do_gives_no_events(self, executor_of):
        assert executor_of().poll() == []

    def test_two_shapes_are_two_programs(self, executor_of, data, expected):
        executor = executor_of()
        before = executor.programs
        small = [job(data, trial, conditions=4) for trial in (5, 6)]
        found = run_all(executor, [job(data, 0), *small, job(data, 2)])
        assert executor.programs - before <= 2 * executor.n_workers
        assert_same(found[0, 0], expected[0, 0])
        assert found[5, 0].shape["conditions_per_step"] == 4

    def test_a_diverging_job_has_a_status_and_its_neighbours_do_not_notice(
        self, executor_of, data, expected
    ):
        found = run_all(executor_of(), [diverging(data, 9), job(data, 0), job(data, 2)])
        training = found[9, 0].record.training
        assert training.status == "diverged"
        assert "diverged" in training.message
        assert np.isfinite(found[9, 0].weights).all()
        assert_same(found[0, 0], expected[0, 0])
        assert_same(found[2, 0], expected[2, 0])
