"""A study on disk: one folder that holds everything a sweep knows and has learned.

    spec.json          what was asked for
    study.json         what follows from it: nodes, shape, penalty, baselines
    devices.json       how each kind of worker trains, as measured at the start
    ended.json         what the study had when it had all its trials, and why it stopped
    optuna.journal     the sampler's history (unless another storage was chosen)
    data/              the data set of validation and test, as tidy tables
    trials/000012/     record.json and network.npz of each finished trial
    models/            the best models, as `FittedModel.save` writes them; beside the best one
                       identifiability.json and .csv: what its data determine, edge by edge
    ensemble/          those of them that are about as good as the best, as one model
    trials.csv, trials.parquet      the table of all trials
    figures/           what the search found, as pictures
    report.html        everything that people look at, as one page
    mlflow.db, mlflow-artifacts/    MLflow's own (unless another server was chosen)

A trial's folder appears whole or not at all, so whatever is in `trials/` has happened; MLflow
is written from it, and a sweep that was killed goes on from it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from cellbox.errors import refuse
from cellbox.identifiability.design_report import REPORT_FILES
from cellbox.networks.network import Network
from cellbox.storage.files import atomic_write, whole_folder
from search.study.record import (
    StudyRecord,
    TrialRecord,
    read_study,
    read_trial,
    study_as_json,
    trial_as_json,
)
from search.study.resumable import ResumableFolder

REPORT = "report.html"


@dataclass(frozen=True, eq=False)
class TrialNetworks:
    """What the repeats of a trial learned."""

    weights: Float[np.ndarray, "n_repeats n_nodes n_nodes"]
    amplitudes: Float[np.ndarray, "n_repeats n_nodes"]


@dataclass(frozen=True)
class StudyFolder(ResumableFolder):
    """The files of one study."""

    RUN = "sweep"
    MARK = "spec.json"
    LOCK = "study.lock"
    ENDED = "ended.json"
    OPTION = "--study"

    @classmethod
    def at(cls, path: str | Path) -> StudyFolder:
        """The study in this folder. Raises InputError where there is none."""
        return cls(Path(path)).require()

    @property
    def id(self) -> str:
        """What tells the study from others of its name."""
        return self.study.id

    @property
    def asked(self) -> dict[str, Any]:
        """The spec that the study was started with, as plain values."""
        return self.read_json("spec.json")

    @property
    def models(self) -> Path:
        """Where the best models are kept."""
        return self.path / "models"

    @property
    def ensemble(self) -> Path:
        """Where the good trials are kept as one model, as `Ensemble.save` writes it."""
        return self.path / "ensemble"

    @property
    def figures(self) -> Path:
        """Where the pictures of the search are."""
        return self.path / "figures"

    def model(self, number: int) -> Path:
        """Where the model of a trial is, if it is among the best."""
        return self.models / f"trial-{number:06d}"

    def pictures(self, number: int) -> Path:
        """Where the pictures of a trial's model are, if it is among the best."""
        return self.model(number) / "pictures"

    def identifiability_files(self, number: int) -> list[Path]:
        """Where it stands, if anywhere, what a trial's data determine: as JSON and as a table."""
        return [self.model(number) / name for name in REPORT_FILES]

    def identifiability(self, number: int) -> dict[str, Any] | None:
        """What a trial's data determine; None where it was not the best when a run ended."""
        file = self.identifiability_files(number)[0]
        return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else None

    @property
    def report(self) -> Path:
        """Where the page is that tells people what the study found."""
        return self.path / REPORT

    @property
    def data(self) -> Path:
        """Where the data set of validation and test is kept."""
        return self.path / "data"

    def require(self) -> StudyFolder:
        """This folder, or InputError where it holds no study."""
        if not self.exists():
            raise refuse(
                str(self.path),
                "expected a study's folder with a spec.json, found none",
                "Give the folder that `cellbox sweep` printed, such as studies/LI",
            )
        return self

    @property
    def study(self) -> StudyRecord:
        """What holds for the whole study. Raises InputError where study.json cannot be used."""
        return read_study(self.path / "study.json")

    @property
    def stopped(self) -> str | None:
        """Why no more trials were proposed; None where the study did not stop before its end."""
        return self.read_json(self.ENDED).get("stopped") if self.has(self.ENDED) else None

    def write_study(self, record: StudyRecord) -> None:
        """Keep what holds for the whole study."""
        self.write_json("study.json", study_as_json(record))

    def write_trial(self, record: TrialRecord, networks: TrialNetworks | None) -> None:
        """Keep a finished trial; one that is already there stays as it is."""
        final = self._trial(record.number)
        if final.exists():
            return
        with whole_folder(final) as new:
            with atomic_write(new / "record.json") as handle:
                json.dump(trial_as_json(record), handle, allow_nan=False)
            if networks is not None:
                with atomic_write(new / "network.npz", "wb") as handle:
                    np.savez(handle, weights=networks.weights, amplitudes=networks.amplitudes)

    def finished(self, number: int) -> bool:
        """Whether this trial has ended."""
        return self._trial(number).is_dir()

    def record(self, number: int) -> TrialRecord:
        """What is known of a finished trial. Raises InputError where its file cannot be used."""
        return read_trial(self._trial(number) / "record.json")

    def networks(self, number: int) -> TrialNetworks | None:
        """What a finished trial learned, None where it was pruned before it learned anything."""
        file = self._trial(number) / "network.npz"
        if not file.is_file():
            return None
        with np.load(file, allow_pickle=False) as arrays:
            return TrialNetworks(arrays["weights"], arrays["amplitudes"])

    def best_network(self, record: TrialRecord) -> Network | None:
        """What the best repeat of a trial learned, None where the trial was pruned."""
        networks, best = self.networks(record.number), record.best_repeat
        if networks is None or best is None:
            return None
        return Network(self.study.nodes, networks.weights[best], networks.amplitudes[best])

    def finished_numbers(self) -> list[int]:
        """Numbers of the trials that have ended, ascending."""
        folder = self.path / "trials"
        if not folder.is_dir():
            return []
        return sorted(int(entry.name) for entry in folder.iterdir() if entry.name.isdigit())

    def records(self) -> Iterator[TrialRecord]:
        """All finished trials, by number."""
        return (self.record(number) for number in self.finished_numbers())

    def _trial(self, number: int) -> Path:
        return self.path / "trials" / f"{number:06d}"
