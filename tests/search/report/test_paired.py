"""Whether a lead over the best simpler model is said to be chance."""

from dataclasses import replace

import numpy as np
import pytest

from cellbox.data.dataset import Split
from cellbox.data.simulation import simulate
from cellbox.networks.network import Network
from search.report.model_content import baseline_sentence
from search.report.paired import difference_to_best
from tests.search.report.small import NODES, WEIGHTS, small_model


@pytest.fixture(scope="module")
def data():
    network = Network(NODES, WEIGHTS, np.full(3, 0.8))
    return simulate(network, n_conditions=8, n_times=2, n_held_out=6, noise=0.01)


def test_a_lead_that_holds_in_all_conditions_is_more_than_chance(data):
    said = difference_to_best(small_model(data), data, data.split, {"mean": 0.3, "ridge": 0.4})
    assert said.clear
    assert said.sentence.startswith("The difference to mean is more than chance: over these 6")


def test_a_difference_of_either_sign_is_no_more_than_chance(data):
    model = small_model(data)
    rows, mean = data.split.test, data.measurements[data.split.training].mean(axis=0)
    # Half of the conditions as the model has them, half as the mean has.
    measured = data.measurements.copy()
    measured[rows] = model.predict(data.perturbations[rows])
    measured[rows[::2]] = mean
    said = difference_to_best(
        model, replace(data, measurements=measured), data.split, {"mean": 0.1}
    )
    assert "no more than chance" in said.sentence
    report = {
        "test_mae": 0.08,
        "baselines": {"mean": {"test_mae": 0.1}, "ridge": {"test_mae": 0.3}},
    }
    assert baseline_sentence(report, said).endswith(
        "of 0.08: about as well as mean (0.1), and better than ridge (0.3)."
    )
    assert baseline_sentence(report).endswith("better than mean (0.1) and ridge (0.3).")


def test_of_few_conditions_nothing_is_said(data):
    few = Split(data.split.training, data.split.validation, data.split.test[:4])
    assert difference_to_best(small_model(data), data, few, {"mean": 0.3}) is None
    assert difference_to_best(small_model(data), data, data.split, {}) is None
