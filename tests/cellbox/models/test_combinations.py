"""Pairs of perturbations beside their parts."""

import numpy as np
import pytest

from cellbox.errors import InputError
from cellbox.models.combinations import predict_pairs
from cellbox.models.ensemble import ensemble_of
from cellbox.models.model import FittedModel
from cellbox.models.plots import plot_pairs
from cellbox.models.training_record import Training
from cellbox.networks.network import Network
from cellbox.settings import Settings

NODES = ("a", "b", "c", "readout")


def model_of(into_readout, amplitudes=(1.0, 1.0, 1.0, 1.0)):
    """Three nodes that act on a readout alone."""
    weights = np.zeros((4, 4))
    weights[3, :3] = into_readout
    training = Training("completed", "", 1, 0.0, {"step": []}, 0.0, 0.0)
    network = Network(NODES, weights, np.array(amplitudes))
    return FittedModel(network, Settings(), np.array([20.0]), 0, training)


@pytest.fixture(scope="module")
def table():
    return predict_pairs(model_of((0.8, 0.8, -0.5)), "readout", dose=0.4)


def test_every_pair_is_there_once_the_lowest_first(table):
    assert {(pair.first, pair.second) for pair in table.pairs} == {
        ("a", "b"),
        ("a", "c"),
        ("b", "c"),
    }
    responses = [pair.response for pair in table.pairs]
    assert responses == sorted(responses)
    assert table.pairs[0].first_alone == pytest.approx(table.matrix[0, 0])
    assert table.to_frame().shape == (3, 9)


def test_pairs_are_what_the_model_predicts(table):
    model = model_of((0.8, 0.8, -0.5))
    wanted = model.predict({"a": 0.4, "b": 0.4})[0, -1, 3]
    assert table.pairs[0].response == pytest.approx(float(wanted), abs=1e-9)


def test_bliss_applies_where_both_push_down(table):
    by_pair = {(pair.first, pair.second): pair for pair in table.pairs}
    both = by_pair["a", "b"]
    assert both.bliss_excess == pytest.approx(both.response - both.first_alone - both.second_alone)
    # tanh saturates: the pair does less than the sum.
    assert both.bliss_excess > 0
    assert by_pair["a", "c"].bliss_excess is None


def test_a_node_beside_its_own_dilution_is_additive_by_loewe():
    # Two nodes that enter the readout before any saturation of their own are dilutions of one drug.
    weights = np.zeros((4, 4))
    weights[3, 2], weights[2, :2] = 0.9, 0.9
    network = Network(NODES, weights, np.array([50.0, 50.0, 1.0, 1.0]))
    model = model_of((0, 0, 0))
    model = FittedModel(network, model.settings, model.times, 0, model.training)
    (pair,) = predict_pairs(model, "readout", dose=0.002, partners=["a", "b"]).pairs
    assert pair.loewe_index == pytest.approx(1.0, abs=0.02)


def test_loewe_is_not_told_where_a_drug_alone_never_comes_so_far():
    # Each saturates below what both do together.
    (pair,) = predict_pairs(
        model_of((0.8, 0.8, -0.5)), "readout", dose=1.5, partners=["a", "b"]
    ).pairs
    assert pair.loewe_index is None


def test_an_ensemble_tells_how_far_its_members_differ():
    members = [model_of((0.8, 0.8, -0.5)), model_of((0.7, 0.6, -0.5))]
    ensemble = ensemble_of(
        members,
        n_diverged=0,
        selected=np.ones((2, 4, 4), bool),
        allowed_edges=np.ones((4, 4), bool),
        intervals=None,
        bootstrap=True,
        seed=0,
    )
    pair = predict_pairs(ensemble, "readout").pairs[0]
    assert pair.low < pair.response < pair.high


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"node": "readuot"}, "Did you mean"),
        ({"node": "readout", "partners": ["a"]}, "two or more nodes"),
        ({"node": "readout", "dose": -1.0}, "above 0"),
    ],
)
def test_what_cannot_be_paired_is_refused(asked, words):
    with pytest.raises(InputError, match=words):
        predict_pairs(model_of((0.8, 0.8, -0.5)), **asked)


def test_the_heat_map_names_what_it_shows(table):
    panel = plot_pairs(table)
    assert "readout at time 20, dose 0.4" in panel.get_title()
    assert [label.get_text() for label in panel.get_xticklabels()] == ["a", "b", "c"]
