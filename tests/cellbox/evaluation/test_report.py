"""Reports: headline and all nodes, baselines beside both, plain sentences, JSON-safe numbers."""

from dataclasses import replace

import numpy as np
import pytest

from cellbox.data.dataset import Dataset, Split
from cellbox.evaluation.report import evaluate, evaluate_baselines
from cellbox.evaluation.verdict import beside_baselines, verdict
from cellbox.models.model import FittedModel, Training
from cellbox.networks.network import Network
from cellbox.settings import Settings

NODES = ("a", "b", "drug")
SPLIT = Split(training=np.arange(4), validation=np.arange(4, 6), test=np.arange(6, 8))


def model(weight=0.5):
    network = Network(NODES, np.diag([weight] * 3), np.ones(3))
    training = Training("completed", "", 1, 0.1, {}, 0.0, 0.0)
    return FittedModel(network, Settings(), np.array([1.0, 2.0]), 0, training)


def dataset(*, activity=(False, False, True), truth=None):
    rng = np.random.default_rng(0)
    measurements = rng.normal(size=(8, 2, 3))
    return Dataset(
        nodes=NODES,
        times=np.array([1.0, 2.0]),
        perturbations=rng.uniform(size=(8, 3)),
        measurements=measurements,
        row_names=tuple(f"row {row}" for row in range(8)),
        activity_nodes=np.array(activity),
        noise_free=measurements + 0.1,
        truth=truth,
    )


def scores(mae):
    return {"test_mae": mae, "test_mae_noise_free": None, "test_pearson": None}


def baselines(ridge, of_all=None):
    named = {"mean": scores(1.0), "ridge": scores(ridge), "additive": None, "persistence": None}
    return {**named, "all_nodes": of_all}


def test_activity_nodes_count_only_under_all_nodes():
    data = dataset()
    report = evaluate(model(), data, SPLIT)
    predicted = model().predict(data.perturbations[SPLIT.test], data.times)
    errors = np.abs(predicted - data.measurements[SPLIT.test])
    assert report["test_mae"] == pytest.approx(errors[..., :2].mean())
    assert report["all_nodes"]["test_mae"] == pytest.approx(errors.mean())
    of_baselines = evaluate_baselines(data, SPLIT)
    assert set(of_baselines) == {"mean", "ridge", "additive", "persistence", "all_nodes"}
    assert set(of_baselines["all_nodes"]) == {"mean", "ridge", "additive", "persistence"}
    assert of_baselines["ridge"] != of_baselines["all_nodes"]["ridge"]


def test_without_activity_nodes_there_is_no_second_set_of_numbers():
    data = dataset(activity=(False, False, False))
    report = beside_baselines(evaluate(model(), data, SPLIT), evaluate_baselines(data, SPLIT))
    assert report["all_nodes"] is None
    assert set(report["baselines"]) == {"mean", "ridge", "additive", "persistence"}
    assert not any("all nodes" in sentence for sentence in verdict(report))


def test_recovery_is_none_without_a_truth_and_there_with_one():
    assert evaluate(model(), dataset(), SPLIT)["pearson"] is None
    truth = Network(NODES, np.diag([1.0] * 3), np.ones(3))
    assert evaluate(model(), dataset(truth=truth), SPLIT)["pearson"] == pytest.approx(1.0)


def judged(rounding_sensitive, states):
    """The report of a model beside a truth that is 0 everywhere but in the test rows' states."""
    noise_free = np.zeros((8, 2, 3))
    noise_free[SPLIT.test, -1] = states
    truth = Network(NODES, np.zeros((3, 3)), np.ones(3))
    data = replace(
        dataset(activity=(False,) * 3, truth=truth),
        perturbations=np.zeros((8, 3)),
        noise_free=noise_free,
        rounding_sensitive=rounding_sensitive,
    )
    # Where nothing is perturbed, every model predicts 0.
    return evaluate(model(), data, SPLIT), evaluate_baselines(data, SPLIT)


MARKED = np.arange(8) == SPLIT.test[0]


def test_noise_free_errors_do_not_depend_on_predictions_of_rounding_sensitive_rows():
    near, of_near = judged(MARKED, [[0.0, 0.0, 0.0], [0.3, 0.0, 0.0]])
    far, of_far = judged(MARKED, [[9.0, 9.0, 9.0], [0.3, 0.0, 0.0]])
    assert near == far
    assert near["test_mae_noise_free"] == pytest.approx(0.3 / 6)
    assert of_near == of_far


def test_a_wrong_basin_is_counted_among_determined_test_rows_alone():
    states = [[0.9, 0.0, 0.0], [0.0, 0.4, 0.0]]
    report, _ = judged(np.zeros(8, bool), states)
    assert (report["rounding_sensitive_share"], report["wrong_basin_share"]) == (0.0, 0.5)
    report, _ = judged(MARKED, states)
    assert (report["rounding_sensitive_share"], report["wrong_basin_share"]) == (0.5, 0.0)


def test_without_a_determined_test_row_there_is_no_noise_free_error_and_no_basin():
    report, of_baselines = judged(np.ones(8, bool), np.zeros((2, 3)))
    assert report["rounding_sensitive_share"] == 1.0
    assert report["test_mae_noise_free"] is report["wrong_basin_share"] is None
    assert of_baselines["ridge"]["test_mae_noise_free"] is None
    assert report["test_mae"] is not None


