"""A network as a table, and as files for Cytoscape, networkx and spreadsheets.

Edges are signed and directed: a positive weight activates its target, a negative one inhibits
it. Every file appears whole or not at all.
"""

from __future__ import annotations

import csv
import os
import unicodedata
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Bool

from cellbox.errors import refuse
from cellbox.networks.network import Edge, Network, edge_table
from cellbox.storage.files import atomic_write

if TYPE_CHECKING:
    import pandas

_GRAPHML = "http://graphml.graphdrawing.org/xmlns"


def to_frame(
    network: Network,
    *,
    threshold: float = 0.0,
    allowed: Bool[np.ndarray, "n_nodes n_nodes"] | None = None,
) -> pandas.DataFrame:
    """`Network.to_frame` as a function."""
    return network.to_frame(threshold=threshold, allowed=allowed)


def write_edges_csv(
    network: Network,
    path: str | os.PathLike[str],
    *,
    threshold: float = 0.0,
    allowed: Bool[np.ndarray, "n_nodes n_nodes"] | None = None,
) -> None:
    """Write `edge_table` as CSV with the header source,target,weight; weights keep every digit.

    Raises InputError where `edge_table` does, and where the folder does not exist.
    """
    edges = edge_table(network, threshold=threshold, allowed=allowed)
    with atomic_write(path) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["source", "target", "weight"])
        writer.writerows([edge.source, edge.target, repr(edge.weight)] for edge in edges)


def write_graphml(
    network: Network, path: str | os.PathLike[str], *, threshold: float = 0.0
) -> None:
    """Write a directed GraphML graph of all nodes and the edges with |weight| > threshold.

    Nodes have an `amplitude` (α), edges a `weight` and a `sign` ("activates" or "inhibits").

    Raises InputError where `edge_table` does, where a name cannot be written, and where the
    folder does not exist.
    """
    _require_writable_names(network)
    root = ElementTree.Element("graphml", xmlns=_GRAPHML)
    for owner, name, kind in (
        ("node", "amplitude", "double"),
        ("edge", "weight", "double"),
        ("edge", "sign", "string"),
    ):
        attributes = {"id": name, "for": owner, "attr.name": name, "attr.type": kind}
        ElementTree.SubElement(root, "key", attributes)
    graph = ElementTree.SubElement(root, "graph", id="network", edgedefault="directed")
    for name, amplitude in zip(network.nodes, network.amplitudes, strict=True):
        node = ElementTree.SubElement(graph, "node", id=name)
        _graphml_value(node, "amplitude", repr(float(amplitude)))
    for edge in edge_table(network, threshold=threshold):
        element = ElementTree.SubElement(graph, "edge", source=edge.source, target=edge.target)
        _graphml_value(element, "weight", repr(edge.weight))
        _graphml_value(element, "sign", _relation(edge))
    ElementTree.indent(root)
    with atomic_write(path, "wb") as file:
        ElementTree.ElementTree(root).write(file, encoding="utf-8", xml_declaration=True)


def write_sif(network: Network, path: str | os.PathLike[str], *, threshold: float = 0.0) -> None:
    """Write Cytoscape's simple interaction format: source, activates or inhibits, target.

    Fields are separated by tabs, so names may have spaces. A node without any edge of
    |weight| > threshold has a line of its own.

    Raises InputError where `edge_table` does, where a name cannot be written, and where the
    folder does not exist.
    """
    _require_writable_names(network)
    edges = edge_table(network, threshold=threshold)
    connected = {name for edge in edges for name in (edge.source, edge.target)}
    lines = [f"{edge.source}\t{_relation(edge)}\t{edge.target}" for edge in edges]
    lines += [name for name in network.nodes if name not in connected]
    with atomic_write(path) as file:
        file.writelines(f"{line}\n" for line in lines)


def strongest(network: Network, *, top: int | None = None, threshold: float = 0.0) -> Network:
    """The network with its strongest edges alone; all nodes and amplitudes stay.

    top: how many edges to keep; None for all. threshold: only edges with |weight| > threshold.

    Raises InputError where `edge_table` does, and where top is below 1.
    """
    if top is not None and top < 1:
        raise refuse("top", f"expected a number of edges >= 1, found {top}", "Keep at least one")
    index = {name: place for place, name in enumerate(network.nodes)}
    weights = np.zeros_like(network.weights)
    for edge in edge_table(network, threshold=threshold)[:top]:
        weights[index[edge.target], index[edge.source]] = edge.weight
    return replace(network, weights=weights)


def write_network_as(
    network: Network,
    path: str | os.PathLike[str],
    *,
    top: int | None = None,
    threshold: float = 0.0,
) -> Network:
    """Write the strongest edges in the form that the path's name ends with; returns that network.

    The forms: .csv (source, target, weight), .graphml (networkx, yEd, Cytoscape), .sif
    (Cytoscape). top, threshold: which edges, see `strongest`.

    Raises InputError for another ending, and where `strongest` or the writer of the form does.
    """
    suffix = os.path.splitext(path)[1].casefold()
    if suffix not in _WRITERS:
        *others, last = _WRITERS
        found = f"expected a name that ends with {', '.join(others)} or {last}, found {suffix!r}"
        raise refuse(str(path), found, "Choose one of these forms")
    kept = strongest(network, top=top, threshold=threshold)
    _WRITERS[suffix](kept, path)
    return kept


_WRITERS: dict[str, Callable[[Network, str | os.PathLike[str]], None]] = {
    ".csv": write_edges_csv,
    ".graphml": write_graphml,
    ".sif": write_sif,
}


def _relation(edge: Edge) -> str:
    """What the source does to the target, in SIF's and GraphML's word."""
    return "activates" if edge.weight > 0 else "inhibits"


def _graphml_value(owner: ElementTree.Element, key: str, text: str) -> None:
    """Attach the value of one declared attribute to a node or edge."""
    ElementTree.SubElement(owner, "data", key=key).text = text


def _require_writable_names(network: Network) -> None:
    """Refuse control characters: XML has no way to write them, and tabs are SIF's separator."""
    for number, name in enumerate(network.nodes, start=1):
        if any(unicodedata.category(character) == "Cc" for character in name):
            raise refuse(
                f"network, node {number}",
                f"expected a name without tabs, line ends or control characters, found {name!r}",
                "Rename the node",
            )
