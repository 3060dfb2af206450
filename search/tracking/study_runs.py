"""A study's runs in MLflow: a parent, and below it a child for each trial, found by their tags.

Each call can be interrupted at any point and made again. A child has status RUNNING until all of
it is written.
"""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Experiment, Metric, Param, Run

from cellbox.errors import InputError
from search.study.budget_folder import BudgetFolder
from search.study.folder import StudyFolder
from search.tracking.credentials import without_credentials_inside
from search.tracking.embedded import InFolder, embedded_uri, prepare_embedded
from search.tracking.experiment import (
    LAYOUT,
    LAYOUT_TAG,
    TrackedFolder,
    find_experiment,
    find_parents,
    open_experiment,
)
from search.tracking.trial_content import TrialContent, flatten, milliseconds, texts

_RUNS_PER_PAGE = 1000
# More than that many requests are hardly carried out twice.
_MOST_DOUBLES = 100
# The parent's tag that says how many trials it was ended with.
_WRITTEN = "cellbox.written"
# On a server, each run's tag that says which copy of the study has made it.
_FOLDER = "cellbox.folder"


class StudyRuns:
    """The runs of one study; for one process at a time.

    tracking_uri: MLflow's address; None for SQLite and a folder of artifacts beside it.
    command: what made the study, as MLflow shows it. home: the folder that these are in, by default
    the study's own.
    """

    client: MlflowClient
    experiment: Experiment
    parent_id: str

    def __init__(
        self,
        folder: TrackedFolder,
        tracking_uri: str | None,
        *,
        command: str,
        home: InFolder | None = None,
    ):
        self._home = folder if home is None else home
        self.uri = tracking_uri or embedded_uri(self._home)
        self.ids: dict[int, str] = {}
        self.written: set[int] = set()
        self._folder = folder
        self._embedded = tracking_uri is None
        self._command = command
        self._artifact_uris: dict[str, str] = {}

    @property
    def experiment_id(self) -> str:
        """MLflow's experiment that has the runs."""
        return str(self.experiment.experiment_id)

    def open(self) -> Run | None:
        """Find or make the parent; returns it as it was, None where there was none."""
        if self._embedded:
            prepare_embedded(self._home)
        self.client = MlflowClient(tracking_uri=self.uri, registry_uri=self.uri)
        home = self._home if self._embedded else None
        self.experiment = open_experiment(self.client, self._folder, home)
        parent = self._one_parent()
        self.ids, self.written = {}, set()
        if parent is None:
            tags = {"cellbox.kind": "study", "cellbox.study_id": self._folder.id}
            began = min((one.started for one in self._folder.records()), default=time.time())
            self.parent_id = self._create(milliseconds(began), self._folder.name, tags).info.run_id
            return None
        self.parent_id = parent.info.run_id
        # Of a study that was renamed; a name that a person gave stays.
        ours = parent.info.run_name == parent.data.tags["cellbox.study"]
        name = self._folder.name if ours else None
        self.client.update_run(self.parent_id, status="RUNNING", name=name)
        self.client.set_tag(self.parent_id, "cellbox.study", self._folder.name)
        if not self._is_ours(parent):
            # Of a study that was moved.
            self.client.set_tag(self.parent_id, _FOLDER, self._place)
        self._read_children()
        return parent

    def _one_parent(self) -> Run | None:
        """The study's run; others, which a lost or late answer has left, are removed."""
        found = self._parents(self.client, self.experiment_id)
        if len(found) > 1:
            # The one that was gone on with.
            found.sort(
                key=lambda run: (not self._is_ours(run), not self._has_children(run.info.run_id))
            )
            for double in found[1:]:
                if self._is_ours(double):
                    self.client.delete_run(double.info.run_id)
        return found[0] if found else None

    def _parents(self, client: MlflowClient, experiment_id: str) -> list[Run]:
        """The runs that the study may go on with: those of another copy of it are not."""
        found = find_parents(client, [experiment_id], self._folder.id, most=_MOST_DOUBLES)
        return [run for run in found if not self._is_of_a_copy(run)]

    @property
    def _place(self) -> str:
        """What tells this copy of the study from others."""
        return f"{socket.gethostname()}:{os.path.realpath(self._folder.path)}"

    def _is_ours(self, run: Run) -> bool:
        """Whether a run was made from this folder, as far as it says; in a database of its own all.

        Runs of earlier versions do not say.
        """
        return self._embedded or run.data.tags.get(_FOLDER, self._place) == self._place

    def _is_of_a_copy(self, run: Run) -> bool:
        """Whether another folder on this machine has made a run, and still holds the study.

        One on another machine cannot be seen: the study may have been moved from there.
        """
        if self._is_ours(run):
            return False
        host, _, path = run.data.tags[_FOLDER].partition(":")
        if host != socket.gethostname():
            return False
        return _holds(Path(path), self._folder.id)

    def _remove_doubles(self) -> None:
        """Remove runs made by requests that were carried out twice, or after their answer was due.

        That happens between a client and a server, whose proxies try again.
        """
        found = find_parents(self.client, [self.experiment_id], self._folder.id, most=_MOST_DOUBLES)
        ours = {self.parent_id, *self.ids.values()}
        for run in (*found, *self._children()):
            if run.info.run_id not in ours and self._is_ours(run):
                self.client.delete_run(run.info.run_id)

    def _has_children(self, run_id: str) -> bool:
        below = f"tags.`mlflow.parentRunId` = '{run_id}'"
        return bool(self.client.search_runs([self.experiment_id], below, max_results=1))

    def pending(self) -> list[int]:
        """Finished trials that MLflow does not have in full, ascending."""
        return [n for n in self._folder.finished_numbers() if n not in self.written]

    def child(self, number: int, content: TrialContent) -> str:
        """The id of a trial's run, made if absent."""
        if number not in self.ids:
            tags = {"mlflow.parentRunId": self.parent_id, **content.tags}
            self._remember(number, self._create(content.started, content.name, tags))
        return self.ids[number]

    def end_child(self, number: int, content: TrialContent) -> None:
        """Write a trial's numbers, after which MLflow has it in full."""
        run_id = self.child(number, content)
        self.client.log_batch(
            run_id,
            metrics=[Metric(v.key, v.value, content.finished, v.step) for v in content.values],
            params=[Param(key, value) for key, value in content.parameters.items()],
        )
        self.client.set_terminated(run_id, content.run_status, content.finished)
        self.written.add(number)

    def write_spec(
        self, spec: Mapping[str, Any], parent: Run | None, *, may_change: Collection[str]
    ) -> None:
        """Write what was asked for as the parent's parameters, which MLflow lets nobody change.

        parent: as `open` returned it. may_change: tables that differ from run to run of one study.
        """
        safe = without_credentials_inside(spec)
        wanted = texts(flatten({key: safe[key] for key in safe if key not in may_change}))
        known = parent.data.params if parent else {}
        new = [Param(k, v) for k, v in wanted.items() if k not in known and v != "null"]
        self.client.log_batch(self.parent_id, params=new)
        self.client.log_text(self.parent_id, json.dumps(safe, indent=2), "spec.json")

    def end_parent(self, finished: int) -> None:
        """Note that MLflow has all that there is; finished: when, in milliseconds since 1970."""
        if not self._embedded:
            self._remove_doubles()
        self.client.set_tag(self.parent_id, _WRITTEN, str(len(self.written)))
        self.client.set_terminated(self.parent_id, "FINISHED", finished)

    def has_all(self) -> bool:
        """Whether MLflow already has all that there is, which is seen without writing."""
        client = MlflowClient(tracking_uri=self.uri, registry_uri=self.uri)
        experiment = find_experiment(client, self._folder, embedded=self._embedded)
        if experiment is None or experiment.tags.get(LAYOUT_TAG) != LAYOUT:
            return False
        parent = next(iter(self._parents(client, experiment.experiment_id)), None)
        return (
            parent is not None
            and parent.info.status == "FINISHED"
            and parent.data.tags.get(_WRITTEN) == str(len(self._folder.finished_numbers()))
        )

    def artifact_uri(self, run_id: str) -> str:
        """Where a trial's files go; the client would read the whole run to find out."""
        return self._artifact_uris[run_id]

    def _create(self, started: int, name: str, tags: Mapping[str, str]) -> Run:
        ours = {"mlflow.source.name": self._command, "cellbox.study": self._folder.name}
        if not self._embedded:
            ours[_FOLDER] = self._place
        return self.client.create_run(
            self.experiment_id, start_time=started, run_name=name, tags={**ours, **tags}
        )

    def _read_children(self) -> None:
        """See which trials have a run; a second run of one, left by a lost answer, is removed.

        Where two copies of a study have written side by side, both have theirs.
        """
        for run in sorted(self._children(), key=lambda run: not self._is_ours(run)):
            number = int(run.data.tags["cellbox.trial"])
            if number in self.ids:
                if self._is_ours(run):
                    self.client.delete_run(run.info.run_id)
                continue
            self._remember(number, run)
            if run.info.status != "RUNNING":
                self.written.add(number)

    def _remember(self, number: int, run: Run) -> None:
        self.ids[number] = run.info.run_id
        self._artifact_uris[run.info.run_id] = run.info.artifact_uri

    def _children(self) -> Iterator[Run]:
        """The trials' runs, complete ones first."""
        token: str | None = None
        while True:
            page = self.client.search_runs(
                [self.experiment_id],
                f"tags.`mlflow.parentRunId` = '{self.parent_id}' and tags.`cellbox.kind` = 'trial'",
                max_results=_RUNS_PER_PAGE,
                # FAILED, FINISHED and KILLED come before RUNNING.
                order_by=["attributes.status ASC", "attributes.start_time ASC"],
                page_token=token,
            )
            yield from page
            token = page.token
            if not token:
                return


def _holds(path: Path, study_id: str) -> bool:
    """Whether a folder holds the study with this id."""
    for folder in (StudyFolder(path), BudgetFolder(path)):
        try:
            if folder.exists() and folder.id == study_id:
                return True
        except (InputError, OSError):
            # What is there now is no such study.
            continue
    return False
