"""`cellbox design next`, `first` and `curve`, as a user meets them."""

import csv

import pytest

from search.cli.main import main
from tests.search.cli_helpers import read_json, refused


@pytest.fixture(scope="module")
def experiment(tmp_path_factory):
    """Four nodes in eight conditions."""
    folder = tmp_path_factory.mktemp("simulated") / "four"
    arguments = ["simulate", "--random", "4", "--conditions", "8", "--times", "2", "--seed", "2"]
    assert main([*arguments, "--design", "balanced", "--out", str(folder)]) == 0
    return folder


def test_conditions_are_proposed_with_reasons_and_written_as_plates(experiment, tmp_path, capsys):
    plates, file = tmp_path / "plates", tmp_path / "next.json"
    arguments = ["design", "next", str(experiment), "--conditions", "3", "--networks", "4"]
    arguments += ["--most-nodes", "2", "--forbid", "g1+g2", "--replicates", "2", "--plate", "24"]
    assert main([*arguments, "--out", str(plates), "--json", str(file)]) == 0
    said = capsys.readouterr().out
    for words in ("8 conditions to learn from", "next1", "good in", "Decided are", "balanced"):
        assert words in said
    assert "14 wells on 1 plate of 24" in said
    result = read_json(file)
    assert [each["condition"] for each in result["conditions"]] == ["next1", "next2", "next3"]
    assert result["after"]["error"] < result["now"]["error"]
    assert len(result["edges"]) == 16
    with open(plates / "plate.csv", newline="") as table:
        wells = list(csv.DictReader(table))
    assert len(wells) == len(result["wells"]) == (3 * 2 + 1) * 2
    for each in result["conditions"]:
        assert not {"g1", "g2"} <= set(each["doses"])


def test_what_further_conditions_would_buy_is_a_table(experiment, tmp_path, capsys):
    file = tmp_path / "curve.json"
    arguments = ["design", "curve", str(experiment), "--more", "2,4", "--networks", "3"]
    assert main([*arguments, "--json", str(file)]) == 0
    assert "further conditions" in capsys.readouterr().out
    assert len(read_json(file)["points"]) == 7


def test_a_first_experiment_needs_no_data(tmp_path, capsys):
    arguments = ["design", "first", "--nodes", "AKT,MEK,ERK", "--times", "1,4", "--noise", "0.05"]
    arguments += ["--conditions", "3", "--networks", "3", "--screening"]
    assert main([*arguments, "--out", str(tmp_path / "first")]) == 0
    said = capsys.readouterr().out
    assert "A balanced design, as asked" in said
    assert "AKT" in (tmp_path / "first" / "order.csv").read_text()


def test_what_cannot_be_planned_is_refused(experiment, tmp_path, capsys):
    said = refused(
        capsys, "design", "next", experiment, "--nodes", "g1,g22", "--forbid", "g1+gg",
        "--edge", "g1:zz", "--doses", "0",
    )  # fmt: skip
    assert "4 problems" in said
    for part in ("'g22'", "'gg'", "'zz'", "doses"):
        assert part in said
    assert "A+B" in refused_flag(capsys, "--forbid", "g1-g2", experiment)
    assert "AKT:MEK" in refused_flag(capsys, "--edge", "g1", experiment)
    assert "numbers" in refused_flag(capsys, "--doses", "a", experiment)
    found = refused(capsys, "design", "next", experiment, "--data", experiment)
    assert "expected the folder of a model" in found
    assert "no" in refused(capsys, "design", "next", tmp_path / "absent")


def refused_flag(capsys, flag, value, experiment):
    assert main(["design", "next", str(experiment), flag, value]) == 2
    return capsys.readouterr().err


def test_a_model_brings_its_data(experiment, tmp_path, capsys):
    from cellbox.models.saved_models import load_model
    from tests.cellbox.planning.model_of import model_of_truth

    folder = tmp_path / "model"
    model_of_truth(experiment).save(folder)
    assert load_model(folder).training.refined
    alone = refused(capsys, "design", "next", folder)
    assert "--data" in alone
    arguments = ["design", "next", str(folder), "--data", str(experiment), "--conditions", "1"]
    assert main([*arguments, "--networks", "3"]) == 0
    assert "next1" in capsys.readouterr().out


def test_flags_of_an_action_are_known_and_others_told_the_nearest(experiment, capsys):
    assert main(["design", "next", str(experiment), "--condition", "3"]) == 2
    said = capsys.readouterr().err
    assert "cellbox design next: error" in said
    assert "Did you mean --conditions?" in said
