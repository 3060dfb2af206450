"""A network with hidden nodes as one of all its nodes, and back.

In the whole network hidden nodes are nodes like others, behind the measured ones; it has the form
without them.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from cellbox.networks.fitted_form import FittedForm
from cellbox.networks.form import EQ_1
from cellbox.networks.hidden_nodes import HiddenNodes, hidden_names
from cellbox.networks.network import Network


def n_hidden_of(network: Network) -> int:
    """How many hidden nodes a network has."""
    return 0 if network.form is None else network.form.form.n_hidden


def whole(network: Network, n_hidden: int | None = None) -> Network:
    """The network of all nodes.

    n_hidden: how many of them are hidden, by default as many as there are; those that the network
    has not are without edges.
    """
    fitted = network.form or FittedForm(EQ_1, {})
    known = fitted.hidden
    n_known = 0 if known is None else known.n_hidden
    more = n_known if n_hidden is None else n_hidden
    if not more:
        return network
    n_nodes = network.n_nodes
    weights = np.pad(network.weights, (0, more))
    if known is not None:
        kept = known.turned(range(min(n_known, more)), np.ones(min(n_known, more)))
        end = n_nodes + kept.n_hidden
        weights[:n_nodes, n_nodes:end] = kept.targets
        weights[n_nodes:end, :end] = kept.sources
    every = fitted.with_more_nodes(more)
    plain = replace(fitted.form, n_hidden=0)
    return Network(
        (*network.nodes, *hidden_names(network.nodes, more)),
        weights,
        np.concatenate([network.amplitudes, np.ones(more)]),
        FittedForm(plain, every.values) if plain else None,
    )


def measured_part(network: Network, n_hidden: int, n_driven: tuple[int, ...]) -> Network:
    """The network of the measured nodes, with the last ones of a whole network as hidden ones.

    Hidden nodes that do nothing are left out. n_driven: as in `HiddenNodes`.
    """
    n_nodes = network.n_nodes - n_hidden
    shown = np.arange(n_nodes)
    hidden = HiddenNodes(
        network.weights[n_nodes:], network.weights[:n_nodes, n_nodes:], n_driven
    ).by_convention()
    fitted = FittedForm(EQ_1, {}) if network.form is None else network.form.in_order(shown)
    count = 0 if hidden is None else hidden.n_hidden
    form = replace(fitted, form=replace(fitted.form, n_hidden=count), hidden=hidden)
    return Network(
        network.nodes[:n_nodes],
        network.weights[:n_nodes, :n_nodes],
        network.amplitudes[:n_nodes],
        form.kept(),
    )
