"""The report of a single model or an ensemble."""

import base64
import csv
import io
import json
from dataclasses import replace

import numpy as np
import pytest

from cellbox.errors import InputError
from cellbox.models.model import FittedModel
from cellbox.networks.prior import EdgePrior
from search.report.folders import REPORT, report_of_run, write_report
from tests.search.report.small import NODES, Seen, save_fit, small_data, small_model


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    data = small_data()
    return save_fit(tmp_path_factory.mktemp("fit") / "model", data, small_model(data, members=3))


@pytest.fixture(scope="module")
def page(folder):
    return Seen(write_report(folder).read_text("utf-8"))


def test_the_verdict_names_every_baseline_of_the_record(page):
    assert "worse than additive rule (0.001)" in page.text
    assert "better than " in page.text
    for name in ("ridge", "mean", "persistence", "additive rule"):
        assert name in page.text
    assert "Mind the gap." in page.text


def test_the_surest_edges_are_said_with_interval_and_frequency(page):
    assert "The three surest edges: " in page.text
    assert "in 100 % of the models" in page.text


def test_the_page_needs_no_other_file(page):
    for tag, attribute in (("img", "src"), ("a", "href"), ("script", "src"), ("link", "href")):
        for element in page.all(tag):
            address = element.get(attribute)
            assert address is None or address.startswith(("data:", "#")), address


def test_pictures_have_words_tables_captions_and_parts_headings(page):
    assert page.all("img")
    assert all(image.get("alt") for image in page.all("img"))
    assert len(page.all("caption")) == len(page.all("table"))
    assert len(page.all("h1")) == 1
    anchors = {link["href"] for link in page.all("a") if link["href"].startswith("#")}
    ids = {f"#{attributes['id']}" for _, attributes in page.elements if attributes.get("id")}
    assert anchors <= ids
    assert page.all("html")[0]["lang"] == "en"


def test_names_are_text_and_never_markup(page):
    assert NODES[2] in page.text
    assert "53" not in {tag for tag, _ in page.elements}


def test_responses_elsewhere_are_those_of_other_nodes(page):
    [link] = [each for each in page.all("a") if each.get("download") == "single_perturbations.csv"]
    content = base64.b64decode(link["href"].partition("base64,")[2]).decode()
    rows = list(csv.DictReader(io.StringIO(content)))
    assert rows
    for row in rows:
        others = row["strongest responses elsewhere (log ratio)"].split(", ")
        assert len(others) == 2
        assert not any(each.startswith(f"{row['perturbed']} ") for each in others)


def test_every_picture_has_its_numbers_as_csv(page):
    files = {link["download"]: link["href"] for link in page.all("a") if "download" in link}
    assert {"edges.csv", "weights.csv", "predicted_against_measured.csv"} <= set(files)
    assert len(page.all("img")) <= len(files)
    head, _, content = files["predicted_against_measured.csv"].partition("base64,")
    assert head.startswith("data:text/csv")
    rows = list(csv.DictReader(io.StringIO(base64.b64decode(content).decode())))
    assert {row["node"] for row in rows} == set(NODES)
    # Two held-out conditions of two replicates each, at three times.
    assert len(rows) == 2 * 2 * 3 * 3
    assert all(abs(float(row["measured"]) - float(row["predicted"])) < 0.3 for row in rows)


def test_replicates_are_shown_as_mean_and_spread(page):
    assert "means of 2 replicates with their standard deviation" in page.text


def test_how_it_was_made_has_split_versions_and_fingerprint(page, folder):
    content = json.loads((folder / "evaluation.json").read_text())
    assert content["data"]["fingerprint"] in page.text
    assert "split that came with the data" in page.text
    assert content["versions"]["jax"] in page.text
    assert "validation" in page.text


def test_a_report_is_the_same_file_when_it_is_written_again(folder, tmp_path):
    first = (folder / REPORT).read_bytes()
    assert write_report(folder, tmp_path / "again.html").read_bytes() == first


def test_a_model_without_edges_or_answers_has_a_page(tmp_path, monkeypatch):
    data = small_data()
    model = small_model(data)
    model.network.weights[:] = 0
    folder = save_fit(tmp_path / "empty", data, model)

    def nothing(model, doses, times, line=None, interventions=None):
        return np.full((len(doses), len(times), data.n_nodes), np.nan)

    monkeypatch.setattr(FittedModel, "predict", nothing)
    page = Seen(write_report(folder).read_text("utf-8"))
    assert "The 0 strongest of 0 edges" in page.text


def test_a_model_of_an_earlier_version_gets_what_can_be_said(tmp_path):
    folder = small_model(small_data()).save(tmp_path / "old")
    page = Seen(write_report(folder).read_text("utf-8"))
    assert "not the data that it was fitted to" in page.text
    assert page.all("svg")


def test_a_folder_without_a_result_is_refused(tmp_path):
    with pytest.raises(InputError, match="folder of a fit, a sweep, a budget study or"):
        write_report(tmp_path)


def test_a_report_that_fails_spoils_no_run(tmp_path):
    folder = save_fit(tmp_path / "damaged", data := small_data(), small_model(data))
    (folder / "evaluation.json").write_text("{")
    said = report_of_run(folder)
    assert said is not None
    assert "JSONDecodeError" in said
    assert f"cellbox report {folder}" in said


def test_a_prior_is_beside_its_network_with_what_the_data_reject_and_add(tmp_path):
    confidence = np.array([[0, 0, 0.5], [1, 0, 0], [0, 1, 0]])
    signs = np.array([[0, 0, 0], [1, 0, 0], [0, -1, 0]])
    data = replace(small_data(), prior=EdgePrior(NODES, confidence, signs))
    model = small_model(data, members=3)
    page = Seen(write_report(save_fit(tmp_path / "model", data, model)).read_text("utf-8"))
    for words in (
        *("Beside what was known before", "Prior edges the data reject: 1"),
        *("Edges of another sign than the prior's: 1", "Edges the data ask for in addition: 1"),
        *("Prior edges the data confirm: 1", "The prior played no part in this network."),
    ):
        assert words in page.text
    assert "other sign" in page.text
