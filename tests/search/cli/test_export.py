"""`cellbox export`, on a saved model."""

import networkx
import numpy as np
import pytest

from cellbox.models.model import FittedModel
from cellbox.models.training_record import Training
from cellbox.networks.network import Network
from cellbox.settings import Settings
from search.cli.main import main
from tests.search.cli_helpers import read_json, refused


@pytest.fixture
def saved(tmp_path):
    weights = np.array([[0.5, -0.2, 0], [0, 0.1, 0], [-0.9, 0, 0]])
    network = Network(("a", "b", "c"), weights, np.ones(3))
    training = Training("completed", "", 1, 0.1, {}, 0.0, 0.0)
    model = FittedModel(network, Settings(), np.array([1.0]), 0, training)
    return model.save(tmp_path / "model")


def test_export_writes_the_strongest_edges_and_says_of_how_many(saved, tmp_path, capsys):
    file, report = tmp_path / "network.graphml", tmp_path / "result.json"
    arguments = ["export", str(saved), str(file), "--top", "2", "--threshold", "0.15"]
    assert main([*arguments, "--json", str(report)]) == 0
    assert "2 of 4 edges" in capsys.readouterr().out
    assert set(networkx.read_graphml(file).edges()) == {("a", "c"), ("a", "a")}
    content = read_json(report)
    assert (content["edges"], content["of_edges"]) == (2, 4)


def test_export_refuses_other_endings_and_thresholds(saved, tmp_path, capsys):
    assert "ends with .csv, .graphml or .sif" in refused(
        capsys, "export", saved, tmp_path / "network.txt"
    )
    assert "--threshold" in refused(
        capsys, "export", saved, tmp_path / "network.sif", "--threshold", "-1"
    )
