"""Fitting finds a known network, repeats itself, and leaves a model that can be used and kept."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import jax
import numpy as np
import pytest

from cellbox.data.dataset import Split, split_rows
from cellbox.data.simulation import simulate
from cellbox.equation import gradient_check
from cellbox.equation.solver_settings import SolverSettings
from cellbox.errors import InputError
from cellbox.evaluation.report import evaluate
from cellbox.models.model import FittedModel
from cellbox.models.provenance import fingerprint
from cellbox.models.saved_models import load_model
from cellbox.models.trained_range import trained_range
from cellbox.refinement.rounds import Round
from cellbox.scores.baselines import score_baselines
from cellbox.scores.metrics import pearson_correlation
from cellbox.settings import Settings
from cellbox.training.fit import choose_split, fit, pool_of
from tests.cellbox.small import LOOP

SETTINGS = Settings(steps=300, validate_every=50)
SHORT = replace(SETTINGS, steps=50)


pytestmark = pytest.mark.usefixtures("own_cache")


@pytest.fixture(scope="module")
def data():
    return simulate(LOOP, n_conditions=10, n_times=3, n_held_out=2, horizon=6.0, noise=0.002)


@pytest.fixture(scope="module")
def rounds() -> list[Round]:
    """What the fit of `model` has told of its refinement."""
    return []


@pytest.fixture(scope="module")
def model(data, rounds) -> FittedModel:
    return fit(data, SETTINGS, seed=1, on_refinement=rounds.append)


def test_a_known_network_is_recovered(model):
    assert model.training.status == "completed"
    assert pearson_correlation(model.network.weights, LOOP.weights) > 0.98
    np.testing.assert_allclose(model.network.amplitudes, LOOP.amplitudes, atol=0.1)
    assert model.network.nodes == LOOP.nodes


def test_held_out_conditions_are_predicted_better_than_by_ridge(model, data):
    report = evaluate(model, data, data.split)
    assert report["test_mae_noise_free"] < 0.01
    assert report["test_mae"] < score_baselines(data, data.split)["ridge"].test_mae


def test_the_record_tells_how_training_went(model):
    history = model.training.history
    assert history["step"] == [50, 100, 150, 200, 250, 300]
    assert model.training.steps == 300
    assert model.training.validation_mae <= min(history["validation_mae"])
    assert "Refined by" in model.training.refinement
    assert model.training.selection_error > 0
    assert model.training.seconds > 0


def test_where_least_squares_from_a_regression_explain_the_data_no_descent_is_needed(data, model):
    found = fit(data, SETTINGS, seed=1, descent="where needed")
    assert (found.training.steps, found.training.status) == (0, "completed")
    assert found.criticism.verdict == "explained"
    assert "there was no descent" in found.training.message
    assert found.training.refined
    np.testing.assert_allclose(found.network.weights, model.network.weights, atol=1e-6)


@pytest.mark.parametrize(
    ("shift", "refinement"), [(0.3, "select_edges"), (0.0, "none")], ids=["misfit", "unrefined"]
)
def test_where_they_do_not_or_are_not_wanted_there_is_one(data, shift, refinement):
    shifted = replace(data, measurements=data.measurements + shift)
    settings = replace(SHORT, refinement=refinement)
    found = fit(shifted, settings, seed=1, descent="where needed")
    assert found.training.steps == SHORT.steps
    if shift:
        assert found.criticism.verdict != "explained"


def test_the_same_seed_gives_the_same_model_to_the_bit_and_another_seed_another(data):
    first, again, other = (fit(data, SHORT, seed=seed) for seed in (4, 4, 5))
    np.testing.assert_array_equal(first.network.weights, again.network.weights)
    np.testing.assert_array_equal(first.network.amplitudes, again.network.amplitudes)
    assert first.training.history == again.training.history
    # Refined by least squares both may be the same network, to the bit.
    assert first.training.history != other.training.history


def test_progress_is_told_after_each_validation(data):
    told = []
    fit(data, replace(SETTINGS, steps=100), on_progress=lambda *news: told.append(news))
    assert [step for step, _ in told] == [50, 100]
    assert told[1][1] <= told[0][1]


def test_missing_measurements_are_left_out_of_training(data):
    holes = data.measurements.copy()
    holes[np.random.default_rng(0).random(holes.shape) < 0.2] = np.nan
    fitted = fit(replace(data, measurements=holes), SETTINGS, seed=1)
    assert fitted.training.status == "completed"
    assert pearson_correlation(fitted.network.weights, LOOP.weights) > 0.95


def test_a_refinement_tells_each_round(model, rounds):
    assert [each.number for each in rounds] == list(range(1, len(rounds) + 1))
    assert 0 < min(each.residual for each in rounds) < rounds[0].residual
    assert 0 < rounds[-1].n_edges <= 9
    assert rounds[-1].seconds >= rounds[0].seconds >= 0


def test_a_model_keeps_what_it_was_made_of(model, data, tmp_path):
    kept = json.loads((model.save(tmp_path) / "model.json").read_text("utf-8"))["provenance"]
    assert kept == load_model(tmp_path).provenance == model.provenance
    trained = trained_range(data, data.split.training)
    assert kept["data"] == {
        "name": data.name,
        "fingerprint": fingerprint(data),
        "trained": trained,
    }
    assert set(trained["doses"]) == set(data.nodes)
    assert [len(kept["split"][part]) for part in ("training", "validation", "test")] == [10, 2, 2]
    assert datetime.fromisoformat(kept["date"]) <= datetime.now(UTC)
    assert kept["versions"]["jax"] == jax.__version__
    # Whatever was measured otherwise is another fingerprint.
    other = replace(data, measurements=data.measurements + 1e-9)
    assert fingerprint(other) != fingerprint(data)


def test_float64_is_trained_and_reported_in_float64(data):
    double = fit(data, replace(SHORT, solver=SolverSettings(precision="float64")), seed=1)
    single = fit(data, SHORT, seed=1)
    assert np.any(double.network.weights != double.network.weights.astype(np.float32))
    # Both precisions draw starts of their own, but follow the same path down.
    assert pearson_correlation(double.network.weights, single.network.weights) > 0.95


def test_one_steady_state_measurement_is_enough_to_fit(data):
    steady = simulate(LOOP, n_conditions=10, n_times=1, n_held_out=2, noise=0.002)
    fitted = fit(steady, SETTINGS, seed=1)
    assert fitted.training.status == "completed"
    assert fitted.training.validation_mae < 0.05
    assert fitted.predict(steady.perturbations).shape == (14, 1, 3)


def test_a_model_predicts_the_same_to_the_bit_after_saving_and_loading(model, data, tmp_path):
    loaded = load_model(model.save(tmp_path / "made" / "model"))
    u = data.perturbations
    np.testing.assert_array_equal(loaded.predict(u), model.predict(u))
    assert loaded.settings == model.settings
    assert loaded.training == model.training
    assert (loaded.seed, loaded.network.nodes) == (1, LOOP.nodes)


def test_a_saved_model_is_plain_arrays_and_strict_json(model, tmp_path):
    folder = model.save(tmp_path)
    assert sorted(path.name for path in folder.iterdir()) == [
        "draws.npz",
        "model.json",
        "model.npz",
    ]
    with np.load(folder / "model.npz", allow_pickle=False) as arrays:
        assert set(arrays) == {"weights", "amplitudes", "times"}

    def refuse(constant):
        raise AssertionError(f"{constant} is no JSON")

    described = json.loads((folder / "model.json").read_text("utf-8"), parse_constant=refuse)
    assert described["nodes"] == list(LOOP.nodes)


def test_predictions_beyond_the_data_start_at_rest_and_settle(model):
    u = np.array([[0.5, 0.0, 0.0]])
    early, late, later = model.predict(u, [1e-6, 60.0, 61.0])[0]
    np.testing.assert_allclose(early, 0.0, atol=1e-5)
    np.testing.assert_allclose(late, later, atol=1e-4)
    np.testing.assert_array_equal(model.predict(u), model.predict(u, model.times))


@pytest.mark.parametrize(
    ("perturbations", "times", "found"),
    [
        (np.zeros((2, 4)), None, r"expected shape \(rows, 3\), found \(2, 4\)"),
        (np.zeros(3), None, r"found \(3,\)"),
        ([[0.0, np.nan, 0.0]], None, "row 0.*finite"),
        (np.zeros((1, 3)), [], "positive times"),
        (np.zeros((1, 3)), [0.0, 1.0], "positive times"),
        (np.zeros((1, 3)), [2.0, 1.0], "ascending times"),
        (np.zeros((1, 3)), [[1.0]], "positive times"),
        ([["a", "b", "c"]], None, "perturbations.*numbers"),
        (np.zeros((1, 3)), ["soon"], "times.*numbers"),
    ],
)
def test_a_prediction_that_cannot_be_made_is_refused(model, perturbations, times, found):
    with pytest.raises(InputError, match=found):
        model.predict(perturbations, times)


def broken(folder, name: str, change) -> None:
    """Change one file of a saved model."""
    path = folder / name
    path.write_bytes(change(path.read_bytes()))


def without(key: str):
    def change(raw: bytes) -> bytes:
        described = json.loads(raw)
        del described[key]
        return json.dumps(described).encode()

    return change


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("model.npz", lambda raw: raw[: len(raw) // 2]),
        ("model.npz", lambda raw: b""),
        ("model.npz", lambda raw: b"no archive"),
        ("model.json", lambda raw: raw[: len(raw) // 2]),
        ("model.json", lambda raw: b"[]"),
        ("model.json", lambda raw: raw.replace(b'"format": 1', b'"format": 99')),
        ("model.json", lambda raw: raw.replace(b'"status"', b'"state"')),
        ("model.json", lambda raw: raw.replace(b'"steps": 300', b'"steps": "many"', 1)),
        ("model.json", without("training")),
    ],
)
def test_a_damaged_model_is_refused_with_its_folder(model, tmp_path, name, change):
    broken(model.save(tmp_path), name, change)
    with pytest.raises(InputError) as refused:
        load_model(tmp_path)
    assert str(tmp_path) in str(refused.value)


def test_a_folder_without_a_model_is_refused_with_what_is_missing(tmp_path):
    with pytest.raises(InputError, match=r"model\.npz and no model\.json"):
        load_model(tmp_path / "nothing")


def test_a_model_is_not_saved_over_a_file(model, tmp_path):
    (tmp_path / "taken").write_text("mine")
    with pytest.raises(InputError, match="found a file"):
        model.save(tmp_path / "taken")


@pytest.mark.parametrize("part", ["training", "validation"])
def test_a_part_without_measured_values_is_refused(part, data):
    empty = replace(data.split, **{part: np.array([], int)})
    with pytest.raises(InputError, match=part):
        fit(data, SHORT, split=empty)
    blank = data.measurements.copy()
    blank[getattr(data.split, part)] = np.nan
    with pytest.raises(InputError, match=part):
        fit(replace(data, measurements=blank), SHORT)


def test_rounding_sensitive_rows_are_trained_on_and_do_not_validate(data):
    marked = np.zeros(data.n_rows, bool)
    marked[[data.split.training[0], data.split.validation[0]]] = True
    pool = pool_of(replace(data, rounding_sensitive=marked), data.split, SHORT)
    assert len(pool.perturbations) == len(data.split.training)
    left = data.split.validation[1:]
    np.testing.assert_allclose(pool.validation_perturbations, data.perturbations[left], rtol=1e-6)


def test_a_determined_validation_row_has_to_be_measured(data):
    marked, measurements = np.zeros(data.n_rows, bool), data.measurements.copy()
    first, *others = data.split.validation
    marked[first], measurements[others] = True, np.nan
    with pytest.raises(InputError, match="validation"):
        fit(replace(data, rounding_sensitive=marked, measurements=measurements), SHORT)


def test_a_split_that_is_given_comes_before_that_of_the_data_and_that_before_a_random_one(data):
    given = Split(training=np.arange(8), validation=np.arange(8, 12), test=np.arange(12, 14))
    assert choose_split(data, given, seed=0) is given
    assert choose_split(data, None, seed=0) is data.split
    drawn = choose_split(replace(data, split=None), None, seed=3)
    np.testing.assert_array_equal(drawn.test, split_rows(data, seed=3).test)


def test_a_diverged_training_still_gives_a_model_and_says_so(data, tmp_path):
    wild = replace(SHORT, peak_rate=100.0, schedule="constant", refinement="none")
    fitted = fit(data, wild)
    assert fitted.training.status == "diverged"
    assert "finite" in fitted.training.message
    assert fitted.training.validation_mae is None
    assert np.isfinite(fitted.predict(data.perturbations)).all()
    assert load_model(fitted.save(tmp_path)).training == fitted.training


def test_settings_with_wrong_gradients_are_refused_before_training(data, monkeypatch):
    monkeypatch.setattr(gradient_check, "gradient_error", lambda solver, times, large: 0.2)
    with pytest.raises(InputError, match=r"gradient.*differs by 0\.2"):
        fit(data, replace(SHORT, solver=SolverSettings(rtol=1.5e-3)))
