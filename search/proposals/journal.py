"""Optuna's journal of one process: written in few pieces, and opened without replaying all of it.

The journal is Optuna's own format and the truth. Beside that of a long study lies an index with a
line for each finished trial, from which it is opened; what the journal has beyond it is replayed.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Container, Iterator
from contextlib import contextmanager
from copy import deepcopy as copied
from pathlib import Path
from typing import Any

from optuna.storages import JournalStorage
from optuna.storages.journal import BaseJournalBackend
from optuna.storages.journal._storage import JournalStorageReplayResult
from optuna.study import StudyDirection
from optuna.study._frozen import FrozenStudy
from optuna.trial import FrozenTrial, TrialState

from search.proposals.finished import FinishedTrials
from search.proposals.journal_index import Index, read_index, write_block
from search.proposals.seen import SeenTrials

_CHUNK = 2**20
# Shorter studies open quickly without an index; of a longer one it is as many trials behind.
_FEW, _BEHIND = 1000, 250


class Journal(BaseJournalBackend):
    """Optuna's journal file for one process, which can write several entries in one piece.

    Optuna waits for the disk after each entry, and a trial has a dozen of them. No other process
    writes: who holds the study has the journal, so that Optuna's lock beside it is not needed.
    """

    def __init__(self, path: Path, index: Index | None = None):
        """index: of what need not be read, which is left out where it is not of this journal."""
        _mend(path)
        if not path.exists():
            open(path, "ab").close()
        self._path = path
        self._digest = hashlib.blake2b()
        # Entries and bytes at which reading begins.
        self.start = (0, 0)
        self._n_in_file = self._size = 0
        with open(path, "rb") as handle:
            if index is not None:
                self._read_up_to(handle, index.n_bytes)
                if (self._n_in_file, self.digest) == (index.n_entries, index.journal):
                    self.start = (self._n_in_file, self._size)
            self._read_up_to(handle, None)
        self._unwritten: list[dict[str, Any]] = []
        self._holding = 0

    def _read_up_to(self, handle: Any, end: int | None) -> None:
        """Count and digest a piece of the file."""
        while end is None or self._size < end:
            piece = handle.read(_CHUNK if end is None else min(_CHUNK, end - self._size))
            if not piece:
                return
            self._digest.update(piece)
            self._n_in_file += piece.count(b"\n")
            self._size += len(piece)

    @property
    def digest(self) -> str:
        """Of all that is in the file."""
        return self._digest.hexdigest()

    @property
    def length(self) -> tuple[int, int] | None:
        """How many entries and bytes the file has; None where something is not in it yet."""
        return None if self._unwritten else (self._n_in_file, self._size)

    def read_logs(self, log_number_from: int) -> Iterator[dict[str, Any]]:
        """Entries from this number on."""
        if log_number_from < self._n_in_file:
            yield from self._in_file(log_number_from)
        yield from self._unwritten[max(0, log_number_from - self._n_in_file) :]

    def _in_file(self, first: int) -> Iterator[dict[str, Any]]:
        number, place = self.start if first >= self.start[0] else (0, 0)
        with open(self._path, "rb") as handle:
            handle.seek(place)
            while place < self._size:
                line = handle.readline()
                if number >= first:
                    yield json.loads(line)
                number, place = number + 1, place + len(line)

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Add entries, within a block of `at_once` at its end."""
        # As they will be read from the file.
        self._unwritten += json.loads(json.dumps(logs))
        if not self._holding:
            self._write()

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """What is added within the outermost block is written in one piece at its end."""
        self._holding += 1
        try:
            yield
        finally:
            self._holding -= 1
            if not self._holding:
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
        self._digest.update(content)
        self._size += len(content)
        self._n_in_file += len(self._unwritten)
        self._unwritten = []


