"""Writes MLflow beside a running sweep: slow, down or back again, it never holds up a trial.

MLflow's writing costs about as much as choosing the next trial, so it has a process of its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from search.study.budget_folder import BudgetFolder
from search.study.folder import StudyFolder
from search.tracking.credentials import without_credentials

# For a process that has said that it is done.
_SECONDS_TO_END = 10.0
_ROOT = Path(__file__).resolve().parents[2]


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
    """Copies a study's folder into MLflow in a process of its own.

    tracking_uri: MLflow's address; None for the study's own database.
    """

    def __init__(self, folder: StudyFolder | BudgetFolder, tracking_uri: str | None = None):
        self._folder = folder
        self._uri = tracking_uri
        self._state: dict[str, Any] = {
            "written": 0,
            "progress": 0,
            "complete": False,
            "error": None,
        }
        self._ended = threading.Event()
        self._process: subprocess.Popen[str] | None = None

    def prepare(self) -> None:
        """Let the process import MLflow, which takes seconds; returns at once."""
        # Shown only if the process ends before its time.
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115
        self._process = subprocess.Popen(
            # -P: the sweep's folder may hold files with the names of our modules.
            [sys.executable, "-P", "-m", "search.tracking.process"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env=_environment(),
            # A Ctrl-C at the terminal is for the sweep alone.
            start_new_session=True,
        )

    def start(self) -> None:
        """Begin to copy the study's folder, which is there now; returns at once."""
        if self._process is None:
            self.prepare()
        # Not among the arguments, which everyone on the machine can see.
        self._tell({"study": str(self._folder.path.absolute()), "tracking_uri": self._uri})
        threading.Thread(target=self._listen, name="mlflow", daemon=True).start()

    def notify(self) -> None:
        """Tell that new trials are in the study's folder; returns at once."""
        self._tell({})

    @property
    def status(self) -> TrackingStatus:
        """How far MLflow is."""
        return self.status_of(len(self._folder.finished_numbers()))

    def status_of(self, n_finished: int) -> TrackingStatus:
        """How far MLflow is with a study of so many finished trials."""
        written = self._state["written"]
        return TrackingStatus(written, max(0, n_finished - written), self._state["error"])

    def end_soon(self, best_numbers: Sequence[int]) -> None:
        """Tell that all trials are in the study's folder, before `finish`; returns at once."""
        self._tell({"ending": list(best_numbers)})

    def models_there(self, best_numbers: Sequence[int]) -> None:
        """Tell that the models of the best are in the study's folder; returns at once."""
        self._tell({"models": list(best_numbers)})

    @property
    def complete(self) -> bool:
        """Whether MLflow has everything, summary and best models included."""
        return bool(self._state["complete"])

    def finish(self, best_numbers: Sequence[int], timeout: float = 60.0) -> str | None:
        """Wait until MLflow has everything, summary and best models included.

        best_numbers: trials whose models the study keeps, best first. timeout: seconds in which
        nothing more is written before giving up.
        Returns None, or a sentence that says what MLflow lacks and how it gets it. Nothing is
        lost: the study's folder has it.
        """
        self._tell({"best": list(best_numbers)})
        seen, until = None, 0.0
        while not self._ended.is_set():
            if self._state["progress"] != seen:
                seen, until = self._state["progress"], time.monotonic() + timeout
            if time.monotonic() > until:
                break
            self._ended.wait(0.05)
        self.close()
        self._ended.wait(_SECONDS_TO_END)
        return None if self._state["complete"] else self._describe_lack()

    def close(self) -> None:
        """End the process, at once where it has not been told what to do."""
        if self._process is None:
            return
        try:
            self._process.wait(_SECONDS_TO_END if self._state["complete"] else 0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _tell(self, order: dict[str, Any]) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            # It has ended; `_listen` has seen why.
            return

    def _listen(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._state = json.loads(line)
        code = self._process.wait()
        with self._errors:
            self._errors.seek(0)
            lines = self._errors.read().decode("utf-8", "replace").strip().splitlines()
        if code and self._state["error"] is None:
            reason = without_credentials(lines[-1]) if lines else f"exit code {code}"
            self._state = self._state | {"error": f"the process that writes MLflow ended: {reason}"}
        self._ended.set()

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
            "command again, writes it."
        )


def _environment() -> dict[str, str]:
    """This process's environment, with this package to be found, and without a GPU."""
    paths = [str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "JAX_PLATFORMS": "cpu"}
