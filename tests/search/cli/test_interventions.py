"""Held nodes and doses that begin and end, on the command line."""

import pytest

from search.cli.main import main
from tests.search.cli_helpers import read_json, refused

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("interventions")
    sizes = ["--conditions", "16", "--held-out", "4", "--times", "4", "--design", "balanced"]
    done = ["--knock-outs", "0.4", "--pulses", "0.3", "--knock-out-level=-1.5"]
    arguments = ["simulate", "--random", "4", *sizes, *done, "--seed", "5"]
    assert main([*arguments, "--out", str(place / "data")]) == 0
    assert main(["fit", str(place / "data"), "--out", str(place / "model"),
                 "--json", str(place / "fit.json")]) == 0  # fmt: skip
    return place


def test_lint_says_what_was_read(folder, capsys):
    file = folder / "lint.json"
    assert main(["lint", str(folder / "data"), "--json", str(file)]) == 0
    said = capsys.readouterr().out
    told = read_json(file)["interventions"]
    assert all(sentence in said for sentence in told)
    assert any("node g" in sentence and "at -1.5." in sentence for sentence in told)
    assert told[-1].endswith("conditions have doses that begin later or end.")


def test_a_fit_finds_the_network_and_its_report_says_what_was_done(folder):
    told = read_json(folder / "fit.json")
    assert told["pearson"] > 0.99
    page = (folder / "model" / "report.html").read_text()
    assert "held at -1.5" in page
    assert "beside doses that last" in page
    assert (folder / "model" / "data" / "clamped.csv").is_file()


def test_a_prediction_holds_nodes_and_ends_doses(folder, tmp_path):
    asked = tmp_path / "asked.csv"
    asked.write_text("condition,node,value,from,until\nc,g1,0.8,1,3\n")
    file = tmp_path / "predicted.json"
    assert main(["predict", str(folder / "model"), str(asked), "--clamp", "g2=-3",
                 "--times", "1,3,20", "--json", str(file)]) == 0  # fmt: skip
    told = read_json(file)
    assert told["interventions"] == ["g2 held at -3, dose of g1 from 1 until 3"]
    assert [states[1] for states in told["predictions"][0]] == [-3, -3, -3]


@pytest.mark.parametrize(
    "command",
    [
        ("design", "next", "{data}"),
        ("export", "{model}", "problem", "--petab", "{data}"),
        ("fit", "{data}", "--form", "offset", "--out", "other"),
    ],
    ids=lambda command: command[0],
)
def test_what_does_not_know_them_refuses_them(folder, capsys, command):
    places = {"data": folder / "data", "model": folder / "model"}
    said = refused(capsys, *(part.format(**places) for part in command))
    assert "found" in said
    assert "doses that begin" in said


def test_a_knock_out_alone_is_predicted(folder, capsys):
    capsys.readouterr()
    assert main(["predict", str(folder / "model"), "--clamp", "g2=-3", "--times", "20"]) == 0
    assert "g2=-3 held,20.0,g2,-3.0" in capsys.readouterr().out
    assert "--perturb" in refused(capsys, "predict", folder / "model")


def test_flags_that_mean_nothing_are_refused(folder, capsys):
    said = refused(capsys, "simulate", "LI", "--knock-out-level", "-3", "--out", folder / "other")
    assert "--knock-outs 0.33" in said
    said = refused(capsys, "predict", folder / "model", "--perturb", "g1=1", "--clamp", "g9=1")
    assert "expected a known node, found 'g9'" in said
