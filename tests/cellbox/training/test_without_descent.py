"""Least squares alone find the network that descent and least squares find."""

import numpy as np
import pytest

from cellbox.data.simulation import simulate
from cellbox.networks.random_networks import random_network
from cellbox.refinement.multiple_shooting import MultipleShooting
from cellbox.scores.metrics import recovery
from cellbox.training.without_descent import learn_without_descent

NETWORK = random_network(4, density=0.4, seed=1)


def learned_of(**budget):
    data = simulate(NETWORK, n_perturbed=2, horizon=4.0, n_held_out=1, design="balanced", **budget)
    rows = data.split.training
    return learn_without_descent(MultipleShooting.of(data, rows), data.nodes)


def test_a_network_that_data_determine_is_found():
    learned = learned_of(n_conditions=12, n_times=3, noise=0.001)
    assert recovery(learned.network, NETWORK).pearson > 0.99
    assert learned.share_left < 1e-3
    assert "from a regression" in learned.sentence


@pytest.mark.slow
def test_too_few_data_for_least_squares_draw_weights_to_zero():
    learned = learned_of(n_conditions=3, n_times=1, noise=0.01)
    assert "More unknowns than data" in learned.sentence
    assert np.isfinite(learned.network.weights).all()


def test_a_single_condition_tells_no_network():
    assert learned_of(n_conditions=1, n_times=1, noise=0.01) is None
