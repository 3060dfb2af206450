"""A comparison keeps what it finished, goes on from there, and refuses other results."""

import json
from dataclasses import replace

import numpy as np
import pytest

from cellbox.data.split_schemes import HeldOut
from cellbox.errors import InputError
from cellbox.evaluation.held_out_predictions import ENSEMBLE, MEAN, RIDGE, Entrant
from cellbox.settings import Settings
from search.comparison import running
from search.comparison.folder import ComparisonFolder
from search.comparison.running import compare
from search.console.interrupts import Interrupted
from tests.cellbox.data.test_split_schemes import dataset

ENTRANT = Entrant(Settings(steps=50), members=2)


@pytest.fixture
def data():
    random = np.random.default_rng(0)
    return replace(dataset(), measurements=random.normal(size=(6, 1, 3)))


@pytest.fixture
def trained(monkeypatch) -> list[str]:
    """The splits that were trained, in order; nothing is trained really."""
    names: list[str] = []

    def predict(data, split, entrant, on_progress):
        names.append(split.name)
        on_progress(1, 2, 0.5)
        measured = data.measurements[split.test]
        noise = np.random.default_rng(len(names)).normal(size=measured.shape)
        return {
            ENSEMBLE: measured + 0.1 * noise,
            MEAN: np.zeros_like(measured),
            RIDGE: measured + noise,
        }

    monkeypatch.setattr(running, "predict_held_out", predict)
    return names


def test_a_second_run_trains_nothing_and_reports_the_same(data, trained, tmp_path):
    first, second = (
        compare(data, ENTRANT, schemes=["leave-one-out"], out=tmp_path / "out") for _ in range(2)
    )
    assert trained == ["MEK", "AKT"]
    scores = [
        each.schemes[0].measured_nodes.scores[ENSEMBLE].pearson_by_split for each in (first, second)
    ]
    np.testing.assert_allclose(scores[0], scores[1], atol=1e-6)
    report = json.loads((tmp_path / "out" / "comparison.json").read_text())
    assert report["schemes"][0]["splits"] == ["MEK", "AKT"]


def test_an_interrupted_comparison_goes_on_where_it_stopped(data, trained, tmp_path, monkeypatch):
    whole = running.predict_held_out

    def stopped(data, split, entrant, on_progress):
        if split.name == "AKT":
            raise KeyboardInterrupt
        return whole(data, split, entrant, on_progress)

    with monkeypatch.context() as patch:
        patch.setattr(running, "predict_held_out", stopped)
        with pytest.raises(Interrupted) as caught:
            compare(data, ENTRANT, schemes=["leave-one-out"], out=tmp_path)
    assert (caught.value.finished, caught.value.total) == (1, 2)
    compare(data, ENTRANT, schemes=["leave-one-out"], out=tmp_path)
    assert trained == ["MEK", "AKT"]


@pytest.mark.parametrize("change", ["settings", "members", "total dose", "data"])
def test_results_of_something_else_are_refused(data, trained, tmp_path, change):
    compare(data, ENTRANT, schemes=["single-to-combination"], out=tmp_path)
    other = {
        "settings": replace(ENTRANT, settings=Settings(steps=100)),
        "members": replace(ENTRANT, members=3),
        "total dose": replace(ENTRANT, total_dose=True),
        "data": ENTRANT,
    }[change]
    if change == "data":
        data = replace(data, measurements=data.measurements + 1)
    with pytest.raises(InputError, match=f"another {change}"):
        compare(data, other, schemes=["single-to-combination"], out=tmp_path)


def test_a_folder_of_something_else_is_refused(data, trained, tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(InputError, match="other files"):
        compare(data, ENTRANT, out=tmp_path)
    with pytest.raises(InputError, match="found a file"):
        compare(data, ENTRANT, out=tmp_path / "thesis.txt")


def test_a_split_whose_file_is_damaged_is_refused_with_its_place(data, trained, tmp_path):
    compare(data, ENTRANT, schemes=["single-to-combination"], out=tmp_path)
    (file,) = (tmp_path / "splits").iterdir()
    file.write_text("{")
    with pytest.raises(InputError, match=file.name):
        compare(data, ENTRANT, schemes=["single-to-combination"], out=tmp_path)


def test_predictions_that_are_missing_come_back_missing(data, tmp_path):
    folder = ComparisonFolder(tmp_path)
    (tmp_path / folder.MARK).mkdir()
    names = ["p53/p21", "p53 p21"]
    for value, name in enumerate(names):
        split = HeldOut("leave-one-out", name, np.array([0]), np.array([1]))
        folder.write(data, split, ENTRANT, {RIDGE: np.array([[[value, np.nan, np.inf]]])})
    for value, name in enumerate(names):
        split = HeldOut("leave-one-out", name, np.array([0]), np.array([1]))
        found = folder.read(data, split, ENTRANT)[RIDGE]
        np.testing.assert_array_equal(found, [[[value, np.nan, np.nan]]])


def test_progress_tells_the_split_and_the_time_left(data, trained, tmp_path):
    told = []

    class Shown:
        def update(self, *news):
            told.append(news)

        def close(self):
            told.append("closed")

    compare(data, ENTRANT, schemes=["leave-one-out"], out=tmp_path, progress=Shown())
    assert told[0] == (0.0, 2, "leave-one-out, MEK", None)
    assert told[1][:2] == (0.5, 2)
    assert told[1][3] >= 0
    assert told[-1] == "closed"
