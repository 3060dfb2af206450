"""A network as a table, and as files for Cytoscape, networkx and spreadsheets.

Edges are signed and directed: a positive weight activates its target, a negative one inhibits
it. Every file appears whole or not at all.
"""

from __future__ import annotations

import csv
import json
import unicodedata
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from cellbox.arrays import EdgeMask
from cellbox.errors import refuse
from cellbox.networks.network import Edge, Network, edge_table
from cellbox.storage.files import AnyPath, atomic_write

if TYPE_CHECKING:
    import pandas

#: What is known of an edge beside its weight, by source and target: the bounds of its interval
#: (low, high), its frequency. Of all edges the same facts.
EdgeFacts = Mapping[tuple[str, str], Mapping[str, float]]

#: Nothing is known.
NO_FACTS: EdgeFacts = {}

_GRAPHML = "http://graphml.graphdrawing.org/xmlns"


def to_frame(
    network: Network, *, threshold: float = 0.0, allowed: EdgeMask | None = None
) -> pandas.DataFrame:
    """`Network.to_frame` as a function."""
    return network.to_frame(threshold=threshold, allowed=allowed)


def write_edges_csv(
    network: Network,
    path: AnyPath,
    *,
    threshold: float = 0.0,
    allowed: EdgeMask | None = None,
    facts: EdgeFacts = NO_FACTS,
) -> None:
    """Write `edge_table` as CSV with the header source,target,weight and the names of the facts.

    Numbers keep every digit. Raises InputError where `edge_table` does, and where the folder does
    not exist.
    """
    edges = edge_table(network, threshold=threshold, allowed=allowed)
    more = _names_of(facts)
    with atomic_write(path) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["source", "target", "weight", *more])
        for edge in edges:
            known = facts.get((edge.source, edge.target), {})
            numbers = (repr(float(known[name])) if name in known else "" for name in more)
            writer.writerow([edge.source, edge.target, repr(edge.weight), *numbers])


def _names_of(facts: EdgeFacts) -> tuple[str, ...]:
    return tuple(next(iter(facts.values()), {}))


def write_graphml(
    network: Network, path: AnyPath, *, threshold: float = 0.0, facts: EdgeFacts = NO_FACTS
) -> None:
    """Write a directed GraphML graph of all nodes and the edges with |weight| > threshold.

    Nodes have an `amplitude` (α), edges a `weight`, a `sign` ("activates" or "inhibits") and the
    facts.

    Raises InputError where `edge_table` does, where a name cannot be written, and where the
    folder does not exist.
    """
    require_writable_names(network)
    root = ElementTree.Element("graphml", xmlns=_GRAPHML)
    for owner, name, kind in (
        ("node", "amplitude", "double"),
        ("edge", "weight", "double"),
        ("edge", "sign", "string"),
        *(("edge", name, "double") for name in _names_of(facts)),
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
        for name, number in facts.get((edge.source, edge.target), {}).items():
            _graphml_value(element, name, repr(float(number)))
    ElementTree.indent(root)
    with atomic_write(path, "wb") as file:
        ElementTree.ElementTree(root).write(file, encoding="utf-8", xml_declaration=True)


def write_sif(network: Network, path: AnyPath, *, threshold: float = 0.0) -> None:
    """Write Cytoscape's simple interaction format: source, activates or inhibits, target.

    Fields are separated by tabs, so names may have spaces. A node without any edge of
    |weight| > threshold has a line of its own.

    Raises InputError where `edge_table` does, where a name cannot be written, and where the
    folder does not exist.
    """
    require_writable_names(network)
    edges = edge_table(network, threshold=threshold)
    connected = {name for edge in edges for name in (edge.source, edge.target)}
    lines = [f"{edge.source}\t{_relation(edge)}\t{edge.target}" for edge in edges]
    lines += [name for name in network.nodes if name not in connected]
    with atomic_write(path) as file:
        file.writelines(f"{line}\n" for line in lines)


def write_cx2(
    network: Network, path: AnyPath, *, threshold: float = 0.0, facts: EdgeFacts = NO_FACTS
) -> None:
    """Write CX2, the form of Cytoscape Web and NDEx: all nodes, edges with |weight| > threshold.

    Nodes have a `name` and an `amplitude` (α), edges a `weight`, an `interaction` ("activates" or
    "inhibits") and the facts that are finite, since JSON has no other numbers.

    Raises InputError where `edge_table` does, and where the folder does not exist.
    """
    place = {name: number for number, name in enumerate(network.nodes)}
    nodes = [
        {"id": place[name], "v": {"name": name, "amplitude": float(amplitude)}}
        for name, amplitude in zip(network.nodes, network.amplitudes, strict=True)
    ]
    edges: list[dict[str, Any]] = []
    for number, edge in enumerate(edge_table(network, threshold=threshold)):
        known = facts.get((edge.source, edge.target), {})
        values = {"weight": edge.weight, "interaction": _relation(edge)}
        values |= {name: float(fact) for name, fact in known.items() if np.isfinite(fact)}
        ends = {"s": place[edge.source], "t": place[edge.target]}
        edges.append({"id": number, **ends, "v": values})
    number_type, text_type = {"d": "double"}, {"d": "string"}
    declared = {
        "networkAttributes": {"name": text_type},
        "nodes": {"name": text_type, "amplitude": number_type},
        "edges": {
            "weight": number_type,
            "interaction": text_type,
            **dict.fromkeys(_names_of(facts), number_type),
        },
    }
    aspects: dict[str, list[dict[str, Any]]] = {
        "attributeDeclarations": [declared],
        "networkAttributes": [{"name": "learned network"}],
        "nodes": nodes,
        "edges": edges,
    }
    counts = [{"name": name, "elementCount": len(parts)} for name, parts in aspects.items()]
    document = [
        {"CXVersion": "2.0", "hasFragments": False},
        {"metaData": counts},
        *({name: parts} for name, parts in aspects.items()),
        {"status": [{"success": True}]},
    ]
    with atomic_write(path) as file:
        json.dump(document, file, ensure_ascii=False, indent=1, allow_nan=False)


def _relation(edge: Edge) -> str:
    """What the source does to the target, in SIF's and GraphML's word."""
    return "activates" if edge.weight > 0 else "inhibits"


def _graphml_value(owner: ElementTree.Element, key: str, text: str) -> None:
    """Attach the value of one declared attribute to a node or edge."""
    ElementTree.SubElement(owner, "data", key=key).text = text


def require_writable_names(network: Network) -> None:
    """Refuse control characters: XML has no way to write them, and tabs are SIF's separator."""
    for number, name in enumerate(network.nodes, start=1):
        if any(unicodedata.category(character) == "Cc" for character in name):
            raise refuse(
                f"network, node {number}",
                f"expected a name without tabs, line ends or control characters, found {name!r}",
                "Rename the node",
            )
