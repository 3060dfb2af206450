"""A study's folder in MLflow: once, whole, again without change."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

import mlflow
import numpy as np
import pandas
import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from cellbox.identifiability.check import check_plan
from cellbox.identifiability.design_report import write_design_report
from cellbox.models.saved_ensembles import load_ensemble
from search.study.folder import StudyFolder, TrialNetworks
from search.study.good_trials import save_ensemble
from search.study.plots import pareto_front
from search.tracking.credentials import without_credentials
from search.tracking.embedded import embedded_uri
from search.tracking.experiment import LAYOUT_TAG
from search.tracking.mlflow_writer import MlflowWriter
from search.tracking.shared_view import VIEW_TAG, shared_view
from search.tracking.trial_content import MOST_POINTS, thinned, trial_content
from search.tracking.ui import kept_models
from search.tracking.writers import synchronise
from tests.search.fake_study import add_model, add_trial, fake_study, make_record, status_of

N_TRIALS = 10
BEST = [1, 0]


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> StudyFolder:
    """A study that was written and finished twice."""
    folder = fake_study(tmp_path_factory.mktemp("tracking") / "LI two", N_TRIALS, objectives=2)
    for number in BEST:
        add_model(folder, number)
    # Three of the seven nodes are never perturbed.
    report = check_plan(np.eye(7)[:4], [4.0, 8.0], noise=0.01)
    write_design_report(report, folder.model(BEST[0]))
    synchronise(folder, None, BEST)
    synchronise(folder, None, BEST)
    return folder


def runs_of(folder: StudyFolder, kind: str):
    client = MlflowClient(embedded_uri(folder))
    experiment = client.get_experiment_by_name(folder.name)
    filter_string = f"tags.`cellbox.kind` = '{kind}'"
    return client, client.search_runs([experiment.experiment_id], filter_string)


def children_of(folder: StudyFolder):
    client, runs = runs_of(folder, "trial")
    return client, {int(run.data.tags["cellbox.trial"]): run for run in runs}


def test_study_is_one_run(finished):
    client, (parent,) = runs_of(finished, "study")
    assert parent.info.status == "FINISHED"
    assert parent.info.run_name == "LI two"
    assert parent.data.params["data.system"] == "LI"
    assert "trials" not in parent.data.params
    assert parent.data.metrics["trials_complete"] == sum(
        status_of(number) == "completed" for number in range(N_TRIALS)
    )
    assert parent.data.metrics["ridge_test_mae"] == 0.05
    assert parent.data.metrics["best_test_mae"] == finished.record(1).metrics["test_mae"]
    names = {item.path for item in client.list_artifacts(parent.info.run_id)}
    assert {"spec.json", "trials.csv", "trials.json", "figures", "best"} <= names
    figures = {item.path for item in client.list_artifacts(parent.info.run_id, "figures")}
    assert figures == {
        f"figures/{name}.png"
        for name in ("optimisation", "pareto_front", "parameters", "best_network")
    }
    assert {item.path for item in client.list_artifacts(parent.info.run_id, "best")} == {
        "best/network.png"
    }


def test_each_trial_is_one_child(finished):
    _, runs = runs_of(finished, "trial")
    _, children = children_of(finished)
    assert len(runs) == N_TRIALS
    assert sorted(children) == list(range(N_TRIALS))
    _, (parent,) = runs_of(finished, "study")
    expected = {"completed": "FINISHED", "pruned": "KILLED", "diverged": "FAILED"}
    for number, run in children.items():
        assert run.data.tags["mlflow.parentRunId"] == parent.info.run_id
        assert run.data.tags["cellbox.status"] == status_of(number)
        assert run.info.status == expected[status_of(number)]
        assert run.info.run_name == f"trial {number}"


def test_child_holds_its_record(finished):
    client, children = children_of(finished)
    record, run = finished.record(1), children[1]
    assert run.data.params["peak_rate"] == str(record.parameters["peak_rate"])
    assert run.data.params["budget.time_points"] == "5"
    assert run.data.params["solver.solver"] == "tsit5"
    assert run.data.metrics["validation_mae"] == record.metrics["validation_mae"]
    assert run.data.metrics["cost"] == record.cost
    assert "auprc" not in run.data.metrics
    history = client.get_metric_history(run.info.run_id, "history/validation_mae")
    recorded = record.repeats[1].training.history
    assert [point.step for point in history] == recorded["step"]
    assert [point.value for point in history] == recorded["validation_mae"]
    losses = client.get_metric_history(run.info.run_id, "history/training_loss")
    assert len(losses) == len(history) - 1
    pruned = client.get_metric_history(children[3].info.run_id, "history/validation_mae")
    assert [(point.step, point.value) for point in pruned] == [(50, 0.5), (100, 0.4)]


def test_network_opens_without_pickle(finished, tmp_path):
    client, children = children_of(finished)
    run_id = children[1].info.run_id
    path = client.download_artifacts(run_id, "network.npz", str(tmp_path))
    with np.load(path, allow_pickle=False) as arrays:
        learned = finished.networks(1)
        np.testing.assert_array_equal(arrays["weights"], learned.weights[1])
        np.testing.assert_array_equal(arrays["amplitudes"], learned.amplitudes[1])
        assert arrays["nodes"].tolist() == list(finished.study.nodes)
    table = client.download_artifacts(run_id, "network.csv", str(tmp_path))
    lines = Path(table).read_text("utf-8").splitlines()
    assert lines[0] == "source,target,weight"
    assert len(lines) == 1 + 49
    assert not client.list_artifacts(children[3].info.run_id)


def test_table_has_every_trial(finished, tmp_path):
    client, (parent,) = runs_of(finished, "study")
    path = client.download_artifacts(parent.info.run_id, "trials.json", str(tmp_path))
    table = json.loads(Path(path).read_text("utf-8"))
    assert table["columns"][:4] == ["trial", "status", "validation_mae", "cost"]
    assert [row[0] for row in table["data"]] == list(range(N_TRIALS))
    for place in (finished.path, Path(path).parent):
        if place is not finished.path:
            client.download_artifacts(parent.info.run_id, "trials.parquet", str(place))
        frame = pandas.read_parquet(place / "trials.parquet")
        assert frame["trial"].tolist() == list(range(N_TRIALS))
        assert frame["validation_mae"].dtype == float
    assert (finished.path / "trials.csv").is_file()
    assert (finished.figures / "optimisation.png").is_file()


def test_what_the_best_trials_data_determine_is_on_the_study_and_on_its_trial(finished, tmp_path):
    client, (parent,) = runs_of(finished, "study")
    assert parent.data.metrics["confounded_nodes"] == 3
    assert parent.data.tags["cellbox.confounded_nodes"] == "g5, g6, g7"
    assert "g5 is never perturbed" in parent.data.tags["mlflow.note.content"]
    _, children = children_of(finished)
    for run in (parent, children[BEST[0]]):
        place = tmp_path / run.info.run_id
        place.mkdir()
        path = client.download_artifacts(run.info.run_id, "identifiability.json", str(place))
        content = json.loads(Path(path).read_text("utf-8"))
        assert content["confounded_nodes"] == ["g5", "g6", "g7"]
        assert len(content["edges"]) == 49
    other = {file.path for file in client.list_artifacts(children[BEST[1]].info.run_id)}
    assert "identifiability.json" not in other


def test_no_credentials_anywhere(finished):
    for file in [finished.path / "mlflow.db", *(finished.path / "mlflow-artifacts").rglob("*")]:
        if file.is_file():
            assert b"hunter2" not in file.read_bytes(), file


def test_interrupted_trial_is_completed(finished, tmp_path, monkeypatch):
    folder = moved_copy(finished, tmp_path)
    synchronise(folder, None, [])
    add_trial(folder, N_TRIALS)
    writer = MlflowWriter(folder)
    writer.start()
    assert runs_of(folder, "study")[1][0].info.status == "RUNNING"

    def fail(*args, **kwargs):
        raise MlflowException("server went away")

    with monkeypatch.context() as patch:
        patch.setattr(MlflowClient, "set_terminated", fail)
        with pytest.raises(MlflowException):
            writer.write_trial(N_TRIALS)
    _, children = children_of(folder)
    assert children[N_TRIALS].info.status == "RUNNING"

    assert synchronise(folder, None, []) == 1
    client, after = children_of(folder)
    assert len(runs_of(folder, "trial")[1]) == N_TRIALS + 1
    assert after[N_TRIALS].info.run_id == children[N_TRIALS].info.run_id
    assert after[N_TRIALS].info.status == "FINISHED"
    history = client.get_metric_history(after[N_TRIALS].info.run_id, "history/validation_mae")
    assert len(history) == 60


def moved_copy(study: StudyFolder, place) -> StudyFolder:
    """The same study elsewhere: its MLflow still names the old place."""
    shutil.copytree(study.path, place / study.name)
    return StudyFolder(place / study.name)


@pytest.mark.parametrize("name", ["renamed", "why? 5 %20 of #2"])
def test_a_study_that_moves_keeps_what_people_added(finished, tmp_path, name, monkeypatch):
    folder = StudyFolder(Path(shutil.copytree(finished.path, tmp_path / "a" / name)))
    client, children = children_of_any_name(folder)
    mine = children[2].info.run_id
    client.set_tag(mine, "reviewed", "yes")
    client.set_tag(mine, "mlflow.note.content", "my own words")
    parent = client.get_run(children[2].data.tags["mlflow.parentRunId"])
    client.set_tag(parent.info.run_id, "mlflow.note.content", "our study")
    assert synchronise(folder, None, BEST) == 0
    _, after = children_of(folder)
    assert after[2].info.run_id == mine
    assert after[2].data.tags["reviewed"] == "yes"
    assert after[2].data.tags["mlflow.note.content"] == "my own words"
    _, (study,) = runs_of(folder, "study")
    assert study.data.tags["mlflow.note.content"] == "our study"
    assert study.info.run_name == name
    artifacts = Path(url2pathname(urlsplit(study.info.artifact_uri).path))
    assert artifacts.resolve().is_relative_to(folder.path.resolve())
    names = {item.path for item in client.list_artifacts(after[1].info.run_id)}
    assert {"network.csv", "network.npz"} <= names
    assert client.download_artifacts(after[1].info.run_id, "network.csv", str(tmp_path))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", embedded_uri(folder))
    mlflow.pyfunc.load_model("models:/cellbox-LI-two@best")


def children_of_any_name(folder: StudyFolder):
    """The trials' runs of a study that was moved, before anything has written there."""
    client = MlflowClient(embedded_uri(folder))
    known = [each.experiment_id for each in client.search_experiments()]
    runs = client.search_runs(known, "tags.`cellbox.kind` = 'trial'")
    return client, {int(run.data.tags["cellbox.trial"]): run for run in runs}


