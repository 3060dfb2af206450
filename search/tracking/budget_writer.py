"""Writes a budget study into MLflow: a run for each experiment, and the answer with its page.

The folder is the truth, as for sweeps: each call can be interrupted at any point and made again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from mlflow.entities import Metric, RunTag

from search.study.budget_folder import ANSWER, BudgetFolder, ExperimentRecord
from search.tracking.notes import note_tags
from search.tracking.study_runs import StudyRuns
from search.tracking.trial_content import TrialContent, final_values, milliseconds, texts

# MLflow colours a list of runs by their status.
_RUN_STATUS = {"learned": "FINISHED", "failed": "FAILED", "unsolved": "KILLED"}
_FILES = ("report.html", ANSWER, "cells.csv", "experiments.csv")

# How long and where a study runs may change from run to run; MLflow's parameters may not.
_MAY_CHANGE = ("experiments", "workers", "tracking", "choosing")


class BudgetWriter:
    """Writes one budget study into MLflow; for one process at a time.

    runs: what MLflow has of it.
    """

    def __init__(self, folder: BudgetFolder, runs: StudyRuns):
        self._folder = folder
        self.runs = runs

    def start(self) -> None:
        """Find or make the study's parent run, and see which experiments MLflow has already."""
        parent = self.runs.open()
        self._client, self._parent_id = self.runs.client, self.runs.parent_id
        self.runs.write_spec(self._folder.asked, parent, may_change=_MAY_CHANGE)

    def write_trial(self, number: int) -> None:
        """Write a finished experiment as a child run; one that MLflow has stays as it is."""
        if number not in self.runs.written:
            self.runs.end_child(number, experiment_content(self._folder.record(number)))

    def finish(
        self, best_numbers: Sequence[int], on_progress: Callable[[], None] = lambda: None
    ) -> None:
        """Write answer, page and tables, and end the parent run.

        best_numbers: of no use here, since no models are kept. on_progress: called after each part.
        """
        for name in _FILES:
            if self._folder.has(name):
                self._client.log_artifact(self._parent_id, str(self._folder.path / name))
                on_progress()
        finished = max((one.finished for one in self._folder.records()), default=time.time())
        if self._folder.has(ANSWER):
            self._write_answer(self._folder.read_json(ANSWER), milliseconds(finished))
        self.runs.end_parent(milliseconds(finished))

    def draw(self, best_numbers: Sequence[int]) -> None:
        """Nothing: the page has the figures."""

    def write_models(
        self, best_numbers: Sequence[int], on_progress: Callable[[], None] = lambda: None
    ) -> None:
        """Nothing: a budget study keeps no models."""

    def rehearse(self) -> None:
        """Nothing: nothing that takes time is left for the end."""

    def _write_answer(self, answer: dict[str, Any], finished: int) -> None:
        cheapest = answer.get("cheapest") or {}
        numbers = {
            "experiments": answer["experiments"],
            "cheapest_cost": cheapest.get("cost"),
            "cheapest_cost_low": cheapest.get("low"),
            "cheapest_cost_high": cheapest.get("high"),
            "cheapest_probability": (cheapest.get("probability") or [None])[0],
        }
        known = self._client.get_run(self._parent_id).data.tags
        tags = note_tags(known, _described(answer))
        for name, values in answer["axes"].items():
            tags[f"cellbox.axis.{name}"] = ", ".join(map(str, values))
        self._client.log_batch(
            self._parent_id,
            metrics=[
                Metric(v.key, v.value, finished, v.step)
                for v in final_values(numbers, step=answer["experiments"])
            ],
            tags=[RunTag(key, value) for key, value in tags.items()],
        )


def experiment_content(record: ExperimentRecord) -> TrialContent:
    """What MLflow is told of an experiment."""
    numbers = {name: value for name, value in record.outcome.items() if name != "message"}
    return TrialContent(
        name=f"experiment {record.number}",
        run_status=_RUN_STATUS[record.status],
        started=milliseconds(record.started),
        finished=milliseconds(record.finished),
        tags={
            "cellbox.kind": "trial",
            "cellbox.trial": str(record.number),
            "cellbox.status": record.status,
            "mlflow.note.content": str(record.outcome.get("message", "")),
        },
        parameters=texts(
            {**{f"budget.{name}": v for name, v in record.cell.items()}, "draw": record.draw}
        ),
        values=final_values(numbers),
    )


def _described(answer: dict[str, Any]) -> str:
    """The answer in a few lines of Markdown, which MLflow shows on the run's page."""
    more = [f"- {sentence}" for sentence in answer["sentences"]]
    files = "Artifacts: `report.html` (everything on one page), `answer.json`, tables."
    return "\n".join([f"**{answer['sentence']}**", "", *more, "", files])
