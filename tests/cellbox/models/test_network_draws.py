"""How sure predictions of a single model are."""

import shutil
from dataclasses import replace

import numpy as np
import pytest

import cellbox
from cellbox.errors import InputError
from cellbox.models.network_draws import DRAWS, N_DRAWS, draws_of
from cellbox.models.saved_models import load_model
from cellbox.networks.fitted_form import FittedForm
from cellbox.networks.form import form_of

NETWORK = cellbox.random_network(3, density=0.5, seed=5)


@pytest.fixture(scope="module")
def data():
    return cellbox.simulate(NETWORK, n_conditions=12, n_held_out=10, noise=0.02, seed=5)


@pytest.fixture(scope="module")
def model(own_cache, data):
    return cellbox.fit(data, seed=5)


def test_intervals_hold_responses_without_noise(data, model):
    rows = data.split.test
    predicted, low, high = model.predict_with_interval(data.perturbations[rows])
    np.testing.assert_array_equal(predicted, model.predict(data.perturbations[rows]))
    exact = data.noise_free[rows]
    assert ((low < predicted) & (predicted < high)).mean() > 0.95
    held = (low <= exact) & (exact <= high)
    assert held.mean() > 0.7
    # Neither so wide that they say nothing, nor of the noise of a measurement.
    assert np.median(high - low) < 0.02


def test_a_saved_model_has_the_same_intervals(model, data, tmp_path):
    again = load_model(model.save(tmp_path / "model"))
    doses = data.perturbations[:3]
    np.testing.assert_array_equal(
        again.predict_with_interval(doses), model.predict_with_interval(doses)
    )
    # A model without draws in its place leaves none of them behind.
    assert load_model(replace(model, draws=None).save(tmp_path / "model")).draws is None


def test_tables_of_predictions_have_the_intervals(model):
    frame = model.predict_frame({"g1": 0.5})
    _, low, high = model.predict_with_interval({"g1": 0.5})
    np.testing.assert_array_equal(frame["low"], low.reshape(-1))
    np.testing.assert_array_equal(frame["high"], high.reshape(-1))
    assert list(replace(model, draws=None).predict_frame({"g1": 0.5})) == [
        *("condition", "time", "node", "value")
    ]


def test_pairs_have_the_intervals(model):
    [pair] = cellbox.predict_pairs(model, "g3", dose=0.5).pairs
    assert pair.low < pair.response < pair.high
    assert cellbox.predict_pairs(replace(model, draws=None), "g3").pairs[0].low is None


def test_where_data_are_explained_in_part_intervals_are_wider(model, data):
    def width(widening):
        drawn = draws_of(
            model.network, model.training, widening, data, data.split.training, model.seed
        )
        _, low, high = replace(model, draws=drawn).predict_with_interval({"g1": 0.5})
        return float(np.mean(high - low))

    assert 1.5 < width(2.0) / width(1.0) < 2.5


@pytest.mark.parametrize(
    ("training", "widening"),
    [({"refined": False}, 1.0), ({"noise": None}, 1.0), ({}, np.inf)],
    ids=["not refined", "noise not known", "not explained"],
)
def test_intervals_that_would_say_too_much_are_withheld(model, data, training, widening):
    drawn = draws_of(
        model.network,
        replace(model.training, **training),
        widening,
        data,
        data.split.training,
        model.seed,
    )
    assert drawn is None
    assert replace(model, draws=drawn).predict_with_interval({"g1": 0.5}).low is None


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"edges": lambda edges: edges[::-1]}, "expected the edges of the model"),
        ({"weights": lambda weights: weights[:-1]}, "expected as many draws of amplitudes"),
        ({"weights": lambda weights: weights[:, :-1]}, "expected the shape"),
        ({"weights": lambda weights: np.nan * weights}, "expected finite numbers"),
        ({"amplitudes": lambda amplitudes: -amplitudes}, "expected amplitudes above 0"),
    ],
)
def test_draws_that_are_not_of_the_model_are_refused(model, tmp_path, changed, said):
    folder = model.save(tmp_path / "model")
    arrays = dict(np.load(folder / DRAWS))
    assert arrays["weights"].shape == (N_DRAWS, int((model.network.weights != 0).sum()))
    np.savez(folder / DRAWS, **arrays | {name: f(arrays[name]) for name, f in changed.items()})
    with pytest.raises(InputError, match=said):
        load_model(folder)


def test_draws_of_another_network_with_the_same_edges_are_refused(model, tmp_path):
    other = replace(model.network, weights=1.01 * model.network.weights)
    mine = model.save(tmp_path / "mine")
    theirs = replace(model, network=other).save(tmp_path / "theirs")
    shutil.copy(theirs / DRAWS, mine)
    with pytest.raises(InputError, match="draws of this model's network, found another's"):
        load_model(mine)


def test_draws_of_earlier_versions_which_name_no_network_are_read(model, tmp_path):
    folder = model.save(tmp_path / "model")
    arrays = dict(np.load(folder / DRAWS))
    del arrays["drawn_from"]
    np.savez(folder / DRAWS, **arrays)
    np.testing.assert_array_equal(load_model(folder).draws.weights, model.draws.weights)


def test_a_model_without_intervals_says_why(model):
    assert model.why_no_interval() is None
    bare = replace(model, draws=None)
    form = FittedForm(form_of("drive"), {"drive": np.array([0.1, 0, 0])})
    assert "has the form drive, of which one network tells no intervals" in (
        replace(bare, network=replace(model.network, form=form)).why_no_interval()
    )
    rough = replace(bare, training=replace(model.training, refined=False))
    assert "left by descent, tell no intervals" in rough.why_no_interval()


def test_a_damaged_file_of_draws_is_refused(model, tmp_path):
    folder = model.save(tmp_path / "model")
    content = (folder / DRAWS).read_bytes()
    (folder / DRAWS).write_bytes(content[:200])
    with pytest.raises(InputError, match=DRAWS):
        load_model(folder)
