"""Networks whose dynamics the model describes: random ones, and those read from a file.

W[i, j] is the effect of node j on node i: row = target, column = source.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cellbox.arrays import EdgeMask, EdgeValues, NodeValues
from cellbox.errors import InputError, refuse
from cellbox.html_tables import html_of
from cellbox.networks.fitted_form import FittedForm
from cellbox.networks.form import Form
from cellbox.networks.network_checks import checked_parts, unusable_numbers
from cellbox.storage.csv_tables import (
    Record,
    number,
    number_text,
    read_table,
    table_text,
)
from cellbox.storage.files import atomic_write
from cellbox.storage.installed import pandas_for
from cellbox.storage.problems import Problems, note_spellings, note_unknown

if TYPE_CHECKING:
    import pandas

_EDGES_SHOWN = 10

# Entries of W, or amplitudes, that differ by no more are the same with other rounding.
_ALIKE = 1e-6

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
    form: what it has beside Eq. 1 (see `cellbox.networks.form`); None for nothing.

    Example:
        >>> import numpy as np
        >>> import cellbox
        >>> toggle = cellbox.Network(("a", "b"), np.array([[0.0, -1], [-1, 0]]), np.ones(2))
        >>> int(toggle.weights[0, 1])  # b inhibits a
        -1
    """

    nodes: tuple[str, ...]
    weights: EdgeValues
    amplitudes: NodeValues
    form: FittedForm | None = None

    def __post_init__(self) -> None:
        """Raise InputError for parts that are no network, naming the nodes (`network_checks`)."""
        parts = checked_parts(self.nodes, self.weights, self.amplitudes)
        for name, checked in zip(("nodes", "weights", "amplitudes"), parts, strict=True):
            object.__setattr__(self, name, checked)

    @property
    def n_nodes(self) -> int:
        """Number of nodes."""
        return len(self.nodes)

    def to_frame(
        self, *, threshold: float = 0.0, allowed: EdgeMask | None = None
    ) -> pandas.DataFrame:
        """`edge_table` as a data frame with the columns source, target and weight.

        Raises InputError where pandas is not installed, and where `edge_table` does.
        """
        pandas = pandas_for("table of a network")
        edges = edge_table(self, threshold=threshold, allowed=allowed)
        return pandas.DataFrame(
            {
                "source": [edge.source for edge in edges],
                "target": [edge.target for edge in edges],
                "weight": np.array([edge.weight for edge in edges], dtype=float),
            }
        )

    def _repr_html_(self) -> str:
        edges = edge_table(self)
        shown = [(edge.source, edge.target, edge.weight) for edge in edges[:_EDGES_SHOWN]]
        return html_of(
            f"Network of {self.n_nodes} nodes and {len(edges):,} edges",
            ["The strongest edges; to_frame() has all of them."] if shown else [],
            ("source", "target", "weight"),
            shown,
        )


def check_numbers(network: Network) -> None:
    """Raise InputError where a number is not finite, or an amplitude not above 0, with its node.

    For what is made of a network that someone hands in: a descent that diverged may leave others.
    """
    problems = unusable_numbers(network.nodes, network.weights, network.amplitudes)
    if problems:
        raise InputError(problems)


@dataclass(frozen=True)
class Edge:
    """The effect of `source` on `target`: `weight` is W[target, source], dimensionless."""

    source: str
    target: str
    weight: float


def edge_table(
    network: Network, *, threshold: float = 0.0, allowed: EdgeMask | None = None
) -> list[Edge]:
    """The edges with |weight| > threshold, strongest first; self-regulation counts as an edge.

    allowed: which entries of W[target, source] may be edges at all; None for all.

    Raises InputError where the threshold is negative or not a number.
    """
    if not threshold >= 0:
        raise refuse(
            "threshold", f"expected a number >= 0, found {threshold}", "Give 0 to keep all edges"
        )
    selected = np.abs(network.weights) > threshold
    if allowed is not None:
        selected &= allowed
    targets, sources = np.nonzero(selected)
    weights = network.weights[targets, sources]
    return [
        Edge(network.nodes[sources[index]], network.nodes[targets[index]], float(weights[index]))
        for index in np.argsort(-np.abs(weights), kind="stable")
    ]


