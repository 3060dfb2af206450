"""What a worker elsewhere has to have installed alike."""

import shutil

from search.workers import versions as module
from search.workers.versions import differences, versions


def test_two_processes_of_one_installation_agree():
    assert differences(versions(), versions()) == []
    assert "not installed" not in versions().values()


def test_differences_are_named_with_both_values():
    here = {"jax": "0.10.2", "python": "3.11.7"}
    assert differences(here, {**here, "jax": "0.9.0"}) == ["jax 0.9.0 instead of 0.10.2"]
    assert differences(here, {"python": "3.11.7"}) == ["jax not installed instead of 0.10.2"]


def test_a_changed_line_of_code_is_a_difference(tmp_path, monkeypatch):
    for package in ("cellbox", "search"):
        shutil.copytree(module._ROOT / package, tmp_path / package)
    here = versions()
    monkeypatch.setattr(module, "_ROOT", tmp_path)
    assert differences(here, versions()) == []
    file = tmp_path / "search" / "workers" / "job.py"
    file.write_text(f"{file.read_text()}\n# changed\n")
    (only,) = differences(here, versions())
    assert only.startswith("CellBox's code ")
