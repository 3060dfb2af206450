"""A search in which doses may act on other nodes than their own: first on none, then on some.

Such an effect costs what an edge costs. Where an edge from the drug's own node explains as much, it
is the edge that is meant: so an effect has to explain a little more.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool

from cellbox.arrays import EdgeMask
from cellbox.networks.network import possible_edges
from cellbox.networks.off_targets import tellable_off_targets
from cellbox.refinement.multiple_shooting import MultipleShooting
from cellbox.refinement.staged_search import StagedSearch

# By how much the criterion has to be lower with an effect than with an edge in its place: noise
# alone tells what is nearly the same apart by less.
_TIE = 4.0

# Weights, amplitudes and effects that are fitted at once.
_MOST_UNKNOWNS = 1500


class OffTargetSearch(StagedSearch):
    """A search with doses that may act on other nodes than their own."""

    surcharge = _TIE

    @staticmethod
    def late_of(problem: MultipleShooting) -> Bool[np.ndarray, " n_parameters"]:
        """What doses do to other nodes."""
        late = np.zeros(problem.n_parameters, bool)
        late[problem.off_target_places] = True
        return late


def off_target_obstacle(problem: MultipleShooting, allowed: EdgeMask | None) -> str | None:
    """Why effects of doses on other nodes cannot be fitted to these data, or None where they can.

    problem: without a form.
    """
    effects = int(tellable_off_targets(problem.perturbations).sum())
    if not effects:
        return "no node has a dose"
    n_edges = int(possible_edges(problem.n_nodes, allowed).sum())
    unknown = n_edges + problem.n_nodes + effects
    if unknown > _MOST_UNKNOWNS:
        return (
            f"{unknown:,} weights, amplitudes and effects of doses are more than {_MOST_UNKNOWNS:,}"
        )
    return None
