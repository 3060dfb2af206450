"""What a notebook shows of results: HTML, pictures and tables, with names as text."""

import numpy as np
import pytest

from cellbox.data.simulation import simulate
from cellbox.errors import InputError
from cellbox.identifiability.check import check_design
from cellbox.models.model import FittedModel
from cellbox.models.training_record import Training
from cellbox.networks.network import Network
from cellbox.settings import Settings

NODES = ("AKT", "MEK", "p<53>")
PNG = b"\x89PNG"


@pytest.fixture(scope="module")
def network():
    return Network(NODES, np.array([[0.0, -0.8, 0.0], [0.9, 0, 0], [0, 0.7, 0.4]]), np.full(3, 0.8))


@pytest.fixture(scope="module")
def data(network):
    return simulate(network, n_conditions=6, n_times=2, n_held_out=2, name="trial <1>")


@pytest.fixture(scope="module")
def model(network, data):
    history = {"step": [1, 2], "training_loss": [0.2, 0.1], "validation_mae": [0.2, 0.1]}
    training = Training("completed", "Trained to the end.", 2, 0.1, history, 0.0, 0.0)
    return FittedModel(network, Settings(), data.times, 0, training)


def test_results_show_themselves_with_names_as_text(network, data, model):
    for result in (network, data, model, check_design(data)):
        shown = result._repr_html_()
        assert shown.startswith("<div>")
        assert "<1>" not in shown
        assert "<53>" not in shown
    assert "p&lt;53&gt;" in network._repr_html_()
    assert "10 conditions" in data._repr_html_()
    assert "Trained to the end. Validation MAE 0.1." in model._repr_html_()


def test_doses_are_given_by_name(model):
    by_name = model.predict([{"AKT": 0.5}, {"MEK": 1, "p<53>": 0.2}, {}], [1.0, 2.0])
    by_place = model.predict([[0.5, 0, 0], [0, 1, 0.2], [0, 0, 0]], [1.0, 2.0])
    assert (by_name == by_place).all()
    assert (model.predict({"AKT": 0.5}, [1.0, 2.0]) == by_place[:1]).all()


def test_unknown_nodes_and_doses_that_are_no_numbers_are_refused_together(model):
    with pytest.raises(InputError) as refused:
        model.predict([{"Akt1": 0.5}, {"MEK": "much"}])
    said = str(refused.value)
    assert "condition 1: expected a known node, found 'Akt1'" in said
    assert "condition 2, node 'MEK'" in said


def test_predictions_and_data_come_as_tables(model, data):
    frame = model.predict_frame({"AKT": 0.5}, [1.0, 2.0])
    assert frame.columns.tolist() == ["condition", "time", "node", "value"]
    assert frame["condition"].unique().tolist() == ["AKT=0.5"]
    assert frame["value"].tolist() == model.predict({"AKT": 0.5}, [1.0, 2.0]).ravel().tolist()
    assert len(data.to_frame()) == np.isfinite(data.measurements).sum()
    assert model.to_frame().equals(model.network.to_frame())


def test_figures_are_their_own_pictures(model, data):
    for figure in (model.plot_network(), model.plot_training(), model.plot_responses(data, [0, 1])):
        assert figure._repr_png_().startswith(PNG)
