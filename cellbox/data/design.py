"""Perturbation designs: which nodes each condition perturbs, and how strongly."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from cellbox.errors import refuse


@dataclass(frozen=True, eq=False)
class Design:
    """A draw of conditions before it is decided how many nodes each perturbs.

    levels: strength of every node in every condition, from a Latin hypercube, in (0, 1].
    order: for each condition, the nodes in the order in which they join the perturbation, so
        that a design with fewer perturbed nodes is part of one with more.
    """

    levels: Float[np.ndarray, "n_conditions n_nodes"]
    order: Int[np.ndarray, "n_conditions n_nodes"]

    def perturbations(self, n_perturbed: int) -> Float[np.ndarray, "n_conditions n_nodes"]:
        """u with exactly `n_perturbed` nodes of each condition perturbed."""
        chosen = self.order[:, :n_perturbed]
        perturbations = np.zeros_like(self.levels)
        np.put_along_axis(
            perturbations, chosen, np.take_along_axis(self.levels, chosen, axis=1), axis=1
        )
        return perturbations


DESIGNS = ("paper", "balanced")

# Who joins later than this is left to chance: by then every node is perturbed often enough.
_BALANCED_PLACES = 16


def draw_design(
    n_conditions: int, n_nodes: int, random: np.random.Generator, *, kind: str = "paper"
) -> Design:
    """Draw a Latin hypercube over conditions, thinned to some nodes of each.

    kind: "paper" perturbs random nodes, as Ji et al. 2021 do, and may leave some out altogether;
        "balanced" perturbs all nodes about equally often, in the first conditions as in all of
        them.

    Raises InputError for another kind.
    """
    if kind not in DESIGNS:
        raise refuse("design", f"expected paper or balanced, found {kind!r}", "Choose one of these")
    # Takes as long to load as JAX.
    from scipy.stats import qmc

    sampler = qmc.LatinHypercube(n_nodes, rng=random)
    # The hypercube lies in [0, 1); turned around it is (0, 1], where no node gets zero.
    levels = 1.0 - sampler.random(n_conditions)
    order = random.permuted(np.tile(np.arange(n_nodes), (n_conditions, 1)), axis=1)
    if kind == "balanced":
        order = _balanced(order)
    return Design(levels, order)


def _balanced(order: Int[np.ndarray, "n_conditions n_nodes"]) -> np.ndarray:
    """The same draw with nodes moved to the front where they were perturbed least so far.

    Ties go to the node that was least among the further ones, and then by the order drawn.
    """
    n_nodes = order.shape[1]
    n_places = min(n_nodes, _BALANCED_PLACES)
    # By place: how often a node was among the first so many of a condition.
    counts = np.zeros((n_places, n_nodes), int)
    balanced = []
    for drawn in order:
        left, chosen = list(drawn), []
        for place in range(n_places):
            node = min(left, key=lambda one: tuple(counts[place:, one]))
            left.remove(node)
            chosen.append(node)
            # From this place on it belongs to the perturbed ones.
            counts[place:, node] += 1
        balanced.append(chosen + left)
    return np.array(balanced)


def nested_times(n_times: int) -> Int[np.ndarray, " n_times"]:
    """Indices of times in the order in which a growing experiment takes them.

    The last first, then always the one farthest from those chosen.
    """
    chosen = [n_times - 1]
    while len(chosen) < n_times:
        distance = np.abs(np.arange(n_times)[:, None] - np.array(chosen)).min(axis=1)
        chosen.append(int(np.argmax(distance)))
    return np.array(chosen)


def check_perturbed(n_perturbed: int, n_nodes: int) -> None:
    """Refuse a number of perturbed nodes that the network does not have."""
    if not 1 <= n_perturbed <= n_nodes:
        raise refuse(
            "perturbed nodes per condition",
            f"expected 1 to {n_nodes}, the number of nodes, found {n_perturbed}",
            "Choose a number in this range",
        )
