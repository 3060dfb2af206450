"""A study on disk: one folder that holds everything a sweep knows and has learned.

    spec.json          what was asked for
    study.json         what follows from it: nodes, shape, penalty, baselines
    devices.json       how each kind of worker trains, as measured at the start
    queue.json         what is tried before the sampler chooses: defaults, points of the user's
    ended.json         what the study had when it had all its trials, and why it stopped
    stopped.json       why its last run stopped before the study's end, where that was asked for
    state.json         where its last run stands, or stood when it ended
    optuna.journal     the sampler's history (unless another storage was chosen)
    data/              the data set of validation and test, as tidy tables
    trials/000012/     record.json and network.npz of each finished trial, with their digests; in
                       population-based training descent.state, from which others go on
    checkpoints/       how far each training under way was when it was last saved: only saves time
    models/            the best models, as `FittedModel.save` writes them; beside the best one
                       identifiability.json and .csv: what its data determine, edge by edge, and
                       draws.npz: how sure its predictions are
    ensemble/          those of them that are about as good as the best, as one model
    damaged/           records that were not what was written, until their owner removes them
    trials.csv, trials.parquet      the table of all trials
    figures/           what the search found, as pictures
    report.html        everything that people look at, as one page
    mlflow.db, mlflow-artifacts/    MLflow's own (unless another server was chosen)

A trial's folder appears whole or not at all, so whatever is in `trials/` has happened; MLflow
is written from it, and a sweep that was killed goes on from it.
"""

from __future__ import annotations

import io
import logging
import os
import re
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from cellbox.errors import InputError, refuse
from cellbox.identifiability.design_report import REPORT_FILES
from cellbox.networks.network import Network
from cellbox.storage.files import whole_folder
from cellbox.storage.seals import digest_of, sealed_text
from cellbox.storage.stored_arrays import read_arrays
from search.study.checked_json import NUMBER, read_table
from search.study.kept_findings import read_findings
from search.study.record import (
    FIX_OF_TRIAL,
    StudyRecord,
    TrialRecord,
    read_study,
    read_trial,
    study_as_json,
    trial_as_json,
    trial_of,
)
from search.study.resumable import ResumableFolder

REPORT = "report.html"
#: Why the last run of a study that has not ended stopped.
STOPPED = "stopped.json"

logger = logging.getLogger("cellbox")

_CHECKPOINT = re.compile(r"(\d{6,})-(\d+)\.state")

# In a record, the digest of the file with its network.
_NETWORK_DIGEST = "network_digest"
# Where a trial's descent stopped, of those that others go on from; and its digest.
_STATE, _STATE_DIGEST = "descent.state", "state_digest"
_said: set[str] = set()


def say_once(found: str) -> None:
    """Say what was found in a note; once, since a command reads records several times."""
    if found not in _said:
        _said.add(found)
        logger.warning("left out: %s", found)


@dataclass(frozen=True, eq=False)
class TrialNetworks:
    """What the repeats of a trial learned.

    state: where its descent stopped, with which another trial goes on; only known as it ends.
    """

    weights: Float[np.ndarray, "n_repeats n_nodes n_nodes"]
    amplitudes: Float[np.ndarray, "n_repeats n_nodes"]
    state: bytes | None = None


def _as_bytes(networks: TrialNetworks) -> bytes:
    content = io.BytesIO()
    np.savez(content, weights=networks.weights, amplitudes=networks.amplitudes)
    return content.getvalue()


def read_networks(
    file: Path, n_repeats: int | None, n_nodes: int | None, *, digest: str | None
) -> TrialNetworks:
    """The networks in a file, checked.

    n_repeats, n_nodes: None for any number. digest: of the file; None where its record knows of
    none.
    Raises InputError where the file is not what was written.
    """
    if not file.is_file():
        raise refuse(str(file), "expected the trial's networks, found none", FIX_OF_TRIAL)
    content = file.read_bytes()
    if digest is not None and digest_of(content) != digest:
        raise refuse(
            str(file), "expected the content that was written, found another digest", FIX_OF_TRIAL
        )
    arrays = read_arrays(
        file,
        {"weights": (n_repeats, n_nodes, n_nodes), "amplitudes": (n_repeats, n_nodes)},
        fix=FIX_OF_TRIAL,
        content=content,
        # A training that diverged may have left anything.
        finite=False,
    )
    return TrialNetworks(arrays["weights"], arrays["amplitudes"])


