"""What a proposal of conditions says: to people, to spreadsheets and to other programs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from cellbox.arrays import EdgeValues, Times
from cellbox.errors import listed
from cellbox.html_tables import html_of
from cellbox.planning.beliefs import Belief
from cellbox.planning.limits import Limits
from cellbox.planning.precision import Precision
from cellbox.planning.reasons import ProposedCondition
from cellbox.storage.installed import pandas_for

if TYPE_CHECKING:
    import pandas

#: A sign that changes with a smaller probability is taken as settled.
SETTLED_BELOW = 0.05

# Fewer per cent than this are not worth a second round.
_WORTH_A_ROUND = 0.05
_NAMED = 5
_LISTED = 8


@dataclass(frozen=True)
class EdgeOutlook:
    """What is expected of the effect of `source` on `target`.

    weight: W[target, source] of the estimate, None where there is none yet. error_now, error_after:
    standard errors, before and after the proposed conditions; error_balanced: after balanced ones.
    chance_decided: how likely it is decided afterwards. chance_of_sign_change: that the estimate
    changes its sign; 0 where it is no edge.
    """

    source: str
    target: str
    weight: float | None
    error_now: float
    error_after: float
    error_balanced: float
    chance_decided: float
    chance_of_sign_change: float


@dataclass(frozen=True, eq=False)
class Proposal:
    """Conditions to measure, and what they are expected to tell.

    belief: what is believed now. limits: of what may be done. times: when to measure.
    conditions: with reasons, those that tell most first. edges: (source, target) of those that the
    choice is for; none where it is for all. n_candidates: conditions that were considered.
    before, after, after_balanced, after_another: precisions as it is, with these conditions, with
    balanced ones, and with another experiment of this kind; at the estimate, or at several networks
    of a family. better_in: members of the ensemble to which the chosen conditions tell more than
    the median of ten balanced designs. is_balanced: whether the proposal is a balanced design,
    was_asked: because one was asked for. rounds: what two rounds with a refit would gain at most,
    as a share and in conditions; None where there are too few.
    """

    belief: Belief
    limits: Limits
    times: Times
    conditions: tuple[ProposedCondition, ...]
    edges: tuple[tuple[str, str], ...]
    n_candidates: int
    before: tuple[Precision, ...]
    after: tuple[Precision, ...]
    after_balanced: tuple[Precision, ...]
    after_another: tuple[Precision, ...]
    better_in: int
    is_balanced: bool
    was_asked: bool
    rounds: tuple[float, float] | None

    @property
    def perturbations(self) -> Float[np.ndarray, "n_conditions n_nodes"]:
        """u of each condition, with columns as the network's nodes."""
        place = {node: index for index, node in enumerate(self.belief.nodes)}
        u = np.zeros((len(self.conditions), len(place)))
        for row, condition in enumerate(self.conditions):
            for node, dose in condition.doses:
                u[row, place[node]] = dose
        return u

    def figures(self) -> dict[str, dict[str, float]]:
        """Median standard error, decided edges and r: now, after these, and after balanced ones."""
        return {
            "now": _figures(self.before),
            "after": _figures(self.after),
            "after_balanced": _figures(self.after_balanced),
        }

    def outlook(self) -> list[EdgeOutlook]:
        """Every edge that may be, those first whose errors fall most."""
        nodes, belief = self.belief.nodes, self.belief
        now, after, balanced = (
            np.mean([each.errors for each in some], axis=0)
            for some in (self.before, self.after, self.after_balanced)
        )
        decided = np.mean([each.chance_decided for each in self.after], axis=0)
        signs = self._sign_changes(self.before, self.after)
        places = np.argwhere(belief.allowed)
        falls = [
            now[target, source] / max(after[target, source], 1e-12) for target, source in places
        ]
        return [
            EdgeOutlook(
                nodes[source],
                nodes[target],
                None if belief.family else float(belief.estimate.weights[target, source]),
                *(float(each[target, source]) for each in (now, after, balanced, decided, signs)),
            )
            for target, source in places[np.argsort(-np.array(falls), kind="stable")]
        ]

    def sentences(self) -> list[str]:
        """What is expected, in words."""
        return [
            *self.belief.sentences,
            *self._coverage(),
            *self._precision_sentences(),
            *self._choice_sentences(),
            *self._round_sentences(),
            *self._stopping_sentences(),
        ]

    def _coverage(self) -> Iterator[str]:
        if self.belief.family:
            return
        untouched = ~(self.belief.perturbations != 0).any(axis=0)
        names = [node for node, so in zip(self.belief.nodes, untouched, strict=True) if so]
        able = [node for node in names if node in self.limits.nodes]
        unable = [node for node in names if node not in self.limits.nodes]
        if able:
            yield (
                f"No condition learned from perturbs {listed(able, _LISTED)}. If that cannot be "
                "done, leave such nodes out of those that can be perturbed."
            )
        if unable:
            yield (
                f"Neither so far nor by these conditions are perturbed: {listed(unable, _LISTED)}. "
                "The scale of their rows of W stays open."
            )

    def _precision_sentences(self) -> Iterator[str]:
        figures = self.figures()
        now, after, balanced = (figures[name] for name in ("now", "after", "after_balanced"))
        n_edges = int(self.belief.allowed.sum())
        beside = "" if self.is_balanced else f" (balanced conditions: {balanced['error']:.2g})"
        yield (
            f"Half of the standard errors of W are below {now['error']:.2g} now and "
            f"{after['error']:.2g} afterwards{beside}."
        )
        beside = "" if self.is_balanced else f" (balanced: {balanced['decided']:.0f})"
        yield (
            f"Decided are {now['decided']:.0f} of {n_edges:,} possible edges now, and "
            f"{after['decided']:.0f} afterwards{beside}: surely there with a known sign, or "
            "surely weaker than 0.5 (90 %)."
        )
        if self.edges:
            names = self._error_changes()
            yield f"Of the edges that matter, standard errors: {names}."
        yield (
            f"Expected r with the true W, every edge kept: {now['r']:.3f} now, {after['r']:.3f} "
            "afterwards. Where edges are selected, it is higher as a rule."
        )

    def _error_changes(self) -> str:
        by_name = {(edge.source, edge.target): edge for edge in self.outlook()}
        parts = [
            f"{source} → {target} {by_name[source, target].error_now:.2g} to "
            f"{by_name[source, target].error_after:.2g}"
            for source, target in self.edges
        ]
        return listed(parts, _LISTED)

    def _choice_sentences(self) -> Iterator[str]:
        count = len(self.belief.members)
        if self.was_asked:
            yield "A balanced design, as asked: every node about equally often."
        elif self.is_balanced:
            yield (
                "No chosen conditions would tell more than balanced ones, which are proposed "
                "therefore."
            )
        else:
            yield (
                f"These conditions, the best found among {self.n_candidates:,}, tell more than "
                "balanced ones with as many nodes and the same doses in "
                f"{self.better_in} of {count} networks."
            )

    def _round_sentences(self) -> Iterator[str]:
        if self.rounds is None or self.is_balanced:
            return
        share, conditions = self.rounds
        many = f"at most {_percent(share)} more, as {conditions:.1f} further conditions would"
        if share < 0.005:
            yield "One plate is as good as two: a refit halfway would tell hardly more."
        elif share < _WORTH_A_ROUND:
            yield f"One plate is about as good as two: a refit halfway would tell {many}."
        else:
            yield (
                f"Measured in two rounds with a refit between them, as many conditions would tell "
                f"{many}: worth it where a refit costs little."
            )

    def _stopping_sentences(self) -> Iterator[str]:
        if self.belief.family:
            return
        now = self._sign_changes(self.before, self.after)
        then = self._sign_changes(self.after, self.after_another)
        if not (self.belief.estimate.weights != 0).any():
            yield "No edge has a sign yet that could change."
            return
        if now.max() < SETTLED_BELOW:
            yield (
                "Further plates of this kind change the sign of any edge of the network with a "
                f"probability below {_percent(SETTLED_BELOW)} (most likely "
                f"{self._most_likely(now)}): they make weights more precise. Stop here if signs "
                "are what you need."
            )
            undecided = int((~self.before[0].decided & self.belief.allowed).sum())
            if undecided:
                yield (
                    f"Whether there are other edges is another question: {undecided} are not "
                    "decided yet."
                )
            return
        open_ = int((now >= SETTLED_BELOW).sum())
        yield (
            f"These conditions may still change the sign of {open_} "
            f"{'edge' if open_ == 1 else 'edges'}: {self._most_likely(now, _NAMED)}."
        )
        if then.max() < SETTLED_BELOW:
            yield (
                "After them, another plate of this kind would change any sign with a probability "
                f"below {_percent(SETTLED_BELOW)}."
            )

    def _sign_changes(
        self, before: tuple[Precision, ...], after: tuple[Precision, ...]
    ) -> EdgeValues:
        if self.belief.family:
            return np.zeros(self.belief.allowed.shape)
        return before[0].chance_of_sign_change(after[0])

    def _most_likely(self, chances: EdgeValues, most: int = 1) -> str:
        nodes, parts = self.belief.nodes, []
        for place in np.argsort(-chances, axis=None)[:most]:
            target, source = np.unravel_index(place, chances.shape)
            if most == 1 or chances[target, source] >= SETTLED_BELOW:
                parts.append(
                    f"{nodes[source]} → {nodes[target]} {_percent(float(chances[target, source]))}"
                )
        return ", ".join(parts)

    def __str__(self) -> str:
        lines = [f"{each.name}: {each.perturbation} ({each.reason})" for each in self.conditions]
        return "\n".join([*lines, *self.sentences()])

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return html_of(
            f"{len(self.conditions)} conditions to measure",
            self.sentences(),
            ("condition", "perturbation", "why"),
            [(each.name, each.perturbation, each.reason) for each in self.conditions],
        )

    def to_frame(self) -> pandas.DataFrame:
        """The doses as a table with the columns condition, node and value (u)."""
        pandas = pandas_for("table of a proposal")

        rows = [(each.name, node, dose) for each in self.conditions for node, dose in each.doses]
        return pandas.DataFrame(rows, columns=["condition", "node", "value"])

    def to_dict(self) -> dict[str, Any]:
        """The proposal as plain values for JSON; names are an interface."""
        return {
            "conditions": [
                {
                    "condition": each.name,
                    "doses": dict(each.doses),
                    "good_in_networks": each.good_in,
                    "reason": each.reason,
                }
                for each in self.conditions
            ],
            "times": self.times.tolist(),
            "noise": self.belief.noise,
            "n_networks": len(self.belief.members),
            "n_candidates": self.n_candidates,
            "better_than_balanced_in": self.better_in,
            "is_balanced": self.is_balanced,
            **self.figures(),
            "two_rounds": (
                None
                if self.rounds is None
                else {"gain": self.rounds[0], "conditions": self.rounds[1]}
            ),
            "edges": [vars(edge) for edge in self.outlook()],
            "sentences": self.sentences(),
        }


def _figures(precisions: tuple[Precision, ...]) -> dict[str, float]:
    """Means over networks."""
    return {
        "error": float(np.mean([each.median_error for each in precisions])),
        "decided": float(np.mean([each.chance_decided.sum() for each in precisions])),
        "r": float(np.mean([each.r for each in precisions])),
    }


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
