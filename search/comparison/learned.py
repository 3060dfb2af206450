"""A learned network with what is known of it, wherever it is kept: a model, a trial, a study."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cellbox.criticism.criticism import criticism_of
from cellbox.errors import InputError, refuse
from cellbox.identifiability.design_report import REPORT_FILES
from cellbox.models.ensemble import SELECTED_ABOVE, Ensemble
from cellbox.models.provenance import fingerprint
from cellbox.models.saved_ensembles import load_fitted
from cellbox.networks.network import Network
from search.report.edges import JudgedEdge, JudgedNetwork, judged_alone, judged_by_ensemble
from search.report.evaluation import DATA, EVALUATION
from search.study.folder import StudyFolder
from search.study.kept_data import kept_data
from search.study.result import SweepResult, TrialResult
from search.tracking.trial_content import flatten

# An edge is in an ensemble that has it in at least this share of the members.
_IN_HALF = 0.5


@dataclass(frozen=True, eq=False)
class Learned:
    """A learned network and what is known of it.

    name: what people call it. edges: by (source, target), those that it has. settings: by dotted
    name. numbers: errors and scores by name, None where unknown. asked: tells apart what the errors
    are of, data and held-out rows; None where that is not kept. verdict: whether Eq. 1 explains
    the data, in a sentence. made: seconds since 1970.
    """

    name: str
    network: Network
    edges: Mapping[tuple[str, str], JudgedEdge]
    settings: Mapping[str, Any]
    numbers: Mapping[str, Any]
    asked: str | None
    verdict: str | None
    made: float | None
    versions: Mapping[str, str]


def read_learned(place: str | Path) -> Learned:
    """What is kept at a place.

    place: the folder of a model (as `cellbox fit` writes it), of a study (then its best trial), of
    a trial in a study, or STUDY:12 for trial 12 of a study.

    Raises InputError where nothing learned is there.
    """
    path = Path(place)
    numbered = re.fullmatch(r"(.+):(\d+)", str(place))
    if not path.exists() and numbered is not None:
        return _of_trial(_trial_of(StudyFolder.at(numbered[1]), int(numbered[2])))
    study = StudyFolder(path)
    if study.exists():
        return _of_trial(SweepResult(study).best)
    within = StudyFolder(path.parent.parent)
    number = re.fullmatch(r"(?:trial-)?(\d+)", path.name)
    if number is not None and within.exists():
        return _of_trial(_trial_of(within, int(number[1])))
    if (path / "model.json").is_file():
        return _of_model(path)
    raise refuse(
        str(place),
        "expected the folder of a model, a trial or a study, found none",
        "Give what `cellbox fit` or `cellbox sweep` wrote, or STUDY:12 for trial 12 of a study",
    )


def _trial_of(folder: StudyFolder, number: int) -> TrialResult:
    if not folder.finished(number):
        found = f"expected a finished trial, found none of number {number}"
        raise refuse(str(folder.path), found, "trials.csv in the study's folder lists them")
    return TrialResult(folder, folder.record(number))


def _of_trial(trial: TrialResult) -> Learned:
    record, found = trial.record, trial.identifiability
    judged = judged_alone(trial.network, found, None)
    criticism = criticism_of((found or {}).get("criticism"))
    repeat = record.best
    refined = repeat is not None and repeat.training.refined
    return Learned(
        name=f"{trial.folder.path}, trial {trial.number}",
        network=trial.network,
        edges=_present(judged, None if refined else SELECTED_ABOVE),
        settings={
            **flatten(record.settings),
            **{f"budget.{name}": value for name, value in record.budget.as_dict().items()},
        },
        numbers={**record.objectives, **record.metrics},
        asked=_asked(trial.folder.data),
        verdict=None if criticism is None else criticism.why,
        made=record.finished,
        versions={},
    )


def _of_model(path: Path) -> Learned:
    model = load_fitted(path)
    found = _json(path / REPORT_FILES[0])
    evaluation = _json(path / EVALUATION) or {}
    if isinstance(model, Ensemble):
        judged, cut = judged_by_ensemble(model, found, None), None
    else:
        judged = judged_alone(model.network, found, None)
        cut = None if model.training.refined else SELECTED_ABOVE
    return Learned(
        name=str(path),
        network=model.network,
        edges=_present(judged, cut),
        settings=flatten(asdict(model.settings)),
        numbers={**evaluation.get("report", {}), "validation_mae": model.training.validation_mae},
        asked=_asked(path / DATA),
        verdict=None if model.criticism is None else model.criticism.why,
        made=evaluation.get("created"),
        versions=evaluation.get("versions", {}),
    )


def _present(judged: JudgedNetwork, cut: float | None) -> dict[tuple[str, str], JudgedEdge]:
    """The edges that a network has; cut: as a share of the largest where none was selected."""
    largest = max((abs(edge.weight) for edge in judged.edges), default=0.0)
    least = 0.0 if cut is None else cut * largest
    return {
        (edge.source, edge.target): edge
        for edge in judged.edges
        if (abs(edge.weight) > least if edge.frequency is None else edge.frequency >= _IN_HALF)
    }


def _asked(data: Path) -> str | None:
    """Data and held-out rows, as something to compare."""
    try:
        known = kept_data(data)
    except InputError:
        return None
    if known.split is None:
        return None
    held_out = ",".join(map(str, np.sort(known.split.test).tolist()))
    return f"{fingerprint(known)}:{held_out}"


def _json(file: Path) -> dict[str, Any] | None:
    """What a file beside a model has; None where there is none. Raises InputError if damaged."""
    if not file.is_file():
        return None
    try:
        content = json.loads(file.read_text("utf-8"))
    except ValueError as error:
        raise refuse(str(file), f"expected JSON: {error}", "Fit the model again") from error
    if not isinstance(content, dict):
        raise refuse(str(file), "expected an object, found something else", "Fit the model again")
    return content
