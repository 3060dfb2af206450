"""Each trial's objectives and the best so far, over the number of the trial, for charts."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence

from mlflow import MlflowClient
from mlflow.entities import Metric

from search.study.folder import StudyFolder
from search.tracking.shared_view import BEST_SO_FAR, EACH_TRIAL
from search.tracking.trial_content import milliseconds


class SearchCurve:
    """Metrics of a study's run whose steps are trials, in the order of the trials' numbers.

    run_id: the study's run; what it has already is not told again.
    """

    def __init__(self, client: MlflowClient, folder: StudyFolder, run_id: str):
        self._folder = folder
        self._objectives: Sequence[str] = folder.study.objectives
        self._best: dict[str, float] = {}
        self._next = 0
        for objective in self._objectives:
            known = client.get_metric_history(run_id, f"{BEST_SO_FAR}/{objective}")
            if known:
                last = max(known, key=lambda metric: metric.step)
                self._best[objective] = last.value
                self._next = last.step + 1

    def until_missing(self, there: Container[int]) -> list[Metric]:
        """What is new of the trials in `there`, up to the first that is not among them.

        Of an interrupted study that one is still to come, and the curve is written once.
        """
        metrics: list[Metric] = []
        while self._next in there:
            metrics += self._of(self._next)
            self._next += 1
        return metrics

    def _of(self, number: int) -> Iterator[Metric]:
        record = self._folder.record(number)
        when = milliseconds(record.finished)
        found: Mapping[str, float] = record.objectives if record.completed else {}
        for objective, value in found.items():
            self._best[objective] = min(value, self._best.get(objective, value))
            yield Metric(f"{EACH_TRIAL}/{objective}", value, when, number)
        for objective, value in self._best.items():
            yield Metric(f"{BEST_SO_FAR}/{objective}", value, when, number)
