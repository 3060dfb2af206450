"""Writes a study's folder into MLflow.

The folder is the truth. Each call here can be interrupted at any point and made again: a run is
found by its tags, values have times taken from the records, and MLflow keeps one of equal values.
A trial's run has status RUNNING until all of it is written.
"""

from __future__ import annotations

import csv
import io
import json
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from mlflow import MlflowClient
from mlflow.entities import DatasetInput, Metric, Param, Run, RunTag
from mlflow.exceptions import MlflowException
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository
from sqlalchemy.exc import SQLAlchemyError

from cellbox.networks.export import edge_table
from cellbox.networks.network import Network
from search.study.folder import StudyFolder
from search.study.record import TrialRecord
from search.tracking.best_models import (
    ENSEMBLE_MODEL,
    STUDY_MODEL,
    TRIAL_MODEL,
    log_models,
    save_pyfunc,
)
from search.tracking.budget_writer import BudgetWriter
from search.tracking.credentials import without_credentials, without_credentials_inside
from search.tracking.data_inputs import study_inputs
from search.tracking.embedded import embedded_uri, prepare_embedded
from search.tracking.experiment import (
    LAYOUT,
    LAYOUT_TAG,
    describe_experiment,
    find_parent,
    open_experiment,
)
from search.tracking.notes import note_tags
from search.tracking.registry import register, registered_models
from search.tracking.search_curve import SearchCurve
from search.tracking.study_models import study_candidates
from search.tracking.study_page import page_of_study
from search.tracking.summary import Summary, describe_kept, draw_figures, summarise
from search.tracking.trial_content import TrialContent, flatten, milliseconds, texts, trial_content

# What MLflow's stores raise where they cannot be reached; requests' errors are OSErrors.
TRACKING_ERRORS = (MlflowException, OSError, SQLAlchemyError, sqlite3.Error)

# Where and how long a study runs may change from run to run; MLflow's parameters may not.
_MAY_CHANGE = ("trials", "workers", "executor", "storage", "tracking")
_RUNS_PER_PAGE = 1000
# MLflow takes no more at once.
_METRICS_PER_BATCH = 1000


class TrackingUnavailable(Exception):
    """MLflow could not be written; says why in a sentence without credentials."""


def describe_error(error: BaseException) -> str:
    """An error as one short line without credentials."""
    lines = str(error).strip().splitlines() or [""]
    text = without_credentials(lines[0])
    text = text if len(text) <= 200 else f"{text[:199]}…"
    if "malformed" in str(error) or "not a database" in str(error):
        text = f"{text} Remove mlflow.db from the study's folder; it will be written again"
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