@dataclass(frozen=True)
class StudyFolder(ResumableFolder):
    """The files of one study."""

    RUN = "sweep"
    MARK = "spec.json"
    LOCK = "study.lock"
    ENDED = "ended.json"
    OPTION = "--study"

    def written_places(self) -> Iterator[Path]:
        """The folders in which files and folders appear whole or not at all."""
        yield from (self.path, self.path / "trials", self.ensemble, self.figures, self.models)
        yield self.checkpoints
        if self.models.is_dir():
            yield from (place for place in self.models.iterdir() if place.is_dir())

    def clear(self) -> None:
        """Remove what killed writes left, and how far trainings were that have ended since."""
        super().clear()
        try:
            for key, file in self.saved_trainings().items():
                if self.finished(key[0]):
                    file.unlink()
            if self.checkpoints.is_dir() and not any(self.checkpoints.iterdir()):
                self.checkpoints.rmdir()
        except OSError as error:
            # They only save time.
            logger.warning("%s could not be cleared: %s", self.checkpoints, error.strerror)

    def saved_trainings(self) -> dict[tuple[int, int], Path]:
        """Where it is kept how far trainings under way are, by trial and repeat."""
        files = self.checkpoints.iterdir() if self.checkpoints.is_dir() else ()
        found = {file: _CHECKPOINT.fullmatch(file.name) for file in files}
        return {(int(one[1]), int(one[2])): file for file, one in found.items() if one is not None}

    def saved_training(self, trial: int, repeat: int) -> Path:
        """Where it is kept how far a training under way is."""
        return self.checkpoints / f"{trial:06d}-{repeat}.state"

    @property
    def checkpoints(self) -> Path:
        """Where it is kept how far trainings under way are."""
        return self.path / "checkpoints"

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
        # What was damaged is computed again, as what was never there.
        return read_findings(self.identifiability_files(number)[0])

    @property
    def report(self) -> Path:
        """Where the page is that tells people what the study found."""
        return self.path / REPORT

    @property
    def data(self) -> Path:
        """Where the data set of validation and test is kept."""
        return self.path / "data"

    @property
    def study(self) -> StudyRecord:
        """What holds for the whole study. Raises InputError where study.json cannot be used."""
        return read_study(self.path / "study.json")

    @property
    def stopped(self) -> str | None:
        """Why the study has no more trials; None where it has all that were asked for."""
        for name in (STOPPED, self.ENDED):
            kept = self.read_kept(name)
            if "stopped" in kept:
                return kept["stopped"] if isinstance(kept["stopped"], str) else None
        return None

    def runs(self) -> list[dict[str, Any]]:
        """When each run began (seconds since 1970) and how long it took; those that are known."""
        try:
            runs = self.read_json("runs.json")
        except (FileNotFoundError, IsADirectoryError, InputError):
            return []
        known = runs if isinstance(runs, list) else []
        return [one for one in known if isinstance(one, dict) and NUMBER.holds(one.get("seconds"))]

    def write_study(self, record: StudyRecord) -> None:
        """Keep what holds for the whole study."""
        self.write_json("study.json", study_as_json(record))

    def write_trial(self, record: TrialRecord, networks: TrialNetworks | None) -> None:
        """Keep a finished trial; one that is already there stays as it is."""
        final = self._trial(record.number)
        if final.exists():
            return
        with whole_folder(final) as new:
            content = trial_as_json(record)
            if networks is not None:
                array_bytes = _as_bytes(networks)
                content[_NETWORK_DIGEST] = digest_of(array_bytes)
                (new / "network.npz").write_bytes(array_bytes)
                if networks.state is not None:
                    content[_STATE_DIGEST] = digest_of(networks.state)
                    (new / _STATE).write_bytes(networks.state)
            # The folder appears whole or not at all, with all that is in it on the disk.
            (new / "record.json").write_text(sealed_text(content), encoding="utf-8")

    def finished(self, number: int) -> bool:
        """Whether this trial has ended."""
        return self._trial(number).is_dir()

    def record(self, number: int) -> TrialRecord:
        """What is known of a finished trial. Raises InputError where its file cannot be used."""
        return read_trial(self._trial(number) / "record.json")

    def networks(self, number: int) -> TrialNetworks | None:
        """What a finished trial learned, None where it was pruned before it learned anything.

        Raises InputError where its file is not what was written.
        """
        table = read_table(self._trial(number) / "record.json", FIX_OF_TRIAL, sealed=True)
        return self._read_networks(number, table.content)

    def state(self, number: int) -> bytes | None:
        """Where a finished trial's descent stopped; None where it was its end.

        Raises InputError where its file is not what was written.
        """
        table = read_table(self._trial(number) / "record.json", FIX_OF_TRIAL, sealed=True)
        return self._read_state(number, table.content)

    def _read_state(self, number: int, record: Mapping[str, Any]) -> bytes | None:
        digest, file = record.get(_STATE_DIGEST), self._trial(number) / _STATE
        if digest is None:
            return None
        content = file.read_bytes() if file.is_file() else b""
        if digest_of(content) != digest:
            raise refuse(str(file), "expected the content that was written, found another digest",
                         FIX_OF_TRIAL)  # fmt: skip
        return content

    def _read_networks(self, number: int, record: Mapping[str, Any]) -> TrialNetworks | None:
        file, digest = self._trial(number) / "network.npz", record.get(_NETWORK_DIGEST)
        if not file.is_file() and digest is None:
            return None
        # What has its digest is as it was written; of earlier versions the shape is all there is.
        sizes = (None, None) if digest else (len(record["repeats"]), len(self.study.nodes))
        return read_networks(file, *sizes, digest=digest)

    def best_network(self, record: TrialRecord) -> Network | None:
        """What the best repeat of a trial learned, None where the trial was pruned."""
        networks, best = self.networks(record.number), record.best_repeat
        if networks is None or best is None:
            return None
        nodes, form = self.study.nodes, record.repeats[best].form(len(self.study.nodes))
        return Network(nodes, networks.weights[best], networks.amplitudes[best], form)

    def finished_numbers(self) -> list[int]:
        """Numbers of the trials that have ended, ascending."""
        folder = self.path / "trials"
        if not folder.is_dir():
            return []
        # Names alone: of a long study each has to cost little.
        return sorted(int(name) for name in os.listdir(folder) if name.isdigit())

    def records(self) -> Iterator[TrialRecord]:
        """All finished trials, by number; a damaged one is named in a note and left out."""
        for number in self.finished_numbers():
            try:
                record = self.record(number)
            except InputError as error:
                say_once(str(error))
                continue
            yield record

    def damage(self, number: int) -> InputError | None:
        """What is wrong with the files of a finished trial; None where nothing is."""
        place = self._trial(number)
        try:
            table = read_table(place / "record.json", FIX_OF_TRIAL, sealed=True)
            record = trial_of(table)
            if record.number != number:
                found = f"expected the record of trial {number}, found that of {record.number}"
                raise refuse(str(place), found, FIX_OF_TRIAL)
            self._read_networks(number, table.content)
            self._read_state(number, table.content)
        except InputError as error:
            return error
        return None

    def set_aside(self, what: int | str) -> Path:
        """Take a damaged trial or file out of the study; returns where it is now."""
        source = self._trial(what) if isinstance(what, int) else self.path / what
        aside = self.path / "damaged"
        aside.mkdir(exist_ok=True)
        # A second damage of the same must not replace the first.
        place = aside / f"{source.name}-{secrets.token_hex(3)}"
        os.replace(source, place)
        return place

    def _trial(self, number: int) -> Path:
        return self.path / "trials" / f"{number:06d}"
