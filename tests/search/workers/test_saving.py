"""Trainings under way are saved, and go on in another worker to the same bits."""

from dataclasses import replace

import numpy as np
import pytest

from search.workers import saving
from search.workers.executor import WorkerDied
from search.workers.inline import InlineExecutor
from search.workers.job import Continued, Finished, Report, Saved
from search.workers.worker import Worker
from tests.search.executor_contract import LANES, assert_same, collect, data, job, run_all

__all__ = ["data"]


@pytest.fixture
def always(monkeypatch):
    """Each training is saved after each validation."""
    monkeypatch.setattr("search.workers.worker.SAVE_EVERY", 0.0)
    monkeypatch.setattr("search.workers.saving._SHARE", float("inf"))


@pytest.fixture(scope="module")
def whole(data):
    return run_all(InlineExecutor(Worker, data, LANES), [job(data, 0), job(data, 3, repeat=1)])


def saved_of(data, one, after):
    """What is saved of a job after so many validations, and all that it reports on the way."""
    worker = Worker(data, LANES)
    events = list(worker.work([one], []).events)
    for _ in range(after - 1):
        events += worker.work([], []).events
    found = [event for event in events if isinstance(event, Saved)]
    return found[-1], [event for event in events if isinstance(event, Report)]


def finished_by(worker, job):
    """All events until a training has finished."""
    events = list(worker.work([job], []).events)
    while not isinstance(events[-1], Finished):
        events += worker.work([], []).events
    return [event for event in events if not isinstance(event, Saved)]


@pytest.mark.parametrize("after", [1, 2, 3])
def test_a_training_goes_on_in_another_worker_to_the_same_bits(after, data, whole, always):
    one = job(data, 3, repeat=1)
    saved, reports = saved_of(data, one, after)
    assert saved.step == 25 * after
    events = finished_by(Worker(data, LANES), replace(one, saved=saved.content))
    assert events[0] == Continued(3, 1, 25 * after)
    # What it reported before counts for the pruner of a run that did not hear it.
    assert events[1 : 1 + after] == reports
    assert [event.step for event in events if isinstance(event, Report)] == [25, 50, 75]
    assert_same(events[-1], whole[3, 1])


def test_what_a_training_cost_before_it_was_interrupted_counts(data, always, monkeypatch):
    one = job(data, 0)
    saved, _ = saved_of(data, one, 1)
    monkeypatch.setattr(
        "search.workers.worker.saved_in",
        lambda *given: (saving.saved_in(*given)[0], saving.Spent(1000.0, 100.0, 5000.0)),
    )
    training = finished_by(Worker(data, LANES), replace(one, saved=saved.content))[-1]
    assert 1000 < training.record.training.seconds < 1100
    assert 100 <= training.record.training.compile_seconds < 200
    import time

    assert 5000 <= time.time() - training.started < 5100


@pytest.mark.parametrize(
    ("other", "found"),
    [
        (lambda one: replace(one, seed=one.seed + 1), "other seed"),
        (lambda one: replace(one, rows=one.rows[::-1]), "other conditions"),
        (lambda one: replace(one, settings=replace(one.settings, l1=1e-3)), "other settings"),
    ],
)
def test_what_was_saved_of_another_training_is_not_used(other, found, data, always):
    one = job(data, 0)
    saved, _ = saved_of(data, one, 1)
    changed = other(one)
    events = finished_by(Worker(data, LANES), replace(changed, saved=saved.content))
    assert events[0].step == 0
    assert found in events[0].trouble
    assert_same(events[-1], finished_by(Worker(data, LANES), changed)[-1])


def test_what_was_saved_in_another_shape_is_not_used(data, always, monkeypatch):
    one = job(data, 0)
    saved, _ = saved_of(data, one, 1)
    monkeypatch.setattr("search.workers.worker.usable_cores", lambda: 99)
    (event, *_) = Worker(data, LANES).work([replace(one, saved=saved.content)], []).events
    assert event == Continued(0, 0, 0, "it was trained with other threads")


def test_what_was_saved_and_is_damaged_is_not_used(data, always):
    one = job(data, 0)
    saved, _ = saved_of(data, one, 1)
    for content in (saved.content[:-1], b"", saved.content.replace(b"PK", b"KP", 1)):
        (event, *_) = Worker(data, LANES).work([replace(one, saved=content)], []).events
        assert event.trouble.startswith("expected")


def test_nothing_is_saved_of_trainings_that_are_short(data):
    worker = Worker(data, LANES)
    events = [*worker.work([job(data, 0)], []).events, *worker.save().events]
    assert not any(isinstance(event, Saved) for event in events)


def test_saving_rests_so_that_it_costs_a_small_share(monkeypatch):
    now = 100.0
    monkeypatch.setattr("search.workers.saving.time.monotonic", lambda: now)
    timing = saving.Timing()
    assert timing.rested
    timing.took(2.0)
    for now, rested in ((199.0, False), (201.0, True)):  # noqa: B007
        assert timing.rested == rested


def test_no_answer_brings_much_more_than_a_limit(data, always, monkeypatch):
    monkeypatch.setattr("search.workers.worker.MOST_BYTES", 100)
    worker = Worker(data, LANES)
    first = worker.work([job(data, 0), job(data, 1)], []).events
    monkeypatch.setattr("search.workers.worker.SAVE_EVERY", 1e-9)
    second = worker.work([], []).events
    found = [[one.trial for one in said if isinstance(one, Saved)] for said in (first, second)]
    assert [len(trials) for trials in found] == [1, 1]


class Dying(InlineExecutor):
    """A worker that dies at its third answer."""

    answers = 0

    def _receive(self):
        self.answers += 1
        if self.answers == 3:
            raise WorkerDied(0, "out of memory")
        return super()._receive()

    def _restart(self, worker):
        self._worker = Worker(self._worker._data, LANES)


def test_trainings_of_a_dead_worker_go_on_where_they_were(data, whole, always):
    executor = Dying(Worker, data, LANES)
    kept, continued = {}, []
    executor.saved = kept.get
    poll = executor.poll

    def keeping():
        events = poll()
        kept.update({(one.trial, one.repeat): one.content for one in events if type(one) is Saved})
        continued.extend(one for one in events if isinstance(one, Continued))
        return events

    executor.poll = keeping
    executor.submit(job(data, 0))
    executor.submit(job(data, 3, repeat=1))
    found = collect(executor, set(whole))
    assert continued == [Continued(0, 0, 50), Continued(3, 1, 50)]
    for key, finished in whole.items():
        assert_same(found[key], finished)
    assert np.array_equal(found[0, 0].weights, whole[0, 0].weights)


def test_a_run_that_ends_asks_how_far_its_trainings_are(data, monkeypatch):
    monkeypatch.setattr("search.workers.worker.WORTH_SAVING", 0.0)
    executor = InlineExecutor(Worker, data, LANES)
    executor.submit(job(data, 0))
    assert executor.save(1.0) == []
    executor.poll()
    (saved,) = executor.save(1.0)
    assert (saved.trial, saved.step) == (0, 25)
