"""A study finds an answer, keeps what is finished, goes on, and refuses what is another's."""

import json

import pytest

import search
from cellbox.budgets.experiments import SimulatedExperiments
from cellbox.errors import InputError
from search.budget.result import BudgetResult
from search.console.interrupts import Interrupted
from search.study.budget_folder import BudgetFolder
from tests.search.budget.small import run, spec


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return run(tmp_path_factory.mktemp("budget") / "small", report=True)


def outcomes(result):
    return [
        (r.cell, r.draw, {k: v for k, v in r.outcome.items() if k != "seconds"})
        for r in result.experiments
    ]


def test_the_answer_is_a_sentence_a_table_and_a_page(study):
    assert "r of W ≥ 0.9 in ≥ 90 % of experiments" in study.sentence
    frame = study.to_frame()
    assert len(frame) == 6
    assert frame["experiments"].sum() == len(study.experiments) == 10
    assert ((frame["low"] <= frame["probability"]) & (frame["probability"] <= frame["high"])).all()
    page = (study.folder.path / "report.html").read_text()
    assert study.sentence.replace("≥", "≥") in page
    assert (study.folder.path / "cells.csv").is_file()
    assert json.loads(json.dumps(study.as_dict(), allow_nan=False))["kind"] == "simulated"


def test_optuna_has_every_experiment_as_a_trial(study):
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    storage = JournalStorage(JournalFileBackend(str(study.folder.path / "optuna.journal")))
    [kept] = optuna.get_all_study_summaries(storage)
    trials = optuna.load_study(study_name=kept.study_name, storage=storage).trials
    assert [trial.params["conditions"] for trial in trials] == [
        record.cell["conditions"] for record in study.experiments
    ]
    assert all(trial.state.is_finished() for trial in trials)


def test_the_same_spec_and_seed_give_the_same_study_also_when_stopped(study, tmp_path, monkeypatch):
    whole = SimulatedExperiments.run
    calls = []

    def stopped(self, cell, draw):
        calls.append(draw)
        if len(calls) == 5:
            raise KeyboardInterrupt
        return whole(self, cell, draw)

    with monkeypatch.context() as patch:
        patch.setattr(SimulatedExperiments, "run", stopped)
        with pytest.raises(Interrupted) as caught:
            run(tmp_path / "again")
    assert (caught.value.finished, caught.value.total) == (4, 10)
    # What is finished is answered from.
    assert BudgetResult(tmp_path / "again").answer["experiments"] == 4
    assert outcomes(run(tmp_path / "again")) == outcomes(study)


def test_a_finished_study_does_nothing_twice_and_a_larger_one_goes_on(tmp_path, monkeypatch):
    first = run(tmp_path / "grow", experiments=6)
    monkeypatch.setattr(SimulatedExperiments, "run", None)
    assert outcomes(run(tmp_path / "grow", experiments=6)) == outcomes(first)
    monkeypatch.undo()
    assert outcomes(run(tmp_path / "grow", experiments=8))[:6] == outcomes(first)


@pytest.mark.parametrize("change", [{"seed": 3}, {"success": {"threshold": 0.8}}])
def test_another_spec_in_the_same_folder_is_refused(study, change):
    with pytest.raises(InputError, match="another spec"):
        run(study.folder.path, **change)


def test_a_folder_of_something_else_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="budget study"):
        run(tmp_path)


def test_an_experiment_whose_file_was_damaged_is_told(study, tmp_path):
    import shutil

    shutil.copytree(study.folder.path, tmp_path / "copy")
    (tmp_path / "copy" / "experiments" / "000003.json").write_text("{")
    # As of a study that goes on: one that has ended is not read again.
    (tmp_path / "copy" / "ended.json").unlink()
    with pytest.raises(InputError, match="000003"):
        run(tmp_path / "copy")


def test_there_is_no_answer_before_there_is_an_experiment(tmp_path):
    with pytest.raises(InputError, match="expected a budget study"):
        search.BudgetResult(tmp_path)
    BudgetFolder(tmp_path).write_json("budget.json", {})
    with pytest.raises(InputError, match="none yet"):
        search.BudgetResult(tmp_path)


def test_limits_that_nothing_meets_are_an_answer_too(study, tmp_path):
    found = run(tmp_path / "poor", experiments=4, limits={"conditions": 1})
    assert found.cheapest is None
    assert found.sentence == "No design is within the limits."


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"axes": {"perturbed_nodes": 4}}, "axes.perturbed_nodes"),
        ({"panel": ["g9"]}, "panel"),
        ({"axes": {"conditions": 4, "time_points": 1}}, "axes"),
        ({"truth": {"family": None, "model": "nowhere"}}, "nowhere"),
    ],
)
def test_what_cannot_be_asked_is_refused_before_anything_runs(tmp_path, change, where):
    with pytest.raises(InputError, match=where):
        run(tmp_path / "refused", **change)
    assert not (tmp_path / "refused").exists()


def test_no_more_experiments_than_asked_for(tmp_path):
    with pytest.raises(InputError, match="at least 1"):
        search.budget_study(spec(), study=tmp_path / "none", experiments=0)
