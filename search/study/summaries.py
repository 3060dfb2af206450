"""Summaries of all finished trials of a study, from their lines where these still hold."""

from __future__ import annotations

from collections.abc import Iterator

from cellbox.errors import InputError
from search.study.folder import StudyFolder, say_once
from search.study.record import TrialRecord
from search.study.summary_lines import (
    Stamp,
    TrialSummary,
    append_lines,
    line_of,
    read_lines,
    stamp_of,
    summary_in,
    summary_of,
    text_of,
)

#: In a long study's folder, a line for each trial.
SUMMARIES = "trials.index"
# Shorter studies are read quickly without it; of a longer one it is as many trials behind.
_FEW, _BEHIND = 1000, 250


class TrialSummaries:
    """What is known of the finished trials, without reading the records whose lines hold."""

    def __init__(self, folder: StudyFolder):
        self._folder = folder
        self._file = folder.path / SUMMARIES
        self._lines = read_lines(self._file)
        self._new: list[bytes] = []
        self._sound: set[int] = set()
        self._find_sound()

    def _find_sound(self) -> None:
        for number in self._folder.finished_numbers():
            known = self._lines.get(number)
            if known is not None and self._stamp(number) == known[0]:
                self._sound.add(number)

    def damaged(self) -> dict[int, InputError]:
        """What is wrong with trials whose files are not what was written, by number.

        Those are read and checked whose lines do not hold, and with their digests their networks.
        """
        found = {}
        for number in self._folder.finished_numbers():
            if number in self._sound:
                continue
            # Before it is read, so that what changes meanwhile is noticed later.
            stamp = self._stamp(number)
            damage = self._folder.damage(number)
            if damage is not None:
                found[number] = damage
                continue
            line = line_of(summary_of(self._folder.record(number)), stamp)
            self._new.append(line)
            self._lines[number] = stamp, text_of(line)
            self._sound.add(number)
        return found

    def add(self, record: TrialRecord) -> None:
        """Take note of a trial that was just written."""
        self._new.append(line_of(summary_of(record), self._stamp(record.number)))

    def _stamp(self, number: int) -> Stamp:
        return stamp_of(f"{self._folder.path}/trials/{number:06d}")

    def of(self, number: int) -> TrialSummary:
        """A trial's. Raises InputError where its record is damaged."""
        if number in self._sound:
            return summary_in(self._lines[number][1])
        return summary_of(self._folder.record(number))

    def __iter__(self) -> Iterator[TrialSummary]:
        """All, by number; a damaged trial is named in a note and left out."""
        for number in self._folder.finished_numbers():
            try:
                summary = self.of(number)
            except InputError as error:
                say_once(str(error))
                continue
            yield summary

    def forget(self) -> None:
        """Let go of the lines that were read, once nobody asks for them any more."""
        self._lines, self._sound = {}, set()

    def keep(self, *, whole: bool) -> None:
        """Write the lines of new trials; whole: however few, else where there are many."""
        if len(self._new) < (1 if whole else _BEHIND):
            return
        if self._file.is_dir():
            # It only saves time.
            return
        if not self._file.exists() and len(self._folder.finished_numbers()) < _FEW:
            return
        append_lines(self._file, self._new)
        self._new = []


def summaries_of(folder: StudyFolder) -> Iterator[TrialSummary]:
    """All finished trials of a study, by number; a damaged one is named and left out."""
    yield from TrialSummaries(folder)