def natural_order(names: Iterable[str]) -> tuple[str, ...]:
    """The names in alphabetical order without regard to case, with g2 before g10."""

    def key(name: str) -> tuple[list[tuple[int, str]], str]:
        parts = re.split(r"([0-9]+)", name.casefold())
        return [(int(part), "") if part[:1].isdecimal() else (0, part) for part in parts], name

    return tuple(sorted(names, key=key))


def network_of_edges(
    nodes: tuple[str, ...], edges: dict[tuple[str, str], float], amplitude: float
) -> Network:
    """The network of these (source, target) edges."""
    index = {node: position for position, node in enumerate(nodes)}
    weights = np.zeros((len(nodes), len(nodes)))
    for (source, target), weight in edges.items():
        weights[index[target], index[source]] = weight
    return Network(nodes, weights, np.full(len(nodes), float(amplitude)))


def possible_edges(n_nodes: int, allowed: EdgeMask | None) -> EdgeMask:
    """Which entries of W[target, source] may be edges: those allowed, or all where None."""
    return np.ones((n_nodes, n_nodes), bool) if allowed is None else allowed


def in_order_of(network: Network, nodes: tuple[str, ...]) -> Network:
    """The network with its nodes in the order of `nodes`.

    Raises InputError where the names are not the same.
    """
    if tuple(network.nodes) == tuple(nodes):
        return network
    missing = sorted(set(nodes) - set(network.nodes))
    unknown = sorted(set(network.nodes) - set(nodes))
    if missing or unknown or len(network.nodes) != len(nodes):
        raise refuse(
            "network",
            f"expected the {len(nodes)} nodes of the other network, found {len(network.nodes)}; "
            f"missing: {', '.join(missing) or 'none'}; unknown: {', '.join(unknown) or 'none'}",
            "Compare networks of the same nodes",
        )
    position = {name: index for index, name in enumerate(network.nodes)}
    order = np.array([position[name] for name in nodes])
    return Network(
        nodes=tuple(nodes),
        weights=network.weights[np.ix_(order, order)],
        amplitudes=network.amplitudes[order],
        form=None if network.form is None else network.form.in_order(order),
    )


def is_same(network: Network, other: Network) -> bool:
    """Whether two networks of the same nodes are one, found twice: alike but for rounding."""
    forms = [Form() if one.form is None else one.form.form for one in (network, other)]
    if forms[0] != forms[1]:
        return False
    pairs = [(network.weights, other.weights), (network.amplitudes, other.amplitudes)]
    if network.form is not None and other.form is not None:
        pairs.append((network.form.table(network.n_nodes), other.form.table(other.n_nodes)))
        of_hidden = [form.hidden for form in (network.form, other.form) if form.hidden is not None]
        if len(of_hidden) == 2:
            pairs.append((of_hidden[0].sources, of_hidden[1].sources))
            pairs.append((of_hidden[0].targets, of_hidden[1].targets))
        lines = [form.lines for form in (network.form, other.form) if form.lines is not None]
        if len(lines) == 2:
            values = [{one.place: one.value for one in found.entries} for found in lines]
            if lines[0].names != lines[1].names or values[0].keys() != values[1].keys():
                return False
            pairs.append(
                (
                    np.array([values[0][place] for place in values[0]]),
                    np.array([values[1][place] for place in values[0]]),
                )
            )
    return all(np.abs(one - another).max(initial=0.0) <= _ALIKE for one, another in pairs)


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

    Example:
        >>> from pathlib import Path
        >>> import cellbox
        >>> _ = Path("edges.csv").write_text("source,target,sign\\ng1,g2,activation\\ng2,g1,-1\\n")
        >>> cellbox.read_network("edges.csv").weights.tolist()
        [[0.0, -1.0], [1.0, 0.0]]
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
    return network_of_edges(nodes, edges, amplitude)


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

    Example:
        >>> import cellbox
        >>> cellbox.write_network(cellbox.system("LI").network, "li.csv")
        >>> cellbox.read_network("li.csv").nodes == cellbox.system("LI").network.nodes
        True
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
