"""A sweep that ends in the middle of trainings goes on with them, and finds the same."""

import errno
import signal

import jax
import pytest

from cellbox.storage.files import temporary_name
from cellbox.training.pack import Pack
from search.console.interrupts import Interrupted
from search.study.checkpoints import Checkpoints, damaged_checkpoints
from search.study.folder import StudyFolder
from search.study.record import trial_as_json
from search.study.stopping import ask_to_stop
from search.sweeping.display import Silent
from search.sweeping.run import sweep
from search.sweeping.verifying import verify_study
from search.workers.inline import InlineExecutor
from tests.search.tiny import run, spec

TRIALS = 4


class Telling(Silent):
    def __init__(self):
        self.said = []

    def say(self, line):
        self.said.append(line)


# Two repeats that are judged together on their way.
CHANGES = {
    "trials": TRIALS,
    "repeats": 2,
    "pruner": {"name": "median", "startup_trials": 1, "reports": 3},
    "sampler": {"name": "random", "in_flight": 2},
}


def records(study):
    """All that trials found, without times."""
    found = {}
    for record in StudyFolder(study).records():
        content = trial_as_json(record)
        for name in ("started", "finished", "seconds", "compile_seconds", "digest"):
            content.pop(name, None)
        networks = StudyFolder(study).networks(record.number)
        found[record.number] = content, None if networks is None else networks.weights.tobytes()
    return found


