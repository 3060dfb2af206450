"""Why each proposed condition is proposed, in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from cellbox.arrays import NodeValues
from cellbox.identifiability.row_information import Factors, updated
from cellbox.planning.question import Question
from cellbox.planning.selection import Candidates, Choice

# A condition that is worth this share of the best in its place is as good as the best.
_AS_GOOD = 0.9

# So many of the best candidates a condition is compared with.
_COMPARED = 32

# A reason names so many edges, and those alone whose errors it lowers by more than this share.
_NAMED, _WORTH_NAMING = 2, 0.05

# A partial dose is remarked on where the full one would tell less by more than this share.
_WORTH_A_REMARK = 0.02


@dataclass(frozen=True)
class ProposedCondition:
    """A condition to measure.

    name: of the condition. doses: u of each perturbed node. good_in: of how many networks it is
    within a tenth of the best in its place. reason: in words.
    """

    name: str
    doses: tuple[tuple[str, float], ...]
    good_in: int
    reason: str

    @property
    def perturbation(self) -> str:
        """The doses as people write them: "AKT 0.5 + MEK 1"."""
        return " + ".join(f"{node} {dose:g}" for node, dose in self.doses)


def explained(
    question: Question,
    candidates: Candidates,
    choice: Choice,
    conditions: Float[np.ndarray, "n_conditions n_nodes"],
    names: Sequence[str],
    *,
    is_balanced: bool,
) -> tuple[ProposedCondition, ...]:
    """Every condition with its reason, which is what would be missing without it."""
    nodes, noise = question.belief.nodes, question.belief.noise
    derivatives = question.derivatives(conditions)
    n_members, n, _, _, width = derivatives.shape
    known = updated(question.known, derivatives.reshape(n_members, n, -1, width), noise)
    likely = candidates.derivatives[:, :, choice.likely[:_COMPARED]]
    found: list[ProposedCondition] = []
    for row, u in enumerate(conditions):
        without = updated(known, derivatives[:, :, row], noise, take_away=True)
        own = question.criterion(derivatives[:, :, [row]], without)[:, 0]
        others = question.criterion(likely, without).max(axis=1, initial=0.0)
        doses = tuple((nodes[k], float(u[k])) for k in np.flatnonzero(u))
        earlier = [one.name for one in found if one.doses == doses]
        said = [f"repeats {earlier[0]}"] if earlier else []
        if is_balanced:
            said.append("one of a balanced set")
        said += [_edges(question, known, without), _dose(question, u, without, own)]
        reason = "; ".join(part for part in said if part) or "adds a little to many edges"
        found.append(
            ProposedCondition(names[row], doses, int((own >= _AS_GOOD * others).sum()), reason)
        )
    return tuple(found)


def _edges(question: Question, known: Factors, without: Factors) -> str:
    """The edges whose errors would be larger without a condition, and by how much."""
    n, nodes = len(question.belief.nodes), question.belief.nodes
    errors, larger = (np.sqrt((each[:, :, :n] ** 2).sum(axis=3)) for each in (known, without))
    with np.errstate(divide="ignore", invalid="ignore"):
        lost = np.where(errors > 0, np.log(larger / errors), 0.0).mean(axis=0)
    if question.places:
        named = np.zeros_like(lost, dtype=bool)
        named[tuple(np.transpose(question.places))] = True
        lost = np.where(named, lost, 0.0)
    parts = []
    for place in np.argsort(-lost, axis=None)[:_NAMED]:
        target, source = np.unravel_index(place, lost.shape)
        if lost[target, source] < _WORTH_NAMING:
            break
        now, then = (float(np.median(each[:, target, source])) for each in (errors, larger))
        parts.append(f"{nodes[source]} → {nodes[target]} ({now:.2g} instead of {then:.2g})")
    return f"sharpens {', '.join(parts)}" if parts else ""


def _dose(
    question: Question, u: NodeValues, without: Factors, own: Float[np.ndarray, " n_members"]
) -> str:
    """What the full dose of a node would tell less, where it is given a partial one."""
    doses = np.array(question.limits.doses)
    remarks = []
    for node in np.flatnonzero(u):
        alike = doses[np.sign(doses) == np.sign(u[node])]
        full = alike[np.argmax(np.abs(alike))]
        if np.isclose(u[node], full):
            continue
        changed = u.copy()
        changed[node] = full
        worth = question.criterion(question.derivatives(changed[None]), without)[:, 0].mean()
        less = 1 - worth / max(float(own.mean()), 1e-12)
        if less > _WORTH_A_REMARK:
            remarks.append(
                f"{question.belief.nodes[node]} at {full:g} would tell {100 * less:.0f} % less"
            )
    return ", ".join(remarks)
