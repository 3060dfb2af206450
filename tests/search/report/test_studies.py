"""The report of a sweep."""

import os
import shutil
from dataclasses import replace

import numpy as np
import pytest

from cellbox.errors import InputError
from cellbox.identifiability.check import check_plan
from cellbox.identifiability.design_report import write_design_report
from search.report.folders import write_report
from search.report.studies import good_trials
from search.spec.lineage import Lineage
from search.study.folder import StudyFolder
from search.study.result import SweepResult
from tests.search.fake_study import add_model, fake_study
from tests.search.report.small import Seen


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = fake_study(tmp_path_factory.mktemp("report") / "LI & co", 16)
    best = SweepResult(folder).best.number
    add_model(folder, best)
    # Three of the seven nodes are never perturbed.
    report = check_plan(np.eye(7)[:4], [4.0, 8.0], noise=0.01)
    write_design_report(report, folder.model(best))
    return folder


@pytest.fixture(scope="module")
def page(study):
    return Seen(write_report(study.path).read_text("utf-8"))


def test_the_page_tells_verdict_search_and_what_the_data_determine(page, study):
    best = SweepResult(study).best.number
    assert f"The best of 11 completed trials is trial {best}: validation mae" in page.text
    assert "CellBox predicts held-out conditions with a mean absolute error of" in page.text
    for title in ("Trial by trial", "From the best to the worst", "Which settings mattered"):
        assert title in page.text
    assert "3 nodes whose row of W and amplitude are not determined" in page.text


def test_each_setting_has_a_picture_and_the_trials_a_table(page):
    files = [link["download"] for link in page.all("a") if "download" in link]
    assert {"trials.csv", "importances.csv", "settings_of_trials.csv"} <= set(files)
    told = [image["alt"] for image in page.all("img")]
    for name in ("peak rate", "schedule", "l1"):
        assert any(f"completed trials against {name}; the best is" in alt for alt in told)


def test_a_folder_that_cannot_be_written_asks_for_another_place(study, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(InputError, match="--out FILE"):
        write_report(study.path)


def test_no_credentials_are_shown(page):
    assert "hunter2" not in page.text


def test_edges_have_the_share_of_good_trials_that_select_them(page, study):
    good = good_trials(SweepResult(study).records)
    assert len(good) > 1
    best = next(iter(good[0].objectives.values()))
    assert all(next(iter(each.objectives.values())) <= 1.1 * best for each in good)
    assert f"the {len(good)} trials whose objective is within 10% of the best" in page.text


def test_two_objectives_have_their_front(tmp_path):
    folder = fake_study(tmp_path / "two", 9, objectives=2)
    page = Seen(write_report(folder.path).read_text("utf-8"))
    assert "What less error costs" in page.text
    assert "The Pareto front (" in page.text


def test_of_a_population_no_setting_is_said_to_have_decided(study, tmp_path):
    folder = StudyFolder(tmp_path / "population")
    shutil.copytree(study.path, folder.path)
    for record in list(study.records()):
        shutil.rmtree(folder._trial(record.number))
        lineage = Lineage(record.number // 8, None if record.number < 8 else record.number - 8)
        folder.write_trial(replace(record, lineage=lineage), study.networks(record.number))
    page = Seen(write_report(folder.path).read_text("utf-8"))
    assert "the trials of a population go on from one another" in page.text
    assert "Which settings mattered" not in page.text
    assert "What decided" not in page.text
    assert "the most important first" not in page.text


def test_a_study_without_a_completed_trial_has_a_page(tmp_path):
    folder = fake_study(tmp_path / "none", 0)
    page = Seen(write_report(folder.path).read_text("utf-8"))
    assert "No trial has completed" in page.text
