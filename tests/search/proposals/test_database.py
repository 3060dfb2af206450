"""A database whose connections are cut: asked again, told once, and the history stays the same."""

import random

import optuna
import pytest
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from cellbox.errors import InputError
from search.proposals import database
from search.proposals.database import open_database


def cut(statement="SELECT"):
    return OperationalError(statement, {}, Exception("server closed the connection unexpectedly"))


def history_of(url, say=lambda said: None):
    """What Optuna has after ten trials of a seeded study."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(
        study_name="s",
        storage=open_database(url, say, pause=lambda seconds: None),
        sampler=optuna.samplers.TPESampler(seed=1, n_startup_trials=3),
        load_if_exists=True,
    )
    for _ in range(10):
        trial = study.ask()
        value = trial.suggest_float("x", 0, 1) + trial.suggest_int("n", 1, 9)
        trial.report(value, 1)
        trial.set_user_attr("status", "completed")
        study.tell(trial, value)
    return [
        (one.number, one.state, one.values, one.params, one.user_attrs, one.intermediate_values)
        for one in study.get_trials()
    ]


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path / 'optuna.db'}"


@pytest.mark.parametrize("seed", range(4))
def test_cuts_before_and_after_a_commit_change_nothing(tmp_path, url, monkeypatch, seed):
    wanted = history_of(f"sqlite:///{tmp_path / 'undisturbed.db'}")
    chance, commit, cuts = random.Random(seed), Session.commit, []
    # Optuna itself tries five times, and sleeps in between.
    monkeypatch.setattr("optuna.storages._rdb.storage.time.sleep", lambda seconds: None)

    def disturbed(session):
        how = chance.random()
        if how < 0.1:
            cuts.append("before")
            raise cut()
        commit(session)
        if how > 0.9:
            cuts.append("after")
            raise cut("COMMIT")

    monkeypatch.setattr(Session, "commit", disturbed)
    assert history_of(url) == wanted
    assert {"before", "after"} == set(cuts)


def test_one_cut_is_a_line_and_a_server_that_is_away_two():
    said, fails = [], [1, 0, 3, 0]
    patience = database._Patience(said.append, lambda seconds: None)

    def request():
        if fails[0]:
            fails[0] -= 1
            raise cut()
        return fails.pop(0)

    while fails:
        patience.until_answered(request, 60.0)
    assert said == [
        "a connection to the database of storage.url was cut; asked again",
        "the database of storage.url does not answer (OperationalError); asking again for up to "
        "60 s",
        "the database of storage.url answers again",
    ]


def test_a_database_that_stays_away_is_refused_with_how_to_go_on(url, monkeypatch):
    storage = open_database(url)
    study = optuna.create_study(storage=storage)
    monkeypatch.setattr(database, "PATIENCE", 0.0)

    def fail(session):
        raise cut()

    monkeypatch.setattr(Session, "commit", fail)
    with pytest.raises(InputError, match=r"found none for 0 s .*the same command goes on"):
        study.set_user_attr("a", 1)


def test_an_error_of_the_data_is_not_asked_again(url):
    said = []
    study = optuna.create_study(storage=open_database(url, said.append))
    with pytest.raises(KeyError):
        study._storage.get_trial(12345)
    assert said == []
