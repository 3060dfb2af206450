"""Where Optuna keeps its history: a database by its URL, or a journal in the study's folder."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import BaseStorage
from optuna.trial import TrialState

from cellbox.errors import refuse
from search.proposals.journal import LongStorage
from search.spec.tables import Spec

Told = tuple[dict[str, Any], tuple[float, ...]]


class OptunaStorage:
    """An Optuna storage, to be opened only by the one process that holds the study."""

    def __init__(
        self,
        spec: Spec,
        folder: Path,
        say: Callable[[str], None] = lambda said: None,
        pause: Callable[[float], None] = time.sleep,
    ):
        """say, pause: as `open_database` takes them.

        Raises InputError for an address that Optuna cannot open.
        """
        self.optuna: BaseStorage
        #: The same, where it is a journal.
        self.journal: LongStorage | None = None
        if spec.storage.url is None:
            self.journal = _open_journal(folder / JOURNAL, folder / INDEX)
            self.optuna = self.journal
        else:
            # It brings SQLAlchemy, which a journal does without.
            from search.proposals.database import open_database

            self.optuna = open_database(spec.storage.url, say, pause)

    def at_once(self) -> AbstractContextManager[None]:
        """What is stored within the block goes to the disk in one piece at its end.

        For a database, which has its own ways, the block changes nothing.
        """
        return nullcontext() if self.journal is None else self.journal.journal.at_once()

    def n_trials(self, study: optuna.Study) -> int:
        """How many trials a study has."""
        if self.journal is not None:
            return self.journal.n_trials(study._study_id)
        return len(study.get_trials(deepcopy=False))

    def told(self, study: optuna.Study) -> list[int]:
        """Numbers of the trials that have finished, ascending."""
        known = None if self.journal is None else self.journal.first_finished()
        if known is not None:
            return list(range(known))
        trials = study.get_trials(deepcopy=False)
        return [trial.number for trial in trials if trial.state.is_finished()]


#: In a study's folder, the sampler's history and what opens a long one quickly.
JOURNAL, INDEX = "optuna.journal", "optuna.index"


def _open_journal(file: Path, index: Path | None) -> LongStorage:
    """index: None where the journal itself is to be read."""
    try:
        return LongStorage(file, index)
    # What Optuna does with a line that it did not write depends on the line.
    except (
        *(ValueError, KeyError, TypeError, AttributeError, AssertionError, IndexError),
        *(IsADirectoryError, RecursionError, RuntimeError),
    ) as error:
        raise refuse(
            str(file),
            f"expected the sampler's history, found {type(error).__name__}: {error}",
            "Run `cellbox verify STUDY --repair`, which sets it aside: the sampler proposes the "
            "same again from the records",
        ) from error


def told_history(
    file: Path, study_name: str
) -> dict[int, tuple[dict[str, Any], tuple[float, ...]]]:
    """What a journal has of each finished trial, by number: its searched values, and its result.

    The result is empty where the trial was pruned. The journal must not be written meanwhile.
    Raises InputError where it cannot be read.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    storage = _open_journal(file, None)
    try:
        study = optuna.load_study(study_name=study_name, storage=storage)
    except KeyError as error:
        found = f"expected the history of {study_name}, found none"
        raise refuse(str(file), found, "Run `cellbox verify STUDY --repair`") from error
    return {
        trial.number: (
            dict(trial.params),
            tuple(trial.values or ()) if trial.state == TrialState.COMPLETE else (),
        )
        for trial in study.get_trials(deepcopy=False)
        if trial.state.is_finished()
    }