class LongStorage(JournalStorage):
    """Optuna's storage of a journal, of studies however long.

    Finished trials, which nothing changes any more, are kept as a line each, and those that are not
    finished are found without looking through the others.

    index: the file of the index; None for none.
    """

    def __init__(self, file: Path, index: Path | None):
        known = read_index(index) if index is not None else None
        journal = Journal(file, known)
        replayed = JournalStorageReplayResult("")
        finished = FinishedTrials()
        self._seen = SeenTrials(finished)
        if known is not None and journal.start[0]:
            finished.take(known.lines, known.distributions)
            _restore(replayed, known, finished)
            self._seen.start(known.best, known.best_of)
        replayed._trials = finished
        self._file, self._written = index, known if journal.start[0] else None
        # Optuna reads the journal as it is made, and only afterwards is told where to begin.
        super().__init__(_Empty())
        replayed._worker_id_prefix = self._worker_id_prefix
        self._finished = finished
        self._backend = self.journal = journal
        self._replay_result = replayed
        with self._thread_lock:
            self._sync_with_backend()

    def get_all_trials(
        self,
        study_id: int,
        deepcopy: bool = True,
        states: Container[TrialState] | None = None,
    ) -> list[FrozenTrial]:
        """As Optuna's, without looking at finished trials where none is asked for."""
        if states is None or not self.is_alone or any(s in states for s in _ENDS):
            return super().get_all_trials(study_id, deepcopy, states)
        with self._thread_lock:
            self._sync_with_backend()
            found = [one for one in self._finished.not_finished() if one.state in states]
        return copied(found) if deepcopy else found

    @property
    def is_alone(self) -> bool:
        """Whether there is one study, so that the numbers of its trials are their ids."""
        return len(self._replay_result._studies) == 1 == self._replay_result._next_study_id

    def n_trials(self, study_id: int) -> int:
        """How many trials a study has."""
        return len(self._replay_result._study_id_to_trial_ids[study_id])

    def first_finished(self) -> int | None:
        """How many trials, the first ones, are finished where all others are not; else None."""
        return self._finished.n_leading if self.is_alone and self._finished.in_order else None

    def seen(self, states: Container[TrialState]) -> list[FrozenTrial] | None:
        """What a sampler sees of a long study; None where it has to look for itself."""
        if self.first_finished() is None:
            return None
        with self._thread_lock:
            self._sync_with_backend()
        return self._seen.of(states)

    def keep_index(self, *, whole: bool) -> None:
        """Write what the index lacks; whole: whatever it is, else where it is worth it."""
        n_finished, length = self.first_finished(), self.journal.length
        if self._file is None or n_finished is None or length is None or n_finished < _FEW:
            return
        if self._file.is_dir():
            # It only saves time.
            return
        if not self._file.exists():
            self._written = None
        n_known = 0 if self._written is None else self._written.n_lines
        if n_finished - n_known < (1 if whole else _BEHIND):
            return
        best, best_of = self._seen.kept()
        (study,) = self._replay_result._studies.values()
        self._written = write_block(
            self._file,
            self._written,
            Index(
                *length,
                journal=self.journal.digest,
                study={
                    "name": study.study_name,
                    "directions": [direction.value for direction in study.directions],
                    "user_attrs": study.user_attrs,
                    "system_attrs": study.system_attrs,
                },
                lines=self._finished.lines(n_known, n_finished),
                distributions=self._finished.distributions,
                running=[self._finished.line_of(one) for one in self._finished.not_finished()],
                best=best,
                best_of=best_of,
            ),
        )


_ENDS = tuple(state for state in TrialState if state.is_finished())


class _Empty(BaseJournalBackend):
    """A journal with nothing in it."""

    def read_logs(self, log_number_from: int) -> Iterator[dict[str, Any]]:
        return iter(())

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        raise AssertionError("nothing is stored before the journal is open")


def _restore(replayed: JournalStorageReplayResult, known: Index, finished: FinishedTrials) -> None:
    """Bring Optuna's storage to where an index ends."""
    replayed.log_number_read = known.n_entries
    replayed._studies[0] = FrozenStudy(
        study_name=known.study["name"],
        direction=None,
        user_attrs=known.study["user_attrs"],
        system_attrs=known.study["system_attrs"],
        study_id=0,
        directions=[StudyDirection(value) for value in known.study["directions"]],
    )
    replayed._next_study_id = 1
    for line in known.running:
        trial = finished.trial_of(line)
        finished[trial._trial_id] = trial
    replayed._study_id_to_trial_ids[0] = list(range(len(finished)))
    replayed._trial_id_to_study_id = dict.fromkeys(range(len(finished)), 0)


def _mend(journal: Path) -> None:
    """Undo what a process left behind that was killed while it wrote the journal."""
    # Earlier versions had Optuna's lock.
    for lock in journal.parent.glob(f"{journal.name}.lock*"):
        lock.unlink(missing_ok=True)
    if not journal.is_file():
        return
    with open(journal, "r+b") as handle:
        size = whole = handle.seek(0, os.SEEK_END)
        while whole:
            begin = max(0, whole - _CHUNK)
            handle.seek(begin)
            line_end = handle.read(whole - begin).rfind(b"\n") + 1
            whole = begin + line_end
            if line_end:
                break
        if whole < size:
            # Half a line: what is appended to it would make the journal unreadable.
            handle.truncate(whole)
