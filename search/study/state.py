"""Where a sweep stands, for whoever looks from another terminal or another machine.

The run that holds a study writes it into state.json every few seconds. Whether that run is alive is
told by its lock: a process that was killed has no time to write that it ended.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from search.study.checked_json import NUMBERS, TABLE
from search.study.expected_gain import is_outlook, outlook_sentence
from search.study.folder import StudyFolder

STATE = "state.json"
_WRITE_EVERY = 2.0  # seconds
_NUMBER = (int, float)
_KINDS: dict[str, Any] = {
    **{"phase": str, "host": str, "pid": int, "started": _NUMBER, "updated": _NUMBER},
    **dict.fromkeys(("why", "error"), (str, type(None))),
    **dict.fromkeys(("complete", "pruned", "diverged", "running", "workers"), int),
    **dict.fromkeys(("total", "per_minute", "seconds_left"), (*_NUMBER, type(None))),
}


@dataclass(frozen=True)
class RunState:
    """What a run says of itself.

    phase: "starting", "training", "finishing", or how it ended: "finished", "stopped",
        "interrupted" or "failed". why: a sentence where there is something to say of that.
    started, updated: seconds since 1970. total: trials that the study is to have. running:
        trainings under way. per_minute: trials, None before the first. seconds_left: None where it
        is not known.
    best: the best trial's number and objectives; None before any. error: what went wrong last and
        did not end the run. outlook: what more trials are expected to bring
        (`search.study.expected_gain.Outlook`), where that was asked for.
    """

    phase: str
    host: str
    pid: int
    started: float
    updated: float
    why: str | None = None
    total: int | None = None
    complete: int = 0
    pruned: int = 0
    diverged: int = 0
    running: int = 0
    workers: int = 0
    per_minute: float | None = None
    seconds_left: float | None = None
    best: Mapping[str, Any] | None = None
    error: str | None = None
    outlook: Mapping[str, Any] | None = None


class StateWriter:
    """Writes what a run says of itself, seldom enough to cost nothing."""

    def __init__(self, folder: StudyFolder):
        now = time.time()
        self._folder = folder
        self._state = RunState("starting", socket.gethostname(), os.getpid(), now, now)
        self._written = 0.0

    def tell(self, *, now: bool = False, **changes: Any) -> None:
        """Take note of changes, by the names of `RunState`; now: write them at once."""
        self._state = replace(self._state, updated=time.time(), **changes)
        if not self._folder.exists():
            # A study that has not begun has no files.
            return
        if now or time.monotonic() - self._written > _WRITE_EVERY:
            self._written = time.monotonic()
            self._folder.write_json(STATE, asdict(self._state))


def note_finished(folder: StudyFolder) -> None:
    """Let a study that has ended say so, where its last run was killed before it could."""
    state = state_of(folder)
    if state is not None and state.phase != "finished":
        ended = replace(state, phase="finished", why=folder.stopped, running=0, error=None)
        folder.write_json(STATE, asdict(ended))


@dataclass(frozen=True)
class StudyStatus:
    """Where a study stands.

    alive: whether a sweep is running in it. state: what the last run said of itself; None of a
    study that an earlier version wrote. finished: trials that have ended.
    """

    folder: StudyFolder
    alive: bool
    state: RunState | None
    finished: int

    def as_dict(self) -> dict[str, Any]:
        """As plain values; names are an interface."""
        return {
            "study": str(self.folder.path),
            "alive": self.alive,
            "finished": self.finished,
            "state": None if self.state is None else asdict(self.state),
        }

    def sentences(self) -> list[str]:
        """The same for people, a line each."""
        state = self.state
        if state is None:
            running = "a sweep is running" if self.alive else "no sweep is running"
            return [f"{self.folder.path}: {running}; {self.finished} trials have ended"]
        of = "" if state.total is None else f" of {state.total}"
        lines = [
            f"{self.folder.path}: {self._what(state)}",
            f"{self.finished}{of} trials have ended: {state.complete} complete, {state.pruned} "
            f"pruned, {state.diverged} diverged",
        ]
        if self.alive and state.phase == "training":
            speed = (
                ""
                if state.per_minute is None
                else f"; {state.per_minute:.1f} trials per minute, {_left(state.seconds_left)}"
            )
            lines.append(f"{state.running} trainings on {state.workers} workers{speed}")
        if state.best is not None:
            shown = ", ".join(
                f"{name.replace('_', ' ')} {value:.4g}"
                for name, value in state.best["objectives"].items()
            )
            lines.append(f"best so far: trial {state.best.get('number')}, {shown}")
        if state.outlook is not None:
            lines.append(outlook_sentence(state.outlook))
        if state.error is not None:
            lines.append(f"last error: {state.error}")
        if not self.alive and state.total is not None and self.finished < state.total:
            lines.append("the same sweep command goes on")
        return lines

    def _what(self, state: RunState) -> str:
        when = f"on {state.host} (process {state.pid})"
        if self.alive:
            ago = max(0, round(time.time() - state.updated))
            return f"a sweep is {state.phase} {when}, said {ago} s ago"
        if state.phase in ("starting", "training", "finishing"):
            return f"no sweep is running; the last one {when} ended without a word, as when killed"
        why = f": {state.why}" if state.why else ""
        return f"no sweep is running; the last one {when} {state.phase}{why}"


def study_status(study: str | Path) -> StudyStatus:
    """Where a study stands. Raises InputError where there is none.

    Example:
        >>> import search
        >>> result = search.sweep(search.read_spec("tiny.toml"), study="watched")
        >>> status = search.study_status("watched")
        >>> status.alive, status.state.phase
        (False, 'finished')
    """
    folder = StudyFolder.at(study)
    # First: a run that ends meanwhile is then told as ended, and not as killed.
    alive = folder.is_held()
    return StudyStatus(folder, alive, state_of(folder), len(folder.finished_numbers()))


def seconds_of(folder: StudyFolder) -> float:
    """The time that a study's runs took, start-up included, and what one under way took so far."""
    runs, state = folder.runs(), state_of(folder)
    noted = sum(run["seconds"] for run in runs)
    if state is None or any(state.started < _end_of(run) for run in runs):
        return noted
    return noted + max(0.0, state.updated - state.started)


def _end_of(run: Mapping[str, Any]) -> float:
    began = run.get("started")
    return began + run["seconds"] if isinstance(began, (int, float)) else 0.0


def state_of(folder: StudyFolder) -> RunState | None:
    """What the last run says of itself; None where nothing that can be read does."""
    kept = folder.read_kept(STATE)
    if not kept or not all(
        isinstance(kept.get(key), kinds) and not isinstance(kept.get(key), bool)
        for key, kinds in _KINDS.items()
    ):
        # Damaged, or of another version: it is a copy of what the records tell.
        return None
    best = kept.get("best")
    if not (best is None or (TABLE.holds(best) and NUMBERS.holds(best.get("objectives")))):
        return None
    outlook = kept.get("outlook")
    if not (outlook is None or is_outlook(outlook)):
        return None
    try:
        return RunState(**kept)
    except TypeError:
        return None


def _left(seconds: float | None) -> str:
    if seconds is None:
        return "time left not known"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    shown = f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"
    return f"{shown} left"
