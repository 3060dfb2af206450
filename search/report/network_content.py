"""A learned network as a page shows it: graph, heat map and table of edges."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Int
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import pdist

from cellbox.arrays import NodeMask
from cellbox.data.dataset import Dataset
from cellbox.models.plots import plot_network
from cellbox.networks.network import Network, in_order_of
from cellbox.scores.metric_names import RECOVERIES
from search.report.blocks import Block, Facts, Figure, Graph, Section, Text
from search.report.drawing import image_link, look
from search.report.edges import JudgedEdge, JudgedNetwork, edge_block
from search.report.graph import graph_svg

# Up to so many nodes all edges worth showing are; then as many as can still be followed.
_SMALL = 12
_EDGES_SHOWN, _EDGES_DRAWN = 40, 100
# An edge below this share of the strongest is not worth a line.
_WORTH = 0.05
_OFTEN = 0.5
_DRUGS = (
    " A drug's square is the activity that the drug takes away: where it activates a target, the "
    "drug pushes that target down."
)
_HIDDEN = " Hidden nodes, and what they act on, are not drawn; the form of the model names them."
_TOLD_BY = (
    "Most told by: the training conditions with the largest shares of the Fisher information of an "
    "edge, where its source moves most and its target can still answer."
)


def network_section(
    judged: JudgedNetwork,
    data: Dataset,
    perturbed: NodeMask,
    report: Mapping[str, Any],
    told_by: Sequence[str] = (),
) -> Section:
    """The section about the learned network.

    perturbed: nodes that training perturbs. told_by: of the first edges, which conditions tell most
    of them.
    """
    blocks: list[Block] = [_graph(judged, data, perturbed)]
    if data.truth is not None:
        known = [(name, report[key]) for name, key in RECOVERIES if report.get(key) is not None]
        blocks.append(Text(("Against the true network, which is known here:",)))
        blocks.append(Facts(tuple(known)))
    said = [judged.intervals_from]
    if any(told_by):
        said.append(_TOLD_BY)
    blocks += [
        edge_block(judged, told_by, data.prior),
        Text(tuple(said)),
        _heat_map(judged.network, data),
    ]
    return Section("network", "The learned network", tuple(blocks))


def worth_drawing(judged: JudgedNetwork) -> list[JudgedEdge]:
    """The edges of a picture, the most important first: often selected, and not faint."""
    strongest = max((abs(edge.weight) for edge in judged.edges), default=0.0)
    kept = [
        edge
        for edge in judged.edges
        if abs(edge.weight) > _WORTH * strongest
        and (edge.frequency is None or edge.frequency >= _OFTEN)
    ]
    return kept[:_EDGES_DRAWN]


def _graph(judged: JudgedNetwork, data: Dataset, perturbed: NodeMask) -> Graph:
    edges = worth_drawing(judged)
    small = len(data.nodes) <= _SMALL
    shown = len(edges) if small else min(_EDGES_SHOWN, len(edges))
    used = {name for edge in edges[:shown] for name in (edge.source, edge.target)}
    nodes = [node for node in data.nodes if small or node in used]
    edges = [edge for edge in edges if {edge.source, edge.target} <= set(nodes)]
    order = "surest" if judged.has_intervals else "strongest"
    left_out = len(data.nodes) - len(nodes)
    without = f" {left_out} nodes without any of these edges are left out." if left_out else ""
    return Graph(
        "Who acts on whom",
        graph_svg(
            nodes,
            edges,
            drugs=_named(data, data.activity_nodes),
            perturbed=_named(data, perturbed),
            shown=shown,
        ),
        shown,
        len(edges),
        f"The {order} edges; the stronger, the wider"
        f"{', and the fainter, the fewer models have it' if _has_frequencies(judged) else ''}."
        f"{without} Edges below {100 * _WORTH:.0f} % of the strongest are not drawn."
        f"{_DRUGS if data.activity_nodes.any() else ''}"
        f"{_HIDDEN if _has_hidden_nodes(judged.network) else ''}",
    )


def _has_frequencies(judged: JudgedNetwork) -> bool:
    return any(edge.frequency is not None and edge.frequency < 1 for edge in judged.edges)


def _has_hidden_nodes(network: Network) -> bool:
    return network.form is not None and network.form.hidden is not None


def _named(data: Dataset, which: NodeMask) -> frozenset[str]:
    return frozenset(data.nodes[node] for node in np.flatnonzero(which))


def _heat_map(network: Network, data: Dataset) -> Figure:
    """W as colours, similar targets next to each other, beside the true W where it is known."""
    grouped = in_order_of(network, tuple(network.nodes[i] for i in grouped_order(network, data)))
    truth = None if data.truth is None else in_order_of(data.truth, grouped.nodes)
    with look():
        axes = np.atleast_1d(np.array(plot_network(grouped, truth), dtype=object))
        source = image_link(axes[0].figure)
    targets, sources = np.nonzero(grouped.weights)
    rows = tuple(
        (grouped.nodes[s], grouped.nodes[t], float(grouped.weights[t, s]))
        for t, s in zip(targets, sources, strict=True)
    )
    apart = ", drugs together" if data.activity_nodes.any() else ""
    beside = " Beside it the true one." if truth is not None else ""
    return Figure(
        "W as a heat map",
        f"Heat map of the {network.n_nodes} by {network.n_nodes} weights W: targets down, sources "
        f"across, red activates and blue inhibits; {len(rows):,} of them are not zero.",
        source,
        "weights.csv",
        ("source", "target", "weight"),
        rows,
        f"W[target, source], dimensionless; targets with similar regulators stand next to each "
        f"other{apart}.{beside}",
        large=network.n_nodes > _SMALL or truth is not None,
    )


def grouped_order(network: Network, data: Dataset) -> Int[np.ndarray, " n_nodes"]:
    """Nodes in the order of a heat map: drugs last; in each group similar rows together."""
    groups = [np.flatnonzero(~data.activity_nodes), np.flatnonzero(data.activity_nodes)]
    return np.concatenate([_similar_together(network, group) for group in groups])


def _similar_together(network: Network, group: Int[np.ndarray, " n_group"]) -> np.ndarray:
    if len(group) <= _SMALL:
        # So few are found by name.
        return group
    rows = network.weights[group]
    return group[leaves_list(linkage(pdist(rows), method="average"))]
