"""Requests to MLflow that are carried out twice or late, and studies with gaps."""

import shutil
import sqlite3
from contextlib import closing

import pytest

from search.tracking.embedded import _is_half_made, prepare_embedded
from search.tracking.soundness import embedded_problem
from search.tracking.study_runs import StudyRuns
from search.tracking.trial_content import trial_content
from tests.search.fake_study import add_trial, fake_study
from tests.simulation.server import Client, Server


@pytest.fixture
def server(monkeypatch):
    server = Server()
    client = Client(server, None)
    monkeypatch.setattr("search.tracking.study_runs.MlflowClient", lambda **_: client)
    return server


@pytest.fixture
def folder(tmp_path):
    return fake_study(tmp_path / "LI", 3, points=3)


def runs_of(folder):
    return StudyRuns(folder, "pretended", command="cellbox sweep")


def shown(server):
    return sorted(run["name"] for run in server.runs.values() if not run["deleted"])


def test_a_study_that_was_made_twice_is_one_run_and_keeps_that_with_trials(server, folder):
    runs = runs_of(folder)
    runs.open()
    runs.child(0, trial_content(folder.record(0)))
    parent = server.runs[runs.parent_id]
    # As when an answer was lost, and the request came late.
    server.runs = {"late": {**parent, "started": parent["started"] - 1}, **server.runs}
    again = runs_of(folder)
    again.open()
    assert again.parent_id == runs.parent_id
    assert shown(server) == ["LI", "trial 0"]


def test_runs_that_were_made_twice_unnoticed_are_removed_at_the_end(server, folder):
    runs = runs_of(folder)
    runs.open()
    run_id = runs.child(0, trial_content(folder.record(0)))
    for number, double in enumerate((run_id, runs.parent_id)):
        server.runs[f"double {number}"] = dict(server.runs[double])
    runs.end_parent(2)
    assert shown(server) == ["LI", "trial 0"]


def copied(folder, tmp_path):
    copy = type(folder)(tmp_path / "copy" / folder.name)
    shutil.copytree(folder.path, copy.path)
    return copy


def written(runs, folder, numbers):
    return [runs.child(number, trial_content(folder.record(number))) for number in numbers]


def test_two_copies_of_a_study_on_one_machine_have_runs_of_their_own(server, folder, tmp_path):
    one = runs_of(folder)
    one.open()
    of_one = written(one, folder, (0, 1))
    copy = copied(folder, tmp_path)
    another = runs_of(copy)
    assert another.open() is None
    of_another = written(another, copy, (0, 1, 2))
    of_one += written(one, folder, [2])
    for runs in (one, another):
        runs.end_parent(3)
    one_again = runs_of(folder)
    one_again.open()
    assert one_again.parent_id == one.parent_id
    assert list(one_again.ids.values()) == of_one
    assert not any(server.runs[run]["deleted"] for run in (*of_one, *of_another))


def test_copies_on_two_machines_leave_each_other_their_runs(server, folder, tmp_path, monkeypatch):
    """One cannot see that the other is there, and goes on with its run."""
    one = runs_of(folder)
    one.open()
    of_one = written(one, folder, (0, 1))
    copy = copied(folder, tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr("socket.gethostname", lambda: "elsewhere")
        another = runs_of(copy)
        another.open()
        assert another.parent_id == one.parent_id
        of_another = written(another, copy, [2])
    of_one += written(one, folder, [2])
    one.end_parent(3)
    again = runs_of(folder)
    again.open()
    assert again.ids[2] == of_one[2]
    assert not any(server.runs[run]["deleted"] for run in (*of_one, *of_another))


def test_a_study_that_was_moved_goes_on_with_its_runs(server, folder, tmp_path):
    one = runs_of(folder)
    one.open()
    of_one = written(one, folder, (0, 1))
    moved = copied(folder, tmp_path)
    shutil.rmtree(folder.path)
    there = runs_of(moved)
    there.open()
    assert there.parent_id == one.parent_id
    assert list(there.ids.values()) == of_one
    assert server.runs[one.parent_id]["tags"]["cellbox.folder"].endswith("copy/LI")


def test_the_curve_of_an_interrupted_search_waits_for_the_trial_that_is_still_to_come(
    server, folder, tmp_path
):
    from search.tracking.search_curve import SearchCurve

    for number in (4, 5):
        add_trial(folder, number, points=3)
    client = Client(server, None)
    client.create_experiment("LI")
    run_id = client.create_run("0", 0, "LI", {}).info.run_id
    steps = []
    for _ in range(2):
        curve = SearchCurve(client, folder, run_id)
        metrics = curve.until_missing(folder.finished_numbers())
        client.log_batch(run_id, metrics=metrics)
        steps.append(sorted({metric.step for metric in metrics}))
        add_trial(folder, 3, points=3)
    assert steps == [[0, 1, 2], [3, 4, 5]]


def test_a_database_appears_with_all_its_tables_and_one_that_was_half_made_is_made_again(folder):
    database = folder.path / "mlflow.db"
    with closing(sqlite3.connect(database)) as half:
        half.execute("CREATE TABLE runs (run_uuid TEXT)")
        half.execute("CREATE TABLE _alembic_tmp_trace_tags (a TEXT)")
    prepare_embedded(folder)
    with closing(sqlite3.connect(database)) as whole:
        names = {row[0] for row in whole.execute("SELECT name FROM sqlite_master")}
    assert {"runs", "metrics", "alembic_version"} <= names
    assert not any(name.startswith("_alembic_tmp") for name in names)
    assert sorted(path.name for path in folder.path.glob("*mlflow*")) == [
        *("mlflow-artifacts", "mlflow.db"),
    ]


def test_a_database_is_looked_at_whatever_the_characters_of_its_path(tmp_path):
    folder = fake_study(tmp_path / "why? 5 % of #2", 1, points=3)
    with closing(sqlite3.connect(folder.path / "mlflow.db")) as database:
        database.execute("CREATE TABLE runs (run_uuid TEXT)")
        database.execute("CREATE TABLE alembic_version (version_num TEXT)")
    assert not _is_half_made(folder.path / "mlflow.db")
    assert "no such table: tags" in embedded_problem(folder, [0])
    assert [path.name for path in tmp_path.iterdir()] == ["why? 5 % of #2"]
