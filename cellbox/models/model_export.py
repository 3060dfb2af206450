"""The network of a model for other programs, with what an ensemble knows of each edge."""

from __future__ import annotations

import os
from dataclasses import replace

import numpy as np

from cellbox.errors import refuse
from cellbox.models.ensemble import Ensemble
from cellbox.models.model import FittedModel
from cellbox.networks.export import EdgeFacts
from cellbox.networks.export_forms import write_network_as
from cellbox.networks.network import Network, check_numbers


def export_network(
    model: FittedModel | Network,
    path: str | os.PathLike[str],
    *,
    top: int | None = None,
    threshold: float = 0.0,
    confident: bool = False,
    line: str | None = None,
) -> Network:
    """Write a network, or that of a model, in the form that the path's name ends with; returns it.

    The forms and which edges: see `cellbox.networks.export_forms.write_network_as`. CSV, GraphML
    and CX2 have the 90 % interval (low, high) and the frequency of each edge of an ensemble.
    confident: only the edges of an ensemble whose interval does not hold 0. line: the network of
    this cell line of a model, without intervals.

    Raises InputError where edges are to be confident and the model has no intervals, and where
    `write_network_as` does.

    Example:
        >>> import cellbox
        >>> data = cellbox.read_data("my_experiment")
        >>> model = cellbox.fit(data, cellbox.Settings(steps=50, refinement="none"))
        >>> kept = cellbox.export_network(model, "network.graphml", top=3)
        >>> len(kept.to_frame())
        3
    """
    edges = model.edges() if isinstance(model, Ensemble) else []
    network = model if isinstance(model, Network) else model.network
    if line is not None and not isinstance(model, Network):
        # What an ensemble knows of an edge is about the reference.
        network, edges = model.network_of(line), []
    check_numbers(network)
    if confident:
        sure = [(edge.source, edge.target) for edge in edges if edge.low > 0 or edge.high < 0]
        if not any(np.isfinite([edge.low, edge.high]).all() for edge in edges):
            found = "expected a model whose edges have intervals, found one that tells none"
            fix = "Fit an ensemble: cellbox fit DATA --members 20"
            raise refuse("confident", found, fix)
        network = _only(network, set(sure))
    facts: EdgeFacts = {
        (edge.source, edge.target): {
            "low": edge.low,
            "high": edge.high,
            "frequency": edge.frequency,
        }
        for edge in edges
    }
    return write_network_as(network, path, top=top, threshold=threshold, facts=facts)


def _only(network: Network, edges: set[tuple[str, str]]) -> Network:
    """The network with these edges (source, target) alone."""
    kept = [[(source, target) in edges for source in network.nodes] for target in network.nodes]
    return replace(network, weights=np.where(np.array(kept, bool), network.weights, 0.0))