class MlflowWriter:
    """Writes one study into MLflow; for one process at a time.

    tracking_uri: MLflow's address; None for SQLite and a folder of artifacts inside the study's.
    """

    def __init__(self, folder: StudyFolder, tracking_uri: str | None = None):
        self._folder = folder
        self._embedded = tracking_uri is None
        self._uri = tracking_uri or embedded_uri(folder)
        self._runs: dict[int, str] = {}
        self._artifact_uris: dict[str, str] = {}
        self._written: set[int] = set()
        self._experiment_id = ""
        self._parent_id = ""
        self._inputs: list[DatasetInput] = []
        # What trials the figures show, and where these are.
        self._drawn: tuple[tuple[object, ...], tempfile.TemporaryDirectory[str]] | None = None

    @property
    def written(self) -> int:
        """Number of trials that MLflow has in full."""
        return len(self._written)

    def pending(self) -> list[int]:
        """Finished trials that MLflow does not have in full, ascending."""
        return [n for n in self._folder.finished_numbers() if n not in self._written]

    def start(self) -> None:
        """Find or make the study's parent run, and see which trials MLflow has already."""
        if self._embedded:
            prepare_embedded(self._folder)
        self._client = MlflowClient(tracking_uri=self._uri, registry_uri=self._uri)
        study = self._folder.study
        experiment = open_experiment(self._client, self._folder, embedded=self._embedded)
        self._experiment_id = experiment.experiment_id
        parent = find_parent(self._client, [self._experiment_id], study.id)
        self._inputs = study_inputs(self._folder, study)
        if parent is None:
            self._parent_id = self._create_parent(study.id).info.run_id
            self._client.log_inputs(self._parent_id, self._inputs)
            self._runs, self._written = {}, set()
        else:
            self._parent_id = parent.info.run_id
            # Of a study that was renamed; a name that a person gave stays.
            ours = parent.info.run_name == parent.data.tags["cellbox.study"]
            name = self._folder.name if ours else None
            self._client.update_run(self._parent_id, status="RUNNING", name=name)
            self._client.set_tag(self._parent_id, "cellbox.study", self._folder.name)
            self._read_children()
            self._bring_up_to_date(parent, experiment.tags.get(LAYOUT_TAG))
        self._curve = SearchCurve(self._client, self._folder, self._parent_id)
        self._write_spec(parent)
        page = page_of_study(self._folder, self._experiment_id, self._parent_id)
        describe_experiment(self._client, experiment, *page)

    def write_trial(self, number: int) -> None:
        """Write a finished trial as a child run; one that MLflow has in full stays as it is."""
        if number in self._written:
            return
        record = self._folder.record(number)
        content = trial_content(record)
        run_id = self._runs.get(number) or self._create_child(number, content)
        self._write_network(run_id, record)
        self._client.log_batch(
            run_id,
            metrics=[Metric(v.key, v.value, content.finished, v.step) for v in content.values],
            params=[Param(key, value) for key, value in content.parameters.items()],
        )
        self._client.log_inputs(run_id, self._inputs[:1])
        self._client.set_terminated(run_id, content.run_status, content.finished)
        self._written.add(number)
        self._client.log_batch(self._parent_id, metrics=self._curve.until_missing(self._written))

    def finish(
        self, best_numbers: list[int], on_progress: Callable[[], None] = lambda: None
    ) -> None:
        """Write the study's summary, pictures and best models, and end the parent run.

        best_numbers: trials whose models the study keeps, best first. on_progress: called after
        each part. Replaces what an earlier call wrote.
        """
        figures = self.draw(best_numbers)
        with tempfile.TemporaryDirectory() as place:
            summary = summarise(self._folder, best_numbers, Path(place), figures, self._parent_id)
            self._client.log_artifacts(self._parent_id, place)
        if self._folder.report.is_file():
            self._client.log_artifact(self._parent_id, str(self._folder.report))
        self._write_summary(summary)
        self._client.set_experiment_tag(self._experiment_id, LAYOUT_TAG, LAYOUT)
        on_progress()
        kept = [number for number in best_numbers if number in self._runs]
        for number in kept:
            self._write_files(self._runs[number], number)
            on_progress()
        self._write_models(kept, summary, on_progress)
        self._client.set_terminated(self._parent_id, "FINISHED", summary.finished)

    def draw(self, best_numbers: Sequence[int]) -> Path:
        """Draw the study's figures, unless they were drawn of the same trials; returns where.

        best_numbers: as `finish` takes them, which need not have their models yet.
        """
        shown = (*self._folder.finished_numbers(), "best", *best_numbers)
        if self._drawn is None or self._drawn[0] != shown:
            place = tempfile.TemporaryDirectory()
            draw_figures(self._folder, best_numbers, Path(place.name))
            self._drawn = shown, place
        return Path(self._drawn[1].name)

    def rehearse(self) -> bool:
        """Do once, for nothing, what `finish` will do: the first time takes seconds.

        Fonts are found then, and MLflow lists the installed packages. Returns whether there was
        what that needs, a model that the study keeps.
        """
        kept = sorted(self._folder.models.glob("trial-*/model.json"))
        if not kept:
            return False
        self.draw([])
        with tempfile.TemporaryDirectory() as place:
            try:
                save_pyfunc(kept[0].parent, Path(place) / "model")
            except FileNotFoundError:
                # It is no longer among the best.
                return False
        return True

    def _create_parent(self, study_id: str) -> Run:
        starts = [record.started for record in self._folder.records()]
        return self._client.create_run(
            self._experiment_id,
            start_time=milliseconds(min(starts, default=time.time())),
            run_name=self._folder.name,
            tags={
                "cellbox.kind": "study",
                "cellbox.study": self._folder.name,
                "cellbox.study_id": study_id,
                "mlflow.source.name": "cellbox sweep",
            },
        )

    def _create_child(self, number: int, content: TrialContent) -> str:
        tags = {
            "mlflow.parentRunId": self._parent_id,
            "mlflow.source.name": "cellbox sweep",
            "cellbox.study": self._folder.name,
            **content.tags,
        }
        run = self._client.create_run(
            self._experiment_id, start_time=content.started, run_name=content.name, tags=tags
        )
        return self._remember(number, run)

    def _read_children(self) -> None:
        """See which trials have a run; a second run of one, left by a lost answer, is removed."""
        self._runs, self._written = {}, set()
        for run in self._children():
            number = int(run.data.tags["cellbox.trial"])
            complete = run.info.status != "RUNNING"
            if number in self._runs:
                self._client.delete_run(run.info.run_id)
                continue
            self._remember(number, run)
            if complete:
                self._written.add(number)

    def _bring_up_to_date(self, parent: Run, layout: str | None) -> None:
        """Let a copy that an earlier version wrote get what it lacks; nothing is removed."""
        if layout == LAYOUT:
            return
        self._written = set()
        if parent.inputs is None or not parent.inputs.dataset_inputs:
            self._client.log_inputs(self._parent_id, self._inputs)

    def _remember(self, number: int, run: Run) -> str:
        self._runs[number] = run.info.run_id
        self._artifact_uris[run.info.run_id] = run.info.artifact_uri
        return run.info.run_id

    def _children(self) -> Iterator[Run]:
        """The trials' runs, complete ones first."""
        token: str | None = None
        while True:
            page = self._client.search_runs(
                [self._experiment_id],
                f"tags.`mlflow.parentRunId` = '{self._parent_id}' "
                "and tags.`cellbox.kind` = 'trial'",
                max_results=_RUNS_PER_PAGE,
                # FAILED, FINISHED and KILLED come before RUNNING.
                order_by=["attributes.status ASC", "attributes.start_time ASC"],
                page_token=token,
            )
            yield from page
            token = page.token
            if not token:
                return

    def _write_spec(self, parent: Run | None) -> None:
        spec = without_credentials_inside(self._folder.read_json("spec.json"))
        wanted = texts(flatten({key: spec[key] for key in spec if key not in _MAY_CHANGE}))
        known = parent.data.params if parent else {}
        new = [Param(k, v) for k, v in wanted.items() if k not in known and v != "null"]
        tags = [RunTag("cellbox.trials", str(spec.get("trials")))]
        self._client.log_batch(self._parent_id, params=new, tags=tags)
        self._client.log_text(self._parent_id, json.dumps(spec, indent=2), "spec.json")

    def _write_network(self, run_id: str, record: TrialRecord) -> None:
        """The network of the best repeat as arrays and as a table of edges."""
        network = self._folder.best_network(record)
        if network is None:
            return
        with self._artifacts_of(run_id) as place:
            np.savez(
                place / "network.npz",
                weights=network.weights,
                amplitudes=network.amplitudes,
                nodes=np.array(network.nodes, dtype=np.str_),
            )
            (place / "network.csv").write_text(_edges_as_csv(network), encoding="utf-8")

    @contextmanager
    def _artifacts_of(self, run_id: str) -> Iterator[Path]:
        """A folder to write a run's files into: the run's own, or one that is sent there."""
        # The client would read the whole run to find out where its files go.
        repository = get_artifact_repository(self._artifact_uris[run_id], tracking_uri=self._uri)
        if isinstance(repository, LocalArtifactRepository):
            own = Path(repository.artifact_dir)
            own.mkdir(parents=True, exist_ok=True)
            yield own
            return
        with tempfile.TemporaryDirectory() as place:
            yield Path(place)
            repository.log_artifacts(place)

    def _write_summary(self, summary: Summary) -> None:
        known = self._client.get_run(self._parent_id).data.tags
        tags = summary.tags | note_tags(known, summary.description)
        values = [Metric(v.key, v.value, summary.finished, v.step) for v in summary.values]
        curve = self._curve.rest()
        for begin in range(0, len(curve), _METRICS_PER_BATCH):
            part = curve[begin : begin + _METRICS_PER_BATCH]
            self._client.log_batch(self._parent_id, metrics=part)
        self._client.log_batch(
            self._parent_id,
            metrics=values,
            tags=[RunTag(key, value) for key, value in tags.items()],
        )

    def _write_models(
        self, kept: Sequence[int], summary: Summary, on_progress: Callable[[], None]
    ) -> None:
        """The models of the kept trials, the best and the ensemble in the registry too."""
        owners = [(self._runs[number], TRIAL_MODEL, number) for number in kept]
        of_study = (STUDY_MODEL, ENSEMBLE_MODEL) if kept else ()
        owners += [(self._parent_id, name, kept[0]) for name in of_study]
        models = log_models(
            self._client,
            self._experiment_id,
            self._folder,
            owners,
            on_progress,
            keep=registered_models(self._client, self._folder),
        )
        candidates = study_candidates(self._folder, kept, self._parent_id, models)
        if candidates:
            register(self._client, self._folder, candidates, summary.description)

    def _write_files(self, run_id: str, number: int) -> None:
        """A kept model's pictures, and of the best what its data determine."""
        pictures = self._folder.pictures(number)
        if pictures.is_dir():
            self._client.log_artifacts(run_id, str(pictures), "pictures")
            known = self._client.get_run(run_id).data.tags
            text = describe_kept(self._folder.record(number), run_id)
            for key, value in note_tags(known, text).items():
                self._client.set_tag(run_id, key, value)
        for file in self._folder.identifiability_files(number):
            if file.is_file():
                self._client.log_artifact(run_id, str(file))


