"""What a trial's data determine is read whole, or counts as not there."""

import json

import numpy as np
import pytest

from cellbox.identifiability.check import check_plan
from cellbox.identifiability.design_report import write_design_report
from search.study.kept_findings import read_findings


@pytest.fixture(scope="module")
def report():
    return check_plan(np.eye(3)[:2], [4.0, 8.0], noise=0.01)


def test_findings_are_read_as_they_were_written_with_and_without_a_digest(report, tmp_path):
    for sealed in (True, False):
        file = write_design_report(report, tmp_path, sealed=sealed)[0]
        assert read_findings(file) == json.loads(json.dumps(report.to_dict()))


def test_a_flipped_digit_of_sealed_findings_is_noticed(report, tmp_path):
    file = write_design_report(report, tmp_path, sealed=True)[0]
    file.write_text(file.read_text().replace('"training_rows": 2', '"training_rows": 3'))
    assert read_findings(file) is None


@pytest.mark.parametrize(
    "damage",
    [
        {"sentences": None},
        {"edges": [[]]},
        {"edges": "x"},
        {"criticism": 3},
        {"criticism": {"sentences": [], "findings": 7}},
        {"not_judged": 1},
    ],
)
def test_findings_of_other_kinds_of_values_count_as_none(report, tmp_path, damage):
    file = write_design_report(report, tmp_path)[0]
    file.write_text(json.dumps({**report.to_dict(), **damage}))
    assert read_findings(file) is None


def test_no_file_is_no_findings(tmp_path):
    assert read_findings(tmp_path / "identifiability.json") is None
