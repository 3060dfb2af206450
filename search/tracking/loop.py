"""Copies a study's folder into MLflow for as long as trials come in, whatever MLflow does."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from search.study.budget_folder import BudgetFolder
from search.study.folder import StudyFolder
from search.tracking.writers import TRACKING_ERRORS, describe_error, writer_of

_FIRST_DELAY = 0.5
_LONGEST_DELAY = 60.0
# While someone waits for the last trials, a server that comes back should be noticed soon.
_LONGEST_DELAY_AT_THE_END = 2.0


@dataclass(frozen=True)
class LoopState:
    """How far the copy is.

    written: trials that MLflow has in full. progress: grows with whatever was written.
    complete: whether it has the summary too.
    error: what went wrong last, in one line without credentials; None while all is well.
    """

    written: int = 0
    progress: int = 0
    complete: bool = False
    error: str | None = None


class TrackingLoop:
    """The loop, to be run in a thread or process of its own; the other methods return at once.

    tracking_uri: MLflow's address; None for the study's own database.
    on_state: told whenever the state has changed.
    """

    def __init__(
        self,
        folder: StudyFolder | BudgetFolder,
        tracking_uri: str | None,
        on_state: Callable[[LoopState], None],
    ):
        self._writer = writer_of(folder, tracking_uri)
        self._on_state = on_state
        self._state = LoopState()
        self._changed = threading.Condition()
        self._news = False
        self._best: list[int] | None = None
        self._to_draw: list[int] | None = None
        self._to_model: list[int] | None = None
        self._given_up = False
        self._rehearsed = False
        # Whether the writer is doing what writes nothing, and ends by itself.
        self.rehearsing = False

    def notify(self) -> None:
        """Tell that new trials are in the study's folder."""
        with self._changed:
            self._news = True
            self._changed.notify_all()

    def end_soon(self, best_numbers: Sequence[int]) -> None:
        """Tell that all trials are there, so that figures can be drawn before `finish`."""
        with self._changed:
            self._to_draw = list(best_numbers)
            self._news = True
            self._changed.notify_all()

    def models_there(self, best_numbers: Sequence[int]) -> None:
        """Tell that the models of the best are in the folder, so that they need not wait either."""
        with self._changed:
            self._to_model = list(best_numbers)
            self._news = True
            self._changed.notify_all()

    def finish(self, best_numbers: Sequence[int]) -> None:
        """Let the loop end when MLflow has everything, summary and best models included."""
        with self._changed:
            self._best = list(best_numbers)
            self._changed.notify_all()

    def give_up(self) -> None:
        """Let the loop end soon, whatever MLflow has."""
        with self._changed:
            self._given_up = True
            self._changed.notify_all()

    def run(self) -> None:
        """Copy until everything is there or the loop is given up."""
        started = False
        delay = _FIRST_DELAY
        while not self._given_up and not self._state.complete:
            try:
                if not started:
                    self._writer.start()
                    started = True
                    self._tell(written=len(self._writer.runs.written))
                progress = self._write()
            except TRACKING_ERRORS as error:
                self._tell(error=describe_error(error))
                # Begin anew: MLflow may have received what it did not confirm.
                started = False
                self._pause(delay)
                delay = min(2 * delay, _LONGEST_DELAY)
            except Exception as error:
                # The sweep must not end for a fault here: it is shown, and `sync` will raise it.
                self._tell(error=f"writing MLflow ended: {describe_error(error)}")
                return
            else:
                self._tell(error=None)
                delay = _FIRST_DELAY
                if not progress and not self._state.complete:
                    self._wait_for_news()

    def _tell(self, **changes: object) -> None:
        state = replace(self._state, **changes)  # type: ignore[arg-type]
        if state != self._state:
            self._state = state
            self._on_state(state)

    def _progress(self, **changes: object) -> None:
        self._tell(progress=self._state.progress + 1, **changes)

    def _write(self) -> bool:
        """Write what is there, and the summary once it is asked for; whether there was anything."""
        with self._changed:
            self._news = False
            best, to_draw, to_model = self._best, self._to_draw, self._to_model
        pending = self._writer.runs.pending()
        for number in pending:
            if self._given_up:
                return True
            self._writer.write_trial(number)
            self._progress(written=len(self._writer.runs.written))
        if not pending and to_draw is not None:
            self._writer.draw(to_draw)
        elif not pending and not self._rehearsed and not self._given_up:
            self._rehearse()
        if not pending and to_model is not None:
            self._writer.write_models(to_model, self._progress)
        # Trials may have ended between listing and asking for the end.
        if best is not None and not pending:
            self._writer.finish(best, self._progress)
            self._tell(complete=True)
        return bool(pending)

    def _rehearse(self) -> None:
        self.rehearsing = True
        try:
            self._writer.rehearse()
            self._rehearsed = True
        finally:
            self.rehearsing = False

    def _wait_for_news(self) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._news or self._best is not None or self._given_up)

    def _pause(self, delay: float) -> None:
        """Wait before the next attempt, less long once someone waits for the end."""
        until = time.monotonic() + delay
        with self._changed:
            while not self._given_up:
                ending = self._best is not None
                longest = _LONGEST_DELAY_AT_THE_END if ending else delay
                left = min(until, time.monotonic() + longest) - time.monotonic()
                if left <= 0:
                    return
                if ending:
                    until = min(until, time.monotonic() + longest)
                self._changed.wait(left)
