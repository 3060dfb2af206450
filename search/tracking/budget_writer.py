"""Writes a budget study into MLflow: a run for each experiment, and the answer with its page.

The folder is the truth, as for sweeps: each call can be interrupted at any point and made again.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, Run, RunTag

from search.study.budget_folder import ANSWER, BudgetFolder, ExperimentRecord
from search.tracking.credentials import without_credentials_inside
from search.tracking.embedded import embedded_uri, prepare_embedded
from search.tracking.experiment import find_parent, open_experiment
from search.tracking.notes import note_tags
from search.tracking.trial_content import TrialContent, final_values, flatten, milliseconds, texts

# MLflow colours a list of runs by their status.
_RUN_STATUS = {"learned": "FINISHED", "failed": "FAILED", "unsolved": "KILLED"}
_FILES = ("report.html", ANSWER, "cells.csv", "experiments.csv")

# How long and where a study runs may change from run to run; MLflow's parameters may not.
_MAY_CHANGE = ("experiments", "workers", "tracking", "choosing")
_RUNS_PER_PAGE = 1000


class BudgetWriter:
    """Writes one budget study into MLflow; for one process at a time.

    tracking_uri: MLflow's address; None for SQLite and a folder of artifacts inside the study's.
    """

    def __init__(self, folder: BudgetFolder, tracking_uri: str | None = None):
        self._folder = folder
        self._embedded = tracking_uri is None
        self._uri = tracking_uri or embedded_uri(folder)
        self._runs: dict[int, str] = {}
        self._written: set[int] = set()
        self._experiment_id = self._parent_id = ""

    @property
    def written(self) -> int:
        """Number of experiments that MLflow has in full."""
        return len(self._written)

    def pending(self) -> list[int]:
        """Finished experiments that MLflow does not have in full, ascending."""
        return [n for n in self._folder.finished_numbers() if n not in self._written]

    def start(self) -> None:
        """Find or make the study's parent run, and see which experiments MLflow has already."""
        if self._embedded:
            prepare_embedded(self._folder)
        self._client = MlflowClient(tracking_uri=self._uri, registry_uri=self._uri)
        experiment = open_experiment(self._client, self._folder, embedded=self._embedded)
        self._experiment_id = experiment.experiment_id
        parent = find_parent(self._client, [self._experiment_id], self._folder.id)
        if parent is None:
            tags = {"cellbox.kind": "study", "cellbox.study_id": self._folder.id}
            parent = self._create(milliseconds(time.time()), self._folder.name, tags)
        self._parent_id = parent.info.run_id
        self._client.update_run(self._parent_id, status="RUNNING")
        self._read_children()
        self._write_spec(parent)

    def write_trial(self, number: int) -> None:
        """Write a finished experiment as a child run; one that MLflow has stays as it is."""
        if number in self._written:
            return
        content = experiment_content(self._folder.record(number))
        if number not in self._runs:
            tags = {"mlflow.parentRunId": self._parent_id, **content.tags}
            self._runs[number] = self._create(content.started, content.name, tags).info.run_id
        self._client.log_batch(
            self._runs[number],
            metrics=[Metric(v.key, v.value, content.finished, v.step) for v in content.values],
            params=[Param(key, value) for key, value in content.parameters.items()],
        )
        self._client.set_terminated(self._runs[number], content.run_status, content.finished)
        self._written.add(number)

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
        self._client.set_terminated(self._parent_id, "FINISHED", milliseconds(finished))

    def draw(self, best_numbers: Sequence[int]) -> None:
        """Nothing: the page has the figures."""

    def rehearse(self) -> bool:
        """Nothing that takes time is left for the end."""
        return True

    def _create(self, started: int, name: str, tags: dict[str, str]) -> Run:
        return self._client.create_run(
            self._experiment_id,
            start_time=started,
            run_name=name,
            tags={
                "mlflow.source.name": "cellbox budget",
                "cellbox.study": self._folder.name,
                **tags,
            },
        )

    def _read_children(self) -> None:
        """See which experiments have a run; a second one, left by a lost answer, is removed."""
        self._runs, self._written, token = {}, set(), None
        while True:
            page = self._client.search_runs(
                [self._experiment_id],
                f"tags.`mlflow.parentRunId` = '{self._parent_id}'",
                max_results=_RUNS_PER_PAGE,
                # Those that are complete come before RUNNING.
                order_by=["attributes.status ASC", "attributes.start_time ASC"],
                page_token=token,
            )
            for run in page:
                number = int(run.data.tags["cellbox.trial"])
                if number in self._runs:
                    self._client.delete_run(run.info.run_id)
                    continue
                self._runs[number] = run.info.run_id
                if run.info.status != "RUNNING":
                    self._written.add(number)
            token = page.token
            if not token:
                return

    def _write_spec(self, parent: Run) -> None:
        spec = without_credentials_inside(self._folder.asked)
        wanted = texts(flatten({key: spec[key] for key in spec if key not in _MAY_CHANGE}))
        new = [
            Param(key, value)
            for key, value in wanted.items()
            if key not in parent.data.params and value != "null"
        ]
        self._client.log_batch(self._parent_id, params=new)
        self._client.log_text(self._parent_id, json.dumps(spec, indent=2), "spec.json")

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
