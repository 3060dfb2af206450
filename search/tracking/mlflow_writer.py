"""Writes a study's folder into MLflow.

The folder is the truth. Each call here can be interrupted at any point and made again: runs are
found again, values have times taken from the records, and MLflow keeps one of equal values.
"""

from __future__ import annotations

import csv
import io
import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from mlflow.entities import DatasetInput, LoggedModel, Metric, Run, RunTag
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository
from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository

from cellbox.errors import InputError
from cellbox.networks.export import edge_table
from cellbox.networks.line_networks import names_of_lines
from cellbox.networks.line_tables import LINE_DIFFERENCES, write_line_differences
from cellbox.networks.network import Network
from cellbox.networks.prior_files import PRIOR_FILE
from search.spec.tables import STEERING
from search.study.folder import StudyFolder
from search.study.kept_data import kept_data
from search.study.record import TrialRecord
from search.tracking.best_models import (
    ENSEMBLE_MODEL,
    STUDY_MODEL,
    TRIAL_MODEL,
    PyfuncFolders,
    log_models,
    trained_on,
)
from search.tracking.data_inputs import study_inputs
from search.tracking.embedded import InFolder
from search.tracking.experiment import (
    LAYOUT,
    LAYOUT_TAG,
    describe_experiment,
)
from search.tracking.figures import find_fonts
from search.tracking.notes import note_tags
from search.tracking.registry import register, registered_models
from search.tracking.search_curve import SearchCurve
from search.tracking.study_models import study_candidates
from search.tracking.study_page import page_of_study
from search.tracking.study_runs import StudyRuns
from search.tracking.summary import Summary, describe_kept, draw_figures, summarise
from search.tracking.trial_content import trial_content

# Where and how long a study runs may change from run to run; MLflow's parameters may not.
_MAY_CHANGE = ("trials", "workers", "executor", "storage", "tracking", *STEERING)
_LONGEST_TAG = 2000
# MLflow takes no more at once.
_METRICS_PER_BATCH = 1000


