"""Keeps the best trials' models and pictures beside training, so that little is left at the end.

Drawing and judging cost seconds, most of them once: for what is imported and compiled.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

from search.study.data import StudyData
from search.study.folder import StudyFolder
from search.study.good_trials import save_ensemble
from search.study.identifiability import save_identifiability
from search.study.kept_models import save_best_models

# Rests as many times as long as it has worked, since it takes time from training.
_REST = 2.0


class ModelKeeper:
    """Writes the models of a study's best trials whenever these have changed.

    beside: whether in a thread beside training; else only when asked to finish.
    """

    def __init__(self, folder: StudyFolder, data: StudyData, *, beside: bool):
        self._folder = folder
        self._data = data
        self._beside = beside
        self._wanted: Sequence[int] = ()
        self._news = threading.Event()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def notify(self, numbers: Sequence[int]) -> None:
        """Tell which trials are the best now, the best first; returns at once."""
        if not self._beside:
            return
        self._wanted = tuple(numbers)
        self._news.set()
        if self._thread is None:
            self._thread = threading.Thread(target=self._follow, name="best models", daemon=True)
            self._thread.start()

    def finish(self, numbers: Sequence[int]) -> None:
        """Write what is not there of these trials, and nothing beside training any more."""
        self._stopping.set()
        self._news.set()
        if self._thread is not None:
            self._thread.join()
        self._write(numbers)

    def _write(self, numbers: Sequence[int]) -> None:
        save_best_models(self._folder, numbers)
        save_ensemble(self._folder, numbers)
        save_identifiability(self._folder, numbers, self._data)

    def _begin(self, numbers: Sequence[int]) -> None:
        """Write as much as there is time for: the best trial is judged before others are drawn."""

        def judge(number: int) -> None:
            if number == numbers[0] and not self._stopping.is_set():
                save_identifiability(self._folder, numbers, self._data)

        save_best_models(self._folder, numbers, stop=self._stopping.is_set, on_model=judge)

    def _follow(self) -> None:
        while True:
            self._news.wait()
            if self._stopping.is_set():
                return
            self._news.clear()
            started = time.monotonic()
            numbers = self._wanted
            try:
                self._begin(numbers)
            except OSError:
                # A full disk, say: `finish` writes the same again, and lets the caller know.
                return
            self._stopping.wait(_REST * (time.monotonic() - started))
