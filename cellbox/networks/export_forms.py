"""Which edges of a network are written, and in which form: its file's name tells."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from cellbox.errors import refuse
from cellbox.networks.export import (
    NO_FACTS,
    EdgeFacts,
    write_cx2,
    write_edges_csv,
    write_graphml,
    write_sif,
)
from cellbox.networks.network import Network, edge_table
from cellbox.networks.sbml import write_sbml

logger = logging.getLogger("cellbox")


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
    facts: EdgeFacts = NO_FACTS,
) -> Network:
    """Write the strongest edges in the form that the path's name ends with; returns that network.

    The forms: .csv (source, target, weight), .graphml (networkx, yEd, Cytoscape), .sif
    (Cytoscape), .cx2 (Cytoscape Web, NDEx), .xml or .sbml (the whole model, see
    `cellbox.write_sbml`). top, threshold: which edges, see `strongest`. Lists of edges have those
    between measured nodes, and a note says so where there are hidden ones.
    facts: what is written of each edge beside its weight, in CSV, GraphML and CX2.

    Raises InputError for another ending, and where `strongest` or the writer of the form does.
    """
    suffix = os.path.splitext(path)[1].casefold()
    if suffix not in FORMS:
        *others, last = FORMS
        found = f"expected a name that ends with {', '.join(others)} or {last}, found {suffix!r}"
        raise refuse(str(path), found, "Choose one of these forms")
    kept = strongest(network, top=top, threshold=threshold)
    _writer(suffix, facts)(kept, path)
    if suffix in _LISTS_OF_EDGES and network.form is not None and network.form.hidden is not None:
        hidden = network.form.hidden.sentence(network.nodes)
        logger.info("%s lists edges between measured nodes alone, and left out: %s", path, hidden)
    return kept


#: How the names of files end that `write_network_as` writes.
FORMS = (".csv", ".graphml", ".sif", ".cx2", ".xml", ".sbml")
_LISTS_OF_EDGES = FORMS[:4]


def _writer(suffix: str, facts: EdgeFacts) -> Callable[[Network, str | os.PathLike[str]], Any]:
    """What writes the form of this ending."""
    writers: dict[str, Callable[..., Any]] = {
        ".csv": partial(write_edges_csv, facts=facts),
        ".graphml": partial(write_graphml, facts=facts),
        ".sif": write_sif,
        ".cx2": partial(write_cx2, facts=facts),
    }
    return writers.get(suffix, write_sbml)
