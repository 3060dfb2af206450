"""What a study found, by which two runs of it are compared; and what they may have otherwise."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import optuna

from cellbox.models.saved_ensembles import load_ensemble
from search.proposals.optuna_storage import OptunaStorage
from search.proposals.proposer import study_name
from search.spec.tables import Spec
from search.study.folder import StudyFolder
from search.study.record import trial_as_json
from tests.simulation.scenarios import Place
from tests.simulation.server import Server

#: What two runs of the same study may have otherwise, by the file or the table that has it.
MAY_DIFFER = {
    "record.json": ("started", "finished", "seconds", "compile_seconds", "digest"),
    # Of models, when the trial was trained.
    "model.json": ("date", "digest"),
    "study.json": ("id", "created"),
    # The digest of study.json, which has an id of its own.
    "ended.json": ("study",),
    "optuna.journal": ("datetime_start", "datetime_complete", "the order of entries, worker ids"),
    "MLflow": (
        *("run and experiment ids", "times of runs and metrics", "seconds", "folders"),
        "hours, and spec.json with them: of the latest run that had a limit",
    ),
    "state.json, runs.json, devices.json": ("all of it: when and where runs were",),
}


def essence(place: Place) -> dict[str, Any]:
    """All that a study found, without what may differ."""
    folder = StudyFolder(place.study)
    ended = folder.read_json("ended.json")
    study = folder.read_json("study.json")
    return {
        "records": _records(folder),
        "journal": _journal(place.spec, folder),
        "study": {key: value for key, value in study.items() if key not in ("id", "created")},
        "queue": folder.read_json("queue.json"),
        "ended": {key: value for key, value in ended.items() if key != "study"},
        "phase": folder.read_json("state.json")["phase"],
        "models": {
            model.name: np.load(model / "model.npz")["weights"].tolist()
            for model in sorted(folder.models.iterdir())
        },
        "ensemble": [
            one.network.weights.tolist() for one in load_ensemble(folder.ensemble).members
        ],
        "files": _files(folder),
        "MLflow": _tracked(place.server),
    }


def _records(folder: StudyFolder) -> dict[int, Any]:
    found = {}
    for number in folder.finished_numbers():
        content = trial_as_json(folder.record(number))
        networks = folder.networks(number)
        arrays = (
            None
            if networks is None
            else (networks.weights.tobytes(), networks.amplitudes.tobytes())
        )
        found[number] = (
            {key: value for key, value in content.items() if key not in MAY_DIFFER["record.json"]},
            arrays,
        )
    # As JSON, where NaN is itself.
    return {
        number: (json.dumps(one, sort_keys=True), arrays) for number, (one, arrays) in found.items()
    }


def _journal(spec: Spec, folder: StudyFolder) -> list[Any]:
    storage = OptunaStorage(spec, folder.path).optuna
    study = optuna.load_study(study_name=study_name(spec, folder.study.id), storage=storage)
    return [
        (
            trial.number, trial.state.name, trial.values, dict(trial.params),
            {name: repr(one) for name, one in trial.distributions.items()},
            json.dumps(trial.user_attrs, sort_keys=True),
            json.dumps(trial.system_attrs, sort_keys=True),
            repr(sorted(trial.intermediate_values.items())),
        )
        for trial in study.get_trials(deepcopy=False)
    ]  # fmt: skip


def _files(folder: StudyFolder) -> list[str]:
    """All files of a study that nothing was wrong with; trials are told elsewhere."""
    return sorted(
        str(path.relative_to(folder.path))
        for path in folder.path.rglob("*")
        if not {"damaged", "trials", "runs.json"} & set(path.relative_to(folder.path).parts[:1])
    ) + sorted(path.name for path in (folder.path / "trials").rglob(".*"))


_TAGS_THAT_DIFFER = (
    *("mlflow.parentRunId", "cellbox.study_id", "mlflow.note.content", "cellbox.hours"),
    "cellbox.folder",
)


def _tracked(server: Server) -> dict[str, Any]:
    """What MLflow shows, by the name of the run."""
    found: dict[str, Any] = {"experiments": [one["name"] for one in server.experiments.values()]}
    for identifier, run in server.runs.items():
        if run["deleted"]:
            continue
        shown = {
            "status": run["status"],
            "params": dict(sorted(run["params"].items())),
            "tags": {
                key: value for key, value in sorted(run["tags"].items())
                if key not in _TAGS_THAT_DIFFER
            },
            "metrics": sorted(
                (key, step, value) for key, value, _, step in run["metrics"]
                if "seconds" not in key and not key.startswith("trials")
            ),
            "files": sorted(
                (name, content) for name, content in server.files.get(identifier, {}).items()
                if name != "spec.json"
            ),
        }  # fmt: skip
        found.setdefault(run["name"], []).append(shown)
    return dict(sorted(found.items()))


def difference(wanted: dict[str, Any], found: dict[str, Any]) -> str | None:
    """The first part in which two studies differ, and how; None where they do not."""
    for part, value in wanted.items():
        if found[part] != value:
            return f"{part} differs: {_difference(value, found[part])}"
    return None


def _difference(wanted: Any, found: Any, at: str = "") -> str:
    """The first place where two nested values differ."""
    if isinstance(wanted, dict) and isinstance(found, dict):
        for key in sorted({*wanted, *found}, key=str):
            if wanted.get(key) != found.get(key):
                return _difference(wanted.get(key), found.get(key), f"{at}/{key}")
    if (
        isinstance(wanted, list | tuple)
        and isinstance(found, list | tuple)
        and len(wanted) == len(found)
    ):
        for place, (one, other) in enumerate(zip(wanted, found, strict=True)):
            if one != other:
                return _difference(one, other, f"{at}/{place}")
    if isinstance(wanted, list) and isinstance(found, list):
        more = [one for one in found if one not in wanted]
        less = [one for one in wanted if one not in found]
        counts = f"{len(wanted)} expected, {len(found)} found"
        return f"{at}: {counts}; beyond it {str(more)[:600]}; lacking {str(less)[:600]}"
    return f"{at}: expected {str(wanted)[:900]}\n found {str(found)[:900]}"
