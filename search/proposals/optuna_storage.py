"""Where Optuna keeps its history: a database by its URL, or a journal in the study's folder."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import BaseStorage, JournalStorage
from optuna.storages.journal import BaseJournalBackend, JournalFileBackend
from optuna.trial import TrialState

from cellbox.errors import refuse
from search.proposals.database import open_database
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
        self._journal: Journal | None = None
        if spec.storage.url is None:
            self._journal, self.optuna = _open_journal(folder / "optuna.journal")
        else:
            self.optuna = open_database(spec.storage.url, say, pause)

    def at_once(self) -> AbstractContextManager[None]:
        """What is stored within the block goes to the disk in one piece at its end.

        For a database, which has its own ways, the block changes nothing.
        """
        return nullcontext() if self._journal is None else self._journal.at_once()


def _open_journal(file: Path) -> tuple[Journal, JournalStorage]:
    try:
        journal = Journal(file)
        return journal, JournalStorage(journal)
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
    _, storage = _open_journal(file)
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


class Journal(BaseJournalBackend):
    """Optuna's journal file for one process, which can write several entries in one piece.

    Optuna waits for the disk after each entry, and a trial has a dozen of them. No other process
    writes: who holds the study has the journal, so that Optuna's lock beside it is not needed.
    """

    def __init__(self, path: Path):
        _mend(path)
        self._path = path
        self._file = JournalFileBackend(str(path))
        self._n_in_file = sum(1 for _ in self._file.read_logs(0))
        self._size = path.stat().st_size
        self._unwritten: list[dict[str, Any]] = []
        self._holding = False

    def read_logs(self, log_number_from: int) -> Iterator[dict[str, Any]]:
        """Entries from this number on."""
        if log_number_from < self._n_in_file:
            yield from self._file.read_logs(log_number_from)
        yield from self._unwritten[max(0, log_number_from - self._n_in_file) :]

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Add entries, within a block of `at_once` at its end."""
        # As they will be read from the file.
        self._unwritten += json.loads(json.dumps(logs))
        if not self._holding:
            self._write()

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """What is added within the block is written in one piece at its end."""
        self._holding = True
        try:
            yield
        finally:
            self._holding = False
            self._write()

    def _write(self) -> None:
        if not self._unwritten:
            return
        lines = [json.dumps(entry, separators=(",", ":")) + "\n" for entry in self._unwritten]
        content = "".join(lines).encode()
        # Without a buffer, which after an error would be written once more.
        with open(self._path, "r+b", buffering=0) as handle:
            # Where it belongs, and not at the end: there may be a part of it already, which a full
            # disk or a failing one did not take whole.
            handle.seek(self._size)
            left = memoryview(content)
            while left:
                left = left[handle.write(left) :]
            os.fsync(handle.fileno())
        self._size += len(content)
        self._n_in_file += len(self._unwritten)
        self._unwritten = []


def _mend(journal: Path) -> None:
    """Undo what a process left behind that was killed while it wrote the journal."""
    # Earlier versions had Optuna's lock.
    for lock in journal.parent.glob(f"{journal.name}.lock*"):
        lock.unlink(missing_ok=True)
    if not journal.is_file():
        return
    with open(journal, "r+b") as handle:
        content = handle.read()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            # Half a line: what is appended to it would make the journal unreadable.
            handle.truncate(whole)
