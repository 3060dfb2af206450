"""Who may run a sweep in a folder: one process at a time, with the spec the study began with."""

from __future__ import annotations

import errno
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from cellbox.errors import InputError, Problem, refuse
from search.spec.reading import problem_of
from search.spec.tables import Spec
from search.study.ending import ended
from search.study.folder import StudyFolder


def spec_of(folder: StudyFolder) -> Spec:
    """The spec that a study was started with, without any credentials it had.

    Raises InputError for a spec that this version cannot read.
    """
    try:
        return Spec.model_validate(folder.read_json("spec.json"))
    except ValidationError as error:
        raise InputError(
            [
                *(problem_of(f"{folder.path}, spec.json", detail) for detail in error.errors()),
                Problem(
                    str(folder.path),
                    "the study was started by another version of this program",
                    "Go on with that version, or begin a new study",
                ),
            ]
        ) from error


# What a disk says that is full, or fails.
_OF_THE_DISK = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS}


class DiskFailed(InputError):
    """A study could not be written any more; what had finished is kept."""


@contextmanager
def disk_failures_named(folder: StudyFolder) -> Iterator[None]:
    """Raise DiskFailed, with how to go on, where the disk refuses what the block writes."""
    try:
        yield
    except OSError as error:
        if error.errno not in _OF_THE_DISK:
            raise
        kept = len(folder.finished_numbers())
        place = "" if error.filename is None else f", at {error.filename}"
        problem = Problem(
            str(folder.path),
            f"the study could not be written: {error.strerror}{place}",
            f"Make room, or mend the disk: {kept} trial{'' if kept == 1 else 's'} that ended "
            "are kept, and the same command goes on",
        )
        raise DiskFailed([problem]) from error


@contextmanager
def alone_with(folder: StudyFolder, spec: Spec) -> Iterator[bool]:
    """Hold a study for a sweep, and note the time it took; gives whether it has ended already.

    Raises InputError for a folder that is no study's or another study's, and where another
    process holds it. A block that fails before it has begun a study leaves no folder behind.
    """

    def refuse_another() -> None:
        refuse_changes(folder.path, spec_of(folder).identity(), spec.identity())

    with folder.begun(refuse_another):
        started = time.time()
        # A finished study that is asked for again does nothing, and that takes none of its time.
        was_ended = folder.exists() and ended(folder, spec)
        try:
            yield was_ended
        finally:
            if folder.exists() and not was_ended:
                _note_run(folder, started)


def refuse_changes(path: Path, kept: Mapping[str, Any], asked: Mapping[str, Any]) -> None:
    """Raise InputError where a study was started with another spec than is asked for now."""
    changed = differences(kept, asked)
    if changed:
        raise refuse(
            str(path),
            "this study was started with another spec: " + "; ".join(changed),
            "Choose another folder with --study, or give the spec it was started with",
        )


def _note_run(folder: StudyFolder, started: float) -> None:
    """Add this run's time to the study's, for rates that hold over interruptions."""
    runs = [*folder.runs(), {"started": started, "seconds": time.time() - started}]
    folder.write_json("runs.json", runs)


def differences(old: Mapping[str, Any], new: Mapping[str, Any], place: str = "") -> list[str]:
    """Where two specs differ, a line each: "space.l1: 1e-05 in the study, 1e-06 now"."""
    lines = []
    for key in sorted({*old, *new}):
        here = f"{place}{key}"
        before, now = old.get(key), new.get(key)
        if isinstance(before, Mapping) and isinstance(now, Mapping):
            lines += differences(before, now, f"{here}.")
        elif before != now:
            lines.append(f"{here}: {before!r} in the study, {now!r} now")
    return lines