def test_a_copy_of_an_earlier_version_gets_what_it_lacks(finished, tmp_path):
    folder = moved_copy(finished, tmp_path)
    client, (parent,) = runs_of(folder, "study")
    client.set_experiment_tag(parent.info.experiment_id, LAYOUT_TAG, "1")
    _, before = children_of(folder)
    assert synchronise(folder, None, BEST) == N_TRIALS
    _, after = children_of(folder)
    assert {run.info.run_id for run in after.values()} == {
        run.info.run_id for run in before.values()
    }
    assert synchronise(folder, None, BEST) == 0


def test_the_page_of_a_study_opens_on_the_trials_by_their_objective(finished):
    client, (parent,) = runs_of(finished, "study")
    experiment = client.get_experiment(parent.info.experiment_id)
    view = json.loads(experiment.tags[VIEW_TAG])
    assert view["orderByKey"] == "metrics.`validation_mae`"
    assert view["selectedColumns"][:2] == ["metrics.`validation_mae`", "metrics.`cost`"]
    assert "params.`peak_rate`" in view["selectedColumns"]
    assert "weights_pearson" in experiment.tags["mlflow.note.content"]
    _, children = children_of(finished)
    run = children[1]
    assert run.data.metrics["trial"] == 1
    assert run.data.metrics["weights_pearson"] == finished.record(1).metrics["pearson"]
    assert "null" not in run.data.params.values()


