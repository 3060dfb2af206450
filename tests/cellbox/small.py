"""Small systems that several tests use."""

from dataclasses import replace

import jax.numpy as jnp
import numpy as np
from scipy.integrate import solve_ivp

from cellbox.data.dataset import Dataset
from cellbox.equation.dynamics import Parameters
from cellbox.networks.network import Network

# A loop with both signs, self-activation and unequal amplitudes; no two entries are alike.
LOOP = Network(
    nodes=("a", "b", "c"),
    weights=np.array([[0.0, -1.1, 0.2], [1.2, 0.5, 0.3], [0.0, 0.8, -0.4]]),
    amplitudes=np.array([1.0, 0.6, 0.8]),
)


def parameters_of(network: Network, precision: str = "float32") -> Parameters:
    """What training would hold if it had learned this network."""
    return Parameters(
        jnp.asarray(network.weights, precision),
        jnp.log(jnp.asarray(network.amplitudes, precision)),
    )


def at_last_time(data: Dataset) -> Dataset:
    """The last of the times alone, when nearly all has come to rest."""
    last = np.s_[:, -1:]
    return replace(
        data,
        times=data.times[-1:],
        measurements=data.measurements[last],
        noise_free=None if data.noise_free is None else data.noise_free[last],
    )


def scipy_response(network: Network, perturbation, times, start=None) -> np.ndarray:
    """Eq. 1 written out node by node and solved by SciPy: (n_times, n_nodes)."""
    n = network.n_nodes

    def right_hand_side(time, x):
        return [
            network.amplitudes[i]
            * np.tanh(sum(network.weights[i, j] * x[j] for j in range(n)) - perturbation[i])
            - x[i]
            for i in range(n)
        ]

    start = np.zeros(n) if start is None else start
    solution = solve_ivp(
        right_hand_side, (0.0, times[-1]), start, t_eval=times, rtol=1e-10, atol=1e-12
    )
    return solution.y.T
