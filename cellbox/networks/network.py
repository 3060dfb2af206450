"""Networks whose dynamics the model describes: the ten known systems, random ones, from a file.

W[i, j] is the effect of node j on node i: row = target, column = source.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from os import PathLike
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float

from cellbox.errors import refuse
from cellbox.networks.known_systems import BUDGETS, REGULATORS
from cellbox.storage.csv_tables import (
    Problems,
    Record,
    closest,
    note_spellings,
    note_unknown,
    number,
    number_text,
    read_table,
    table_text,
)
from cellbox.storage.files import atomic_write

SYSTEM_NAMES = tuple(BUDGETS)

Motif = Literal["cyclic", "acyclic", "bifurcating"]
MOTIFS: tuple[Motif, ...] = ("cyclic", "acyclic", "bifurcating")

ACTIVATION_WORDS = ("+", "activation", "activates", "activating", "positive")
REPRESSION_WORDS = (
    *("-", "\N{MINUS SIGN}", "repression", "represses", "repressing"),
    *("inhibition", "inhibits", "inhibiting", "negative"),
)


@dataclass(frozen=True, eq=False)
class Network:
    """Who acts on whom, how strongly, and how far each node can respond.

    nodes: names; their order is the order of every node axis.
    weights: W, dimensionless; row = target, column = source, positive = activation.
    amplitudes: α, the largest response of each node, positive.
    """

    nodes: tuple[str, ...]
    weights: Float[np.ndarray, "n_nodes n_nodes"]
    amplitudes: Float[np.ndarray, " n_nodes"]

    @property
    def n_nodes(self) -> int:
        """Number of nodes."""
        return len(self.nodes)


@dataclass(frozen=True, eq=False)
class System:
    """A ground-truth network with the budget of the paper's runs (arXiv 2104.06467).

    n_conditions: training conditions.
    noise: standard deviation of the Gaussian noise on every measured value.
    n_held_out: validation conditions, and as many test conditions.
    n_times: measurements of each condition, at horizon · (1 … n_times) / n_times.
    horizon: time of the last measurement, in the model's time unit.
    perturbed_nodes: nodes that each condition perturbs.
    in_paper: whether the paper ran it; the others are BEELINE's (Pratapa et al. 2020).
    """

    name: str
    title: str
    kind: Literal["abstract", "biological"]
    in_paper: bool
    network: Network
    n_conditions: int
    noise: float
    n_held_out: int
    n_times: int = 5
    horizon: float = 20.0
    perturbed_nodes: int = 2


def natural_order(names: Iterable[str]) -> tuple[str, ...]:
    """The names in alphabetical order without regard to case, with g2 before g10."""

    def key(name: str) -> tuple[list[tuple[int, str]], str]:
        parts = re.split(r"([0-9]+)", name.casefold())
        return [(int(part), "") if part[:1].isdecimal() else (0, part) for part in parts], name

    return tuple(sorted(names, key=key))


def system(name: str) -> System:
    """One of the ten systems of `SYSTEM_NAMES`, by its name in any case.

    Raises InputError for an unknown name.
    """
    known = {known.casefold(): known for known in SYSTEM_NAMES}
    if name.casefold() not in known:
        raise refuse(
            "system",
            f"expected one of {', '.join(SYSTEM_NAMES)}, found {name!r}",
            f"The nearest is {closest(name, SYSTEM_NAMES)}",
        )
    return _build_system(known[name.casefold()])


@cache
def _build_system(name: str) -> System:
    budget = BUDGETS[name]
    edges = {}
    for line in REGULATORS[name].strip().splitlines():
        target, regulators = line.split(":")
        for regulator in regulators.split():
            edges[regulator[1:], target.strip()] = 1.0 if regulator[0] == "+" else -1.0
    nodes = natural_order({node for edge in edges for node in edge})
    network = _from_edges(nodes, edges, budget.amplitude)
    # Systems are shared by everyone who asks for them.
    network.weights.setflags(write=False)
    network.amplitudes.setflags(write=False)
    return System(
        name=name,
        title=budget.title,
        kind=budget.kind,
        in_paper=budget.in_paper,
        network=network,
        n_conditions=budget.n_conditions,
        noise=budget.noise,
        n_held_out=budget.n_held_out,
    )


def _from_edges(
    nodes: tuple[str, ...], edges: dict[tuple[str, str], float], amplitude: float
) -> Network:
    """The network of these (source, target) edges."""
    index = {node: position for position, node in enumerate(nodes)}
    weights = np.zeros((len(nodes), len(nodes)))
    for (source, target), weight in edges.items():
        weights[index[target], index[source]] = weight
    return Network(nodes, weights, np.full(len(nodes), float(amplitude)))


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
    edges: Bool[np.ndarray, "n_nodes n_nodes"],
    possible: Bool[np.ndarray, "n_nodes n_nodes"],
    n_edges: int,
    rng: np.random.Generator,
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


def read_network(
    path: str | PathLike[str],
    *,
    amplitude: float = 1.0,
    known_nodes: Sequence[str] | None = None,
) -> Network:
    """Read a network from an edge list: a CSV file with the columns source, target and a third.

    The third column is `sign` (1, +, activation, …, or -1, -, repression, inhibition, …; gives
    weights of 1 and -1) or `weight` (any finite number but 0, an entry of W). A row with a source
    alone lists a node without edges.

    amplitude: α of every node; edge lists do not tell it.
    known_nodes: if given, they are the network's nodes, in this order, and the file may name no
        others; otherwise the nodes are those in the file in natural order (g2 before g10).

    Raises InputError with every problem of the file.
    """
    path = Path(path)
    problems = Problems()
    if not 0 < amplitude < math.inf:
        found = f"expected a positive amplitude, found {amplitude}"
        problems.add(str(path), found, "Choose a number above 0, such as 1")
    optional = ("sign", "weight")
    records = read_table(path, problems, required=("source", "target"), optional=optional)
    edges: dict[tuple[str, str], float] = {}
    places: dict[str, str] = {}
    if records:
        present = [column for column in optional if column in records[0].cells]
        if len(present) == 1:
            edges, places = _read_edges(records, present[0], problems)
        else:
            found = "both" if present else "none"
            found = f"expected one column named sign or weight, found {found}"
            problems.add(f"{path}, row 1", found, "Give signs (1 or -1) or weights, in one column")
    if known_nodes is None:
        note_spellings(places, problems)
    else:
        for node, where in places.items():
            if node not in known_nodes:
                note_unknown(node, known_nodes, where, "node", problems)
    problems.raise_any()
    nodes = natural_order(places) if known_nodes is None else tuple(known_nodes)
    return _from_edges(nodes, edges, amplitude)


def _read_edges(
    records: Sequence[Record], column: str, problems: Problems
) -> tuple[dict[tuple[str, str], float], dict[str, str]]:
    """The weight of each (source, target), and the place where each node is named first."""
    edges: dict[tuple[str, str], float] = {}
    edge_places: dict[tuple[str, str], str] = {}
    node_places: dict[str, str] = {}
    for record in records:
        source, target, cell = record["source"], record["target"], record[column]
        for node, name in ((source, "source"), (target, "target")):
            if node:
                node_places.setdefault(node, f"{record.where}, column '{name}'")
        if source and not target and not cell:
            continue
        if not source or not target:
            missing = "target" if source else "source"
            found = f"expected an edge with a source and a target, found no {missing}"
            fix = "Name both nodes; a node without edges is a row with its name as source alone"
            problems.add(record.where, found, fix)
            continue
        if (source, target) in edge_places:
            found = (
                f"expected each edge once, found {source!r} to {target!r} again "
                f"({edge_places[source, target]})"
            )
            problems.add(record.where, found, "Keep one of the rows")
            continue
        edge_places[source, target] = record.where
        weight = _edge_weight(cell, column, f"{record.where}, column '{column}'", problems)
        if weight is not None:
            edges[source, target] = weight
    return edges, node_places


def _edge_weight(cell: str, column: str, where: str, problems: Problems) -> float | None:
    """The entry of W that a cell of the column sign or weight stands for; None if unusable."""
    if column == "weight":
        weight = number(cell, where, problems)
        if weight == 0:
            fix = "Remove the row; an edge that is not listed is absent"
            problems.add(where, "expected a weight other than 0, found 0", fix)
            return None
        return weight
    if cell.casefold() in ACTIVATION_WORDS:
        return 1.0
    if cell.casefold() in REPRESSION_WORDS:
        return -1.0
    sign = number(cell, where, Problems())
    if sign in (1.0, -1.0):
        return sign
    fix = "Give 1 or activation, -1 or repression; weights belong in a column named weight"
    problems.add(where, f"expected a sign, found {cell!r}", fix)
    return None


def write_network(network: Network, path: str | PathLike[str]) -> None:
    """Write W as the edge list that `read_network` reads, in full or not at all.

    Weights read back as the same float64; amplitudes are not part of an edge list.
    """
    targets, sources = np.nonzero(network.weights)
    rows = [
        (network.nodes[source], network.nodes[target], number_text(network.weights[target, source]))
        for source, target in sorted(zip(sources, targets, strict=True))
    ]
    connected = set(sources) | set(targets)
    rows += [(node, "", "") for index, node in enumerate(network.nodes) if index not in connected]
    with atomic_write(path) as handle:
        handle.write(table_text(("source", "target", "weight"), rows))
