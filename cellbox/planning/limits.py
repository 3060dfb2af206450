"""Which conditions an experiment may consist of: nodes, doses, how many at once, forbidden pairs.

Doses are u of Eq. 1. Small ones are candidates of their own: near a full dose tanh saturates, and a
node that is held down no longer answers to its regulators.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, islice, product

import numpy as np
from jaxtyping import Float

from cellbox.data.dataset import Dataset
from cellbox.data.design import draw_design
from cellbox.errors import refuse
from cellbox.storage.problems import Problems, note_unknown

#: Doses as shares of the largest one, where none are named.
SHARES_OF_LARGEST_DOSE = (0.25, 0.5, 0.75, 1.0)
MOST_CANDIDATES = 1_000

# At most so many candidates perturb one node alone, where not all conditions are candidates.
_SINGLES = 400

# Up to so many times as many conditions as are asked for, all are listed before some are drawn.
_ENUMERATED = 4


@dataclass(frozen=True)
class Limits:
    """What may be done in one condition.

    nodes: that can be perturbed. doses: u that each may be given. most_nodes: how many may be
    perturbed at once. forbidden: pairs that must not be together in one condition.
    """

    nodes: tuple[str, ...]
    doses: tuple[float, ...]
    most_nodes: int = 2
    forbidden: tuple[tuple[str, str], ...] = ()

    @property
    def n_conditions(self) -> int:
        """How many conditions these are, without those that forbidden pairs take away."""
        sizes = range(1, min(self.most_nodes, len(self.nodes)) + 1)
        return sum(math.comb(len(self.nodes), size) * len(self.doses) ** size for size in sizes)


def usual_limits(data: Dataset) -> Limits:
    """Limits that follow from what was done in an experiment.

    All nodes, but where the data have drug activity nodes only those that were perturbed; a
    quarter, a half, three quarters and all of the largest dose, with the signs that the data have;
    and as many nodes at once as there.

    Example:
        >>> import cellbox
        >>> network = cellbox.random_network(3, density=0.5, seed=0)
        >>> data = cellbox.simulate(network, n_conditions=6, n_times=2, n_held_out=2)
        >>> cellbox.usual_limits(data).most_nodes
        2
    """
    doses = data.perturbations[data.perturbations != 0]
    largest = float(np.abs(doses).max()) if len(doses) else 1.0
    signs = sorted({float(np.sign(dose)) for dose in doses}, reverse=True) or [1.0]
    # As people pipette: of 0.998 that is 1.
    largest = float(f"{largest:.2g}")
    levels = [sign * share * largest for sign in signs for share in SHARES_OF_LARGEST_DOSE]
    perturbed = (data.perturbations != 0).any(axis=0)
    chosen = perturbed if data.activity_nodes.any() else np.ones(data.n_nodes, bool)
    at_once = int((data.perturbations != 0).sum(axis=1).max(initial=1))
    nodes = tuple(data.nodes[index] for index in np.flatnonzero(chosen))
    return Limits(nodes, tuple(levels), max(1, at_once))


def note_limits(limits: Limits, nodes: Sequence[str], problems: Problems) -> None:
    """Note everything that is wrong with limits.

    nodes: of the network.
    """
    for name in dict.fromkeys(limits.nodes):
        if name not in nodes:
            note_unknown(name, nodes, "nodes to perturb", "node", problems)
    if len(set(limits.nodes)) < len(limits.nodes):
        twice = next(name for name in limits.nodes if limits.nodes.count(name) > 1)
        problems.add(
            "nodes to perturb", f"expected each once, found {twice!r} again", "Name it once"
        )
    if not limits.nodes:
        problems.add("nodes to perturb", "expected at least one, found none", "Name some")
    for pair in limits.forbidden:
        for name in pair:
            if name not in nodes:
                where = f"forbidden pair {'+'.join(pair)}"
                note_unknown(name, nodes, where, "node", problems)
        if len(set(pair)) != 2:
            found = f"expected two different nodes, found {' and '.join(map(repr, pair))}"
            problems.add("forbidden pair", found, "Write it as A+B")
    unusable = [dose for dose in limits.doses if not (np.isfinite(dose) and dose != 0)]
    if unusable or not limits.doses:
        found = f"expected numbers other than 0, found {list(limits.doses) or 'none'}"
        problems.add("doses", found, "Give doses such as 0.25, 0.5, 1")
    if limits.most_nodes < 1:
        found = f"expected at least 1, found {limits.most_nodes}"
        problems.add("most nodes at once", found, "Give 2, for example")


def candidate_conditions(
    limits: Limits, nodes: Sequence[str], *, most: int = MOST_CANDIDATES, seed: int = 0
) -> Float[np.ndarray, "n_candidates n_nodes"]:
    """u of every condition within the limits, or of `most` of them drawn at random.

    Of those that are drawn, each node is in about equally many. Raises InputError where none is
    left.
    """
    place = {name: index for index, name in enumerate(nodes)}
    able = np.array([place[name] for name in limits.nodes])
    forbidden = {frozenset(place[name] for name in pair) for pair in limits.forbidden}
    few = limits.n_conditions <= _ENUMERATED * most
    every = _every(limits, able) if few else _drawn(limits, able, np.random.default_rng(seed))
    allowed: dict[_Condition, None] = {}
    for condition in every if few else islice(every, _ENUMERATED * most):
        if not _holds_forbidden(condition, forbidden):
            allowed[condition] = None
        if not few and len(allowed) == most:
            break
    if len(allowed) > most:
        drawn = np.random.default_rng(seed).permutation(len(allowed))[:most]
        conditions = list(allowed)
        allowed = dict.fromkeys(conditions[index] for index in sorted(drawn))
    if not allowed:
        raise refuse(
            "candidate conditions",
            "expected at least one within the limits, found none",
            "Allow more nodes, doses or pairs",
        )
    u = np.zeros((len(allowed), len(nodes)))
    for row, condition in enumerate(sorted(allowed)):
        for node, dose in condition:
            u[row, node] = dose
    return u


def balanced_conditions(
    limits: Limits, nodes: Sequence[str], n_conditions: int, *, seed: int = 0
) -> Float[np.ndarray, "n_conditions n_nodes"]:
    """u of a screening design: every node about equally often, as many at once as may be.

    Doses are drawn from a Latin hypercube. Where a forbidden pair comes up, one of the two is left
    alone. It needs no network, and is what a design that was chosen has to be better than.
    """
    place = {name: index for index, name in enumerate(nodes)}
    able = np.array([place[name] for name in limits.nodes])
    forbidden = {frozenset(place[name] for name in pair) for pair in limits.forbidden}
    drawn = draw_design(n_conditions, len(able), np.random.default_rng(seed), kind="balanced")
    shares = drawn.perturbations(min(limits.most_nodes, len(able)))
    levels = np.array(limits.doses)[np.argsort(np.abs(limits.doses), kind="stable")]
    doses = levels[np.ceil(shares * len(levels)).astype(int) - 1]
    u = np.zeros((n_conditions, len(nodes)))
    u[:, able] = np.where(shares > 0, doses, 0.0)
    for row in u:
        for first, second in combinations(np.flatnonzero(row).tolist(), 2):
            if row[first] and row[second] and frozenset((first, second)) in forbidden:
                row[second] = 0.0
    return u


_Condition = tuple[tuple[int, float], ...]


def _every(limits: Limits, able: np.ndarray) -> Iterator[_Condition]:
    for size in range(1, min(limits.most_nodes, len(able)) + 1):
        for group in combinations(able.tolist(), size):
            for doses in product(limits.doses, repeat=size):
                yield tuple(zip(group, doses, strict=True))


def _drawn(limits: Limits, able: np.ndarray, random: np.random.Generator) -> Iterator[_Condition]:
    """Single perturbations first, as far as they leave room, then groups of drawn nodes."""
    alone = [((int(node), dose),) for dose in limits.doses for node in able]
    yield from (alone[index] for index in random.permutation(len(alone))[:_SINGLES])
    sizes = range(min(2, limits.most_nodes), min(limits.most_nodes, len(able)) + 1)
    deck: list[int] = []
    while True:
        for size in sizes:
            # Nodes are dealt like cards, so that each comes up about as often as the others.
            if len(deck) < size:
                deck = random.permutation(able).tolist()
            group = sorted(deck.pop() for _ in range(size))
            doses = random.choice(limits.doses, size).tolist()
            yield tuple(zip(group, doses, strict=True))


def _holds_forbidden(condition: _Condition, forbidden: set[frozenset[int]]) -> bool:
    group = [node for node, _ in condition]
    return any(frozenset(pair) in forbidden for pair in combinations(group, 2))