@pytest.fixture(scope="module", autouse=True)
def _without_models():
    """They have tests of their own, and take longer than all the rest."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("search.sweeping.keeping.ModelKeeper.finish", lambda *_: None)
        yield


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed") / "study"
    run(folder, **CHANGES)
    return records(folder)


@pytest.fixture
def saves(monkeypatch):
    """Each training is saved after each validation."""
    monkeypatch.setattr("search.workers.worker.SAVE_EVERY", 0.0)
    monkeypatch.setattr("search.workers.saving._SHARE", float("inf"))


@pytest.fixture
def cut(monkeypatch):
    """Something happens at a poll of the workers, counted from 1."""

    def at(number, happens):
        polls = []
        real = InlineExecutor.poll

        def poll(executor):
            polls.append(None)
            if len(polls) == number:
                happens()
            return real(executor)

        monkeypatch.setattr(InlineExecutor, "poll", poll)

    return at


def killed():
    raise MemoryError("as when killed")


def go_on(folder):
    shown = Telling()
    sweep(spec(**CHANGES), study=folder, display=shown, report=False)
    return shown.said


@pytest.mark.parametrize("poll", [2, 6])
def test_a_killed_sweep_goes_on_where_its_trainings_were(poll, tmp_path, undisturbed, saves, cut):
    folder = tmp_path / "study"
    cut(poll, killed)
    with pytest.raises(MemoryError):
        run(folder, **CHANGES)
    kept = StudyFolder(folder).saved_trainings()
    said = [line for line in go_on(folder) if " at step" in line]
    assert bool(said) == bool(kept)
    assert records(folder) == undisturbed
    assert not StudyFolder(folder).checkpoints.exists()


def test_it_says_from_which_step_trainings_go_on(tmp_path, saves, cut):
    folder = tmp_path / "study"
    cut(3, killed)
    with pytest.raises(MemoryError):
        run(folder, **CHANGES)
    assert sorted(StudyFolder(folder).saved_trainings()) == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert "trials 0 and 1 go on at step 50" in go_on(folder)


@pytest.mark.parametrize("how", ["interrupt", "stop"])
def test_a_sweep_that_is_asked_to_end_saves_its_trainings(
    how, tmp_path, undisturbed, cut, monkeypatch
):
    monkeypatch.setattr("search.workers.worker.WORTH_SAVING", 0.0)
    monkeypatch.setattr("search.sweeping.steering._LOOK_EVERY", 0.0)
    folder = tmp_path / "study"

    def happens():
        if how == "interrupt":
            raise KeyboardInterrupt
        ask_to_stop(StudyFolder(folder))

    cut(3, happens)
    if how == "interrupt":
        with pytest.raises(Interrupted):
            run(folder, **CHANGES)
    else:
        run(folder, **CHANGES)
    assert StudyFolder(folder).saved_trainings()
    assert any(" at step" in line for line in go_on(folder))
    assert records(folder) == undisturbed


def test_an_interrupt_in_the_middle_of_a_step_saves_as_well(
    tmp_path, undisturbed, monkeypatch, interrupts_raise
):
    monkeypatch.setattr("search.workers.worker.WORTH_SAVING", 0.0)
    folder = tmp_path / "study"
    advance, device_get, steps = Pack.advance, jax.device_get, []

    def interrupted_get(tree):
        signal.raise_signal(signal.SIGINT)
        return device_get(tree)

    def third_is_interrupted(pack):
        steps.append(None)
        with monkeypatch.context() as patch:
            if len(steps) == 3:
                patch.setattr(jax, "device_get", interrupted_get)
            return advance(pack)

    with monkeypatch.context() as patch:
        patch.setattr(Pack, "advance", third_is_interrupted)
        with pytest.raises(Interrupted):
            run(folder, **CHANGES)
    assert sorted(StudyFolder(folder).saved_trainings()) == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert any(" at step" in line for line in go_on(folder))
    assert records(folder) == undisturbed


@pytest.fixture
def interrupted(tmp_path, saves, cut):
    """A study that was killed with four trainings under way."""
    cut(3, killed)
    with pytest.raises(MemoryError):
        run(tmp_path / "study", **CHANGES)
    return StudyFolder(tmp_path / "study")


def test_damaged_checkpoints_cost_nothing_but_time(interrupted, undisturbed):
    first, second, *_ = sorted(interrupted.saved_trainings().values())
    first.write_bytes(second.read_bytes())
    second.write_bytes(second.read_bytes()[:-1])
    said = [line for line in go_on(interrupted.path) if "starts again" in line]
    assert len(said) == 2
    assert "trained with other conditions, seed" in said[0]
    assert "found another digest" in said[1]
    assert records(interrupted.path) == undisturbed


def test_verify_knows_checkpoints_and_repair_removes_bad_ones(interrupted):
    assert verify_study(interrupted.path).sound
    _, second, *_ = sorted(interrupted.saved_trainings().values())
    second.write_bytes(second.read_bytes()[:-1])
    (interrupted.checkpoints / "other").write_text("other")
    (interrupted.checkpoints / "000009-0.state").mkdir()
    verdict = verify_study(interrupted.path)
    assert [damage.part for damage in verdict.damages] == ["checkpoints"] * 3
    assert {damage.what for damage in verdict.damages} == {
        "checkpoints/000000-1.state", "checkpoints/000009-0.state", "checkpoints/other",
    }  # fmt: skip
    repaired = verify_study(interrupted.path, repair=True)
    assert all("begins this training anew" in damage.mended for damage in repaired.damages)
    assert len(interrupted.saved_trainings()) == 3
    assert verify_study(interrupted.path).sound


def test_what_a_killed_write_left_is_no_damage(interrupted):
    left = interrupted.checkpoints / temporary_name("000001-0.state")
    left.write_bytes(b"half of it")
    assert not list(damaged_checkpoints(interrupted))
    left.unlink()


def test_checkpoints_that_cannot_be_cleared_end_nothing(tmp_path, caplog):
    study = StudyFolder(tmp_path)
    (tmp_path / "trials" / "000002").mkdir(parents=True)
    (tmp_path / "trials" / "000002" / "record.json").write_text("{}")
    (tmp_path / "checkpoints" / "000002-0.state").mkdir(parents=True)
    study.clear()
    assert "could not be cleared" in caplog.text


def test_a_moved_study_goes_on(interrupted, undisturbed, tmp_path):
    moved = interrupted.path.rename(tmp_path / "moved")
    assert "trials 0 and 1 go on at step 50" in go_on(moved)
    assert records(moved) == undisturbed


def test_checkpoints_of_trials_that_have_ended_are_cleared(tmp_path, undisturbed):
    folder = tmp_path / "study"
    run(folder, **CHANGES)
    study = StudyFolder(folder)
    study.checkpoints.mkdir()
    study.saved_training(0, 0).write_bytes(b"left by a killed run")
    run(folder, **CHANGES)
    assert not study.checkpoints.exists()


def test_a_checkpoint_that_cannot_be_written_is_told_once_and_ends_nothing(tmp_path, monkeypatch):
    said = []
    folder = StudyFolder(tmp_path)
    checkpoints = Checkpoints(folder, said.append)

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("search.study.checkpoints.atomic_write", full)
    for _ in range(2):
        checkpoints.keep(3, 0, b"content")
    assert checkpoints.of((3, 0)) is None
    (line,) = said
    assert "could not be written (No space left on device); the sweep goes on" in line


def test_what_is_kept_is_the_latest_and_goes_with_its_trial(tmp_path):
    folder = StudyFolder(tmp_path)
    checkpoints = Checkpoints(folder, print)
    for content in (b"first", b"second"):
        checkpoints.keep(3, 0, content)
    checkpoints.keep(3, 1, b"other repeat")
    checkpoints.keep(1234567, 0, b"other trial")
    again = Checkpoints(folder, print)
    assert again.of((3, 0)) == b"second"
    again.forget(3)
    assert again.of((3, 0)) is None
    assert again.of((1234567, 0)) == b"other trial"
    again.clear()
    assert not folder.checkpoints.exists()