def _edges_as_csv(network: Network) -> str:
    # `write_edges_csv` makes sure of the disk for each file, which a copy of a copy need not.
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["source", "target", "weight"])
    writer.writerows([e.source, e.target, repr(e.weight)] for e in edge_table(network))
    return text.getvalue()


def synchronise(
    folder: StudyFolder,
    tracking_uri: str | None,
    best_numbers: list[int],
    on_trial: Callable[[int, int], None] | None = None,
) -> int:
    """Write everything that MLflow lacks of a study; returns how many trials that were.

    on_trial: told how many of how many trials are written, after each.

    Raises TrackingUnavailable where MLflow cannot be written; what was written stays.
    """
    return write_all(MlflowWriter(folder, tracking_uri), best_numbers, on_trial)


def write_all(
    writer: MlflowWriter | BudgetWriter,
    best_numbers: list[int],
    on_trial: Callable[[int, int], None] | None = None,
) -> int:
    """The same of any kind of study; see `synchronise`."""
    try:
        writer.start()
        pending = writer.pending()
        for done, number in enumerate(pending, start=1):
            writer.write_trial(number)
            if on_trial is not None:
                on_trial(done, len(pending))
        writer.finish(best_numbers)
    except TRACKING_ERRORS as error:
        raise TrackingUnavailable(describe_error(error)) from error
    return len(pending)
