"""Experiments on a small network whose equation has more than Eq. 1."""

from dataclasses import replace

import numpy as np

from cellbox.data.dataset import Dataset
from cellbox.data.simulation import simulate
from cellbox.equation.network_responses import responses
from cellbox.networks.fitted_form import FittedForm
from cellbox.networks.form import EQ_1, form_of
from cellbox.networks.hidden_nodes import HiddenNodes
from cellbox.networks.network import Network
from cellbox.networks.whole_network import whole

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


def with_hidden() -> Network:
    """The network with a node that was not measured, which c acts on and which acts on a, b, d."""
    hidden = HiddenNodes(
        np.array([[0, 0, 0.9, 0, 0]]), np.array([[1.2], [-0.9], [0.0], [-1.1]]), (8,)
    )
    return replace(NETWORK, form=FittedForm(replace(EQ_1, n_hidden=1), {}, hidden))


def experiment_with_hidden(n_conditions: int = 24) -> Dataset:
    """What is measured where that node is perturbed in every third row, which no file tells."""
    plain = experiment(NETWORK, n_conditions)
    drives = np.where(np.arange(plain.n_rows) % 3 == 0, 0.8, 0.0)
    doses = np.column_stack([plain.perturbations, drives])
    exact = responses(whole(with_hidden()), doses, plain.times)[..., :4]
    noise = plain.measurements - plain.noise_free
    return replace(plain, measurements=exact + noise, noise_free=exact)
