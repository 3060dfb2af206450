"""Whether everything in a study's folder is what was written, and mending what can be mended.

A trial whose record is damaged is set aside, and the next run of the sweep trains it once more; the
rest is made again from the records. Only what a study is (spec.json, study.json, queue.json) comes
from nowhere else.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cellbox.errors import InputError, Problem
from cellbox.evaluation.report import evaluate
from cellbox.models.model import FittedModel
from cellbox.models.saved_ensembles import load_ensemble
from cellbox.models.saved_models import load_model
from search.proposals.optuna_storage import told_history
from search.proposals.proposer import study_name
from search.spec.tables import Spec
from search.study.access import spec_of
from search.study.checkpoints import damaged_checkpoints
from search.study.damage import damaged_data, damaged_trials
from search.study.folder import STOPPED, StudyFolder
from search.study.kept_data import kept_data
from search.study.result import TrialResult
from search.study.state import STATE
from search.sweeping.derived import derived_damages, write_derived
from search.sweeping.first_points import kept_queue
from search.tracking.soundness import embedded_problem

# How far a kept model's error may be from the recorded one: another processor rounds otherwise.
_SAME_ERROR = 1e-3
_JOURNAL, _DATABASE = "optuna.journal", "mlflow.db"


@dataclass(frozen=True)
class Damage:
    """Something in a study that is not what was written.

    part: "records", "history", "models", "MLflow", "tables" (and other files that follow from the
    records), "data", "checkpoints" or "study". what: the trial's number or
    the file's name in the study's folder. found: a sentence. mended: what was done about it; None
    where nothing was.
    """

    part: str
    what: int | str
    found: str
    mended: str | None = None

    def __str__(self) -> str:
        mended = "" if self.mended is None else f" Mended: {self.mended}."
        return f"{self.part}: {self.found}{mended}"


@dataclass(frozen=True)
class Verdict:
    """What was looked at in a study, and what is wrong with it.

    trials, models: how many. history, mlflow: whether they were looked at; those that are kept
        elsewhere are not.
    """

    study: str
    trials: int
    models: int
    history: bool
    mlflow: bool
    damages: tuple[Damage, ...]

    @property
    def sound(self) -> bool:
        """Whether everything is what was written."""
        return not self.damages

    def as_dict(self) -> dict[str, Any]:
        """As plain values; names are an interface."""
        return {**asdict(self), "sound": self.sound}

    def __str__(self) -> str:
        looked = [f"{self.trials} records"]
        looked += ["the sampler's history"] if self.history else []
        looked += [f"{self.models} models"] + (["MLflow"] if self.mlflow else [])
        shown = f"{', '.join(looked[:-1])} and {looked[-1]}"
        if self.sound:
            return f"{self.study}: sound ({shown})"
        count = len(self.damages)
        return f"{self.study}: {count} problem{'s' if count > 1 else ''} ({shown} were looked at)"


def verify_study(study: str | Path, *, repair: bool = False) -> Verdict:
    """Look whether a study's records, history, models and MLflow are what was written.

    The kept models predict the held-out conditions again. repair: mend what can be: damaged trials
    are set aside, to be trained once more by the next run of the same sweep, and what is a copy is
    set aside, to be written anew.

    Raises InputError where there is no study, or a sweep is running in it.

    Example:
        >>> import search
        >>> result = search.sweep(search.read_spec("tiny.toml"), study="checked")
        >>> print(search.verify_study("checked"))
        checked: sound (2 records, the sampler's history and 2 models)
    """
    folder = StudyFolder.at(study)
    with folder.held():
        return _verdict(folder, repair)


def _verdict(folder: StudyFolder, repair: bool) -> Verdict:
    try:
        spec = spec_of(folder)
        _ = folder.study
        kept_queue(folder)
    except InputError as error:
        # Nothing else can be judged without these.
        damages = [_of_study(problem) for problem in error.problems]
        return Verdict(str(folder.path), 0, 0, False, False, tuple(damages))
    bad = damaged_trials(folder)
    good = [number for number in folder.finished_numbers() if number not in bad]
    found = [Damage("records", number, str(error)) for number, error in bad.items()]
    history = spec.storage.url is None and (folder.path / _JOURNAL).exists()
    if history:
        found += _history_damages(folder, spec, good)
    models = sorted(folder.models.glob("trial-*")) if folder.models.is_dir() else []
    found += _data_damages(folder)
    found += _model_damages(folder, models, good)
    own_mlflow = spec.tracking.enabled and spec.tracking.uri is None
    if own_mlflow and (problem := embedded_problem(folder, good)) is not None:
        found.append(Damage("MLflow", _DATABASE, f"{folder.path / _DATABASE}: {problem}."))
    found += _kept_damages(folder)
    found += [Damage("checkpoints", *one) for one in damaged_checkpoints(folder)]
    found += [Damage("tables", *one) for one in derived_damages(folder, {*good})]
    if repair:
        found = [_mended(folder, damage) for damage in found]
    return Verdict(str(folder.path), len(good), len(models), history, own_mlflow, tuple(found))


def _of_study(problem: Problem) -> Damage:
    return Damage("study", problem.where, str(problem))


def _history_damages(folder: StudyFolder, spec: Spec, good: list[int]) -> Iterator[Damage]:
    """Where the sampler's history cannot be read, or says otherwise than the records."""
    file = folder.path / _JOURNAL
    try:
        told = told_history(file, study_name(spec, folder.study.id))
    except InputError as error:
        yield Damage("history", _JOURNAL, str(error))
        return
    for number in sorted(set(told) - {*good}):
        if not folder.finished(number):
            yield Damage("records", number, f"the record of trial {number} is gone.")
    for number in sorted(set(told) & {*good}):
        point, values = told[number]
        record = folder.record(number)
        same = all(record.parameters.get(name) == value for name, value in point.items())
        if not same or values != tuple(record.objectives.values()):
            yield Damage(
                "history", _JOURNAL,
                f"{file}: trial {number} is another one than its record, {values} and "
                f"{tuple(record.objectives.values())}.",
            )  # fmt: skip
            return


def _data_damages(folder: StudyFolder) -> Iterator[Damage]:
    study, damaged = folder.study, damaged_data(folder)
    for name, found in damaged.items():
        said = f"{folder.data / name}: expected what was written, found {found}."
        yield Damage("data", f"data/{name}", said)
    if damaged:
        return
    try:
        data = kept_data(folder.data)
        if data.split is None:
            yield Damage("data", "data", f"{folder.data}: expected a split, found none.")
        if study.truth and data.truth is None:
            found = f"{folder.data}: expected the true network and its amplitudes, found none."
            yield Damage("data", "data", found)
    except (InputError, OSError) as error:
        yield Damage("data", "data", str(error))


def _model_damages(folder: StudyFolder, models: list[Path], good: list[int]) -> Iterator[Damage]:
    """Models that cannot be used, or predict otherwise than was recorded."""
    for place in models:
        name = str(place.relative_to(folder.path))
        number = int(place.name.removeprefix("trial-")) if place.name[6:].isdigit() else -1
        if number not in good:
            yield Damage("models", name, f"{place}: there is no trial of this number.")
            continue
        try:
            problem = _model_problem(folder, number, load_model(place))
        except InputError as error:
            problem = str(error)
        if problem is not None:
            yield Damage("models", name, problem)
    if folder.ensemble.is_dir():
        try:
            load_ensemble(folder.ensemble)
            # What programs read that know of no ensembles.
            load_model(folder.ensemble)
        except InputError as error:
            yield Damage("models", "ensemble", str(error))


def _model_problem(folder: StudyFolder, number: int, model: FittedModel) -> str | None:
    record = folder.record(number)
    trial = TrialResult(folder, record)
    same = np.array_equal(model.network.weights, trial.network.weights) and np.array_equal(
        model.network.amplitudes, trial.network.amplitudes
    )
    if not same:
        return f"{folder.model(number)}: its network is not that of trial {number}."
    try:
        data = kept_data(folder.data)
    except (InputError, OSError):
        # Told already.
        return None
    best = record.best
    wanted = None if best is None else best.metrics.get("test_mae")
    if wanted is None or data.split is None:
        return None
    now = evaluate(model, data, data.split)["test_mae"]
    if now is None or abs(now - wanted) > _SAME_ERROR * wanted:
        return (
            f"{folder.model(number)}: predicts the held-out conditions with a mean absolute error "
            f"of {now}, and {wanted} was recorded."
        )
    return None


def _kept_damages(folder: StudyFolder) -> Iterator[Damage]:
    """Files that a run makes again where they are damaged."""
    for name in (folder.ENDED, STATE, STOPPED):
        if (folder.path / name).exists() and not folder.read_kept(name):
            yield Damage("study", name, f"{folder.path / name}: expected an object, found none.")


def _mended(folder: StudyFolder, damage: Damage) -> Damage:
    """The damage after what could be done about it."""
    again = "the next run of the same sweep"
    place = damage.what
    if damage.part == "records":
        if isinstance(place, int) and folder.finished(place):
            folder.set_aside(place)
        done = f"{again} trains it once more"
    elif damage.part == "history":
        if folder.has(_JOURNAL):
            folder.set_aside(_JOURNAL)
        done = f"set aside; {again} finds the sampler's history in the records"
    elif damage.part == "data" and place != "data":
        done = f"{again} writes it anew"
    elif damage.part == "checkpoints":
        file = folder.path / str(place)
        shutil.rmtree(file) if file.is_dir() else file.unlink()
        done = f"removed; {again} begins this training anew"
    elif damage.part == "models" and isinstance(place, str):
        shutil.rmtree(folder.path / place)
        done = f"removed; {again} writes it from the record"
    elif damage.part == "MLflow":
        if folder.has(_DATABASE):
            folder.set_aside(_DATABASE)
        done = "set aside; `cellbox sync` writes it from the records"
    elif damage.part == "tables":
        done = write_derived(folder, str(place))
    elif damage.part == "study" and place in (folder.ENDED, STATE, STOPPED):
        folder.set_aside(str(place))
        done = f"set aside; {again} writes it"
    else:
        return damage
    return Damage(damage.part, place, damage.found, done)
