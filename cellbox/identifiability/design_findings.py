"""What a design covers: which nodes it perturbs, measures, and measures often enough.

These findings need no guess of the network. A node is named for a reason about itself alone,
never because a neighbour is badly covered.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Int

from cellbox.arrays import RowNumbers, ValueMask
from cellbox.data.dataset import Dataset
from cellbox.errors import listed

Kind = Literal["never_perturbed", "only_held", "never_measured", "too_few_values"]

_FIXES: dict[Kind, str] = {
    "never_perturbed": "Perturb each node in some training condition, or read such rows of W only "
    "up to a factor",
    "only_held": "Give each node a dose in some training condition, or read such rows of W only up "
    "to a factor",
    "never_measured": "Measure each node in some training condition, or leave it out of the "
    "network",
    "too_few_values": "Measure in more conditions or at more times, or forbid edges that cannot be",
}
# What is said once where many nodes share a reason.
_OF_MANY: dict[Kind, str] = {
    "never_perturbed": "are never perturbed: the amplitude of each and the scale of its row of W "
    "are confounded",
    "only_held": "are held and never have a dose: the amplitude of each and the scale of its row "
    "of W are confounded",
    "never_measured": "are never measured: the amplitude of each and the edges out of it are "
    "confounded",
    "too_few_values": "have fewer measured values under perturbation than unknowns in their row of "
    "W and amplitude, which are not determined",
}
_NAMED_ONE_BY_ONE = 8


@dataclass(frozen=True)
class Reason:
    """Why the data do not determine a node's row of W and amplitude.

    clause: goes on after the node's name ("is never perturbed: ...").
    """

    kind: Kind
    clause: str

    @property
    def fix(self) -> str:
        """What can be done about it."""
        return _FIXES[self.kind]


@dataclass(frozen=True)
class NodeFinding:
    """A node whose row of W and amplitude the data do not determine, with every reason."""

    node: str
    reasons: tuple[Reason, ...]

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """The reasons by name."""
        return tuple(reason.kind for reason in self.reasons)

    @property
    def scale_is_open(self) -> bool:
        """Whether its row of W is told up to a factor alone."""
        return "never_perturbed" in self.kinds or "only_held" in self.kinds

    @property
    def sentence(self) -> str:
        """All reasons in words: "Irx3 is never perturbed: ..."."""
        first, *others = (reason.clause for reason in self.reasons)
        return " ".join([f"{self.node} {first}.", *(f"It {clause}." for clause in others)])

    @property
    def fix(self) -> str:
        """What can be done about it."""
        return ". ".join(reason.fix for reason in self.reasons) + "."


def training_rows(data: Dataset) -> RowNumbers:
    """The rows that train: those of the split that came with the data, else all."""
    return np.arange(data.n_rows) if data.split is None else data.split.training


def node_findings(
    data: Dataset, rows: Int[np.ndarray, " n_training_rows"] | None = None
) -> tuple[NodeFinding, ...]:
    """The nodes that these training rows do not cover, in the order of the data's nodes.

    rows: by default `training_rows`. Rows without any measured value tell nothing and do not
    count. A node is named where no row has a dose of it; where no row measures it; and where its
    measured values are fewer than its unknowns: the sources that it may have and its amplitude.
    Of these values, repeated measurements of one condition count once, and those of a control
    that perturbs nothing not at all, since there nothing moves, whatever W is. Activity nodes
    follow from their own dose, and so have no sources to count.
    """
    rows = training_rows(data) if rows is None else rows
    measured = ~np.isnan(data.measurements[rows])
    rows, measured = rows[measured.any(axis=(1, 2))], measured[measured.any(axis=(1, 2))]
    dosed = (data.perturbations[rows] != 0).any(axis=0)
    n_held = _conditions_that_hold(data, rows)
    n_sources = data.possible_edges.sum(axis=1)
    n_values = _telling_values(data, rows, measured)
    findings = []
    for index, node in enumerate(data.nodes):
        n_unknown = 1 if data.activity_nodes[index] else 1 + int(n_sources[index])
        reasons: list[Reason] = []
        if not dosed[index] and n_held[index]:
            reasons.append(_only_held(int(n_held[index]), int(n_sources[index])))
        elif not dosed[index]:
            reasons.append(_never_perturbed(int(n_sources[index])))
        if not measured[..., index].any():
            reasons.append(
                Reason(
                    "never_measured",
                    "is never measured: its amplitude and the edges out of it are confounded",
                )
            )
        elif n_values[index] < n_unknown:
            reasons.append(_too_few(int(n_values[index]), n_unknown))
        if reasons:
            findings.append(NodeFinding(node, tuple(reasons)))
    return tuple(findings)


def coverage_sentences(findings: Sequence[NodeFinding], n_nodes: int) -> list[str]:
    """The findings in words: node by node where they are few, else grouped by reason.

    n_nodes: of the whole network.
    """
    if len(findings) <= _NAMED_ONE_BY_ONE:
        return [finding.sentence for finding in findings]
    said: list[str] = []
    before: list[str] = []
    for kind, nodes in by_kind(findings):
        if nodes and nodes == before:
            said.append(f"The same {len(nodes)} nodes {_OF_MANY[kind]}.")
        elif nodes:
            named = listed(nodes, _NAMED_ONE_BY_ONE)
            said.append(f"{len(nodes)} of {n_nodes} nodes {_OF_MANY[kind]} ({named}).")
        before = nodes or before
    return said


def fix_sentences(findings: Sequence[NodeFinding]) -> list[str]:
    """What can be done, once for each kind of reason."""
    return [f"{_FIXES[kind]}." for kind, nodes in by_kind(findings) if nodes]


def by_kind(findings: Sequence[NodeFinding]) -> Iterator[tuple[Kind, list[str]]]:
    """The named nodes of each kind of reason."""
    for kind in _FIXES:
        yield kind, [finding.node for finding in findings if kind in finding.kinds]


def _telling_values(
    data: Dataset, rows: RowNumbers, measured: ValueMask
) -> Int[np.ndarray, " n_nodes"]:
    """Of each node, how many (condition, time) pairs with some perturbation were measured."""
    disturbed = data.touched[rows].any(axis=1)
    conditions = data.condition_of_row[rows]
    seen = np.zeros((data.n_conditions, *measured.shape[1:]), bool)
    np.logical_or.at(seen, conditions[disturbed], measured[disturbed])
    return seen.sum(axis=(0, 1))


def _conditions_that_hold(data: Dataset, rows: RowNumbers) -> Int[np.ndarray, " n_nodes"]:
    """In how many conditions of these rows each node is held."""
    done = data.interventions_of(rows)
    if done is None:
        return np.zeros(data.n_nodes, int)
    held, conditions = ~done.free, data.condition_of_row[rows]
    return np.array([len(np.unique(conditions[of_node])) for of_node in held.T], int)


def _only_held(n_conditions: int, n_sources: int) -> Reason:
    """Where it is held its own equation plays no part; elsewhere nothing is added to what acts."""
    held = f"is held in {n_conditions} condition{'' if n_conditions == 1 else 's'}"
    if n_sources == 0:
        return Reason(
            "only_held",
            f"{held}, never has a dose and no edge may lead into it, so that its amplitude is not "
            "determined",
        )
    return Reason(
        "only_held",
        f"{held} and never has a dose: its amplitude and its row of W are confounded",
    )


def _never_perturbed(n_sources: int) -> Reason:
    if n_sources == 0:
        # Nothing acts on it either.
        return Reason(
            "never_perturbed",
            "is never perturbed and no edge may lead into it, so that it never moves: its "
            "amplitude and the edges out of it are not determined",
        )
    return Reason(
        "never_perturbed", "is never perturbed: its amplitude and its row of W are confounded"
    )


def _too_few(n_values: int, n_unknown: int) -> Reason:
    values = "1 measured value" if n_values == 1 else f"{n_values} measured values"
    unknown = "the 1 unknown" if n_unknown == 1 else f"the {n_unknown} unknowns"
    return Reason(
        "too_few_values",
        f"has {values} under perturbation for {unknown} of its row of W and its amplitude, which "
        "they do not determine",
    )
