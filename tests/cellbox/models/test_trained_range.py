"""A question that goes beyond the training data is answered with a note."""

from dataclasses import replace

import numpy as np
import pytest

from cellbox.data.dataset import Dataset
from cellbox.data.units import Units
from cellbox.models.model import FittedModel
from cellbox.models.saved_models import load_model
from cellbox.models.trained_range import trained_range
from cellbox.models.training_record import Training
from cellbox.networks.network import Network
from cellbox.settings import Settings

NODES = ("a", "b", "c")


@pytest.fixture
def model():
    """Trained on doses of a from 0.2 to 0.8, of b -1, up to time 2; the third row was a test."""
    u = np.array([[0.2, 0.0, 0.0], [0.8, -1.0, 0.0], [5.0, 0.0, 1.0]])
    data = Dataset(
        nodes=NODES,
        times=np.array([1.0, 2.0]),
        perturbations=u,
        measurements=np.zeros((3, 2, 3)),
        activity_nodes=np.zeros(3, bool),
        row_names=("one", "two", "three"),
    )
    network = Network(NODES, np.diag([0.2, 0.1], -1), np.ones(3))
    training = Training("completed", "", 1, 0.1, {}, 0.0, 0.0)
    told = {"data": {"trained": trained_range(data, [0, 1])}}
    return FittedModel(network, Settings(), data.times, 0, training, provenance=told)


def notes(model, doses, times=(2.0,)):
    u = np.array([[doses.get(node, 0.0) for node in NODES]])
    return model.beyond_training(u, np.array(times))


@pytest.mark.parametrize(
    "doses", [{}, {"a": 0.5}, {"a": 0.8 * (1 + 1e-9)}, {"b": -1.0}, {"a": 0.1, "b": -0.3}]
)
def test_within_the_doses_of_training_nothing_is_said(model, doses):
    assert notes(model, doses) == []


def test_larger_doses_doses_of_the_other_sign_and_other_nodes_are_told(model):
    assert notes(model, {"a": 500.0}) == ["a = 500 is beyond the doses of training (0 to 0.8)"]
    assert notes(model, {"b": 0.5}) == ["b = 0.5 is beyond the doses of training (-1 to 0)"]
    assert notes(model, {"c": 0.5}) == ["c was never perturbed in training"]


def test_a_later_time_is_told_once_for_all_conditions(model):
    asked = model.beyond_training(np.array([[0.5, 0, 0], [0.2, 0, 0]]), np.array([1.0, 2.0, 9.0]))
    assert asked == ["time 9 is after the last measurement (2)"]


def test_doses_in_the_unit_of_the_data_are_compared_as_u(model):
    hill = replace(model, units=Units(dose_transform="hill", ec50=100.0, time_unit="30min"))
    assert notes(hill, {"a": 300.0}, [60.0]) == []
    assert notes(hill, {"a": 900.0}, [90.0]) == [
        "u of a = 0.9 is beyond the doses of training (0 to 0.8)",
        "time 3 decay times is after the last measurement (2)",
    ]


def test_a_table_of_predictions_comes_with_the_notes(model, caplog):
    pytest.importorskip("pandas")
    model.predict_frame({"c": 0.5})
    assert "c was never perturbed in training" in caplog.text


def test_what_a_model_was_trained_on_is_saved_with_it(model, tmp_path):
    keys = {"versions": {}, "split": {}, "errors": {}, "date": ""}
    kept = replace(model, provenance={**model.provenance, **keys})
    assert notes(load_model(kept.save(tmp_path / "model")), {"c": 0.5})


def test_a_model_that_does_not_tell_its_data_says_nothing(model):
    assert notes(replace(model, provenance=None), {"c": 50.0}) == []
