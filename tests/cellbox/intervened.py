"""Experiments in which nodes are held, and doses begin later or end."""

from itertools import pairwise

import numpy as np
from scipy.integrate import solve_ivp

from cellbox.data.dataset import Dataset
from cellbox.data.drawn_interventions import Drawn
from cellbox.data.simulation import simulate
from cellbox.networks.interventions import Interventions, no_interventions
from cellbox.networks.network import Network
from tests.cellbox.formed import NETWORK, NOISE


def intervened_experiment(noise: float = NOISE, **shares: float) -> Dataset:
    """24 conditions to train on, of which these shares have knock-outs (at -1.5) or pulses."""
    done = Drawn(level=-1.5, **shares)
    size = {"n_conditions": 24, "n_times": 4, "horizon": 8, "n_held_out": 4}
    return simulate(NETWORK, **size, noise=noise, design="balanced", done=done, seed=5)


def interventions_of(
    n_rows: int,
    n_nodes: int,
    held: dict[tuple[int, int], float],
    spans: dict[tuple[int, int], tuple[float, float]],
) -> Interventions:
    """Those of these rows and nodes."""
    done = no_interventions(n_rows, n_nodes)
    for place, level in held.items():
        done.held[place] = level
    for place, (begin, end) in spans.items():
        done.begins[place], done.ends[place] = begin, end
    return done


def scipy_with_interventions(
    network: Network, perturbations, times, done: Interventions
) -> np.ndarray:
    """Eq. 1 with held nodes and switching doses, solved by SciPy from switch to switch."""
    found = np.empty((len(perturbations), len(times), network.n_nodes))
    for row, doses in enumerate(perturbations):
        free = np.isnan(done.held[row])
        state = np.where(free, 0.0, done.held[row])
        switches = {*done.begins[row], *done.ends[row]}
        edges = sorted({0.0, times[-1], *(t for t in switches if 0 < t < times[-1])})
        for begin, end in pairwise(edges):
            acts = (done.begins[row] <= begin) & (begin < done.ends[row])
            u = np.where(acts, doses, 0.0)

            def rate(_, x, u=u, free=free):
                return free * (network.amplitudes * np.tanh(network.weights @ x - u) - x)

            asked = [t for t in times if begin < t <= end]
            moments = sorted({*asked, end})
            solved = solve_ivp(rate, (begin, end), state, t_eval=moments, rtol=1e-10, atol=1e-12)
            for time in asked:
                found[row, list(times).index(time)] = solved.y[:, moments.index(time)]
            state = solved.y[:, -1]
    return found
