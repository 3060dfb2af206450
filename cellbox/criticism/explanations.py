"""What Eq. 1 has not and data may ask for, in words, with the nodes that ask for it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from cellbox.arrays import NodeValues, Perturbations
from cellbox.criticism.linear_theory import LinearTheory
from cellbox.criticism.score_tests import Outcome, Residuals
from cellbox.errors import listed
from cellbox.networks.off_targets import OFF_TARGET

_NODES_NAMED, _ROWS_NAMED = 4, 3

# A node is named where it alone lowers the sum of squares by so many times what is left.
_NAMED_ABOVE = 12.0

# What each alternative is, with the nodes in place of {}.
WORDS = {
    "start": "Responses are not 0 at time 0: x(0) differs from 0 in {}",
    "drive": "A constant drive, the same in all rows, acts on {}: basal production?",
    "treated_drive": "A drive that all treated rows share acts on {}: a solvent or a handling "
    "effect?",
    "offset": "All treated rows share an offset of {}: another reference than the controls?",
    "decay": "Decay is not the same in all nodes, or time is in another unit: {}",
    "response": "Responses bend otherwise than by tanh in {}: other kinetics than Eq. 1?",
    "lines": "Cell lines or batches that are taken as one differ in {}: in edges, amplitudes or "
    "offsets?",
    OFF_TARGET: "Doses act on other nodes than their own: those {}?",
    "input": "Residuals follow one common factor that differs between conditions, in {}: an "
    "unmeasured input or node?",
    "rows": "Residuals agree over the times of a condition and differ between conditions, in {}: "
    "unmeasured inputs, or effects of a perturbation on other nodes than its own?",
}


# One common factor is named instead of drives of all rows where it is so much of what they take.
_MOSTLY = 0.6

# What is the same for all doses is named instead of effects of single ones where it explains nearly
# as much: as much as so many numbers less would have to.
_NEARLY_AS_MUCH = 4.0


class Explanation(NamedTuple):
    """One alternative: how well it explains what is left (the smaller the better), in words."""

    kind: str
    criterion: float
    outcome: Outcome
    sentence: str


def explanations(
    theory: LinearTheory, left: Residuals, nodes: Sequence[str], row_names: Sequence[str]
) -> list[Explanation]:
    """All alternatives that could be tested, the best one first, by the information criterion."""
    found = []
    # Values of a row are its times, and in each the nodes.
    once = theory.residuals.shape[1] == theory.by_drive.shape[2]
    for kind, columns in theory.alternatives.items():
        if not columns.shape[2] or (once and not left.can_tell(columns)):
            continue
        if kind == OFF_TARGET:
            singly = left.asked_for_singly(columns)
            if singly is not None:
                pairs = _named_pairs(singly[1], nodes)
                one = _explanation(kind, singly[0], left, pairs)
                handicap = _NEARLY_AS_MUCH * math.log(left.n_values)
                found.append(one._replace(criterion=one.criterion + handicap))
            continue
        outcome = left.asked_for(columns)
        if outcome is not None:
            taken = left.taken_by_node(columns).reshape(-1, len(nodes)).sum(axis=0)
            found.append(_explanation(kind, outcome, left, _named(taken, left, nodes)))
    shares = _drives(theory, left)
    rows = left.rows_asked_for(theory.by_drive)
    if rows is not None and theory.residuals.shape[1] > len(nodes):
        of_nodes = _named((shares**2).sum(axis=0), left, nodes)
        found.append(_explanation("rows", rows, left, of_nodes))
        factor = _common_factor(theory, left, shares, nodes, row_names)
        if factor is not None:
            mostly = _beyond_chance(factor, left) > _MOSTLY * _beyond_chance(found[-1], left)
            better = found[-1].criterion - 1.0 if mostly else factor.criterion
            found.append(factor._replace(criterion=min(factor.criterion, better)))
    return sorted(found, key=lambda one: one.criterion)


def _beyond_chance(one: Explanation, left: Residuals) -> float:
    """By how much an explanation lowers the sum of squares, less what chance would bring."""
    spare = left.spare - one.outcome.n_columns
    left_over = one.outcome.left * left.variance * spare
    taken = left.sum_of_squares - left_over
    return taken - one.outcome.n_columns * one.outcome.left * left.variance


def _explanation(kind: str, outcome: Outcome, left: Residuals, named: str) -> Explanation:
    spare = left.spare - outcome.n_columns
    total = outcome.left * left.variance * spare
    price = math.log(left.n_values) * outcome.n_columns
    criterion = left.n_values * math.log(max(total, 1e-300)) + price
    sentence = WORDS[kind].format(named)
    sentence = sentence if sentence.endswith("?") else f"{sentence}."
    return Explanation(kind, criterion, outcome, sentence)


def _named(taken: NodeValues, left: Residuals, nodes: Sequence[str]) -> str:
    """The nodes that ask for something, those that ask most first."""
    order = np.argsort(-taken, kind="stable")
    asking = [nodes[node] for node in order if taken[node] > _NAMED_ABOVE * left.variance]
    asking = asking or [nodes[order[0]]]
    more = len(asking) - _NODES_NAMED
    rest = f" and {more} more" if more > 0 else ""
    return ", ".join(asking[:_NODES_NAMED]) + rest


def _named_pairs(places: Sequence[int], nodes: Sequence[str]) -> str:
    """Drugs' own nodes, and others that their doses act on; places as in the columns."""
    pairs = [divmod(place, len(nodes)) for place in places[:_NODES_NAMED]]
    more = len(places) - _NODES_NAMED
    rest = f" and {more} more" if more > 0 else ""
    return ", ".join(f"of {nodes[source]} on {nodes[target]}" for source, target in pairs) + rest


def _drives(theory: LinearTheory, left: Residuals) -> Perturbations:
    """The drive that each row asks for in each node, in standard errors of one by itself."""
    squares = (theory.by_drive**2).sum(axis=1)
    pulls = -np.einsum("rvk,rv->rk", theory.by_drive, left.values)
    return pulls / np.sqrt(np.maximum(squares, 1e-6 * max(float(squares.max()), 1e-300)))


def _common_factor(
    theory: LinearTheory,
    left: Residuals,
    drives: Perturbations,
    nodes: Sequence[str],
    row_names: Sequence[str],
) -> Explanation | None:
    """One input of a strength of its own in each row, that acts on all nodes alike."""
    typical = np.sqrt((theory.by_drive**2).sum(axis=1).mean(axis=0))
    strengths, _, loadings = np.linalg.svd(drives, full_matrices=False)
    direction = loadings[0] / np.where(typical > 0, typical, np.inf)
    columns = theory.by_drive @ direction
    squares = (columns**2).sum(axis=1)
    pulls = np.einsum("rv,rv->r", columns, left.values)
    taken = float((pulls**2 / np.maximum(squares, 1e-300)).sum())
    n_columns = float(len(drives) + len(nodes) - 1)
    spare = left.spare - n_columns
    if spare < 1:
        return None
    # Which direction it is was chosen after the fact, and its p value is not asked for.
    outcome = Outcome(1.0, (left.sum_of_squares - taken) / spare / left.variance, n_columns)
    of_nodes = loadings[0] ** 2 * float(drives @ loadings[0] @ (drives @ loadings[0]))
    first = np.argsort(-np.abs(strengths[:, 0]), kind="stable")[:_ROWS_NAMED]
    rows = listed([row_names[row] for row in first], _ROWS_NAMED)
    named = f"{_named(of_nodes, left, nodes)} (most in {rows})"
    return _explanation("input", outcome, left, named)
