"""Fits of data in which nodes are held and doses begin and end."""

from dataclasses import replace

import numpy as np
import pytest

from cellbox.criticism.criticise import criticise
from cellbox.data.dataset import Split, split_rows
from cellbox.data.drawn_interventions import Drawn
from cellbox.data.simulation import simulate
from cellbox.data.total_dose import with_total_dose
from cellbox.errors import InputError
from cellbox.evaluation.report import evaluate, evaluate_baselines
from cellbox.identifiability.check import check_design
from cellbox.models.provenance import fingerprint
from cellbox.networks.random_networks import random_network
from cellbox.planning.next_conditions import next_conditions
from cellbox.scores.baselines import baselines
from cellbox.settings import Settings
from cellbox.training.fit import descent_data, fit
from cellbox.training.fit_ensemble import fit_ensemble
from tests.cellbox.formed import NETWORK
from tests.cellbox.intervened import intervened_experiment
from tests.refusals import refusal

DATA = intervened_experiment(noise=0.0, knock_outs=0.4, pulses=0.4)


@pytest.fixture(scope="module")
def model():
    return fit(DATA)


def test_noise_free_data_are_predicted_to_the_accuracy_of_the_solver(model):
    np.testing.assert_allclose(model.network.weights, NETWORK.weights, atol=1e-3)
    exact = replace(model, network=NETWORK)
    predicted = exact.predict_rows(DATA, DATA.split.test)
    expected = DATA.measurements[DATA.split.test]
    measured = np.isfinite(expected)
    assert not measured.all()
    np.testing.assert_allclose(predicted[measured], expected[measured], atol=1e-5)
    assert evaluate(exact, DATA, DATA.split)["test_mae"] < 1e-5


def test_held_nodes_of_new_conditions_are_given_by_name(model):
    held = model.predict({"a": 0.5}, [1, 4], clamped={"b": -3})
    assert (held[0, :, 1] == -3).all()
    assert (held[0, :, 2] != model.predict({"a": 0.5}, [1, 4])[0, :, 2]).all()
    frame = model.predict_frame([{"a": 0.5}, {}], [1, 4], clamped=[{"b": -3}, {}])
    assert frame[(frame.node == "b") & (frame.time == 4)].value.tolist()[0] == -3
    with pytest.raises(InputError, match="either held or with a dose"):
        model.predict({"a": 0.5}, [1], clamped={"a": -3})


def test_what_is_held_is_neither_fitted_nor_scored():
    by_node = np.moveaxis(DATA.measurements, 1, 2)
    assert np.isnan(by_node[~DATA.interventions.free]).all()
    assert np.isfinite(by_node[DATA.interventions.free]).all()
    assert np.isfinite(evaluate_baselines(DATA, DATA.split)["ridge"]["test_mae"])


def test_verdict_and_errors_are_those_of_the_true_equation():
    data = intervened_experiment(knock_outs=0.4, pulses=0.4)
    assert criticise(NETWORK, data, data.split.training).verdict == "explained"
    untold = replace(data, interventions=None)
    assert criticise(NETWORK, untold, data.split.training).verdict != "explained"
    report = check_design(data, guess=NETWORK, noise=0.02)
    assert all(edge.determined for edge in report.edges)


def test_descent_learns_from_ordinary_conditions_alone():
    alone = descent_data(DATA, DATA.split)
    affected = DATA.interventions.affected
    assert alone.interventions is None
    assert np.isnan(alone.measurements[affected]).all()
    np.testing.assert_array_equal(alone.measurements[~affected], DATA.measurements[~affected])
    rows = np.flatnonzero(affected)
    assert descent_data(DATA, Split(rows, rows, rows)) is None


def test_without_any_ordinary_condition_a_regression_begins():
    data = DATA.rows(np.flatnonzero(DATA.interventions.affected))
    found = fit(data, Settings(steps=50), split=split_rows(data))
    assert "which descent does not know" in found.training.message
    np.testing.assert_allclose(found.network.weights, NETWORK.weights, atol=1e-2)


def test_a_member_that_draws_no_ordinary_condition_begins_with_a_regression():
    rows, affected = DATA.split.training, DATA.interventions.affected
    of_one = np.concatenate([rows[affected[rows]], rows[~affected[rows]][:1]])
    split = Split(of_one, DATA.split.validation, DATA.split.test)
    ensemble = fit_ensemble(DATA, Settings(steps=50), members=2, seed=3, split=split)
    steps = [member.training.steps for member in ensemble.members]
    assert steps == [50, 0]
    assert "which descent does not know" in ensemble.members[1].training.message


def test_what_cannot_be_fitted_yet_is_refused():
    with pytest.raises(InputError, match="refinement = none"):
        fit(DATA, Settings(refinement="none"))
    held = np.flatnonzero(~DATA.interventions.free.all(axis=1))
    said = refusal(fit, DATA, split=Split(held[:1], held[1:2], held[2:3]))
    assert "too few for 4 nodes" in said
    assert f"1 row ({DATA.row_names[held[0]]}) with held nodes. Measure at more times" in said
    large = random_network(41, density=0.03, motif="acyclic", seed=0)
    size = {"n_conditions": 8, "n_times": 1, "n_held_out": 1}
    wide = simulate(large, **size, done=Drawn(knock_outs=0.5))
    said = refusal(fit, wide)
    assert "41 nodes are more than 40" in said
    assert "Leave nodes out until there are 40" in said
    with pytest.raises(InputError, match="found hidden"):
        fit(DATA, form="hidden")
    with pytest.raises(InputError, match="proposal of conditions"):
        next_conditions(DATA)
    with pytest.raises(InputError, match="expected doses that last"):
        with_total_dose(DATA)


def test_baselines_see_levels_and_shares_of_time():
    split = DATA.split
    told = baselines(DATA, split)["ridge"]
    untold = baselines(replace(DATA, interventions=None), split)["ridge"]
    error = [np.nanmean(np.abs(each - DATA.measurements[split.test])) for each in (told, untold)]
    assert error[0] < error[1]


def test_other_interventions_are_other_data():
    assert fingerprint(DATA) != fingerprint(replace(DATA, interventions=None))
