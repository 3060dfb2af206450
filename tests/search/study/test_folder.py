"""What a study keeps on disk, whatever happens while it writes."""

import json
from dataclasses import replace

import numpy as np
import pytest

from cellbox.errors import InputError
from search.study.folder import StudyFolder, TrialNetworks
from tests.search.fake_study import make_record


@pytest.fixture
def folder(tmp_path):
    folder = StudyFolder(tmp_path / "study")
    folder.write_json("spec.json", {})
    return folder


NETWORKS = TrialNetworks(np.arange(8.0).reshape(2, 2, 2), np.ones((2, 2)))


def test_a_trial_is_read_as_it_was_written(folder):
    assert not folder.finished(3)
    folder.write_trial(make_record(3), NETWORKS)
    assert folder.finished(3)
    assert folder.record(3) == make_record(3)
    assert np.array_equal(folder.networks(3).weights, NETWORKS.weights)


def test_metrics_of_earlier_versions_are_read_under_their_current_names(folder):
    old = {"undetermined_share": 0.4, "pearson": 0.9}
    (repeat,) = make_record(3).repeats
    repeats = (replace(repeat, metrics=old),)
    folder.write_trial(make_record(3, metrics=old, repeats=repeats), None)
    now = {"rounding_sensitive_share": 0.4, "pearson": 0.9}
    assert folder.record(3).metrics == folder.record(3).best.metrics == now


def test_a_trial_without_networks_has_none(folder):
    folder.write_trial(make_record(0), None)
    assert folder.networks(0) is None


def test_a_trial_is_written_once(folder):
    folder.write_trial(make_record(0, message="first"), None)
    folder.write_trial(make_record(0, message="second"), NETWORKS)
    assert folder.record(0).message == "first"
    assert folder.networks(0) is None


def test_half_written_trials_are_no_trials(folder):
    folder.write_trial(make_record(0), None)
    half = folder.path / "trials" / ".000001.abcd"
    half.mkdir()
    (half / "record.json").write_text('{"numb')
    assert folder.finished_numbers() == [0]
    assert not folder.finished(1)
    folder.write_trial(make_record(1), None)
    assert folder.finished_numbers() == [0, 1]


def test_numbers_that_are_no_json_leave_nothing_behind(folder):
    with pytest.raises(ValueError, match="not JSON compliant"):
        folder.write_trial(make_record(0, cost=float("nan")), NETWORKS)
    assert folder.finished_numbers() == []
    assert list((folder.path / "trials").iterdir()) == []


def test_trials_come_by_number(folder):
    for number in (10, 2, 1_000_000):
        folder.write_trial(make_record(number), None)
    assert [record.number for record in folder.records()] == [2, 10, 1_000_000]


def test_a_folder_without_a_spec_is_no_study(tmp_path):
    with pytest.raises(InputError, match=r"expected a study's folder"):
        StudyFolder.at(tmp_path)


def test_json_is_replaced_whole(folder):
    folder.write_json("study.json", {"a": 1})
    with pytest.raises(TypeError):
        folder.write_json("study.json", {"a": object()})
    assert folder.read_json("study.json") == {"a": 1}
    assert json.loads((folder.path / "study.json").read_text()) == {"a": 1}
    assert sorted(entry.name for entry in folder.path.iterdir()) == ["spec.json", "study.json"]


def test_a_study_that_was_killed_before_it_began_can_begin(tmp_path):
    folder = StudyFolder(tmp_path / "study")
    folder.path.mkdir()
    (folder.path / ".spec.json.0123456789ab.tmp").write_text('{"na')
    (folder.path / "study.lock").touch()
    with folder.begun(lambda: None):
        folder.write_json("spec.json", {})
    assert sorted(path.name for path in folder.path.iterdir()) == ["spec.json", "study.lock"]


def test_what_killed_writes_left_is_cleared_when_a_study_goes_on(folder):
    folder.write_trial(make_record(0), NETWORKS)
    for place in ("trials/.000001.0123456789ab.tmp", "models/trial-000000"):
        (folder.path / place).mkdir(parents=True)
    (folder.model(0) / ".identifiability.json.0123456789ab.tmp").write_text("{")
    with folder.begun(lambda: None):
        pass
    assert [path.name for path in (folder.path / "trials").iterdir()] == ["000000"]
    assert list(folder.model(0).iterdir()) == []
