"""Trials as a storage holds them: those that have finished as a line of JSON each.

An Optuna trial takes 4 kB of memory and a tenth of a millisecond to read from its journal; its line
takes a tenth of both, and is read when somebody asks for it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from optuna.distributions import BaseDistribution, distribution_to_json, json_to_distribution
from optuna.trial import FrozenTrial, TrialState

# Those that are asked for again and again: what the sampler sees, and what is under way.
_OPEN_AT_ONCE = 1024


class FinishedTrials(dict[int, Any]):
    """Trials by their id, of which finished ones are kept as lines."""

    def __init__(self) -> None:
        super().__init__()
        self._open: dict[int, FrozenTrial] = {}
        self._places: dict[BaseDistribution, int] = {}
        self._distributions: list[BaseDistribution] = []
        #: How many trials, the first ones, have finished.
        self.n_leading = 0
        self._n_finished = 0
        self._n_failed = 0

    def take(self, lines: Sequence[bytes], distributions: Sequence[str]) -> None:
        """Begin with these lines, which are of trials 0, 1, ... that completed or were pruned."""
        for text in distributions:
            self._place_of(json_to_distribution(text))
        for number, line in enumerate(lines):
            super().__setitem__(number, line)
        self.n_leading = self._n_finished = len(lines)

    @property
    def distributions(self) -> list[str]:
        """Those that the lines name by their place."""
        return [distribution_to_json(one) for one in self._distributions]

    @property
    def in_order(self) -> bool:
        """Whether the first trials are all that have finished, and none failed."""
        return self.n_leading == self._n_finished and not self._n_failed

    def __getitem__(self, trial_id: int) -> FrozenTrial:
        found = self._open.get(trial_id)
        if found is not None:
            return found
        found = super().__getitem__(trial_id)
        return self._opened(trial_id, found) if isinstance(found, bytes) else found

    def get(self, trial_id: int, default: Any = None) -> Any:
        """As a dictionary's."""
        try:
            return self[trial_id]
        except KeyError:
            return default

    def __setitem__(self, trial_id: int, trial: FrozenTrial) -> None:
        if not trial.state.is_finished():
            super().__setitem__(trial_id, trial)
            return
        super().__setitem__(trial_id, self.line_of(trial))
        self._remember(trial_id, trial)
        self._n_finished += 1
        self._n_failed += trial.state == TrialState.FAIL
        while isinstance(super().get(self.n_leading), bytes):
            self.n_leading += 1

    def not_finished(self) -> Iterator[FrozenTrial]:
        """The trials that have not finished, ascending."""
        for trial_id in range(self.n_leading, len(self)):
            trial = super().__getitem__(trial_id)
            if not isinstance(trial, bytes):
                yield trial

    def lines(self, first: int, end: int) -> list[bytes]:
        """The lines of finished trials from one id to another."""
        return [super(FinishedTrials, self).__getitem__(trial_id) for trial_id in range(first, end)]

    def _opened(self, trial_id: int, line: bytes) -> FrozenTrial:
        trial = self.trial_of(line)
        self._remember(trial_id, trial)
        return trial

    def _remember(self, trial_id: int, trial: FrozenTrial) -> None:
        self._open[trial_id] = trial
        if len(self._open) > _OPEN_AT_ONCE:
            del self._open[next(iter(self._open))]

    def line_of(self, trial: FrozenTrial) -> bytes:
        """A trial as a line."""
        content = [
            trial.number,
            trial._trial_id,
            trial.state.value,
            trial.values,
            trial.params,
            {name: self._place_of(one) for name, one in trial.distributions.items()},
            list(trial.intermediate_values.items()),
            trial.user_attrs,
            trial.system_attrs,
            *(None if t is None else t.isoformat() for t in _times(trial)),
        ]
        return json.dumps(content, separators=(",", ":")).encode()

    def trial_of(self, line: bytes) -> FrozenTrial:
        """The trial that a line is of."""
        number, trial_id, state, values, params, places, reports, shown, marks, *times = json.loads(
            line
        )
        began, ended = (None if t is None else datetime.fromisoformat(t) for t in times)
        return FrozenTrial(
            number=number,
            trial_id=trial_id,
            state=TrialState(state),
            value=None,
            values=values,
            params=params,
            distributions={name: self._distributions[place] for name, place in places.items()},
            intermediate_values=dict(reports),
            user_attrs=shown,
            system_attrs=marks,
            datetime_start=began,
            datetime_complete=ended,
        )

    def _place_of(self, distribution: BaseDistribution) -> int:
        place = self._places.setdefault(distribution, len(self._distributions))
        if place == len(self._distributions):
            self._distributions.append(distribution)
        return place


def _times(trial: FrozenTrial) -> tuple[datetime | None, datetime | None]:
    return trial.datetime_start, trial.datetime_complete