def test_a_view_fits_its_tag_whatever_is_searched():
    text = shared_view(["validation_mae"], ["test_mae"], [f"{'long' * 20}{n}" for n in range(90)])
    assert len(text) <= 5000
    assert json.loads(text)["selectedColumns"]


def test_the_search_is_a_curve_over_the_trials_numbers(finished):
    client, (parent,) = runs_of(finished, "study")
    curve = client.get_metric_history(parent.info.run_id, "best_so_far/validation_mae")
    assert [point.step for point in curve] == list(range(N_TRIALS))
    known = [finished.record(n) for n in range(N_TRIALS)]
    lowest = [
        min(r.objectives["validation_mae"] for r in known[: n + 1] if r.completed)
        for n in range(N_TRIALS)
    ]
    assert [point.value for point in curve] == lowest
    each = client.get_metric_history(parent.info.run_id, "each_trial/validation_mae")
    assert [point.step for point in each] == [r.number for r in known if r.completed]


def test_data_are_datasets_of_the_runs(finished):
    _, (parent,) = runs_of(finished, "study")
    of_study = {given.tags[0].value: given.dataset for given in parent.inputs.dataset_inputs}
    assert set(of_study) == {"training", "validation", "test"}
    assert of_study["training"].digest == "fingerprint"
    assert json.loads(of_study["test"].profile)["conditions"] == 2
    assert "mlflow_colspec" in of_study["training"].schema
    _, children = children_of(finished)
    (given,) = children[1].inputs.dataset_inputs
    assert given.dataset.digest == "fingerprint"


def test_settings_of_another_schedule_are_left_out():
    record = make_record(0, settings={"schedule": "constant", "final_share": 0.1, "patience": None})
    assert trial_content(record).parameters["schedule"] == "constant"
    assert not {"final_share", "patience"} & set(trial_content(record).parameters)


