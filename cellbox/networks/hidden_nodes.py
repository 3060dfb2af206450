"""Nodes that were not measured, as a form has them beside the measured ones.

A hidden node h answers like others, dh/dt = tanh(w · (x, h) − d) − h, and acts on others. Its
amplitude is 1 by convention, since twice the amplitude and half the weights of what it acts on are
the same; so is its sign, since −h with all of its weights turned is the same: where no known dose
tells it, the strongest of the weights on measured nodes is positive. d is a drive of each row's own
that no file tells, 0 unless the row asks for it: a perturbation of h that nobody wrote down. What a
row asks for is fitted to that row, so it helps no prediction, which takes 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int

#: What names a form with hidden nodes, and how many it has.
HIDDEN: dict[str, int] = {"hidden": 1, "hidden2": 2, "hidden3": 3}

MOST_HIDDEN = max(HIDDEN.values())

_EDGES_NAMED = 4


@dataclass(frozen=True, eq=False)
class HiddenNodes:
    """What hidden nodes are told by and act on, beside W of the measured nodes.

    sources: rows of W of the hidden nodes; columns are the measured nodes, then the hidden ones.
    targets: columns of W of the hidden nodes; rows are the measured nodes.
    n_driven: in how many of the rows that it was fitted to each has a drive of its own.
    """

    sources: Float[np.ndarray, "n_hidden n_all"]
    targets: Float[np.ndarray, "n_nodes n_hidden"]
    n_driven: tuple[int, ...]

    @property
    def n_hidden(self) -> int:
        """How many."""
        return len(self.sources)

    def in_order(self, order: Int[np.ndarray, " n_chosen"]) -> HiddenNodes:
        """The same with the measured nodes in another order, or with some of them."""
        n_nodes = len(self.targets)
        every = np.concatenate([order, np.arange(n_nodes, n_nodes + self.n_hidden)])
        return HiddenNodes(self.sources[:, every], self.targets[order], self.n_driven)

    def turned(self, order: Sequence[int], signs: Float[np.ndarray, " n_chosen"]) -> HiddenNodes:
        """Some of these nodes in this order, each times its sign: all that x does is the same."""
        n_nodes, chosen = len(self.targets), np.asarray(order, int)
        among = self.sources[np.ix_(chosen, n_nodes + chosen)] * signs[:, None] * signs
        measured = self.sources[chosen, :n_nodes] * signs[:, None]
        return HiddenNodes(
            np.concatenate([measured, among], axis=1),
            self.targets[:, chosen] * signs,
            tuple(self.n_driven[node] for node in chosen),
        )

    def by_convention(self) -> HiddenNodes | None:
        """Those that act on measured nodes and are told by any, strongest first, signs fixed.

        None where that is none of them.
        """
        told = (self.sources != 0).any(axis=1) | (np.array(self.n_driven) > 0)
        acting = (self.targets != 0).any(axis=0)
        size = np.sqrt((self.targets**2).sum(axis=0))
        order = [int(node) for node in np.argsort(-size, kind="stable") if (told & acting)[node]]
        if not order:
            return None
        strongest = np.argmax(np.abs(self.targets[:, order]), axis=0)
        signs = np.sign(self.targets[strongest, order])
        return self.turned(order, signs)

    def like(self, other: HiddenNodes) -> HiddenNodes:
        """Another one's nodes, as many, in the order and with the signs that are nearest to these.

        For means, as of an ensemble's members.
        """
        size = self.targets.T @ other.targets
        order: list[int] = []
        for mine in range(self.n_hidden):
            left = [node for node in range(other.n_hidden) if node not in order]
            order.append(max(left, key=lambda node: abs(size[mine, node])))
        signs = np.where(size[np.arange(self.n_hidden), order] < 0, -1.0, 1.0)
        return other.turned(order, signs)

    def sentence(self, nodes: Sequence[str]) -> str:
        """What each is told by and acts on, and what can be known of it."""
        names = (*nodes, *hidden_names(nodes, self.n_hidden))
        said = []
        for node, driven in enumerate(self.n_driven):
            sources = _strongest(self.sources[node], names) or "nothing"
            targets = _strongest(self.targets[:, node], names)
            own = f", and drives of its own in {driven} of the rows" if driven else ""
            said.append(f"{names[len(nodes) + node]} acts on {targets}, told by {sources}{own}")
        return "; ".join(said)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for files."""
        return {
            "sources": self.sources.tolist(),
            "targets": self.targets.tolist(),
            "n_driven": list(self.n_driven),
        }


#: What can be known of hidden nodes, wherever they are shown.
WARNING = (
    "A hidden node is known as far as measured nodes show it: its scale is a convention (amplitude "
    "1) and so is its sign unless a dose tells it, weights to and from it are told apart only as "
    "far as it saturates (else their products), and another measured network may look the same. "
    "Predictions know no drives of its own."
)


def hidden_names(nodes: Sequence[str], n_hidden: int) -> tuple[str, ...]:
    """Names of hidden nodes, none of which a measured node has."""
    names: list[str] = []
    number = 0
    while len(names) < n_hidden:
        number += 1
        if f"hidden{number}" not in nodes:
            names.append(f"hidden{number}")
    return tuple(names)


def hidden_of(content: Any, n_nodes: int) -> HiddenNodes:
    """Those of `HiddenNodes.to_dict`. Raises ValueError, TypeError or KeyError for others."""
    sources, targets = (np.array(content[key], float) for key in ("sources", "targets"))
    n_hidden = len(sources)
    driven = tuple(int(count) for count in content["n_driven"])
    shapes = (sources.shape, targets.shape, len(driven))
    wanted = ((n_hidden, n_nodes + n_hidden), (n_nodes, n_hidden), n_hidden)
    finite = np.isfinite(sources).all() and np.isfinite(targets).all()
    if shapes != wanted or not finite or not 1 <= n_hidden <= MOST_HIDDEN:
        raise ValueError(f"hidden nodes of the shapes {shapes}, expected finite ones of {wanted}")
    return HiddenNodes(sources, targets, driven)


def mean_of(hidden: Sequence[HiddenNodes]) -> HiddenNodes:
    """The mean of several networks' hidden nodes, of one number, each turned like the first."""
    alike = [hidden[0].like(one) for one in hidden]
    return HiddenNodes(
        np.mean([one.sources for one in alike], axis=0),
        np.mean([one.targets for one in alike], axis=0),
        tuple(max(counts) for counts in zip(*(one.n_driven for one in alike), strict=True)),
    )


def _strongest(weights: Float[np.ndarray, " n_weights"], names: Sequence[str]) -> str:
    """The largest of these, with names."""
    order = np.argsort(-np.abs(weights), kind="stable")[: np.count_nonzero(weights)]
    named = [f"{names[node]} {weights[node]:.2g}" for node in order[:_EDGES_NAMED]]
    more = len(order) - len(named)
    return ", ".join(named) + (f" and {more} more" if more > 0 else "")
