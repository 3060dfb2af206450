"""A model is asked in the units of the data that it was learned from."""

import json
from dataclasses import replace

import numpy as np
import pytest

from cellbox.data.units import MODEL_UNITS, Units
from cellbox.errors import InputError
from cellbox.models.ensemble import ensemble_of
from cellbox.models.model import FittedModel
from cellbox.models.saved_ensembles import load_ensemble
from cellbox.models.saved_models import load_model
from cellbox.models.training_record import Training
from cellbox.networks.network import Network
from cellbox.settings import Settings
from cellbox.storage.seals import sealed_text

UNITS = Units(
    transform="log2-percent", time_unit="30min", dose_transform="hill", ec50={"a": 100.0, "b": 5.0}
)


@pytest.fixture
def model():
    network = Network(("a", "b", "c"), np.diag([0.2, 0.1], -1), np.ones(3))
    training = Training("completed", "", 1, 0.1, {}, 0.0, 0.0)
    return FittedModel(network, Settings(), np.array([1.0, 2.0]), 0, training, units=UNITS)


def test_doses_times_and_values_are_those_of_the_data(model):
    frame = model.predict_frame({"a": 100, "b": 15}, [45.0])
    # Half of the effect, three quarters of it; 45 of 30 minutes.
    expected = model.predict({"a": 0.5, "b": 0.75}, [1.5])[0, 0]
    np.testing.assert_allclose(frame["value"], 100 * 2**expected)
    assert set(frame["time"]) == {45.0}
    assert sorted(set(model.predict_frame({"a": 1})["time"])) == [30.0, 60.0]
    assert model.units.sentence == (
        "doses are in the unit of the data (hill, EC50 a 100, b 5), times are in min (a decay time "
        "is 30), values are percent of control"
    )


def test_a_data_frame_of_doses_names_nodes_and_conditions(model):
    pandas = pytest.importorskip("pandas")
    doses = pandas.DataFrame({"b": [15, 0], "a": [100, 50]}, index=["both", "one"])
    frame = model.predict_frame(doses, [45.0])
    assert list(dict.fromkeys(frame["condition"])) == ["both", "one"]
    alike = model.predict_frame([{"a": 100, "b": 15}, {"a": 50}], [45.0])
    np.testing.assert_array_equal(frame["value"], alike["value"])
    with pytest.raises(InputError, match="expected a known node, found 'A'"):
        model.predict_frame(doses.rename(columns={"a": "A"}))


def test_a_node_whose_doses_have_no_half_effect_is_refused(model):
    with pytest.raises(InputError, match="found none for c"):
        model.predict_frame({"c": 1.0})


def test_units_are_saved_with_a_model(model, tmp_path):
    assert load_model(model.save(tmp_path / "model")).units == UNITS


def test_units_are_saved_with_an_ensemble(model, tmp_path):
    ensemble = ensemble_of(
        [model, model],
        n_diverged=0,
        selected=np.ones((2, 3, 3), bool),
        allowed_edges=np.ones((3, 3), bool),
        intervals=None,
        bootstrap=False,
        seed=0,
    )
    loaded = load_ensemble(ensemble.save(tmp_path / "ensemble"))
    assert loaded.units == loaded.members[1].units == UNITS
    np.testing.assert_allclose(
        loaded.predict_frame({"a": 100})["value"], model.predict_frame({"a": 100})["value"]
    )


def test_models_of_earlier_versions_have_eq_1s_own_units(model, tmp_path):
    folder = replace(model, units=MODEL_UNITS).save(tmp_path / "model")
    description = json.loads((folder / "model.json").read_text())
    assert description.pop("units") is None
    del description["digest"]
    (folder / "model.json").write_text(sealed_text(description, indent=2, allow_nan=True))
    assert load_model(folder).units == MODEL_UNITS


def test_units_that_are_none_are_refused(model, tmp_path):
    folder = model.save(tmp_path / "model")
    description = json.loads((folder / "model.json").read_text())
    del description["digest"]
    description["units"] = {"time_unit": "soon"}
    (folder / "model.json").write_text(sealed_text(description, indent=2, allow_nan=True))
    with pytest.raises(InputError, match="expected a length of time"):
        load_model(folder)
