"""What a sampler sees of a long study: the best trials and the latest, found without a search."""

from __future__ import annotations

import bisect
import heapq
from collections.abc import Container, Sequence
from copy import copy

from optuna.trial import FrozenTrial, TrialState

from search.proposals.finished import FinishedTrials

# TPE takes at most 25 trials for good ones, and weighs them against the others. These it reads
# anew for each proposal, so that a proposal after thousands of trials would cost more than a trial.
GOOD_TRIALS, LATEST_TRIALS = 25, 275
_OTHER = (TrialState.WAITING, TrialState.FAIL)


def abridged(trials: list[FrozenTrial]) -> list[FrozenTrial]:
    """Of many trials the best and the latest, in their order; of few all."""
    if len(trials) <= GOOD_TRIALS + LATEST_TRIALS:
        return trials
    older, latest = trials[:-LATEST_TRIALS], trials[-LATEST_TRIALS:]
    errors = (
        (trial.values[0], place)
        for place, trial in enumerate(older)
        if trial.state == TrialState.COMPLETE
    )
    good = sorted(place for _, place in heapq.nsmallest(GOOD_TRIALS, errors))
    return [older[place] for place in good] + latest


class _Best:
    """The best of the first trials, as more of them are counted among these."""

    def __init__(self) -> None:
        self.count = 0
        self.values: list[tuple[float, int]] = []

    def advance(self, count: int, trials: FinishedTrials) -> list[int]:
        """Their numbers, ascending, among the first `count` trials, all finished."""
        for number in range(self.count, count):
            trial = trials[number]
            if trial.state == TrialState.COMPLETE:
                bisect.insort(self.values, (trial.values[0], number))
                del self.values[GOOD_TRIALS:]
        self.count = max(self.count, count)
        return sorted(number for _, number in self.values)


class SeenTrials:
    """The same as `abridged`, where the first trials have finished and the others have not."""

    def __init__(self, trials: FinishedTrials):
        self._trials = trials
        # Older than the latest: of finished trials, and of these and those under way.
        self._of_finished, self._of_all = _Best(), _Best()

    def start(self, best: Sequence[tuple[float, int]], count: int) -> None:
        """Begin with what `kept` gave."""
        self._of_finished.count, self._of_finished.values = count, sorted(best)
        self._of_all = copy(self._of_finished)
        self._of_all.values = list(self._of_finished.values)

    def kept(self) -> tuple[list[tuple[float, int]], int]:
        """The best of the finished trials but the latest, and of how many these are the best."""
        older = max(0, self._trials.n_leading - LATEST_TRIALS)
        # As far as the sampler has looked, which looks at the same and no further.
        if self._of_finished.count < older:
            self._of_finished.advance(older, self._trials)
        return list(self._of_finished.values), self._of_finished.count

    def of(self, states: Container[TrialState]) -> list[FrozenTrial] | None:
        """Trials in these states, abridged; None where that cannot be said without a search."""
        finished = TrialState.COMPLETE in states and TrialState.PRUNED in states
        if not finished or any(state in states for state in _OTHER):
            return None
        n_finished, running = self._trials.n_leading, TrialState.RUNNING in states
        latest = [
            trial
            for trial in (self._trials.not_finished() if running else ())
            if trial.state == TrialState.RUNNING
        ]
        count = n_finished + len(latest)
        if len(latest) > LATEST_TRIALS:
            return None
        trials = self._trials
        if count <= GOOD_TRIALS + LATEST_TRIALS:
            return [trials[number] for number in range(n_finished)] + latest
        older = count - LATEST_TRIALS
        best = (self._of_all if running else self._of_finished).advance(older, trials)
        return [trials[n] for n in (*best, *range(older, n_finished))] + latest
