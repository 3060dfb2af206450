"""What is asked of every trial of a study at once: a summary, and a file with a line for each.

A record has everything about a trial and takes half a millisecond to read and check; a summary is
enough to count trials, rank them and let the sampler learn from them, and takes a fortieth of that.
The lines are a copy: one counts as long as the files of its trial have the size and the time of
change that they had when it was written, and else the record is read.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from search.study.record import TrialEnd, TrialRecord

# Size and time of change of the record, and of the network; 0 for no file.
Stamp = tuple[int, int, int, int]
#: The errors that a trial can be compared by, repeat by repeat.
_ERRORS = ("validation_mae", "selection_error")
_SHOWN = ("validation_mae", "test_mae")


@dataclass(slots=True)
class TrialSummary(TrialEnd):
    """What ranking, counting and the sampler need of a finished trial, as its record has it.

    point: tells its settings and budget from others. metrics: some of the record's. rest: its
    parameters, and errors of each repeat by name, which few trials are asked for; or both as JSON.
    """

    number: int
    status: str
    objectives: dict[str, float]
    reports: tuple[tuple[int, float], ...]
    marks: dict[str, Any]
    excess: dict[str, float]
    point: str
    metrics: dict[str, float | None]
    rest: bytes | list[dict[str, Any]] = field(repr=False, compare=False)

    def _read(self) -> list[dict[str, Any]]:
        if isinstance(self.rest, bytes):
            self.rest = json.loads(self.rest)
        assert not isinstance(self.rest, bytes)
        return self.rest

    @property
    def parameters(self) -> dict[str, Any]:
        """The point of the space."""
        return self._read()[0]

    def by_repeat(self, name: str) -> list[float | None]:
        """An error of each repeat."""
        return self._read()[1].get(name, [])


def summary_of(record: TrialRecord) -> TrialSummary:
    """The summary of a record."""
    return TrialSummary(
        number=record.number,
        status=record.status,
        objectives=record.objectives,
        reports=record.reports,
        marks=record.marks,
        excess=record.excess,
        point=point_of(record.settings, record.budget.as_dict()),
        metrics={name: record.metrics[name] for name in _SHOWN if name in record.metrics},
        rest=[record.parameters, {name: record.by_repeat(name) for name in _ERRORS}],
    )


def point_of(settings: Mapping[str, Any], budget: Mapping[str, Any]) -> str:
    """The same for two trials with the same settings and budget, and for no others."""
    text = json.dumps([settings, budget], sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def line_of(summary: TrialSummary, stamp: Stamp) -> bytes:
    """A summary as a line of the file, with its own digest.

    It has two parts, of which the second is read where it is asked for.
    """
    *values, rest = (getattr(summary, name) for name in TrialSummary.__slots__)
    content = b"\t".join(
        part if isinstance(part, bytes) else json.dumps(part, separators=(",", ":")).encode()
        for part in ([stamp, *values], rest)
    )
    return _digest(content) + content + b"\n"


def text_of(line: bytes) -> bytes:
    """What `read_lines` finds of a line."""
    return line[_DIGITS:].rstrip()


def summary_in(line: bytes) -> TrialSummary:
    """The summary in a line that `read_lines` found."""
    first, _, rest = line.partition(b"\t")
    _, number, status, objectives, reports, marks, excess, point, metrics = json.loads(first)
    # What is a tuple in a record.
    reports = tuple(map(tuple, reports))
    return TrialSummary(number, status, objectives, reports, marks, excess, point, metrics, rest)


def read_lines(file: Path) -> dict[int, tuple[Stamp, bytes]]:
    """By number, the lines that are whole: when their trials' files were written, and the text."""
    found: dict[int, tuple[Stamp, bytes]] = {}
    try:
        content = file.read_bytes()
    except OSError:
        return found
    for line in content.split(b"\n"):
        text = line[_DIGITS:]
        if text and line[:_DIGITS] == _digest(text):
            # [[size, time, size, time],number,...
            end = text.index(b"]")
            stamp = tuple(map(int, text[2:end].split(b",")))
            number = int(text[end + 2 : text.index(b",", end + 2)])
            found[number] = stamp, text  # type: ignore[assignment]
    return found


def append_lines(file: Path, lines: Iterable[bytes]) -> None:
    """Add lines. A killed process leaves a part of one, which does not count."""
    # A line of its own for what follows a part of one.
    with open(file, "ab") as handle:
        handle.write(b"\n" + b"".join(lines) if handle.tell() else b"".join(lines))


def stamp_of(trial: str) -> Stamp:
    """When the files in a trial's folder were written, and how long they are."""
    return (*_changed(f"{trial}/record.json"), *_changed(f"{trial}/network.npz"))


def _changed(file: str) -> tuple[int, int]:
    try:
        found = os.stat(file)
    except OSError:
        return 0, 0
    return found.st_size, found.st_mtime_ns


_DIGITS = 16


def _digest(content: bytes) -> bytes:
    # Lines of versions that wrote them otherwise have other digests, and do not count.
    return hashlib.blake2b(content, digest_size=_DIGITS // 2, person=b"2").hexdigest().encode()