class MlflowWriter:
    """Writes one study into MLflow; for one process at a time.

    tracking_uri, home: see `StudyRuns`.
    runs: what MLflow has of it.
    """

    def __init__(
        self, folder: StudyFolder, tracking_uri: str | None = None, home: InFolder | None = None
    ):
        self._folder = folder
        self.runs = StudyRuns(folder, tracking_uri, command="cellbox sweep", home=home)
        self._inputs: list[DatasetInput] = []
        # What trials the figures show, and where these are.
        self._drawn: tuple[tuple[object, ...], tempfile.TemporaryDirectory[str]] | None = None
        # Which trials' models MLflow has, and these.
        self._models: tuple[tuple[int, ...], dict[tuple[str, str], LoggedModel]] | None = None
        self._pyfuncs = PyfuncFolders()

    def start(self) -> None:
        """Find or make the study's parent run, and see which trials MLflow has already."""
        self._models = None
        parent = self.runs.open()
        self._client, self._parent_id = self.runs.client, self.runs.parent_id
        self._inputs = study_inputs(self._folder, self._folder.study)
        if parent is None:
            self._client.log_inputs(self._parent_id, self._inputs)
        else:
            self._bring_up_to_date(parent)
        self._curve = SearchCurve(self._client, self._folder, self._parent_id)
        self._write_spec(parent)
        page = page_of_study(self._folder, self.runs.experiment_id, self._parent_id)
        describe_experiment(self._client, self.runs.experiment, *page)

    def write_trial(self, number: int) -> None:
        """Write a finished trial as a child run; one that MLflow has in full stays as it is."""
        runs = self.runs
        if number in runs.written:
            return
        record = self._folder.record(number)
        content = trial_content(record)
        run_id = runs.child(number, content)
        self._write_network(run_id, record)
        self._client.log_inputs(run_id, self._inputs[:1])
        runs.end_child(number, content)
        self._client.log_batch(self._parent_id, metrics=self._curve.until_missing(runs.written))

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
        prior = self._folder.data / PRIOR_FILE
        if prior.is_file():
            self._client.log_artifact(self._parent_id, str(prior))
        self._write_summary(summary)
        self._client.set_experiment_tag(self.runs.experiment_id, LAYOUT_TAG, LAYOUT)
        on_progress()
        models = self.write_models(best_numbers, on_progress)
        candidates = study_candidates(
            self._folder, self._kept(best_numbers), self._parent_id, models
        )
        if candidates:
            register(self._client, self._folder, candidates, summary.description)
        self.runs.end_parent(summary.finished)

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

    def rehearse(self) -> None:
        """Do once, for nothing, what `finish` will do: the first time takes seconds.

        Fonts are found then, and MLflow looks through the installed packages.
        """
        find_fonts()
        try:
            data = kept_data(self._folder.data)
        except InputError:
            # Someone is editing the tables; it then takes its time at the end.
            return
        self._pyfuncs.prepare(data.nodes, data.times.tolist(), trained_on(self._folder))

    def _bring_up_to_date(self, parent: Run) -> None:
        """Let a copy that an earlier version wrote get what it lacks; nothing is removed."""
        if self.runs.experiment.tags.get(LAYOUT_TAG) == LAYOUT:
            return
        self.runs.written.clear()
        if parent.inputs is None or not parent.inputs.dataset_inputs:
            self._client.log_inputs(self._parent_id, self._inputs)

    def _write_spec(self, parent: Run | None) -> None:
        spec = self._folder.read_json("spec.json")
        self.runs.write_spec(spec, parent, may_change=_MAY_CHANGE)
        for name in ("trials", *STEERING):
            if spec.get(name):
                self._client.set_tag(self._parent_id, f"cellbox.{name}", _text_of(spec[name]))

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
            if network.form is not None:
                content = json.dumps(network.form.to_dict(), indent=2)
                (place / "form.json").write_text(content + "\n", encoding="utf-8")
            if names_of_lines(network):
                write_line_differences(network, place / LINE_DIFFERENCES)
            (place / "network.csv").write_text(_edges_as_csv(network), encoding="utf-8")

    @contextmanager
    def _artifacts_of(self, run_id: str) -> Iterator[Path]:
        """A folder to write a run's files into: the run's own, or one that is sent there."""
        repository = get_artifact_repository(
            self.runs.artifact_uri(run_id), tracking_uri=self.runs.uri
        )
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
        curve = self._curve.until_missing(self.runs.written)
        for begin in range(0, len(curve), _METRICS_PER_BATCH):
            part = curve[begin : begin + _METRICS_PER_BATCH]
            self._client.log_batch(self._parent_id, metrics=part)
        self._client.log_batch(
            self._parent_id,
            metrics=values,
            tags=[RunTag(key, value) for key, value in tags.items()],
        )

    def write_models(
        self, best_numbers: Sequence[int], on_progress: Callable[[], None] = lambda: None
    ) -> dict[tuple[str, str], LoggedModel]:
        """Write the models of the best trials, which are in the study's folder, and their pictures.

        best_numbers, on_progress: as `finish` takes them. Returns the models by run and name.
        """
        kept = self._kept(best_numbers)
        if self._models is not None and self._models[0] == kept:
            return self._models[1]
        for number in kept:
            self._write_files(self.runs.ids[number], number)
            on_progress()
        owners = [(self.runs.ids[number], TRIAL_MODEL, number) for number in kept]
        of_study = (STUDY_MODEL, ENSEMBLE_MODEL) if kept else ()
        owners += [(self._parent_id, name, kept[0]) for name in of_study]
        models = log_models(
            self._client,
            self.runs.experiment_id,
            self._folder,
            owners,
            on_progress,
            keep=registered_models(self._client, self._folder),
            folders=self._pyfuncs,
        )
        self._models = kept, models
        return models

    def _kept(self, best_numbers: Sequence[int]) -> tuple[int, ...]:
        """Those of the best trials that MLflow knows, the best first."""
        return tuple(number for number in best_numbers if number in self.runs.ids)

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


def _text_of(value: object) -> str:
    """A value of a spec as a tag has it."""
    text = value if isinstance(value, str) else json.dumps(value)
    return text[:_LONGEST_TAG]


def _edges_as_csv(network: Network) -> str:
    # `write_edges_csv` makes sure of the disk for each file, which a copy of a copy need not.
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["source", "target", "weight"])
    writer.writerows([e.source, e.target, repr(e.weight)] for e in edge_table(network))
    return text.getvalue()
