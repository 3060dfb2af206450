"""Two results side by side."""

import json
from dataclasses import replace

import numpy as np
import pytest

from cellbox.data.readers import read_tidy, write_tidy
from cellbox.errors import InputError
from cellbox.models.model import FittedModel
from cellbox.models.training_record import Training
from cellbox.networks.network import Network
from cellbox.settings import Settings
from search.cli.main import main
from search.comparison.differences import differences
from tests.search.cli_helpers import refused
from tests.search.fake_study import fake_study


def saved(folder, weights, nodes=("A", "B", "C"), refined=True, **settings):
    """A model of these weights, as `cellbox fit` keeps it but for its evaluation."""
    training = Training(
        status="completed",
        message="trained to the end",
        steps=10,
        validation_mae=0.1,
        history={"step": [], "training_loss": [], "validation_mae": []},
        seconds=1.0,
        compile_seconds=0.0,
        selection_error=0.1 if refined else None,
        refinement="",
        refined=refined,
    )
    network = Network(nodes, np.array(weights, float), np.ones(len(nodes)))
    FittedModel(network, Settings(**settings), np.array([1.0]), 0, training).save(folder)
    return folder


@pytest.fixture
def two(tmp_path):
    first = saved(tmp_path / "first", [[0, 1, 0], [0.5, 0, -1], [0, 0, 2]])
    second = saved(tmp_path / "second", [[0, 1.1, 0], [-0.5, 0, 0], [3, 0, 2]], l1=1e-3)
    return first, second


def test_edges_are_gained_lost_and_flipped_from_the_first_to_the_second(two):
    found = {(edge.source, edge.target): edge for edge in differences(*two).edges}
    assert {pair: edge.kind for pair, edge in found.items()} == {
        ("A", "B"): "flipped",
        ("A", "C"): "gained",
        ("C", "B"): "lost",
    }
    assert (found["A", "C"].first, found["A", "C"].second) == (0.0, 3.0)


def test_settings_that_differ_and_common_edges_are_told(two):
    found = differences(*two)
    assert found.settings == {"l1": (1e-5, 1e-3)}
    assert found.n_common == 2
    assert found.r == pytest.approx(
        np.corrcoef([0, 1, 0, 0.5, 0, -1, 0, 0, 2], [0, 1.1, 0, -0.5, 0, 0, 3, 0, 2])[0, 1]
    )


def test_a_result_beside_itself_has_no_differences(two):
    found = differences(two[0], two[0])
    assert (found.settings, found.edges, found.r) == ({}, (), pytest.approx(1.0))


def test_small_weights_of_descent_alone_are_no_edges(tmp_path, two):
    dense = saved(
        tmp_path / "dense", [[0.01, 1, 0.01], [0.5, 0.01, -1], [0.01, 0, 2]], refined=False
    )
    assert differences(two[0], dense).edges == ()


def test_only_common_nodes_are_compared_and_others_named(tmp_path, two):
    larger = saved(tmp_path / "larger", np.eye(4), nodes=("B", "A", "C", "D"))
    found = differences(two[0], larger)
    assert "Only the second has the nodes D; their edges are left aside." in found.sentences
    assert not {"D"} & {name for edge in found.edges for name in (edge.source, edge.target)}


def test_trials_of_a_study_are_named_by_number_or_folder(tmp_path):
    study = fake_study(tmp_path / "study", 4)
    best = differences(study.path, f"{study.path}:0")
    same = differences(study.path / "trials" / "000000", f"{study.path}:0")
    assert best.second.name == f"{study.path}, trial 0"
    assert best.same_question is True
    assert best.numbers["held-out MAE"][1] is not None
    assert same.settings == {}
    assert same.edges == ()


def test_errors_of_other_data_do_not_tell_which_is_better(tmp_path, two):
    study, other = fake_study(tmp_path / "study", 2), fake_study(tmp_path / "other", 2)
    assert differences(study.path, other.path).same_question is True
    data = read_tidy(other.data)
    changed = replace(data, measurements=data.measurements + 0.1)
    write_tidy(changed, other.data, overwrite=True)
    found = differences(study.path, other.path)
    assert found.same_question is False
    assert any("do not tell which is better" in said for said in found.sentences)
    assert differences(*two).same_question is None


def test_a_damaged_file_beside_a_model_is_refused(two):
    (two[1] / "evaluation.json").write_text("{")
    with pytest.raises(InputError, match=r"evaluation\.json"):
        differences(*two)


@pytest.mark.parametrize("place", ["nothing", "study:7", "empty"])
def test_what_holds_no_result_is_refused(tmp_path, two, place):
    fake_study(tmp_path / "study", 2)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="expected"):
        differences(two[0], tmp_path / place)


def test_results_without_a_common_node_are_refused(tmp_path, two):
    other = saved(tmp_path / "other", np.eye(2), nodes=("X", "Y"))
    with pytest.raises(InputError, match="nodes in common"):
        differences(two[0], other)


def test_the_command_prints_and_keeps_what_differs(two, tmp_path, capsys):
    out = tmp_path / "out.json"
    assert main(["compare", *map(str, two), "--json", str(out)]) == 0
    said = capsys.readouterr().out
    assert "flipped" in said
    assert "l1" in said
    content = json.loads(out.read_text())
    assert {edge["kind"] for edge in content["edges"]} == {"flipped", "gained", "lost"}
    assert content["settings"] == {"l1": [1e-5, 1e-3]}


def test_flags_that_hold_conditions_out_are_refused_beside_two_results(two, capsys):
    said = refused(capsys, "compare", *two, "--seeds", "3", "--steps", "5")
    assert "--seeds" in said
    assert "--steps" in said
    said = refused(capsys, "compare", *two, two[0])
    assert "found 3" in said
