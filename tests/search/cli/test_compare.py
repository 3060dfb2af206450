"""`cellbox compare` and `cellbox fit --members`, as a user meets them."""

import json

import pytest

from cellbox.data.split_schemes import SCHEMES
from search.cli import compare_command
from search.cli.main import main
from tests.search.cli_helpers import read_json, refused, simulate_small

QUICK = ("--steps", "50", "--validate-every", "25", "--refinement", "none")


@pytest.fixture(scope="module")
def experiment(tmp_path_factory):
    return simulate_small(tmp_path_factory.mktemp("simulated") / "small")


def test_the_schemes_are_those_of_the_science():
    assert compare_command.SCHEMES == SCHEMES


def test_a_comparison_says_who_predicts_better(experiment, tmp_path, capsys):
    asked = ["compare", str(experiment), "--scheme", "random", "--seeds", "2", "--members", "2"]
    asked += [*QUICK, "--total-dose", "--out", str(tmp_path / "out")]
    asked += ["--json", str(tmp_path / "result.json")]
    assert main(asked) == 0
    said = capsys.readouterr()
    for words in ("random: 2 splits", "pooled r", "median r", "ridge with total dose", "95 %"):
        assert words in said.out
    page = tmp_path / "out" / "report.html"
    assert said.out.splitlines()[-1] == f"Report: {page}"
    assert "ridge with total dose" in page.read_text("utf-8")
    assert "0 of 2 splits finished, now random, 0" in said.err
    (scheme,) = read_json(tmp_path / "result.json")["schemes"]
    assert set(scheme["measured_nodes"]["scores"]) == {
        *("CellBox", "mean", "ridge", "additive", "ridge with total dose")
    }
    assert len(list((tmp_path / "out" / "splits").iterdir())) == 2
    assert main(asked) == 0
    assert "now random" not in capsys.readouterr().err


def test_a_scheme_that_the_data_do_not_suit_is_refused(tmp_path, capsys):
    folder = simulate_small(tmp_path / "pairs")
    capsys.readouterr()
    said = refused(capsys, "compare", folder, "--scheme", "single-to-combination", *QUICK)
    assert "Choose another scheme" in said


def test_the_time_of_a_steady_state_is_refused_where_the_data_tell_it(experiment, capsys):
    said = refused(capsys, "compare", experiment, "--time", "40", *QUICK)
    assert "measurements.csv tells it" in said


def test_an_ensemble_is_fitted_saved_and_predicts(experiment, tmp_path, capsys):
    out, result = str(tmp_path / "model"), tmp_path / "result.json"
    asked = ["fit", str(experiment), "--members", "2", *QUICK, "--out", out]
    assert main([*asked, "--json", str(result)]) == 0
    said = capsys.readouterr().out
    assert "2 members were trained" in said
    assert "90 % from" in said
    described = read_json(result)
    assert described["ensemble"]["members"] == 2
    assert {"source", "target", "mean", "low", "high", "frequency"} == set(
        described["ensemble"]["edges"][0]
    )
    header = (tmp_path / "model" / "edges.csv").read_text().splitlines()[0]
    assert header == "source,target,mean,low,high,selection_frequency"
    # The same command replaces the ensemble of before.
    assert main(asked) == 0
    capsys.readouterr()
    node = described["ensemble"]["edges"][0]["source"]
    assert main(["predict", out, "--perturb", f"{node}=0.5", "--json", "-"]) == 0
    assert json.loads(capsys.readouterr().out)["predictions"]


def test_one_member_is_no_ensemble(experiment, capsys):
    assert "from 2 up" in refused(capsys, "fit", experiment, "--members", "1")
