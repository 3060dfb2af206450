"""Optuna, asked and told of a budget study: each experiment is a trial, its budget the point.

Where to go is chosen elsewhere, by what the experiments so far say; Optuna keeps the
history, where its own tools can look at it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.samplers import PartialFixedSampler, RandomSampler
from optuna.storages import JournalStorage
from optuna.trial import TrialState

from search.proposals.journal import Journal
from search.proposals.pruning import quiet


class BudgetProposer:
    """Asks for budgets and tells what became of them, in the order of numbers.

    axes: the values of each axis. direction: of the score; cost is always minimised.
    """

    def __init__(
        self,
        folder: Path,
        study_name: str,
        axes: Mapping[str, tuple[Any, ...]],
        direction: Literal["minimize", "maximize"],
    ):
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._journal = Journal(folder / "optuna.journal")
        self._distributions: dict[str, BaseDistribution] = {
            name: CategoricalDistribution(values) for name, values in axes.items()
        }
        self._study = optuna.create_study(
            study_name=study_name,
            storage=JournalStorage(self._journal),
            directions=[direction, "minimize"],
            load_if_exists=True,
        )
        trials = self._study.get_trials(deepcopy=False)
        self._asked = len(trials)
        self._told = {trial.number for trial in trials if trial.state.is_finished()}

    def ask(self, number: int, cell: Mapping[str, Any]) -> None:
        """Note that an experiment of this number is at this cell; known ones stay as they are."""
        if number < self._asked:
            return
        with quiet(), self._journal.at_once():
            self._study.sampler = PartialFixedSampler(dict(cell), RandomSampler(seed=0))
            self._study.ask(self._distributions)
        self._asked += 1

    def tell(self, number: int, score: float | None, cost: float) -> None:
        """Tell how an experiment ended; score None where it says nothing."""
        if number in self._told:
            return
        with quiet(), self._journal.at_once():
            if score is None:
                self._study.tell(number, state=TrialState.FAIL)
            else:
                self._study.tell(number, [score, cost])
        self._told.add(number)
