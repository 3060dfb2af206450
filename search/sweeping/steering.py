"""When a run is to end before its study does: its time is over, or someone asks it to.

A run that is short of time starts no training that would, by the longest of the latest trials, not
end in time. With what is under way when the time is over, or when someone asks the run to stop, the
next run goes on, as after Ctrl-C.
"""

from __future__ import annotations

import time
from collections import deque

from search.study.folder import StudyFolder
from search.study.record import TrialRecord
from search.study.stopping import stop_asked

# What the end of a run needs for models, the report and MLflow; of a short run half its time.
_FOR_THE_END = 90.0  # seconds
_LATEST = 32
_LOOK_EVERY = 0.5  # seconds


class Steering:
    """Watches the clock and the study's folder for one run.

    hours: after so many, counted from `started` (of the monotonic clock), the run ends; None for
    never.
    """

    def __init__(self, folder: StudyFolder, hours: float | None, started: float):
        self._folder = folder
        self._hours = hours
        self._until: float | None = None
        if hours is not None:
            seconds = 3600 * hours
            self._until = started + seconds - min(seconds / 2, _FOR_THE_END)
        self._durations: deque[float] = deque(maxlen=_LATEST)
        self._looked = 0.0
        self._asked: str | None = None

    def note(self, record: TrialRecord) -> None:
        """Take note of how long a trial took."""
        if record.seconds:
            # One that was not trained, or not to its end, says nothing.
            self._durations.append(record.finished - record.started)

    @property
    def short_of_time(self) -> bool:
        """Whether a training that started now would not end in time."""
        if self._until is None:
            return False
        return time.monotonic() + max(self._durations, default=0.0) > self._until

    def over(self) -> str | None:
        """Why the run ends now, as a sentence; None where it goes on."""
        now = time.monotonic()
        if self._until is not None and now > self._until:
            return self.time_is_over
        if now - self._looked > _LOOK_EVERY:
            self._looked = now
            self._asked = self._asked or stop_asked(self._folder)
        return self._asked

    @property
    def time_is_over(self) -> str:
        """Says that the time is over."""
        return f"Stopped after {self._hours:g} hours, as asked; the same command goes on."
