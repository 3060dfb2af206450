"""The journal writes what belongs together in one piece, and reads as Optuna's own."""

import os
from unittest.mock import Mock

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from search.proposals.optuna_storage import OptunaStorage
from tests.search.tiny import spec


@pytest.fixture
def storage(tmp_path):
    return OptunaStorage(spec(), tmp_path)


def lines(folder) -> int:
    return (folder / "optuna.journal").read_bytes().count(b"\n")


def run_trial(study, storage) -> None:
    with storage.at_once():
        trial = study.ask()
        value = trial.suggest_float("x", 0, 1)
        trial.report(value, 1)
        study.tell(trial, value)


def test_entries_reach_the_disk_together_at_the_end_of_the_block(tmp_path, storage):
    study = optuna.create_study(storage=storage.optuna)
    before = lines(tmp_path)
    with storage.at_once():
        trial = study.ask()
        trial.suggest_float("x", 0, 1)
        assert lines(tmp_path) == before
        assert study.trials[0].params == trial.params
    assert lines(tmp_path) == before + 2


def test_entries_outside_of_a_block_are_written_at_once(tmp_path, storage):
    study = optuna.create_study(storage=storage.optuna)
    before = lines(tmp_path)
    study.ask()
    assert lines(tmp_path) == before + 1


def test_what_was_stored_before_an_error_is_kept(tmp_path, storage):
    study = optuna.create_study(storage=storage.optuna)

    def ask_and_fail():
        with storage.at_once():
            study.ask()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        ask_and_fail()
    again = JournalStorage(JournalFileBackend(str(tmp_path / "optuna.journal")))
    assert len(again.get_all_trials(study._study_id)) == 1


def test_optunas_own_backend_reads_the_same_trials(tmp_path, storage):
    study = optuna.create_study(study_name="s", storage=storage.optuna)
    for _ in range(3):
        run_trial(study, storage)
    own = JournalStorage(JournalFileBackend(str(tmp_path / "optuna.journal")))
    assert optuna.load_study(study_name="s", storage=own).trials == study.trials


def test_a_journal_opened_again_goes_on(tmp_path, storage):
    study = optuna.create_study(study_name="s", storage=storage.optuna)
    run_trial(study, storage)
    reopened = OptunaStorage(spec(), tmp_path)
    study = optuna.load_study(study_name="s", storage=reopened.optuna)
    run_trial(study, reopened)
    assert [trial.number for trial in study.trials] == [0, 1]
    assert (
        study.trials
        == optuna.load_study(study_name="s", storage=OptunaStorage(spec(), tmp_path).optuna).trials
    )


def test_half_a_line_of_a_killed_process_is_dropped(tmp_path, storage):
    study = optuna.create_study(study_name="s", storage=storage.optuna)
    run_trial(study, storage)
    with open(tmp_path / "optuna.journal", "a") as handle:
        handle.write('{"op_code": 4, "wor')
    reopened = OptunaStorage(spec(), tmp_path)
    study = optuna.load_study(study_name="s", storage=reopened.optuna)
    run_trial(study, reopened)
    assert len(study.trials) == 2


def test_a_database_is_used_as_it_is(tmp_path):
    with_url = spec(storage={"url": f"sqlite:///{tmp_path / 'optuna.db'}"})
    storage = OptunaStorage(with_url, tmp_path)
    study = optuna.create_study(storage=storage.optuna)
    run_trial(study, storage)
    assert len(study.trials) == 1


def test_what_a_failing_disk_did_not_take_is_written_where_it_belongs(
    tmp_path, storage, monkeypatch
):
    study = optuna.create_study(study_name="s", storage=storage.optuna)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", Mock(side_effect=OSError(28, "No space left on device")))
        with pytest.raises(OSError, match="No space left"):
            run_trial(study, storage)
    run_trial(study, storage)
    own = JournalStorage(JournalFileBackend(str(tmp_path / "optuna.journal")))
    assert optuna.load_study(study_name="s", storage=own).trials == study.trials
    assert len(study.trials) == 2


def test_nothing_stays_beside_the_journal(tmp_path):
    (tmp_path / "optuna.journal.lock7.rename").symlink_to("optuna.journal")
    storage = OptunaStorage(spec(), tmp_path)
    run_trial(optuna.create_study(storage=storage.optuna), storage)
    assert [path.name for path in tmp_path.iterdir()] == ["optuna.journal"]
