"""`cellbox export`, on a saved model."""

import csv

import networkx
import numpy as np
import pytest

from cellbox.models.ensemble import ensemble_of
from cellbox.models.model import FittedModel
from cellbox.models.training_record import Training
from cellbox.networks.network import Network
from cellbox.settings import Settings
from search.cli.main import main
from tests.search.cli_helpers import read_json, refused

WEIGHTS = np.array([[0.5, -0.2, 0], [0, 0.1, 0], [-0.9, 0, 0]])


def model_of(weights):
    network = Network(("a", "b", "c"), weights, np.ones(3))
    training = Training("completed", "", 1, 0.1, {}, 0.0, 0.0)
    return FittedModel(network, Settings(), np.array([1.0]), 0, training)


@pytest.fixture
def saved(tmp_path):
    return model_of(WEIGHTS).save(tmp_path / "model")


@pytest.fixture
def saved_ensemble(tmp_path):
    """Three members that agree but for a's effect on itself and b's on itself."""
    apart = np.diag([1.0, 0.3, 0.0])
    members = [model_of(WEIGHTS + share * apart) for share in (-1, 0, 1)]
    ensemble = ensemble_of(
        members,
        n_diverged=0,
        selected=np.ones((3, 3, 3), bool),
        allowed_edges=np.ones((3, 3), bool),
        intervals=None,
        bootstrap=False,
        seed=0,
    )
    return ensemble.save(tmp_path / "ensemble")


def test_export_writes_the_strongest_edges_and_says_of_how_many(saved, tmp_path, capsys):
    file, report = tmp_path / "network.graphml", tmp_path / "result.json"
    arguments = ["export", str(saved), str(file), "--top", "2", "--threshold", "0.15"]
    assert main([*arguments, "--json", str(report)]) == 0
    assert "2 of 4 edges" in capsys.readouterr().out
    assert set(networkx.read_graphml(file).edges()) == {("a", "c"), ("a", "a")}
    content = read_json(report)
    assert (content["edges"], content["of_edges"]) == (2, 4)


def test_export_refuses_other_endings_and_thresholds(saved, tmp_path, capsys):
    assert "ends with .csv, .graphml, .sif, .cx2, .xml or .sbml" in refused(
        capsys, "export", saved, tmp_path / "network.txt"
    )
    assert "--threshold" in refused(
        capsys, "export", saved, tmp_path / "network.sif", "--threshold", "-1"
    )


def test_confident_edges_are_those_whose_interval_does_not_hold_0(
    saved_ensemble, saved, tmp_path, capsys
):
    file = tmp_path / "network.csv"
    assert main(["export", str(saved_ensemble), str(file), "--confident"]) == 0
    assert "2 of 4 edges" in capsys.readouterr().out
    with file.open(encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    assert [(row["source"], row["target"]) for row in rows] == [("a", "c"), ("b", "a")]
    assert float(rows[0]["low"]) <= -0.9 <= float(rows[0]["high"]) < 0
    said = refused(capsys, "export", saved, file, "--confident")
    assert "expected a model whose edges have intervals" in said


def test_export_writes_the_whole_model_as_sbml(saved, tmp_path):
    assert main(["export", str(saved), str(tmp_path / "model.xml")]) == 0
    assert '<rateRule variable="x_a">' in (tmp_path / "model.xml").read_text(encoding="utf-8")
