"""What a study that has ended leaves, so that asking for it again starts no worker."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cellbox.storage.typed_tables import TABLE_SUFFIXES
from search.spec.tables import DataTable, ExpectedGainTable, Spec
from search.study.checked_json import WHOLE
from search.study.damage import damaged_data
from search.study.folder import STOPPED, StudyFolder
from search.study.ranking import best_of
from search.study.summaries import TrialSummaries


def note_end(
    folder: StudyFolder, spec: Spec, n_trials: int, n_carried: int, stopped: str | None
) -> None:
    """Note that a study has all its trials, and the models of the best.

    n_trials: how many these are, of which n_carried were carried over from earlier studies; fewer
        than the spec asks for where the space has no more, or where they found the same again and
        again, or nothing better. stopped: then, a sentence that says so.
    """
    folder.write_json(
        folder.ENDED,
        {
            "asked": spec.trials + n_carried,
            "carried": n_carried,
            "trials": n_trials,
            "stop_when_tied": spec.sampler.stop_when_tied,
            "patience": spec.patience,
            "expected_gain": _plain(spec.expected_gain),
            "data": _fingerprint(spec.data),
            "study": _digest([folder.path / "study.json"]),
            "stopped": stopped,
            "tracking": None,
        },
    )


def note_stop(folder: StudyFolder, why: str | None) -> None:
    """Note why a run stopped before its study's end, as a sentence; None where it did not.

    What an earlier end of the study says of that does then no longer hold.
    """
    if why is None and folder.read_kept(folder.ENDED).get("stopped") is None:
        forget_stop(folder)
    else:
        folder.write_json(STOPPED, {"stopped": why})


def forget_stop(folder: StudyFolder) -> None:
    """Let what a study's end says hold again, whatever the last run said."""
    (folder.path / STOPPED).unlink(missing_ok=True)


def note_tracked(folder: StudyFolder, spec: Spec) -> None:
    """Note that MLflow has all of a study that has ended."""
    folder.write_json(folder.ENDED, {**folder.read_kept(folder.ENDED), "tracking": _tracking(spec)})


def ended(folder: StudyFolder, spec: Spec) -> bool:
    """Whether a sweep has nothing left to train, and the models of the best are there.

    Of measured data the files are compared, byte by byte. What has changed in the folder or in the
    data since is for a sweep that goes on to judge, and to refuse.
    """
    end = folder.read_kept(folder.ENDED)
    if not all(WHOLE.holds(end.get(key)) for key in ("asked", "trials")):
        return False
    same = (
        end.get("stop_when_tied") == spec.sampler.stop_when_tied
        and end.get("patience") == spec.patience
        and end.get("expected_gain") == _plain(spec.expected_gain)
        and end.get("data") == _fingerprint(spec.data)
        and end.get("study") == _digest([folder.path / "study.json"])
        and (spec.storage.url is not None or folder.has("optuna.journal"))
    )
    wanted = spec.trials + (end.get("carried") or 0)
    more_wanted = wanted > end["asked"] and end["trials"] == end["asked"]
    if not same or more_wanted or len(folder.finished_numbers()) < end["trials"]:
        return False
    summaries = TrialSummaries(folder)
    if summaries.damaged() or damaged_data(folder):
        # To be set aside and trained once more, or to be written anew.
        return False
    best = best_of(summaries)
    there = all(folder.model(number).is_dir() for number in best)
    return there and (not best or folder.identifiability(best[0]) is not None)


def tracked(folder: StudyFolder, spec: Spec) -> bool:
    """Whether MLflow has all of a study that has ended, where it is to have it."""
    if not spec.tracking.enabled:
        return True
    own = spec.tracking.uri is None
    there = not own or folder.has("mlflow.db")
    return there and folder.read_kept(folder.ENDED).get("tracking") == _tracking(spec)


def _plain(wanted: ExpectedGainTable | None) -> dict[str, Any] | None:
    return None if wanted is None else wanted.model_dump(mode="json")


def _fingerprint(data: DataTable) -> str | None:
    """Of the files that data are read from; None for a system that the program knows."""
    place = data.folder or data.network
    if place is None:
        return None
    path = Path(place)
    if not path.is_dir():
        return _digest([path])
    return _digest(sorted(file for file in path.iterdir() if file.suffix in TABLE_SUFFIXES))


def _digest(files: Sequence[Path]) -> str:
    digest = hashlib.sha256()
    for file in (file for file in files if file.is_file()):
        content = file.read_bytes()
        digest.update(f"{file.name} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()


def _tracking(spec: Spec) -> str:
    """Where MLflow keeps its copy; of a server's address, which may hold a password, a digest."""
    if spec.tracking.uri is None:
        return "own"
    return hashlib.sha256(spec.tracking.uri.encode()).hexdigest()
