"""`cellbox design check`, as a user meets it."""

import json

import numpy as np
import pytest

from cellbox.data.readers import read_data
from cellbox.data.units import Units
from cellbox.models.model import FittedModel, Training
from cellbox.settings import Settings
from search.cli.main import main
from tests.search.cli_helpers import read_json, refused, tidy_folder


@pytest.fixture(scope="module")
def experiment(tmp_path_factory):
    """Five nodes, all of them perturbed and measured often enough."""
    folder = tmp_path_factory.mktemp("simulated") / "five"
    arguments = ["simulate", "--random", "5", "--conditions", "15", "--times", "3"]
    assert main([*arguments, "--design", "balanced", "--out", str(folder)]) == 0
    return folder


def check(folder, tmp_path, *options):
    """The report on an experiment, as JSON."""
    file = tmp_path / "check.json"
    assert main(["design", "check", str(folder), *map(str, options), "--json", str(file)]) == 0
    return read_json(file)


def damaged(experiment, tmp_path, table, *nodes):
    """The experiment without these nodes' rows in one of its tables."""
    target = tmp_path / "damaged"
    target.mkdir()
    for file in experiment.iterdir():
        lines = file.read_text().splitlines(keepends=True)
        if file.name == table:
            # A condition that nothing is left of is a control, and listed as one.
            names = dict.fromkeys(line.split(",")[0] for line in lines[1:])
            lines = [line for line in lines if not set(nodes) & set(line.strip().split(","))]
            left = {line.split(",")[0] for line in lines}
            if table == "perturbations.csv":
                lines += [f"{name},,\n" for name in names if name not in left]
        (target / file.name).write_text("".join(lines))
    return target


def test_help_says_what_is_judged_and_how(capsys):
    assert main(["design", "check", "--help"]) == 0
    said = capsys.readouterr().out
    for words in ("example", "--json", "--guess", "confounded", "below a standard error of 0.5"):
        assert words in said


def test_a_good_design_is_said_to_be_one(experiment, tmp_path, capsys):
    report = check(experiment, tmp_path)
    assert report["nodes"] == report["confounded_nodes"] == []
    said = capsys.readouterr().out
    assert "Every node is perturbed, measured, and measured often enough." in said
    assert "At the guess W = 0, α = 0.5" in said
    assert "Least certain 10 of 25 edges" in said


@pytest.mark.parametrize("nodes", [["g2"], ["g1", "g4"]])
def test_exactly_the_nodes_whose_perturbations_were_taken_out_are_named(
    nodes, experiment, tmp_path, capsys
):
    folder = damaged(experiment, tmp_path, "perturbations.csv", *nodes)
    report = check(folder, tmp_path)
    assert [entry["node"] for entry in report["nodes"]] == nodes
    assert report["confounded_nodes"] == nodes
    said = capsys.readouterr().out
    for node in nodes:
        assert f"{node} is never perturbed: its amplitude and its row of W are confounded." in said
    confounded = {e["target"] for e in report["edges"] if e["why"] == "scale confounded"}
    assert confounded == set(nodes)


def test_a_node_that_was_never_measured_is_named(tmp_path):
    folder = tidy_folder(tmp_path, conditions=6)
    report = check(folder, tmp_path, "--noise", "0.1")
    assert [entry["node"] for entry in report["nodes"]] == ["g2"]
    table = folder / "measurements.csv"
    lines = table.read_text().splitlines()
    blank = [line.rpartition(",")[0] + "," if ",g2," in line else line for line in lines]
    table.write_text("\n".join(blank) + "\n")
    [entry] = check(folder, tmp_path, "--noise", "0.1")["nodes"]
    assert entry["reasons"] == ["never_perturbed", "never_measured"]


def test_edges_are_judged_at_a_network_that_is_given(experiment, tmp_path):
    table = experiment / "network.csv"
    report = check(experiment, tmp_path, "--guess", table, "--guess-amplitude", "1")
    assert str(table) in report["guess"]
    assert report["noise"] == pytest.approx(0.01, rel=0.2)
    truth = read_data(experiment).truth
    weights = [edge["weight"] for edge in report["edges"]]
    assert weights == pytest.approx(np.ravel(truth.weights).tolist())
    assert {amplitude["amplitude"] for amplitude in report["amplitudes"]} == {1.0}


def test_a_model_in_other_units_than_the_data_is_said(experiment, tmp_path, capsys):
    truth = read_data(experiment).truth
    training = Training("completed", "", 1, 0.1, {}, 0.0, 0.0)
    units = Units(time_unit="30min")
    model = FittedModel(truth, Settings(), np.array([1.0]), 0, training, units=units)
    model.save(tmp_path / "model")
    check(experiment, tmp_path, "--guess", tmp_path / "model")
    assert "was learned in other units (doses are u, times are in min" in capsys.readouterr().out


def test_what_the_numbers_can_hardly_mean_is_said(experiment, tmp_path, capsys):
    target = damaged(experiment, tmp_path, "perturbations.csv", "g1", "g2", "g3", "g4", "g5")
    [warning, *_] = check(target, tmp_path)["data_warnings"]
    assert warning["kind"] == "nothing_perturbed"
    assert "What the numbers can hardly mean:" in capsys.readouterr().out


def test_a_design_is_judged_before_there_are_data(capsys):
    arguments = ["design", "check", "--system", "GSD", "--conditions", "4", "--times", "1"]
    assert main([*arguments, "--json", "-"]) == 0
    captured = capsys.readouterr()
    report = json.loads(captured.out)
    assert report["training_rows"] == 4
    assert report["noise"] == 0.01
    assert len(report["nodes_with_too_few_values"]) == 19
    assert "19 of 19 nodes have fewer measured values" in captured.err


def test_melanoma_data_name_the_87_nodes_that_are_no_drugs(skmel133, tmp_path, capsys):
    report = check(skmel133, tmp_path)
    assert len(report["confounded_nodes"]) == len(report["nodes"]) == 87
    said = capsys.readouterr().out
    assert "87 of 99 nodes are never perturbed" in said
    assert len(said.splitlines()) < 25


def test_what_cannot_be_checked_is_refused(experiment, tmp_path, capsys):
    given = refused(capsys, "design", "check", experiment, "--conditions", "5", "--design", "paper")
    assert "2 problems" in given
    assert "--conditions: expected none beside data" in given
    absent = refused(capsys, "design", "check", experiment, "--guess", tmp_path / "absent.csv")
    assert "absent.csv" in absent
    strange = tmp_path / "strange.csv"
    strange.write_text("source,target,sign\ng1,g9,1\n")
    assert "'g9'" in refused(capsys, "design", "check", experiment, "--guess", strange)
    assert "above 0" in refused(capsys, "design", "check", experiment, "--noise", "0")
    assert "--guess" in refused(capsys, "design", "check", experiment, "--guess-amplitude", "1")
    zeros = refused(
        capsys, "design", "check", "--system", "LI", "--structural-zeros", "--time", "40"
    )
    assert "--structural-zeros" in zeros
    assert "--time" in zeros
    told = refused(capsys, "design", "check", experiment, "--time", "40")
    assert "measurements.csv tells it" in told
