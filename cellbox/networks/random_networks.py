"""Random networks of a wanted density and motif."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

from cellbox.arrays import EdgeMask
from cellbox.errors import refuse
from cellbox.networks.network import Network
from cellbox.storage.problems import Problems, closest

Motif = Literal["cyclic", "acyclic", "bifurcating"]
MOTIFS: tuple[Motif, ...] = ("cyclic", "acyclic", "bifurcating")


def random_network(
    n_nodes: int,
    *,
    density: float,
    weight_range: tuple[float, float] = (0.5, 1.5),
    amplitude: float = 1.0,
    motif: Motif = "cyclic",
    seed: int,
) -> Network:
    """A random network of nodes g1, g2, …; the same arguments give the same network.

    density: share of the n_nodes · (n_nodes - 1) off-diagonal entries of W that are edges.
    weight_range: |W| of each edge is uniform between these; signs are drawn with equal chance.
    amplitude: α of every node.
    motif: "acyclic": edges only go forward in a random order of the nodes; "cyclic": at least one
        directed cycle through three or more nodes (two where there are only two); "bifurcating":
        two nodes that repress each other, activate themselves and are activated by a common
        source (their self-activations come on top of the density).

    Raises InputError where no such network exists.

    Example:
        >>> import cellbox
        >>> network = cellbox.random_network(10, density=0.2, seed=0)
        >>> network.nodes[:3], int((network.weights != 0).sum())
        (('g1', 'g2', 'g3'), 18)
    """
    n_edges = _checked_edge_count(n_nodes, density, weight_range, amplitude, motif)
    rng = np.random.default_rng(seed)
    order = rng.permutation(n_nodes)
    edges = np.zeros((n_nodes, n_nodes), dtype=bool)
    signs = rng.choice([-1.0, 1.0], size=(n_nodes, n_nodes))
    possible = ~np.eye(n_nodes, dtype=bool)
    if motif == "cyclic":
        length = int(rng.integers(min(3, n_nodes), min(n_nodes, n_edges) + 1))
        edges[np.roll(order[:length], -1), order[:length]] = True
    elif motif == "bifurcating":
        source, first, second = order[:3]
        pair = [first, second]
        edges[pair, source] = edges[pair, pair[::-1]] = edges[pair, pair] = True
        signs[pair, source] = signs[pair, pair] = 1.0
        signs[pair, pair[::-1]] = -1.0
    else:
        place = np.argsort(order)
        possible = place[:, None] > place[None, :]
    _add_random_edges(edges, possible, n_edges, rng)
    magnitudes = rng.uniform(*weight_range, size=(n_nodes, n_nodes))
    nodes = tuple(f"g{number}" for number in range(1, n_nodes + 1))
    # np.where rather than a product, which would leave -0.0 where there is no edge.
    weights = np.where(edges, signs * magnitudes, 0.0)
    return Network(nodes, weights, np.full(n_nodes, float(amplitude)))


def _add_random_edges(
    edges: EdgeMask, possible: EdgeMask, n_edges: int, rng: np.random.Generator
) -> None:
    """Fill `edges` in place with random possible ones up to `n_edges` off the diagonal."""
    n_present = int((edges & ~np.eye(len(edges), dtype=bool)).sum())
    free = np.argwhere(possible & ~edges)
    chosen = free[rng.permutation(len(free))[: n_edges - n_present]]
    edges[chosen[:, 0], chosen[:, 1]] = True


def _checked_edge_count(
    n_nodes: int, density: float, weight_range: tuple[float, float], amplitude: float, motif: Motif
) -> int:
    """Number of off-diagonal edges that the request asks for; raises InputError if impossible."""
    problems = Problems()
    where = "random network"
    if motif not in MOTIFS:
        found = f"expected one of {', '.join(MOTIFS)} as motif, found {motif!r}"
        problems.add(where, found, f"The nearest is {closest(str(motif), MOTIFS)}")
    low, high = weight_range
    if not 0 < low <= high < math.inf:
        found = f"expected a range of weights with 0 < low <= high, found ({low}, {high})"
        problems.add(where, found, "Give magnitudes; signs are drawn at random")
    if not 0 < amplitude < math.inf:
        found = f"expected a positive amplitude, found {amplitude}"
        problems.add(where, found, "Choose a number above 0, such as 1")
    fewest_nodes = 3 if motif == "bifurcating" else 2
    if n_nodes < fewest_nodes:
        found = f"expected at least {fewest_nodes} nodes, found {n_nodes}"
        problems.add(where, found, "Ask for more nodes")
    problems.raise_any()
    n_pairs = n_nodes * (n_nodes - 1)
    fewest = {"acyclic": 1, "cyclic": min(3, n_nodes), "bifurcating": 4}[motif]
    most = n_pairs // 2 if motif == "acyclic" else n_pairs
    n_edges = round(density * n_pairs) if math.isfinite(density) else -1
    if not fewest <= n_edges <= most:
        raise refuse(
            where,
            f"expected {fewest} to {most} edges for a network of motif {motif} with {n_nodes} "
            f"nodes, found density {density}",
            f"Choose a density from {math.ceil(1000 * fewest / n_pairs) / 1000:g} "
            f"to {math.floor(1000 * most / n_pairs) / 1000:g}",
        )
    return n_edges
