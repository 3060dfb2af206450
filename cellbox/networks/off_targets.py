"""What a drug does to other nodes than its own, as a form has it: entries of u that no file tells.

A drug is a node that is perturbed, j, and what its dose does to other nodes is a column of O:

    ũ = u + O u,    O[i, j]: what a dose of 1 of node j adds to u of node i, 0 where i is j

Nodes whose doses are in proportion in all rows are one drug: what it does to its own nodes is told
by the file, and which of them does what to others nobody can tell, so the first stands for all.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Int

from cellbox.arrays import Perturbations

#: What names a form with effects of doses on other nodes than their own.
OFF_TARGET = "off_target"

_NAMED = 4
_ROUNDING = 1e-6

#: What can be known of such effects, wherever they are shown.
WARNING = (
    "What a drug does to another node, and an edge there from the drug's own node, are told apart "
    "only where that node also moves by other means, or early on, since an edge waits for its "
    "source to move; where both explain the data alike, the edge is taken."
)


def tellable_off_targets(perturbations: Perturbations) -> Bool[np.ndarray, "n_nodes n_nodes"]:
    """Which entries of O, target by source, these doses can tell at all."""
    drug = drugs_of(perturbations)
    first = np.unique(drug[drug >= 0], return_index=True)[1]
    sources = np.zeros(len(drug), bool)
    sources[np.flatnonzero(drug >= 0)[first]] = True
    return sources & (drug[:, None] != drug)


def drugs_of(perturbations: Perturbations) -> Int[np.ndarray, " n_nodes"]:
    """The number of the drug that perturbs each node; −1 of nodes without a dose."""
    n_nodes = perturbations.shape[1]
    sizes = np.sqrt((perturbations**2).sum(axis=0))
    drug = np.full(n_nodes, -1)
    alike = perturbations / np.where(sizes > 0, sizes, 1.0)
    for node in np.flatnonzero(sizes > 0).tolist():
        if drug[node] < 0:
            aligned = np.abs(alike[:, node] @ alike) > 1 - _ROUNDING
            drug[aligned & (drug < 0)] = node
    return drug


def sentence_of(effects: Float[np.ndarray, "n_nodes n_nodes"], nodes: Sequence[str]) -> str:
    """The strongest effects, with the names of drugs' own nodes and of those they act on."""
    order = np.argsort(-np.abs(effects), axis=None, kind="stable")[: np.count_nonzero(effects)]
    places = [divmod(int(place), len(nodes)) for place in order[:_NAMED]]
    named = [f"{nodes[j]} on {nodes[i]} {effects[i, j]:.3g}" for i, j in places]
    more = len(order) - len(named)
    return ", ".join(named) + (f" and {more} more" if more > 0 else "")
