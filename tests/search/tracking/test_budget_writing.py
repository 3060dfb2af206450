"""A budget study in MLflow: a parent with the answer, and a run for each experiment."""

import pytest
from mlflow import MlflowClient

from search.study.budget_folder import BudgetFolder
from search.tracking.embedded import embedded_uri
from search.tracking.writers import write_all, writer_of
from tests.search.budget.small import run


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = run(tmp_path_factory.mktemp("budget") / "small", experiments=4, report=True).folder
    assert write_all(writer_of(folder, None), []) == 4
    return folder, MlflowClient(embedded_uri(folder))


def runs(folder: BudgetFolder, client: MlflowClient, kind: str):
    experiment = client.get_experiment_by_name(folder.name)
    found = client.search_runs([experiment.experiment_id])
    return [run for run in found if run.data.tags["cellbox.kind"] == kind]


def test_the_parent_has_the_answer_its_numbers_and_the_page(written):
    folder, client = written
    [parent] = runs(folder, client, "study")
    answer = folder.read_json("answer.json")
    assert answer["sentence"] in parent.data.tags["mlflow.note.content"]
    assert parent.data.tags["cellbox.axis.conditions"] == "2, 4, 8"
    assert parent.data.metrics["experiments"] == 4
    assert parent.data.params["draws"] == "5"
    files = {file.path for file in client.list_artifacts(parent.info.run_id)}
    assert {"report.html", "answer.json", "cells.csv", "experiments.csv"} <= files
    assert parent.info.status == "FINISHED"


def test_each_experiment_has_its_budget_as_parameters_and_its_scores_as_metrics(written):
    folder, client = written
    children = {int(r.data.tags["cellbox.trial"]): r for r in runs(folder, client, "trial")}
    assert sorted(children) == [0, 1, 2, 3]
    record = folder.record(2)
    run = children[2]
    assert run.data.params["budget.conditions"] == str(record.cell["conditions"])
    assert run.data.params["draw"] == str(record.draw)
    if record.outcome["pearson"] is not None:
        assert run.data.metrics["pearson"] == record.outcome["pearson"]


def test_writing_again_writes_nothing_new(written):
    folder, client = written
    assert write_all(writer_of(folder, None), []) == 0
    assert len(runs(folder, client, "study")) == 1
