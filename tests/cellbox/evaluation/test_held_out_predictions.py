"""All models of a comparison learn from the same rows and predict the same held-out ones."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cellbox.budgets.subsamples import of_nodes
from cellbox.data.readers import read_data
from cellbox.data.simulation import simulate
from cellbox.data.split_schemes import held_out
from cellbox.evaluation.held_out_predictions import (
    ADDITIVE,
    ENSEMBLE,
    MEAN,
    RIDGE,
    RIDGE_WITH_DOSE,
    Entrant,
    predict_held_out,
)
from cellbox.evaluation.paired_comparison import report_scheme
from cellbox.scores.baselines import baselines
from cellbox.settings import Settings
from tests.cellbox.small import LOOP

SKMEL133 = Path(__file__).resolve().parents[4] / "shared" / "data" / "skmel133"
QUICK = Entrant(Settings(steps=100, validate_every=50, refinement="none"), members=2)


pytestmark = pytest.mark.usefixtures("own_cache")


@pytest.fixture(scope="module")
def data():
    return simulate(LOOP, n_conditions=12, n_times=2, n_held_out=2, horizon=6.0, noise=0.01)


@pytest.fixture(scope="module")
def split(data):
    return held_out(data, "random", seeds=1)[0]


def test_ridge_learns_from_every_row_that_is_not_held_out(data, split):
    predicted = predict_held_out(data, split, QUICK)
    np.testing.assert_array_equal(predicted[RIDGE], baselines(data, split.split)["ridge"])
    assert set(predicted) == {ENSEMBLE, MEAN, RIDGE, ADDITIVE}
    assert {values.shape for values in predicted.values()} == {(len(split.test), 2, 3)}


def test_held_out_measurements_change_no_prediction(data, split):
    measurements = data.measurements.copy()
    measurements[split.test] += 5.0
    entrant = replace(QUICK, total_dose=True)
    first, second = (
        predict_held_out(each, split, entrant)
        for each in (data, replace(data, measurements=measurements))
    )
    for name, values in first.items():
        np.testing.assert_array_equal(values, second[name], err_msg=name)


def test_ridge_gets_the_total_dose_as_well(data, split):
    predicted = predict_held_out(data, split, replace(QUICK, total_dose=True))
    assert predicted[RIDGE_WITH_DOSE].shape == predicted[RIDGE].shape
    assert not np.array_equal(predicted[RIDGE_WITH_DOSE], predicted[RIDGE])


@pytest.mark.slow
@pytest.mark.skipif(not SKMEL133.is_dir(), reason="the SK-MEL-133 data are not at ../shared/data")
def test_melanoma_conditions_are_predicted_nearly_as_well_as_by_ridge():
    every = read_data(SKMEL133, structural_zeros=True)
    drugs = np.flatnonzero((every.perturbations != 0).any(axis=0))
    # All 99 take twice as long; `cellbox benchmark skmel133` has them.
    others = np.setdiff1d(np.arange(every.n_nodes), drugs)[: 60 - len(drugs)]
    data = of_nodes(every, np.sort(np.concatenate([drugs, others])))
    splits = held_out(data, "random", seeds=1)
    settings = Settings(steps=150, peak_rate=0.01, l1=1e-4, conditions_per_step=16)
    entrant = Entrant(settings, members=1, total_dose=True)
    report = report_scheme(data, splits, [predict_held_out(data, splits[0], entrant)])
    scores = report.measured_nodes.scores
    assert scores[ENSEMBLE].pearson > scores[MEAN].pearson + 0.1
    # Another kind of machine rounds differently.
    assert scores[ENSEMBLE].pearson > scores[RIDGE].pearson - 0.03
