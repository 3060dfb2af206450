"""Experiments on a small network whose equation has more than Eq. 1."""

from dataclasses import replace

import numpy as np

from cellbox.data.dataset import Dataset
from cellbox.data.simulation import simulate
from cellbox.equation.network_responses import responses
from cellbox.networks.form import FittedForm, form_of
from cellbox.networks.network import Network

NETWORK = Network(
    ("a", "b", "c", "d"),
    np.array([[0, 0, 0, -0.7], [1.0, 0, 0, 0], [-0.9, 0.6, 0, 0], [0, 0, 1.1, 0]]),
    np.array([1.0, 0.8, 1.0, 0.9]),
)
NOISE = 0.02


def formed(curve: str = "tanh", **values) -> Network:
    """The network with these parts, a number for each of its four nodes."""
    names = (*values, *([] if curve == "tanh" else [curve]))
    numbers = {part: np.asarray(row, float) for part, row in values.items()}
    return replace(NETWORK, form=FittedForm(form_of(names), numbers))


def experiment(network: Network, n_conditions: int = 24, seed: int = 5) -> Dataset:
    """What is measured where this network answers; two conditions have no dose."""
    plain = simulate(
        NETWORK,
        n_conditions=n_conditions,
        n_times=4,
        horizon=8,
        noise=NOISE,
        n_held_out=4,
        seed=seed,
    )
    doses = plain.perturbations.copy()
    doses[:2] = 0.0
    exact = responses(network, doses, plain.times)
    noise = plain.measurements - plain.noise_free
    return replace(
        plain,
        perturbations=doses,
        measurements=exact + noise,
        noise_free=exact,
        rounding_sensitive=None,
        truth=NETWORK,
    )
