"""What is kept of a finished trial, and of the study that it belongs to, as typed values.

On disk they are `trials/000012/record.json` and `study.json`. This is the one place that reads and
writes them, so that nobody else needs to know their keys. Reading loads no JAX, whose device is
not yet settled where a trial is to be trained again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cellbox.errors import DataWarning
from cellbox.evaluation.verdict import better_than
from cellbox.models.training_record import Training
from search.spec.lineage import Lineage
from search.study.budget import Budget
from search.study.checked_json import (
    LIST,
    NUMBER,
    NUMBERS,
    TABLE,
    TEXT,
    TEXTS,
    TRUTH,
    WHOLE,
    CheckedTable,
    Kind,
    one_of,
    read_table,
)

if TYPE_CHECKING:
    from cellbox.networks.fitted_form import FittedForm
    from search.spec.space import Value

_REPORTS = Kind(
    "a list of steps with their values",
    lambda value: (
        LIST.holds(value)
        and all(
            LIST.holds(pair) and len(pair) == 2 and WHOLE.holds(pair[0]) and NUMBER.holds(pair[1])
            for pair in value
        )
    ),
)
_HISTORY = Kind(
    "an object of equally long lists",
    lambda value: (
        TABLE.holds(value)
        and all(map(LIST.holds, value.values()))
        and len({len(of_key) for of_key in value.values()}) <= 1
    ),
)


@dataclass(frozen=True)
class RepeatRecord:
    """One training of a trial.

    training: how it went; its times are those of all repeats together, since no file tells more.
    metrics: as `cellbox.evaluate` gives them.
    """

    seed: int
    training: Training
    metrics: dict[str, Any]

    @property
    def diverged(self) -> bool:
        """Whether the training diverged."""
        return self.training.status == "diverged"

    def form(self, n_nodes: int) -> FittedForm | None:
        """What the equation has beside Eq. 1, None for nothing. Raises InputError if damaged."""
        from cellbox.networks.fitted_form import fitted_form_of

        return fitted_form_of(self.training.form, n_nodes, "form of a trial", FIX_OF_TRIAL)


class TrialEnd:
    """How a trial ended, as far as its status and its excess say."""

    __slots__ = ()
    status: str
    excess: dict[str, float]

    @property
    def completed(self) -> bool:
        """Whether the trial ran to its end and did not diverge."""
        return self.status == "completed"

    @property
    def eligible(self) -> bool:
        """Whether it may be the best: completed, and within the spec's constraints."""
        return self.completed and (
            not self.excess or all(value <= 0 for value in self.excess.values())
        )

    @property
    def pruned(self) -> bool:
        """Whether the trial was ended early."""
        return self.status == "pruned"


@dataclass(frozen=True)
class TrialRecord(TrialEnd):
    """A finished trial.

    parameters: the point of the space. settings: all of `cellbox.Settings`, as plain values.
    cost: of the budget. status: "completed", "pruned" or "diverged"; message: why.
    objectives: what the sampler minimises, by name; empty where the trial was pruned.
    reports: steps, and what the pruner was told at them. pruned_at: the step of the last one.
    seed: of the best repeat. shape: all that numbers depend on beside settings, data and seed;
        None where the trial was pruned before any repeat had ended.
    seconds, compile_seconds: of all repeats. started, finished: seconds since 1970.
    best_repeat: its place among the repeats. metrics: means over repeats, None where one has none.
    baselines, better_than_ridge: as `cellbox.evaluation.verdict.beside_baselines` gives them.
    marks: what the pruner noted on the trial.
    origin: where its point comes from; None where the sampler chose it.
    excess: by how much it exceeds each of the spec's constraints, up to 0 where it keeps to it.
    lineage: where it stands in population-based training; None of all other trials.
    """

    number: int
    parameters: dict[str, Value]
    settings: dict[str, Any]
    budget: Budget
    cost: float
    status: str
    message: str
    objectives: dict[str, float]
    reports: tuple[tuple[int, float], ...]
    pruned_at: int | None
    seed: int | None
    shape: dict[str, Any] | None
    seconds: float | None
    compile_seconds: float | None
    started: float
    finished: float
    repeats: tuple[RepeatRecord, ...]
    best_repeat: int | None
    metrics: dict[str, Any]
    baselines: dict[str, Any] | None
    better_than_ridge: bool | None
    marks: dict[str, Any]
    origin: str | None = None
    excess: dict[str, float] = field(default_factory=dict)
    lineage: Lineage | None = None

    @property
    def best(self) -> RepeatRecord | None:
        """The repeat with the smallest error; None where the trial was pruned."""
        return None if self.best_repeat is None else self.repeats[self.best_repeat]

    @property
    def refinement(self) -> str:
        """How least squares ended, and which form they found; "" where the trial was pruned."""
        return "" if self.best is None else self.best.training.refinement

    def by_repeat(self, name: str) -> list[float | None]:
        """An error of each repeat, by its name among those of a training."""
        return [getattr(repeat.training, name, None) for repeat in self.repeats]

    @property
    def budget_parameters(self) -> dict[str, int | None]:
        """The budget by the names that its parts have among parameters."""
        return {f"budget.{axis}": value for axis, value in self.budget.as_dict().items()}

    @property
    def better_than(self) -> dict[str, bool | None] | None:
        """Whether it predicts better than each baseline, by name; None where it was pruned."""
        return None if self.baselines is None else better_than(self.metrics, self.baselines)

    @property
    def report(self) -> dict[str, Any]:
        """Metrics beside baselines, as `cellbox.evaluation.verdict.verdict` takes them."""
        return {
            **self.metrics,
            "baselines": self.baselines,
            "better_than_ridge": self.better_than_ridge,
        }


