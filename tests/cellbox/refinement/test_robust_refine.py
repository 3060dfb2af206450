"""Values that are far off cost little, and data without them are left as they are."""

import math

import numpy as np
import pytest

from cellbox.data.flaws import Flaws
from cellbox.data.simulation import simulate
from cellbox.networks.network import Network
from cellbox.refinement.multiple_shooting import MultipleShooting
from cellbox.refinement.refine import refine
from cellbox.refinement.regression_start import regression_start
from cellbox.refinement.robust_refine import explain_robustly, refine_robustly, weighted

NETWORK = Network(
    ("a", "b", "c"),
    np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.5], [0.0, 0.0, 0.8]]),
    np.array([0.8, 1.0, 0.6]),
)


def problem_with(outliers):
    flaws = Flaws(outliers=outliers)
    data = simulate(NETWORK, n_conditions=16, n_times=4, noise=0.01, flaws=flaws, seed=1)
    return MultipleShooting.of(data, data.split.training)


@pytest.fixture(scope="module")
def wild():
    return problem_with(0.04)


def test_a_network_is_found_in_spite_of_wild_values(wild):
    start = regression_start(wild, NETWORK.nodes)
    gaussian = refine(wild, start)
    robust = refine_robustly(wild, gaussian, start)
    assert robust is not None
    assert robust.information < gaussian.information
    assert math.isfinite(robust.freedom)
    assert robust.noise == pytest.approx(0.01, rel=0.3)
    np.testing.assert_allclose(robust.network.weights, NETWORK.weights, atol=0.15)


def test_data_without_them_keep_their_fit():
    clean = problem_with(0.0)
    found = refine(clean, NETWORK)
    assert refine_robustly(clean, found, NETWORK) is None
    counted, widening = weighted(clean, found.network)
    assert (counted, widening) == (clean, 1.0)
    assert math.isinf(explain_robustly(clean, found.network).freedom)


def test_weights_and_widening_follow_from_the_residuals(wild):
    counted, widening = weighted(wild, NETWORK)
    assert counted.weights is not None
    assert widening > 1
    far = np.abs(wild.measurements) > 2
    assert far.any()
    assert counted.weights[far].max() < 0.01
    assert explain_robustly(wild, NETWORK).freedom < 10