def test_shares_are_none_where_nothing_is_known():
    report = evaluate(model(), replace(dataset(), noise_free=None), SPLIT)
    assert report["rounding_sensitive_share"] is report["wrong_basin_share"] is None


def test_whether_the_model_rests_is_told_of_one_time_point_and_not_of_time_courses():
    courses = dataset()
    assert evaluate(model(), courses, SPLIT)["unsteady_share"] is None

    def at(time):
        one = {"times": np.array([time]), "measurements": courses.measurements[:, :1]}
        return replace(courses, **one, noise_free=None)

    assert evaluate(model(), at(1.0), SPLIT)["unsteady_share"] == 1.0
    assert evaluate(model(), at(40.0), SPLIT)["unsteady_share"] == 0.0


def test_an_error_that_is_not_finite_becomes_none_and_is_no_success():
    data = dataset()
    stiff = model()
    stiff = replace(stiff, network=replace(stiff.network, weights=np.full((3, 3), np.nan)))
    report = evaluate(stiff, data, SPLIT)
    assert report["test_mae"] is None
    assert report["all_nodes"]["test_mae"] is None
    compared = beside_baselines(report, evaluate_baselines(data, SPLIT))
    assert compared["better_than_ridge"] is False
    assert "could not be solved" in verdict(compared)[0]


@pytest.mark.parametrize(
    ("mae", "ridge", "better", "words"),
    [
        (0.1, 0.2, True, "better than ridge: MAE 0.1 against 0.2, and than the mean (1)."),
        (0.101, 0.0963, False, "worse than ridge: MAE 0.101 against 0.0963, but better than the"),
        (0.2, 0.2, False, "no better than ridge"),
        (None, None, None, "No comparison with baselines"),
    ],
)
def test_the_verdict_says_plainly_which_is_better(mae, ridge, better, words):
    named = baselines(ridge) if ridge else {**baselines(None), "mean": scores(None)}
    report = beside_baselines({**scores(mae), "all_nodes": None}, named)
    assert report["better_than_ridge"] is better
    assert words in verdict(report)[0]


def test_the_verdict_names_the_best_baseline_and_every_one_that_is_not_beaten():
    named = {"mean": scores(0.4), "ridge": scores(0.2), "additive": scores(0.1)}
    report = beside_baselines({**scores(0.3), "all_nodes": None}, {**named, "persistence": None})
    assert report["better_than"] == {
        **{"mean": True, "ridge": False, "additive": False, "persistence": None}
    }
    (sentence,) = verdict(report)
    assert "worse than the additive rule: MAE 0.3 against 0.1" in sentence
    assert "not better than ridge (0.2) either, but better than the mean (0.4)." in sentence


def test_where_the_additive_rule_does_not_apply_the_verdict_says_how_far_it_would():
    data = replace(dataset(), perturbations=np.eye(3)[[0, 0, 1, 1, 0, 0, 2, 1]])
    split = Split(np.arange(4), np.arange(4, 6), np.arange(6, 8))
    additive = evaluate_baselines(data, split)["additive"]
    assert additive["test_mae"] is None
    assert (additive["conditions_predicted"], additive["conditions"]) == (1, 2)
    report = beside_baselines(evaluate(model(), data, split), evaluate_baselines(data, split))
    assert report["better_than"]["additive"] is None
    assert "could predict 1 of 2 held-out conditions" in verdict(report)[1]


def test_all_nodes_get_their_own_baselines_and_sentence():
    of_all = baselines(0.3)
    report = {**scores(0.1), "all_nodes": scores(0.4)}
    compared = beside_baselines(report, baselines(0.2, of_all))
    assert compared["better_than_ridge"] is True
    assert compared["all_nodes"]["better_than_ridge"] is False
    assert compared["all_nodes"]["baselines"]["ridge"] == scores(0.3)
    assert "all_nodes" not in compared["baselines"]
    first, second = verdict(compared)
    assert "better" in first
    assert "worse than ridge: MAE 0.4 against 0.3" in second


def test_held_out_values_are_compared_with_their_own_errors():
    data = dataset()
    assert evaluate(model(), data, SPLIT)["test_error_ratio"] is None
    predicted = model().predict(data.perturbations, data.times)
    # Every value lies two of its errors away, but those of the activity node.
    errors = np.abs(predicted - data.measurements) / 2
    errors[..., 2] = 1e-9
    report = evaluate(model(), replace(data, errors=errors), SPLIT)
    assert report["test_error_ratio"] == pytest.approx(2.0)


def test_what_speaks_against_a_smaller_error_is_said():
    report = {**scores(0.9), "test_pearson": 0.5}
    named = {**baselines(1.0), "additive": {**scores(None), "conditions": 4}}
    named["additive"]["conditions_predicted"] = 4
    named["ridge"] = {**named["ridge"], "test_pearson": 0.7}
    _, by_r, few = verdict(beside_baselines(report, named))
    assert by_r == "By Pearson r it is not better: 0.5, ridge 0.7."
    assert "difference in 4 held-out conditions may be chance" in few
    far_better = {**report, "test_mae": 0.4, "test_pearson": 0.8}
    assert len(verdict(beside_baselines(far_better, named))) == 1
