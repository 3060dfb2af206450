"""What cannot be used: one clear message each with file, row and fix, and nothing written."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.search.cli_helpers import ROOT, matrix_folder, refused, simulate_small, tidy_folder


@pytest.fixture(scope="module")
def experiment(tmp_path_factory):
    return simulate_small(tmp_path_factory.mktemp("simulated") / "small")


BAD_DATA = {
    "shapes": (matrix_folder, {"expr": "0.1,0.2\n"}, ["expr.csv", "1 rows", "same conditions"]),
    "ragged": (matrix_folder, {"expr": "0.1,0.2\n0.3\n"}, ["expr.csv, row 2", "found 1"]),
    "nan": (
        *(matrix_folder, {"pert": "0,NaN\n-1,0\n"}),
        ["pert.csv, row 1, column 2 (g2)", "'NaN'", "Give a number"],
    ),
    "nan dose": (
        *(tidy_folder, {"perturbations": "condition,node,value\nc0,g1,nan\n"}),
        ["perturbations.csv, row 2", "NaN", "Give a number"],
    ),
    "duplicate": (matrix_folder, {"nodes": "g1\ng1\n"}, ["node_Index.csv, row 2", "'g1' again"]),
    "words": (
        *(matrix_folder, {"expr": "0.1,0.2\n0.3,high\n"}),
        ["expr.csv, row 2, column 2", "'high'", "decimal point"],
    ),
    "empty": (matrix_folder, {"expr": ""}, ["expr.csv", "an empty file", "Fill the file"]),
    "empty tidy": (tidy_folder, {"measurements": ""}, ["measurements.csv", "an empty file"]),
    "spaces": (
        *(matrix_folder, {"pert": "0 -1\n-1 0\n"}),
        ["pert.csv, row 1", "spaces", "Save the file with commas"],
    ),
    "controls assumed": (
        *(tidy_folder, {"perturbations": "condition,node,value\nc0,g1,1\n"}),
        ["perturbations.csv", "perturbation of each measured condition", "'c1'"],
    ),
    "columns": (
        *(tidy_folder, {"measurements": "condition,node,value\na,g1,0.5\n"}),
        ["measurements.csv, row 1", "no time", "Name the columns"],
    ),
}


@pytest.mark.parametrize("command", ["lint", "fit"])
@pytest.mark.parametrize("case", BAD_DATA)
def test_bad_data_are_refused_with_file_row_and_fix(case, command, tmp_path, capsys):
    make, changes, words = BAD_DATA[case]
    folder = make(tmp_path, **changes)
    before = sorted(tmp_path.rglob("*"))
    out = ("--out", tmp_path / "model") if command == "fit" else ()
    said = refused(capsys, command, folder, *out, "--json", tmp_path / "result.json")
    for word in words:
        assert word in said
    assert said.startswith(f"cellbox {command}: ")
    assert sorted(tmp_path.rglob("*")) == before


def test_bad_network_files_are_refused(tmp_path, capsys, experiment):
    edges = tmp_path / "edges.csv"
    edges.write_text("source,target,sign\nA,B,up\nA,B,1\nB,,1\n")
    said = refused(capsys, "simulate", "--network", edges, "--out", tmp_path / "data")
    assert "3 problems" in said
    assert f"{edges}, row 2, column 'sign': expected a sign, found 'up'" in said
    assert f"{edges}, row 4" in said
    assert list(tmp_path.iterdir()) == [edges]


def test_an_unknown_node_in_a_network_file_is_refused(tmp_path, capsys):
    folder = tidy_folder(tmp_path)
    (folder / "network.csv").write_text("source,target,sign\ng1,g22,1\n")
    said = refused(capsys, "lint", folder)
    assert "network.csv, row 2" in said
    assert "found 'g22'. Did you mean 'g2'" in said


def test_all_mistakes_of_a_settings_file_are_named_with_their_rows(experiment, tmp_path, capsys):
    file = tmp_path / "settings.toml"
    file.write_text(
        "peak_rates = 0.1\nl1 = -1\nschedule = 'cosin'\nrtol = 7\n\n[solver]\nsolver = 'tsit'\n"
    )
    out = tmp_path / "model"
    said = refused(capsys, "fit", experiment, "--settings", file, "--steps", "0", "--out", out)
    assert "cellbox fit: 6 problems" in said
    assert f"{file}, row 1: expected the name of a setting, found 'peak_rates'" in said
    assert "The nearest is peak_rate" in said
    assert f"{file}, row 2, l1" in said
    assert f"{file}, row 3, schedule" in said
    assert f"{file}, row 7, solver" in said
    assert "--steps: expected a whole number of steps" in said
    assert not out.exists()


@pytest.mark.wrong_types
@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("steps = \n", "line 1"),
        ("steps = 'many'\n", "row 1, steps"),
        ("l1 = 0\n[solver]\nsolver = 7\n", "row 3, solver"),
    ],
)
def test_other_settings_files(text, words, experiment, tmp_path, capsys):
    file = tmp_path / "settings.toml"
    file.write_text(text)
    assert words in refused(capsys, "fit", experiment, "--settings", file)


def test_a_missing_settings_file_and_bad_data_are_reported_together(tmp_path, capsys):
    said = refused(capsys, "fit", tmp_path / "none", "--settings", tmp_path / "no.toml")
    assert "2 problems" in said
    assert "no.toml" in said


@pytest.mark.wrong_types
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("simulate", "LI", "--out", "x", "--conditions", "0"), "whole number from 1 up"),
        (("simulate", "LI", "--out", "x", "--seed", "-1"), "from 0 to 4294967295"),
        (("simulate", "LI", "--random", "4", "--out", "x"), "not allowed with argument"),
        (("simulate", "--random", "4", "--motif", "ring", "--out", "x"), "found 'ring'"),
        (("simulate", "LI", "--perturbed-nodes", "9", "--out", "x"), "expected 1 to 7"),
        (("fit", "--system", "LI", "--test", "1.5"), "between 0 and 1"),
        (("fit", "--system", "LI", "--steps", "many"), "invalid int value"),
        (("fit", "--system", "LI", "--solver", "euler"), "--solver: expected a fixed step"),
        (("fit", "--system", "LI", "--structural-zeros"), "Leave it out"),
        (("fit", "--system", "LI", "--time", "40"), "--time"),
        (("fit",), "one of the arguments"),
        (("systems", "--json", "no such folder/x.json"), "Create the folder"),
        (("systems", "--json", os.devnull), "found a device"),
    ],
)
def test_impossible_requests_are_refused(arguments, words, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert words in refused(capsys, *arguments)
    assert not list(tmp_path.iterdir())


def test_a_full_disk_is_a_clear_message():
    if not Path("/dev/full").is_char_device():
        pytest.skip("needs /dev/full")
    with open("/dev/full", "w") as full:
        answer = subprocess.run(
            [sys.executable, "-m", "search.cli.main", "systems"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
    assert answer.returncode == 2
    assert "cellbox systems: 1 problem\n  the disk or the output: No space left" in answer.stderr


def test_a_folder_that_may_not_be_written_is_a_clear_message(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    said = refused(capsys, "simulate", "LI", "--out", tmp_path / "file" / "data")
    assert str(tmp_path / "file") in said
