"""The search for the best conditions, and how much they are expected to tell."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from cellbox.arrays import Times
from cellbox.identifiability.row_information import Factors, RowDerivatives
from cellbox.networks.network import Network
from cellbox.planning.limits import balanced_conditions, candidate_conditions
from cellbox.planning.precision import Precision, Prospect
from cellbox.planning.proposal import Proposal
from cellbox.planning.question import Question
from cellbox.planning.reasons import explained
from cellbox.planning.selection import Candidates, Choice, choose

# Bytes that the derivatives of all candidates may take; in large networks there are fewer then.
_BYTES = 2 * 10**9
_FEWEST_CANDIDATES = 100

# Candidates by which the directions of the times are found.
_LOOKED_AT = 16

# Balanced designs that the chosen one is compared with.
N_BALANCED = 10

# Random networks of a family that errors are averaged over.
_JUDGES = 5

# Networks that are taken to be true, to see what a refit between two rounds could bring.
_TRUTHS = 5


class Effort(NamedTuple):
    """How thoroughly to search.

    members: networks that a design is judged by. candidates: conditions at most; they are drawn
    from the seed where there are more.
    """

    members: int
    candidates: int
    seed: int


class Search:
    """The candidates for an answer to a question, and the best of them."""

    def __init__(self, question: Question, effort: Effort):
        self.question, self.seed, self._most = question, effort.seed, effort.candidates

    def candidates(self) -> Candidates:
        """Conditions within the limits, with what they tell."""
        belief, limits = self.question.belief, self.question.limits
        n = len(belief.nodes)
        u = candidate_conditions(limits, belief.nodes, most=self._most, seed=self.seed)
        along = RowDerivatives(belief.members, self.question.times)
        along = along.in_few_directions(u[:: max(1, len(u) // _LOOKED_AT)])
        fits = _BYTES // (4 * len(belief.members) * n * (n + 1) * along.n_times)
        if len(u) > max(_FEWEST_CANDIDATES, fits):
            fewer = max(_FEWEST_CANDIDATES, fits)
            u = candidate_conditions(limits, belief.nodes, most=fewer, seed=self.seed)
        return Candidates(u, self.question.derivatives(u, along))

    def choice(
        self,
        candidates: Candidates,
        n_conditions: int,
        on_progress: Callable[[int], None] = lambda done: None,
        *,
        exchange: bool = True,
    ) -> Choice:
        """The best of these candidates."""
        return self._chosen(
            candidates,
            self.question.known,
            n_conditions,
            exchange=exchange,
            on_progress=on_progress,
        )

    def _chosen(self, candidates: Candidates, known: Factors, count: int, **options: Any) -> Choice:
        """The best of these by what is asked, beside what is known."""
        question = self.question
        return choose(
            candidates, known, count, question.criterion, question.belief.noise, **options
        )

    def proposal(
        self,
        n_conditions: int,
        n_times: int | None,
        on_progress: Callable[[int], None],
        *,
        screening: bool = False,
    ) -> Proposal:
        """The best conditions, or a balanced design where that is asked for or no worse."""
        question = self.question
        candidates = self.candidates()
        choice = self.choice(candidates, n_conditions, on_progress)
        if n_times is not None and n_times < len(question.times):
            best_times = self._best_times(candidates.perturbations[list(choice.which)], n_times)
            self.question = question = replace(question, times=best_times)
            candidates = self.candidates()
            choice = self.choice(candidates, n_conditions, on_progress)
        chosen = candidates.perturbations[list(choice.which)]
        balanced = [
            balanced_conditions(
                question.limits, question.belief.nodes, n_conditions, seed=self.seed + number
            )
            for number in range(N_BALANCED)
        ]
        totals = self._told(balanced)
        better_in = int((choice.gained.sum(axis=0) >= np.median(totals, axis=0)).sum())
        best = balanced[int(np.argmax(totals.mean(axis=1)))]
        outlook = [
            (prospect.precision(), *_prospects(prospect, chosen, best))
            for prospect in self.prospects()
        ]
        of_chosen, of_balanced = (
            float(np.mean([self._value(each[place]) for each in outlook])) for place in (1, 2)
        )
        is_balanced = screening or of_balanced > of_chosen
        measured = best if is_balanced else chosen
        names = self._names(len(measured))
        conditions = explained(
            question, candidates, choice, measured, names, is_balanced=is_balanced
        )
        return Proposal(
            belief=question.belief,
            limits=question.limits,
            times=question.times,
            conditions=conditions,
            edges=tuple(
                (question.belief.nodes[source], question.belief.nodes[target])
                for target, source in question.places
            ),
            n_candidates=len(candidates),
            before=tuple(each[0] for each in outlook),
            after=tuple(each[2 if is_balanced else 1] for each in outlook),
            after_balanced=tuple(each[2] for each in outlook),
            after_another=tuple(each[4 if is_balanced else 3] for each in outlook),
            better_in=better_in,
            is_balanced=is_balanced,
            was_asked=screening,
            rounds=self._gain_of_rounds(candidates, choice),
        )

    def _names(self, count: int) -> list[str]:
        """Names that no condition so far has."""
        prefix = "first" if self.question.belief.family else "next"
        while any(name.startswith(prefix) for name in self.question.belief.condition_names):
            prefix += "_"
        return [f"{prefix}{number + 1}" for number in range(count)]

    def prospects(self) -> list[Prospect]:
        """By which errors are told: at the estimate, or at some members of a family."""
        belief = self.question.belief
        judges: Sequence[Network] = belief.members[:_JUDGES] if belief.family else [belief.estimate]
        return [Prospect(belief, network, self.question.times) for network in judges]

    def _value(self, precision: Precision) -> float:
        """What the criterion says of a design as a whole; more is better."""
        if not self.question.places:
            return precision.log_volume
        errors = [precision.errors[place] for place in self.question.places]
        return -float(np.log(np.maximum(errors, 1e-12)).sum())

    def _told(
        self, designs: Sequence[Float[np.ndarray, "n_conditions n_nodes"]]
    ) -> Float[np.ndarray, "n_designs n_members"]:
        """What the criterion gains by each design, by member."""
        totals = []
        for design in designs:
            derivatives = self.question.derivatives(design)
            one = derivatives.reshape(*derivatives.shape[:2], 1, -1, derivatives.shape[-1])
            totals.append(self.question.criterion(one, self.question.known)[:, 0])
        return np.array(totals)

    def _best_times(self, chosen: Float[np.ndarray, "n_conditions n_nodes"], n_times: int) -> Times:
        """The times at which these conditions tell most."""
        times = self.question.times
        derivatives = np.swapaxes(self.question.derivatives(chosen), 2, 3)
        moments = Candidates(times[:, None], derivatives)
        known = self.question.known
        found = self._chosen(moments, known, n_times, exchange=False, repeat=False)
        return np.sort(times[list(found.which)])

    def _gain_of_rounds(self, candidates: Candidates, choice: Choice) -> tuple[float, float] | None:
        """What a refit halfway could gain at most: as a share of all, and in conditions.

        The second half is chosen as if the true network were known by then.
        """
        n_chosen = len(choice.which)
        if n_chosen < 4:
            return None
        half = n_chosen // 2
        likely = Candidates(
            candidates.perturbations[choice.likely], candidates.derivatives[:, :, choice.likely]
        )
        first = self._chosen(likely, self.question.known, half, exchange=False)
        apart, last = [], []
        for member in range(min(_TRUTHS, len(self.question.belief.members))):
            own = slice(member, member + 1)
            alone = Candidates(likely.perturbations, likely.derivatives[own])
            second = self._chosen(alone, first.factors[own], n_chosen - half, exchange=False)
            rounds = first.gained[:, member].sum() + second.gained.sum()
            apart.append(rounds / max(choice.gained[:, member].sum(), 1e-12) - 1)
            last.append(
                (rounds - choice.gained[:, member].sum()) / max(choice.gained[-1, member], 1e-12)
            )
        return max(0.0, float(np.mean(apart))), max(0.0, float(np.mean(last)))


def _prospects(
    prospect: Prospect,
    chosen: Float[np.ndarray, "n_conditions n_nodes"],
    balanced: Float[np.ndarray, "n_conditions n_nodes"],
) -> list[Precision]:
    """With the chosen ones, with balanced ones, and with either twice."""
    n = len(chosen)
    both = np.concatenate([chosen, balanced])
    first, second = np.repeat([1.0, 0.0], n), np.repeat([0.0, 1.0], n)
    return prospect.precisions(both, [first, second, 2 * first, 2 * second])