@dataclass(frozen=True)
class StudyRecord:
    """What holds for a whole study, settled when it begins.

    format: rises when trials are trained in another way. id: tells the study from others of the
        same name. data: fingerprint of its data. created: seconds since 1970.
    own_budget: the budget of a trial that searches none. truth: whether the true network is known.
    penalty: the error that a diverged trial counts with (log ratio).
    in_flight: trials under way at the beginning; each proposal follows from it.
    baselines: as `cellbox.evaluation.report.evaluate_baselines` gives them, at its own budget.
    warnings: what speaks against taking the data as they are; see `cellbox.data_warnings`.
    own: what was the user's own, given in Python: sampler, pruner or metric, and its name.
    data_files: digests of the files of the kept data, by name; none of studies of earlier versions.
    """

    format: int
    id: str
    data: str
    created: float
    nodes: tuple[str, ...]
    objectives: tuple[str, ...]
    own_budget: Budget
    truth: bool
    penalty: float
    in_flight: int
    baselines: dict[str, Any]
    warnings: tuple[DataWarning, ...] = ()
    own: dict[str, str] = field(default_factory=dict)
    data_files: dict[str, str] = field(default_factory=dict)


def trial_as_json(record: TrialRecord) -> dict[str, Any]:
    """A trial's record as its file holds it."""
    content = {
        **vars(record),
        "budget": record.budget.as_dict(),
        "reports": [list(report) for report in record.reports],
        "repeats": [_repeat_as_json(repeat) for repeat in record.repeats],
        "lineage": None if record.lineage is None else asdict(record.lineage),
    }
    for name in ("origin", "excess", "lineage"):
        # Only where there is something, since records of earlier versions know no such key.
        if not content[name]:
            del content[name]
    return content


# Of a repeat's training, without how long it took: that is the trial's, its repeats train at once.
_TRAINING_KEYS = (
    *("status", "message", "steps", "validation_mae", "selection_error", "refinement"),
    *("noise", "history"),
)


def _repeat_as_json(repeat: RepeatRecord) -> dict[str, Any]:
    training = {name: getattr(repeat.training, name) for name in _TRAINING_KEYS}
    # Only where it is so, since records of earlier versions know no such key.
    training |= {"refined": True} if repeat.training.refined else {}
    training |= {"form": repeat.training.form} if repeat.training.form is not None else {}
    if repeat.training.prior_strength is not None:
        training["prior_strength"] = repeat.training.prior_strength
    return {"seed": repeat.seed, **training, "metrics": repeat.metrics}


#: What to do about a trial whose files are damaged.
FIX_OF_TRIAL = (
    "Bring the file back; or run the same sweep again, which sets the trial aside and trains it "
    "once more"
)


def read_trial(file: Path) -> TrialRecord:
    """Read a trial's record.json. Raises InputError naming the key that cannot be used."""
    return trial_of(read_table(file, FIX_OF_TRIAL, sealed=True))


