"""MLflow beside a sweep: present, absent, or back again."""

from __future__ import annotations

import contextlib
import socket
import time

import pytest
from mlflow import MlflowClient

from search.tracking.background import BackgroundTracking
from search.tracking.embedded import embedded_uri
from search.tracking.loop import TrackingLoop
from search.tracking.writers import TrackingUnavailable, synchronise
from tests.search.fake_study import add_model, add_trial, fake_study


def closed_port() -> int:
    with contextlib.closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def absent_mlflow() -> str:
    """The address of a server that is down, with credentials."""
    return f"http://someone:hunter2@127.0.0.1:{closed_port()}"


@pytest.fixture(autouse=True)
def _no_retries_inside_mlflow(monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")


def children(folder):
    client = MlflowClient(embedded_uri(folder))
    experiment = client.get_experiment_by_name(folder.name)
    return client.search_runs([experiment.experiment_id], "tags.`cellbox.kind` = 'trial'")


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return fake_study(tmp_path_factory.mktemp("background") / "LI", 3)


def test_trials_arrive_while_the_sweep_runs(study, capfd):
    tracking = BackgroundTracking(study)
    tracking.start()
    add_trial(study, 3)
    tracking.notify()
    wait_until(lambda: tracking.status.written == 4)
    add_trial(study, 4)
    tracking.notify()
    wait_until(lambda: tracking.status.written == 5)
    assert tracking.status.waiting == 0
    assert tracking.status.error is None
    add_model(study, 0)
    add_trial(study, 5)
    assert tracking.finish([0], timeout=60) is None
    assert sorted(int(run.data.tags["cellbox.trial"]) for run in children(study)) == list(range(6))
    assert capfd.readouterr() == ("", "")


def wait_until(holds, seconds: float = 60.0) -> None:
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.02)


def test_absent_mlflow_loses_nothing_and_says_so(study, absent_mlflow):
    before = study.finished_numbers()
    tracking = BackgroundTracking(study, absent_mlflow)
    tracking.start()
    tracking.notify()
    wait_until(lambda: tracking.status.error is not None)
    assert "hunter2" not in tracking.status.error
    began = time.monotonic()
    sentence = tracking.finish([0], timeout=1.0)
    assert time.monotonic() - began < 5
    assert f"{len(before)} trials are not in MLflow yet" in sentence
    assert f"cellbox sync {study.path}" in sentence
    assert "hunter2" not in sentence
    assert study.finished_numbers() == before


def test_later_synchronisation_completes(study, absent_mlflow):
    with pytest.raises(TrackingUnavailable) as refused:
        synchronise(study, absent_mlflow, [0])
    assert "hunter2" not in str(refused.value)
    add_trial(study, 6)
    told = []
    assert synchronise(study, None, [0], lambda done, of: told.append((done, of))) == 1
    assert told == [(1, 1)]
    assert len(children(study)) == 7


def run_loop(study, states) -> None:
    """The loop in this process, where its parts can be made to fail."""
    loop = TrackingLoop(study, None, states.append)
    loop.finish([0])
    loop.run()


def test_recovers_when_mlflow_comes_back(study, monkeypatch):
    from mlflow.exceptions import MlflowException

    real = MlflowClient.log_batch
    failures = iter([True, True])

    def unreliable(*args, **kwargs):
        if next(failures, False):
            raise MlflowException("no answer from http://someone:hunter2@mlflow")
        return real(*args, **kwargs)

    monkeypatch.setattr(MlflowClient, "log_batch", unreliable)
    number = len(study.finished_numbers())
    add_trial(study, number)
    states = []
    run_loop(study, states)
    errors = [state.error for state in states if state.error is not None]
    assert "no answer" in errors[0]
    assert "hunter2" not in errors[0]
    assert states[-1].complete
    assert len(children(study)) == number + 1


def test_a_fault_of_ours_ends_the_loop_with_its_name(study, monkeypatch):
    number = len(study.finished_numbers())
    add_trial(study, number)

    def broken(*args, **kwargs):
        raise KeyError("status")

    monkeypatch.setattr("search.tracking.mlflow_writer.trial_content", broken)
    states = []
    run_loop(study, states)
    assert not states[-1].complete
    assert "KeyError" in states[-1].error
    assert len(children(study)) == number


def test_a_killed_writer_is_told_of_and_ends_nothing_else(study):
    number = len(study.finished_numbers())
    tracking = BackgroundTracking(study)
    tracking.start()
    wait_until(lambda: tracking.status.waiting == 0)
    tracking._process.kill()
    add_trial(study, number)
    tracking.notify()
    sentence = tracking.finish([0], timeout=30)
    assert "1 trial is not in MLflow yet" in sentence
    assert "the process that writes MLflow ended" in sentence
    assert synchronise(study, None, [0]) == 1


def test_the_writer_ends_when_its_sweep_is_gone(study):
    tracking = BackgroundTracking(study)
    tracking.start()
    wait_until(lambda: tracking.status.waiting == 0)
    tracking._process.stdin.close()
    assert tracking._process.wait(timeout=30) == 0


def test_an_address_with_a_password_is_not_among_the_arguments(study, absent_mlflow):
    tracking = BackgroundTracking(study, absent_mlflow)
    tracking.start()
    assert "hunter2" not in " ".join(tracking._process.args)
    tracking.finish([0], timeout=0.1)
