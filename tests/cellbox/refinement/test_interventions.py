"""Networks are found where nodes are held and doses begin and end, as far as that is told."""

from dataclasses import replace

import numpy as np
import pytest

from cellbox.errors import InputError
from cellbox.refinement.multiple_shooting import MultipleShooting
from cellbox.refinement.refine import refine, residuals_of
from cellbox.refinement.regression_start import regression_start
from cellbox.refinement.unexplained import replicate_variance
from cellbox.refinement.whole_courses import Series
from cellbox.scores.metrics import pearson_correlation
from tests.cellbox.formed import NETWORK, NOISE
from tests.cellbox.intervened import intervened_experiment, interventions_of

DATA = intervened_experiment(knock_outs=0.4, pulses=0.4)
TRAINING = MultipleShooting.of(DATA, DATA.split.training)


def test_a_regression_is_not_misled_by_what_is_held():
    start = regression_start(TRAINING, DATA.nodes)
    assert pearson_correlation(start.weights, NETWORK.weights) > 0.9


def test_least_squares_find_the_network():
    found = refine(TRAINING, regression_start(TRAINING, DATA.nodes))
    assert pearson_correlation(found.network.weights, NETWORK.weights) > 0.995
    np.testing.assert_array_equal(found.network.weights != 0, NETWORK.weights != 0)
    assert found.noise == pytest.approx(NOISE, rel=0.15)
    left = residuals_of(TRAINING, found.network)
    held = ~TRAINING.interventions.free
    assert (np.moveaxis(left, 1, 2)[held] == 0).all()
    assert found.n_values == np.isfinite(DATA.measurements[DATA.split.training]).sum()


def test_rows_without_interventions_are_an_ordinary_problem():
    plain = TRAINING.plain
    assert plain.interventions is None
    assert len(plain.perturbations) == int((~TRAINING.interventions.affected).sum())
    every_row = interventions_of(24, 4, {(row, 0): -1.0 for row in range(24)}, {})
    assert replace(TRAINING, interventions=every_row).plain is None


def test_replicates_are_of_the_same_interventions():
    shape = (2, 1, 4)
    values = np.array([0.0, 1.0])[:, None, None] * np.ones(shape)
    doses = np.zeros((2, 4))
    times = np.array([1.0])
    assert replicate_variance(MultipleShooting(doses, values, times)) == 0.5
    one_held = interventions_of(2, 4, {(0, 1): -1.0}, {})
    apart = MultipleShooting(doses, values, times, interventions=one_held)
    assert replicate_variance(apart) is None


def test_whole_courses_know_no_interventions():
    with pytest.raises(InputError, match="least squares of whole courses"):
        Series.of(TRAINING)
