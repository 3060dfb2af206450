"""How sure a model's predictions are, by networks that the same experiment might have led to."""

from __future__ import annotations

import json
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int, UInt8

from cellbox.arrays import RowNumbers
from cellbox.criticism.criticism import Criticism
from cellbox.data.dataset import Dataset
from cellbox.errors import refuse
from cellbox.identifiability.drawn_networks import drawn_with_its_edges
from cellbox.models.training_record import Training
from cellbox.networks.network import Network
from cellbox.refinement.multiple_shooting import MultipleShooting
from cellbox.storage.files import atomic_write
from cellbox.storage.stored_arrays import read_arrays, read_some_arrays

#: Draws that an interval is made of: their standard deviation is known to an eighth.
N_DRAWS = 32

#: Beside a model's arrays, where it has draws.
DRAWS = "draws.npz"
_DRAWN_FROM = "drawn_from"

Digest = UInt8[np.ndarray, "32"]


@dataclass(frozen=True, eq=False)
class NetworkDraws:
    """Draws of the weights of a network's edges, and of its amplitudes.

    edges: the target and the source of each edge, as numbers of nodes. Their file names the network
    that they were drawn from, by its digest.
    """

    edges: Int[np.ndarray, "n_edges 2"]
    weights: Float[np.ndarray, "n_draws n_edges"]
    amplitudes: Float[np.ndarray, "n_draws n_nodes"]

    def networks(self, nodes: tuple[str, ...]) -> list[Network]:
        """Each draw as a network of these nodes."""
        drawn = []
        for weights, amplitudes in zip(self.weights, self.amplitudes, strict=True):
            matrix = np.zeros((len(nodes), len(nodes)))
            matrix[tuple(self.edges.T)] = weights
            drawn.append(Network(nodes, matrix, amplitudes))
        return drawn

    def write(self, folder: Path, network: Network) -> None:
        """Write the draws as arrays (no pickle) beside the model in a folder.

        network: the model's, which they were drawn from.
        """
        with atomic_write(folder / DRAWS, "wb") as handle:
            np.savez(
                handle,
                edges=self.edges,
                weights=self.weights,
                amplitudes=self.amplitudes,
                drawn_from=_digest(network),
            )


def _digest(network: Network) -> Digest:
    """The digest of a network's nodes, numbers and form, as bytes."""
    form = None if network.form is None else network.form.to_dict()
    content = sha256(json.dumps([network.nodes, form], sort_keys=True).encode())
    for values in (network.weights, network.amplitudes):
        content.update(np.ascontiguousarray(values, "<f8").tobytes())
    return np.frombuffer(content.digest(), np.uint8)


def draws_of(
    network: Network,
    training: Training,
    widening: float,
    data: Dataset,
    rows: RowNumbers,
    seed: int,
) -> NetworkDraws | None:
    """Draws around a network that least squares found in these rows of the data.

    widening: how much wider intervals are to be, infinite where there are to be none
    (`Criticism.widening`): draws are as much farther from the network. seed: of the draws. None
    where they would say too much: where weights were drawn to zero or not refined at all, where the
    network does not explain the data, and where the equation has more than Eq. 1.
    """
    noise = training.noise
    if not training.refined or not noise or not np.isfinite(widening) or network.form is not None:
        return None
    rows, edges = rows[data.judged[rows]], np.argwhere(network.weights != 0)
    if data.interventions is not None:
        # What they tell is not looked at, so that intervals are rather too wide.
        rows = rows[~data.interventions.affected[rows]]
    if not len(rows) or not len(edges):
        return None
    problem = MultipleShooting.of(data, rows)
    random = np.random.default_rng(seed)
    drawn = drawn_with_its_edges(problem, network, widening * noise, N_DRAWS, random)
    weights = np.array([one.weights[tuple(edges.T)] for one in drawn])
    amplitudes = np.array([one.amplitudes for one in drawn])
    if not (np.isfinite(weights).all() and np.isfinite(amplitudes).all()):
        return None
    return NetworkDraws(edges, weights, amplitudes)


def read_draws(folder: Path, network: Network, fix: str) -> NetworkDraws | None:
    """The draws beside a model; None where there are none, as beside those of earlier versions.

    Raises InputError where they cannot be draws of this network, or are another's; draws that name
    none, as earlier versions wrote them, are only looked at for what cannot be.
    """
    file = folder / DRAWS
    if not file.is_file():
        return None
    edges = np.argwhere(network.weights != 0)
    shapes = {
        "edges": edges.shape,
        "weights": (None, len(edges)),
        "amplitudes": (None, network.n_nodes),
    }
    found = read_arrays(file, shapes, fix=fix)
    weights, amplitudes = found["weights"], found["amplitudes"]
    if len(weights) != len(amplitudes) or not len(weights):
        wrong = f"expected as many draws of amplitudes as of weights ({len(weights)})"
        raise refuse(str(file), f"{wrong}, found {len(amplitudes)}", fix)
    drawn_from = read_some_arrays(file, {_DRAWN_FROM: (None,)}, fix=fix).get(_DRAWN_FROM)
    if drawn_from is not None and not np.array_equal(drawn_from, _digest(network)):
        raise refuse(str(file), "expected draws of this model's network, found another's", fix)
    if not np.array_equal(found["edges"], edges):
        raise refuse(str(file), "expected the edges of the model, found others", fix)
    if (amplitudes <= 0).any():
        found_least = f"found {float(amplitudes.min()):g}"
        raise refuse(str(file), f"expected amplitudes above 0, {found_least}", fix)
    return NetworkDraws(edges, weights, amplitudes)


def why_no_interval(network: Network, training: Training, criticism: Criticism | None) -> str:
    """Why a single model without draws tells no intervals of its predictions, in a sentence."""
    ensemble = "an ensemble does, by its members' spread (cellbox fit --members 20)"
    if network.form is not None:
        return (
            f"Beside Eq. 1 the model has the form {network.form.form}, of which one network tells "
            f"no intervals; {ensemble}."
        )
    if criticism is not None and not np.isfinite(criticism.widening):
        return "The equation does not explain the data, so intervals are withheld."
    if not training.refined or not training.noise:
        return f"Weights drawn to zero, or left by descent, tell no intervals; {ensemble}."
    return f"This network tells no intervals; {ensemble}."
