"""Writes MLflow beside a running sweep: slow, down or back again, it never holds up a trial."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from search.study_folder import StudyFolder

if TYPE_CHECKING:
    from search.tracking.mlflow_writer import MlflowWriter

_FIRST_DELAY = 0.5
_LONGEST_DELAY = 60.0
# While someone waits for the last trials, a server that comes back should be noticed soon.
_LONGEST_DELAY_AT_THE_END = 2.0


@dataclass(frozen=True)
class TrackingStatus:
    """How far MLflow is.

    written: trials that it has in full; waiting: finished trials that it has not.
    error: what went wrong last, in one line without credentials; None while all is well.
    """

    written: int
    waiting: int
    error: str | None


class BackgroundTracking:
    """Copies a study's folder into MLflow in a thread of its own.

    tracking_uri: MLflow's address; None for the study's own database.
    """

    def __init__(self, folder: StudyFolder, tracking_uri: str | None = None):
        self._folder = folder
        self._uri = tracking_uri
        self._changed = threading.Condition()
        self._news = False
        self._best: list[int] | None = None
        self._given_up = False
        self._complete = False
        self._error: str | None = None
        self._writer: MlflowWriter | None = None
        # A daemon: a server that does not answer must not keep the process alive.
        self._thread = threading.Thread(target=self._run, name="mlflow", daemon=True)

    def start(self) -> None:
        """Begin; returns at once, and MLflow is imported in the thread."""
        self._thread.start()

    def notify(self) -> None:
        """Tell that new trials are in the study's folder; returns at once."""
        with self._changed:
            self._news = True
            self._changed.notify_all()

    @property
    def status(self) -> TrackingStatus:
        """How far MLflow is."""
        writer = self._writer
        written = writer.written if writer is not None else 0
        waiting = max(0, len(self._folder.finished_numbers()) - written)
        return TrackingStatus(written, waiting, self._error)

    def finish(self, best_numbers: Sequence[int], timeout: float = 60.0) -> str | None:
        """Wait until MLflow has everything, summary and best models included.

        best_numbers: trials whose models the study keeps, best first.
        Returns None, or after `timeout` seconds a sentence that says what MLflow lacks and how
        it gets it. Nothing is lost: the study's folder has it.
        """
        with self._changed:
            self._best = list(best_numbers)
            self._changed.notify_all()
        self._thread.join(timeout)
        if self._complete:
            return None
        with self._changed:
            self._given_up = True
            self._changed.notify_all()
        return self._describe_lack()

    def _describe_lack(self) -> str:
        status = self.status
        lacks = (
            f"{status.waiting} trial{'s are' if status.waiting != 1 else ' is'} not in MLflow yet"
            if status.waiting
            else "The study's summary is not in MLflow yet"
        )
        reason = f" ({status.error})" if status.error else ""
        return (
            f"{lacks}{reason}; nothing is lost: `cellbox sync {self._folder.path}`, or the same "
            "sweep again, writes it."
        )

    def _run(self) -> None:
        # Here rather than above: MLflow takes seconds to import, and the sweep starts meanwhile.
        from search.tracking.mlflow_writer import TRACKING_ERRORS, MlflowWriter, describe_error

        writer = MlflowWriter(self._folder, self._uri)
        started = False
        delay = _FIRST_DELAY
        while not self._given_up:
            try:
                if not started:
                    writer.start()
                    self._writer = writer
                    started = True
                progress = self._write(writer)
            except TRACKING_ERRORS as error:
                self._error = describe_error(error)
                # Begin anew: MLflow may have received what it did not confirm.
                started = False
                self._pause(delay)
                delay = min(2 * delay, _LONGEST_DELAY)
            except Exception as error:
                # The sweep must not end for a fault here: it is shown, and `sync` will raise it.
                self._error = f"writing MLflow ended: {describe_error(error)}"
                return
            else:
                self._error = None
                delay = _FIRST_DELAY
                if self._complete:
                    return
                if not progress:
                    self._wait_for_news()

    def _write(self, writer: MlflowWriter) -> bool:
        """Write what is there, and the summary once it is asked for; whether there was anything."""
        with self._changed:
            self._news = False
            best = self._best
        pending = writer.pending()
        for number in pending:
            if self._given_up:
                return True
            writer.write_trial(number)
        # Trials may have ended between listing and asking for the end.
        if best is not None and not pending:
            writer.finish(best)
            self._complete = True
        return bool(pending)

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
