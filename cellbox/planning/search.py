"""The search for the best conditions, and how much they are expected to tell."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Float

from cellbox.networks.network import Network
from cellbox.planning.beliefs import Belief
from cellbox.planning.limits import Limits, balanced_conditions, candidate_conditions
from cellbox.planning.precision import Precision, Prospect
from cellbox.planning.proposal import Proposal
from cellbox.planning.reasons import explained
from cellbox.planning.row_information import RowDerivatives
from cellbox.planning.selection import (
    Candidates,
    Choice,
    Criterion,
    all_edges,
    choose,
    named_edges,
)

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


class Search:
    """Candidates, and what is known before any of them is measured.

    times: when candidates are measured. places: (target, source) of the edges that matter; all
    where there are none.
    """

    def __init__(
        self,
        belief: Belief,
        limits: Limits,
        times: Float[np.ndarray, " n_times"],
        places: Sequence[tuple[int, int]],
        most: int,
        seed: int,
    ):
        self.belief, self.limits, self.times, self.seed = belief, limits, times, seed
        self.places = list(places)
        self._most = most
        self.known = belief.factors(belief.members)

    @property
    def criterion(self) -> Criterion:
        """What a condition is worth."""
        noise = self.belief.noise
        return named_edges(self.places, noise) if self.places else all_edges(noise)

    def candidates(self, times: Float[np.ndarray, " n_times"]) -> Candidates:
        """Conditions within the limits, with what they tell at these times."""
        belief, along = self.belief, RowDerivatives(self.belief.members, times)
        n = len(belief.nodes)
        u = candidate_conditions(self.limits, belief.nodes, most=self._most, seed=self.seed)
        along = along.in_few_directions(u[:: max(1, len(u) // _LOOKED_AT)])
        one = 4 * len(belief.members) * n * (n + 1) * along.n_times
        fits = max(_FEWEST_CANDIDATES, _BYTES // one)
        if len(u) > fits:
            u = candidate_conditions(self.limits, belief.nodes, most=fits, seed=self.seed)
        derivatives = along(u)
        derivatives[:, ~belief.seen] = 0.0
        return Candidates(u, derivatives)

    def choice(
        self,
        candidates: Candidates,
        n_conditions: int,
        on_progress: Callable[[int], None] = lambda done: None,
        *,
        exchange: bool = True,
    ) -> Choice:
        """The best of these candidates."""
        return choose(
            candidates,
            self.known,
            n_conditions,
            self.criterion,
            self.belief.noise,
            exchange=exchange,
            on_progress=on_progress,
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
        candidates = self.candidates(self.times)
        choice = self.choice(candidates, n_conditions, on_progress)
        if n_times is not None and n_times < len(self.times):
            self.times = self._best_times(candidates.perturbations[list(choice.which)], n_times)
            candidates = self.candidates(self.times)
            choice = self.choice(candidates, n_conditions, on_progress)
        chosen = candidates.perturbations[list(choice.which)]
        balanced = [
            balanced_conditions(self.limits, self.belief.nodes, n_conditions, seed=self.seed + k)
            for k in range(N_BALANCED)
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
        conditions = explained(self, candidates, choice, measured, names, is_balanced=is_balanced)
        return Proposal(
            belief=self.belief,
            limits=self.limits,
            times=self.times,
            conditions=conditions,
            edges=tuple(
                (self.belief.nodes[source], self.belief.nodes[target])
                for target, source in self.places
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
        prefix = "first" if self.belief.family else "next"
        while any(name.startswith(prefix) for name in self.belief.condition_names):
            prefix += "_"
        return [f"{prefix}{number + 1}" for number in range(count)]

    def prospects(self) -> list[Prospect]:
        """By which errors are told: at the estimate, or at some members of a family."""
        belief = self.belief
        judges: Sequence[Network] = belief.members[:_JUDGES] if belief.family else [belief.estimate]
        return [Prospect(belief, network, self.times) for network in judges]

    def _value(self, precision: Precision) -> float:
        """What the criterion says of a design as a whole; more is better."""
        if not self.places:
            return precision.log_volume
        errors = [precision.errors[place] for place in self.places]
        return -float(np.log(np.maximum(errors, 1e-12)).sum())

    def _told(
        self, designs: Sequence[Float[np.ndarray, "n_conditions n_nodes"]]
    ) -> Float[np.ndarray, "n_designs n_members"]:
        """What the criterion gains by each design, by member."""
        totals = []
        for design in designs:
            derivatives = RowDerivatives(self.belief.members, self.times)(design)
            derivatives[:, ~self.belief.seen] = 0.0
            one = derivatives.reshape(*derivatives.shape[:2], 1, -1, derivatives.shape[-1])
            totals.append(self.criterion(one, self.known)[:, 0])
        return np.array(totals)

    def _best_times(
        self, chosen: Float[np.ndarray, "n_conditions n_nodes"], n_times: int
    ) -> Float[np.ndarray, " n_times"]:
        """The times at which these conditions tell most."""
        derivatives = RowDerivatives(self.belief.members, self.times)(chosen)
        derivatives[:, ~self.belief.seen] = 0.0
        moments = Candidates(self.times[:, None], np.swapaxes(derivatives, 2, 3))
        found = choose(
            moments,
            self.known,
            n_times,
            self.criterion,
            self.belief.noise,
            exchange=False,
            repeat=False,
        )
        return np.sort(self.times[list(found.which)])

    def _gain_of_rounds(self, candidates: Candidates, choice: Choice) -> tuple[float, float] | None:
        """What a refit halfway could gain at most: as a share of all, and in conditions.

        The second half is chosen as if the true network were known by then.
        """
        n_chosen = len(choice.which)
        if n_chosen < 4:
            return None
        half, noise = n_chosen // 2, self.belief.noise
        likely = Candidates(
            candidates.perturbations[choice.likely], candidates.derivatives[:, :, choice.likely]
        )
        first = choose(likely, self.known, half, self.criterion, noise, exchange=False)
        apart, last = [], []
        for member in range(min(_TRUTHS, len(self.belief.members))):
            own = slice(member, member + 1)
            alone = Candidates(likely.perturbations, likely.derivatives[own])
            second = choose(
                alone, first.factors[own], n_chosen - half, self.criterion, noise, exchange=False
            )
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