def trial_of(table: CheckedTable) -> TrialRecord:
    """The record that the content of a record.json is; raises InputError as `read_trial` does."""
    seconds = table.take("seconds", NUMBER.or_null())
    compile_seconds = table.take("compile_seconds", NUMBER.or_null())
    repeats = tuple(
        _read_repeat(repeat, seconds or 0.0, compile_seconds or 0.0)
        for repeat in table.tables("repeats")
    )
    places = Kind(
        f"the place of one of {len(repeats)} repeats",
        lambda value: WHOLE.holds(value) and 0 <= value < len(repeats),
    )
    best = table.take("best_repeat", places.or_null())
    return TrialRecord(
        number=table.take("number", WHOLE),
        parameters=table.take("parameters", TABLE),
        settings=table.take("settings", TABLE),
        budget=_read_budget(table.table("budget")),
        cost=table.take("cost", NUMBER),
        status=table.take("status", one_of("completed", "pruned", "diverged")),
        message=table.take("message", TEXT),
        objectives=table.take("objectives", NUMBERS),
        reports=tuple((step, value) for step, value in table.take("reports", _REPORTS)),
        pruned_at=table.take("pruned_at", WHOLE.or_null()),
        seed=table.take("seed", WHOLE.or_null()),
        shape=table.take("shape", TABLE.or_null()),
        seconds=seconds,
        compile_seconds=compile_seconds,
        started=table.take("started", NUMBER),
        finished=table.take("finished", NUMBER),
        repeats=repeats,
        best_repeat=best,
        metrics=table.take("metrics", TABLE),
        # A trial that learned something is compared with simpler models.
        baselines=table.take("baselines", TABLE.or_null() if best is None else TABLE),
        better_than_ridge=table.take("better_than_ridge", TRUTH.or_null()),
        marks=table.take("marks", TABLE),
        # Records of earlier versions have neither.
        origin=table.take("origin", TEXT) if "origin" in table.content else None,
        excess=table.take("excess", NUMBERS) if "excess" in table.content else {},
        lineage=_read_lineage(table.table("lineage")) if "lineage" in table.content else None,
    )


def _read_lineage(table: CheckedTable) -> Lineage:
    return Lineage(table.take("generation", WHOLE), table.take("parent", WHOLE.or_null()))


def _read_repeat(table: CheckedTable, seconds: float, compile_seconds: float) -> RepeatRecord:
    return RepeatRecord(
        seed=table.take("seed", WHOLE),
        training=Training(
            status=table.take("status", one_of("completed", "stopped_early", "diverged")),
            message=table.take("message", TEXT),
            steps=table.take("steps", WHOLE),
            validation_mae=table.take("validation_mae", NUMBER.or_null()),
            history=table.take("history", _HISTORY),
            seconds=seconds,
            compile_seconds=compile_seconds,
            selection_error=table.take("selection_error", NUMBER.or_null()),
            refinement=table.take("refinement", TEXT),
            noise=table.take("noise", NUMBER.or_null()),
            refined=table.content.get("refined") is True,
            form=table.take("form", TABLE) if "form" in table.content else None,
            prior_strength=(
                table.take("prior_strength", NUMBER) if "prior_strength" in table.content else None
            ),
        ),
        metrics=table.take("metrics", TABLE),
    )


def _read_budget(table: CheckedTable) -> Budget:
    return Budget(
        conditions=table.take("conditions", WHOLE),
        perturbed_nodes=table.take("perturbed_nodes", WHOLE.or_null()),
        time_points=table.take("time_points", WHOLE),
    )


def study_as_json(record: StudyRecord) -> Mapping[str, Any]:
    """A study's record as its file holds it."""
    content = {
        **vars(record),
        "nodes": list(record.nodes),
        "objectives": list(record.objectives),
        "own_budget": record.own_budget.as_dict(),
        "warnings": [asdict(warning) for warning in record.warnings],
    }
    if not record.warnings:
        # As earlier versions wrote it, so that they still read it.
        del content["warnings"]
    for name in ("own", "data_files"):
        if not content[name]:
            del content[name]
    return content


# Of studies that do not say it: what the program chose for all of them.
_IN_FLIGHT_BEFORE = 16


def read_study(file: Path) -> StudyRecord:
    """Read a study.json. Raises InputError naming the key that cannot be used."""
    table = read_table(file, "Bring the file back, or begin a new study")
    return StudyRecord(
        format=table.take("format", WHOLE),
        id=table.take("id", TEXT),
        data=table.take("data", TEXT),
        created=table.take("created", NUMBER),
        nodes=tuple(table.take("nodes", TEXTS)),
        objectives=tuple(table.take("objectives", TEXTS)),
        own_budget=_read_budget(table.table("own_budget")),
        truth=table.take("truth", TRUTH),
        penalty=table.take("penalty", NUMBER),
        # Studies from before this was noted had as many.
        in_flight=table.take("in_flight", WHOLE)
        if "in_flight" in table.content
        else _IN_FLIGHT_BEFORE,
        baselines=table.take("baselines", TABLE),
        # Studies of earlier versions do not know it.
        warnings=(
            tuple(map(_read_warning, table.tables("warnings")))
            if "warnings" in table.content
            else ()
        ),
        own=table.take("own", TABLE) if "own" in table.content else {},
        data_files=table.take("data_files", TABLE) if "data_files" in table.content else {},
    )


def _read_warning(table: CheckedTable) -> DataWarning:
    return DataWarning(*(table.take(key, TEXT) for key in ("kind", "found", "fix")))