def test_models_of_trials_are_replaced(finished):
    client, children = children_of(finished)
    _, (parent,) = runs_of(finished, "study")

    def models(name):
        found = client.search_logged_models([parent.info.experiment_id], f"name = '{name}'")
        return {(model.source_run_id, model.tags["cellbox.trial"]) for model in found}

    both = {(children[number].info.run_id, str(number)) for number in BEST}
    assert models("model") == both
    assert models("best_model") == {(parent.info.run_id, "1")}
    synchronise(finished, None, [0])
    assert models("model") == {(children[0].info.run_id, "0")}
    synchronise(finished, None, BEST)
    assert models("model") == both


def test_the_best_and_the_ensemble_are_registered_and_aliases_move_to_what_is_better(
    finished, tmp_path
):
    folder = moved_copy(finished, tmp_path)
    client = MlflowClient(embedded_uri(folder), registry_uri=embedded_uri(folder))
    (model,) = client.search_registered_models()
    assert model.name == "cellbox-LI-two"
    assert "get-artifact?path=figures/best_network.png" in model.description
    at = client.get_model_version_by_alias(model.name, "best")
    assert "the best of its study." in at.description
    known = {version.version for version in client.search_model_versions()}
    client.set_registered_model_alias(model.name, "mine", at.version)
    new = add_better_trials(folder)
    synchronise(folder, None, [*new, *BEST])
    moved = client.get_model_version_by_alias(model.name, "best")
    assert f"Trial {new[0]}," in moved.description
    assert client.get_model_version_by_alias(model.name, "mine").version == at.version
    assert known < {version.version for version in client.search_model_versions()}
    ensemble = client.get_model_version_by_alias(model.name, "ensemble")
    assert "2 trials that are about as good" in ensemble.description
    place = client.get_model_version_download_uri(model.name, ensemble.version)
    # By its path: for an address MLflow would make a store in the working folder.
    loaded = mlflow.pyfunc.load_model(url2pathname(place.removeprefix("file://")))
    table = loaded.predict(pandas.DataFrame({"g1": [0.5]}))
    assert (table["low"] < table["high"]).all()
    kept = load_ensemble(folder.ensemble)
    expected = kept.predict([[0.5, 0, 0, 0, 0, 0, 0]]).reshape(-1)
    np.testing.assert_allclose(table["value"], expected, atol=1e-6)
    # The same again changes nothing.
    known = {version.version for version in client.search_model_versions()}
    synchronise(folder, None, [*new, *BEST])
    assert {version.version for version in client.search_model_versions()} == known


def add_better_trials(folder: StudyFolder) -> list[int]:
    """Two more trials, better than all others, with their models and the ensemble of them."""
    record = folder.record(BEST[0])
    numbers = [N_TRIALS + 2, N_TRIALS + 4]
    for number, share in zip(numbers, (0.5, 0.52), strict=True):
        objectives = {name: share * value for name, value in record.objectives.items()}
        model = add_model(folder, number, pictures=False)
        learned = TrialNetworks(model.network.weights[None], model.network.amplitudes[None])
        new = replace(record, number=number, objectives=objectives, best_repeat=0)
        folder.write_trial(new, learned)
    save_ensemble(folder, [*numbers, *BEST])
    return numbers


def test_kept_models_are_ranked(finished):
    errors = {number: finished.record(number).metrics["validation_mae"] for number in BEST}
    assert kept_models(finished) == sorted(BEST, key=lambda number: errors[number])


def test_thinning_keeps_ends_and_lowest():
    curve = [(step, abs(step - 777.0)) for step in range(1000)]
    kept = list(thinned(curve))
    assert len(kept) <= MOST_POINTS
    assert {curve[0], curve[777], curve[-1]} <= set(kept)
    assert list(thinned(curve[:50])) == curve[:50]


def test_pareto_front():
    points = np.array([[1.0, 5.0], [2.0, 6.0], [2.0, 3.0], [3.0, 3.0], [4.0, 1.0]])
    assert pareto_front(points) == [0, 2, 4]


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("http://me:pw@host:5000/x", "http://host:5000/x"),
        ("postgresql://me:p@w@host/db failed", "postgresql://host/db failed"),
        ("postgresql://me:p/w@host/db failed", "postgresql://host/db failed"),
        ("http://token@host", "http://host"),
        ("http://host:5000/a?access_token=abc&b=1", "http://host:5000/a?access_token=***&b=1"),
        ("https://host:443/path and mail a@b", "https://host:443/path and mail a@b"),
        ("Authorization: Bearer abcdef123456", "Authorization: Bearer ***"),
        ("host=h password=abc user=u", "host=h password=*** user=u"),
    ],
)
def test_credentials_are_removed(text, clean):
    assert without_credentials(text) == clean
