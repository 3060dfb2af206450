"""A small experiment that tests of planning share."""

import numpy as np
import pytest

from cellbox.data.simulation import simulate
from cellbox.networks.random_networks import random_network
from cellbox.planning.beliefs import belief_from_data
from cellbox.planning.next_conditions import next_conditions

NETWORK = random_network(4, density=0.4, amplitude=0.6, seed=3)


@pytest.fixture(scope="session")
def data():
    """Seven conditions, none of which perturbs g4."""
    found = simulate(NETWORK, n_conditions=16, n_times=3, noise=0.02, design="balanced", seed=1)
    rows = found.split.training
    return found.rows(rows[found.perturbations[rows, 3] == 0][:7])


@pytest.fixture(scope="session")
def belief(data):
    """What these data tell."""
    return belief_from_data(data, n_members=6, noise=0.02)


@pytest.fixture(scope="session")
def proposal(data):
    """Four conditions."""
    return next_conditions(data, conditions=4, members=6, noise=0.02)


def random_conditions(n_conditions, seed=0):
    """Two of four nodes each."""
    random = np.random.default_rng(seed)
    u = np.zeros((n_conditions, 4))
    for row in u:
        row[random.choice(4, 2, replace=False)] = random.uniform(0.2, 1, 2)
    return u
