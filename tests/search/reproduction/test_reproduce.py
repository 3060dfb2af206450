"""The whole of it on the smallest system, as a notebook and as the command line see it."""

import json
import math
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import search
from search.cli.main import main
from search.reproduction.progress import Silent
from search.reproduction.recipe import FULL
from search.reproduction.summary import BOUNDS, METRICS
from tests.search.cli_helpers import ROOT, read_json, refused
from tests.search.reproduction.small import TINY

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
SPREAD = {"median", "low", "high"}


def run(out, **changes):
    """Two seeds of mCAD."""
    asked = {"seeds": 2, "workers": 1, "recipe": TINY, "display": Silent(), **changes}
    return search.reproduce(["mCAD"], out=out, **asked)


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    return run(tmp_path_factory.mktemp("reproduced") / "out")


@pytest.mark.slow
def test_every_number_of_the_tables_is_there(found):
    (row,) = found.rows
    assert (row["system"], row["sigma"], row["design"]) == ("mCAD", 0.001, "balanced")
    assert (row["seeds"], row["finished"], row["problems"]) == (2, 2, [])
    for name in METRICS:
        assert set(row[name]) == SPREAD
        # All true amplitudes are equal, so there is no correlation with them.
        assert (row[name]["median"] is None) == (name == "pearson_alpha")
    assert row["pearson"]["low"] <= row["pearson"]["median"] <= row["pearson"]["high"] <= 1
    assert row["pearson"]["low"] > 0.9
    assert all(math.isfinite(row["bound"][name]) for name in BOUNDS)
    assert row["bound"]["r"] < row["bound"]["r_known_support"]
    assert row["baselines"]["ridge"]["test_mae"]["median"] > row["test_mae"]["median"]


@pytest.mark.slow
def test_seeds_differ_in_their_experiment(found):
    first, second = (found.folder.arrays(r.task, TINY) for r in found.results)
    assert not np.array_equal(first["perturbations"], second["perturbations"])


@pytest.mark.slow
def test_the_choice_between_models_is_made_without_the_truth(found):
    for result in found.results:
        candidates = result.record["candidates"]
        best = min(candidates, key=lambda each: each["selection_error"])
        assert result.record["training"]["selection_error"] == best["selection_error"]


@pytest.mark.slow
def test_files_hold_what_the_result_says(found):
    written = read_json(found.folder.path / "reproduce.json")
    assert written["rows"] == json.loads(json.dumps(found.rows))
    assert len(written["tasks"]) == 2
    assert (found.folder.path / "figures" / "mCAD_sigma0.001.png").read_bytes()[:4] == b"\x89PNG"
    assert "Biological systems" in found.page.read_text()
    assert found.network("mCAD").nodes == ("Coup", "Emx2", "Fgf8", "Pax6", "Sp8")


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")
def test_a_browser_shows_tables_and_figures(found, tmp_path):
    shown = subprocess.run(
        [
            *(CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom"),
            *(f"--user-data-dir={tmp_path}", "--virtual-time-budget=5000", found.page.as_uri()),
        ],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert "mCAD" in shown.stdout
    assert shown.stdout.count("<figure") == 1


@pytest.mark.slow
def test_running_again_does_only_what_is_new(found, monkeypatch):
    files = sorted((found.folder.path / "tasks").glob("*.json"))
    before = [file.stat().st_mtime_ns for file in files]

    def none(*_):
        raise AssertionError("a finished task was given to a worker")

    with monkeypatch.context() as patch:
        patch.setattr("search.reproduction.workers.TaskProcesses._do", none)
        again = run(found.folder.path)
    assert again.rows == found.rows
    assert [file.stat().st_mtime_ns for file in files] == before


@pytest.mark.slow
def test_the_same_task_gives_the_same_network_in_another_folder(found, tmp_path):
    again = run(tmp_path / "again", seeds=1)
    first = found.folder.arrays(found.results[0].task, TINY)
    second = again.folder.arrays(again.results[0].task, TINY)
    np.testing.assert_array_equal(first["weights"], second["weights"])


@pytest.mark.slow
def test_ctrl_c_keeps_what_is_finished_and_says_how_to_go_on(tmp_path):
    arguments = ["reproduce", "--systems", "mCAD", "LI", "--workers", "1", "--out", "out"]
    process = subprocess.Popen(
        [sys.executable, "-m", "search.cli.main", *arguments],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        for line in process.stderr:
            if "0 of 6" in line:
                break
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        out, error = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130
    assert "of 6 tasks finished" in out
    assert "run the same command again" in out
    assert "Traceback" not in error


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--systems", "LJ"], "found 'LJ'"),
        (["--first-seed", str(2**32 - 1)], "smaller first seed"),
    ],
)
def test_the_command_refuses_in_words(capsys, tmp_path, arguments, words):
    said = refused(capsys, "reproduce", *arguments, "--out", tmp_path / "out")
    assert words in said


@pytest.mark.parametrize("arguments", [["--sigma", "0"], ["--seeds", "0"], ["--design", "grid"]])
def test_the_command_refuses_numbers_that_cannot_be(capsys, arguments):
    assert main(["reproduce", *arguments]) == 2
    assert "usage: cellbox reproduce" in capsys.readouterr().err


def test_the_full_recipe_is_the_default_and_takes_three_seeds(monkeypatch, tmp_path):
    from search.reproduction import running

    asked = []
    monkeypatch.setattr(
        running,
        "_Run",
        lambda folder, recipe, tasks, display: asked.append((recipe, len(tasks))) or 1 / 0,
    )
    with pytest.raises(ZeroDivisionError):
        search.reproduce(["LI"], out=tmp_path / "out", display=Silent())
    assert asked == [(FULL, 3)]
