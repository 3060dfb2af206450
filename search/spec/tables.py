"""What a sweep is, as Python objects; `search.spec.reading` makes them of a file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from cellbox.data.units import Units
from cellbox.errors import InputError
from search.spec.points import flat_point
from search.spec.sampler_table import SamplerTable
from search.spec.space import NEED_REFINEMENT, Space
from search.spec.table import Table


class DosesTable(Table):
    """How doses become u: `cellbox.Units.dose_transform` and its EC50, one or one for each node."""

    transform: Literal["scale", "log", "hill", "log10-hill"]
    ec50: float | dict[str, float]


class DataTable(Table):
    """Where the data come from: a known system, a network file, or measured files.

    system: one of the ten, simulated at its own budget, or with parts of it changed below.
    network: an edge list file to simulate instead; amplitude is the α of all its nodes.
    amplitudes: a file with the α of each node to simulate, with the columns node and amplitude;
        amplitude_spread: the standard deviation of log α, drawn from the study's seed.
    folder: measured data in any form `cellbox lint` reads.
    conditions, perturbed_nodes, time_points, horizon, noise, held_out: the simulation's budget.
    design: of the simulation: "paper" perturbs random nodes, "balanced" all about equally often.
    split_by, test, validation, structural_zeros, time: how measured files are read and split.
    prior: a table of edges that are said to exist; see `cellbox.read_prior`.
    reference_line: the cell line that others are compared with where the form has lines.
    transform, control, detection_limit, time_unit, doses: what their numbers mean; see
        `cellbox.Units`.
    """

    system: str | None = None
    network: str | None = None
    folder: str | None = None
    amplitude: float | None = Field(default=None, gt=0)
    amplitudes: str | None = None
    amplitude_spread: float = Field(default=0.0, ge=0)
    conditions: int | None = Field(default=None, ge=1)
    perturbed_nodes: int | None = Field(default=None, ge=1)
    time_points: int | None = Field(default=None, ge=1)
    horizon: float | None = Field(default=None, gt=0)
    noise: float | None = Field(default=None, ge=0)
    held_out: int | None = Field(default=None, ge=1)
    design: Literal["paper", "balanced"] = "paper"
    split_by: Literal["condition", "combination"] = "condition"
    test: float = Field(default=0.3, gt=0, lt=1)
    validation: float = Field(default=0.2, gt=0, lt=1)
    structural_zeros: bool = False
    time: float | None = Field(default=None, gt=0)
    transform: Literal["log2-ratio", "difference", "log2", "log2-percent"] | None = None
    control: tuple[str, ...] = ()
    detection_limit: float | None = Field(default=None, gt=0)
    time_unit: str | None = None
    doses: DosesTable | None = None
    prior: str | None = None
    reference_line: str | None = None

    @field_validator("control", mode="before")
    @classmethod
    def _one_or_several(cls, given: Any) -> Any:
        if isinstance(given, str):
            return (given,)
        return tuple(given) if isinstance(given, list) else given

    @field_validator("network", "folder", "amplitudes", "prior")
    @classmethod
    def _absolute(cls, path: str | None) -> str | None:
        # A study can then be continued, and its trials re-run, from any working directory.
        return None if path is None else str(Path(path).resolve())

    @model_validator(mode="after")
    def _one_source(self) -> DataTable:
        given = [name for name in ("system", "network", "folder") if getattr(self, name)]
        if len(given) != 1:
            raise ValueError(
                f"expected exactly one of system, network and folder, found "
                f"{' and '.join(given) or 'none'}"
            )
        fields = type(self).model_fields
        chosen = {name for name in fields if getattr(self, name) != fields[name].default}
        misplaced = chosen & (_OF_SIMULATIONS if self.folder else _OF_FILES)
        if misplaced:
            kind = "measured files" if self.folder else "simulated data"
            raise ValueError(f"{', '.join(sorted(misplaced))} cannot be chosen for {kind}")
        if self.amplitude is not None and self.network is None:
            raise ValueError("amplitude goes with network only: a system has its own")
        try:
            self.units()
        except InputError as error:
            # As pydantic takes it, which adds what to do.
            raise ValueError(
                "; ".join(f"{one.where}: {one.found}" for one in error.problems)
            ) from None
        return self

    def units(self) -> Units:
        """What the numbers of files mean. Raises InputError for what does not go together."""
        return Units(
            transform=self.transform,
            control=self.control,
            time_unit=self.time_unit,
            dose_transform=None if self.doses is None else self.doses.transform,
            ec50=None if self.doses is None else self.doses.ec50,
            detection_limit=self.detection_limit,
        )


_OF_SIMULATIONS = {
    "conditions", "perturbed_nodes", "time_points", "horizon", "noise", "held_out", "amplitude",
    "amplitudes", "amplitude_spread", "design",
}  # fmt: skip
_OF_FILES = {
    "split_by", "test", "validation", "structural_zeros", "time", "transform", "control",
    "detection_limit", "time_unit", "doses", "reference_line",
}  # fmt: skip


class PricesTable(Table):
    """What an experiment costs: conditions × (condition + time points × measurement +
    perturbed nodes × perturbation). By default one for each condition at each time point."""

    condition: float = Field(default=0.0, ge=0)
    measurement: float = Field(default=1.0, ge=0)
    perturbation: float = Field(default=0.0, ge=0)


class ObjectiveTable(Table):
    """What is minimised.

    minimise: ["selection_error"], which tells good settings from bad ones where a few noisy
        validation conditions cannot (see `cellbox.models.training_record.Training`);
        ["validation_mae"]; or ["validation_mae", "cost"] for the Pareto front of both.
    error_target: instead, the cheapest budget whose validation MAE is at most this.
    """

    minimise: tuple[Literal["selection_error", "validation_mae", "cost"], ...] = (
        "selection_error",
    )
    error_target: float | None = Field(default=None, gt=0)
    prices: PricesTable = PricesTable()

    @model_validator(mode="before")
    @classmethod
    def _list_to_tuple(cls, given: Any) -> Any:
        if isinstance(given, Mapping) and isinstance(given.get("minimise"), list):
            return {**given, "minimise": tuple(given["minimise"])}
        return given

    @model_validator(mode="after")
    def _sensible(self) -> ObjectiveTable:
        if self.minimise not in _MINIMISED:
            raise ValueError(
                'minimise must be ["selection_error"], ["validation_mae"] or '
                f'["validation_mae", "cost"], found {list(self.minimise)}: cost alone would always '
                "choose the smallest experiment, and selection errors of different budgets "
                "cannot be compared"
            )
        if self.error_target is not None and len(self.minimise) > 1:
            raise ValueError("choose either two objectives or an error_target, not both")
        return self


_MINIMISED = (("selection_error",), ("validation_mae",), ("validation_mae", "cost"))


class PrunerTable(Table):
    """Which trials end early.

    median, asha and hyperband see `reports` validation errors over the training; wilcoxon sees
    one for each repeat, trained one after another. startup_trials: finished trials before
    anything is pruned (median). reduction: of asha and hyperband. p_threshold: of wilcoxon.
    """

    name: Literal["median", "asha", "hyperband", "wilcoxon", "none"] = "median"
    startup_trials: int = Field(default=8, ge=1)
    reports: int = Field(default=9, ge=2)
    reduction: int = Field(default=3, ge=2)
    p_threshold: float = Field(default=0.1, gt=0, lt=1)


class WorkersTable(Table):
    """Who trains. None of this changes what is found, but lanes (see search/README.md).

    count: workers; by default one for each core, or each GPU where gpus_per_worker is set.
    cpu_workers: workers on CPU cores beside those on GPUs. lanes: models that a worker trains side
        by side in one program; by default as many as are worth it, measured when the study begins.
    address: of a running Ray cluster; with `count`, workers for which it has no device yet begin
        when nodes come.
    """

    executor: Literal["ray", "inline"] = "ray"
    count: int | None = Field(default=None, ge=1)
    gpus_per_worker: float = Field(default=0.0, ge=0, le=1)
    cpu_workers: int = Field(default=0, ge=0)
    lanes: int | None = Field(default=None, ge=1)
    address: str | None = None


class ConstraintsTable(Table):
    """What the best trial must keep to; what does not is told to the sampler, and never the best.

    edges: the most edges (non-zero weights) of its network. cost: the most that its data may cost.
    """

    edges: int | None = Field(default=None, ge=1)
    cost: float | None = Field(default=None, gt=0)


class StorageTable(Table):
    """Where Optuna keeps its history: any Optuna storage URL, or a journal in the study."""

    url: str | None = None


class TrackingTable(Table):
    """Where MLflow keeps runs: a tracking URI, or SQLite in the study's folder."""

    enabled: bool = True
    uri: str | None = None


class ExpectedGainTable(Table):
    """When more trials are hardly worth it, by what those so far lead to expect.

    No more are proposed once another `trials` would, with this confidence, make the best error
    smaller by less than the share `improvement` of it (see `search.study.lower_tail`).
    """

    improvement: float = Field(default=0.01, gt=0, lt=1)
    trials: int = Field(default=100, ge=1)
    confidence: float = Field(default=0.95, gt=0.5, lt=1)


def gain_table(given: Any) -> Any:
    """The table that a share alone stands for; a table, or nothing, as it is."""
    if given is None or isinstance(given, Mapping | ExpectedGainTable):
        return given
    return {"improvement": given}


#: What of a spec a study may be given anew while it is under way: points to try, and more time.
STEERING = ("enqueue", "earlier", "hours", "patience", "expected_gain")


class Spec(Table):
    """A sweep. See search/README.md for the same as a TOML file.

    name: the study's; trials: how many the study has in all, beside those carried over from earlier
    studies; repeats: trainings of each trial with a fresh draw of training conditions, noise and
    start. training: settings that are the same for every trial, by their names in
    `cellbox.Settings`.
    enqueue: points that are tried first, whole or in part; the sampler chooses the rest.
    earlier: folders of studies whose trials are carried over, and whose best points are tried.
    hours: after so many a run ends, and may go on later. patience: after so many trials without an
    improvement no more are proposed. expected_gain: nor where more would hardly bring any; a number
    is the share by which the best error is to become smaller.
    """

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=100)
    seed: int = Field(default=0, ge=0, lt=2**31)
    trials: int = Field(default=32, ge=1)
    repeats: int = Field(default=1, ge=1)
    data: DataTable
    training: dict[str, Any] = Field(default_factory=dict)
    space: Space = Space()
    enqueue: tuple[dict[str, Any], ...] = ()
    earlier: tuple[str, ...] = ()
    hours: float | None = Field(default=None, gt=0)
    patience: int | None = Field(default=None, ge=1)
    expected_gain: ExpectedGainTable | None = None
    objective: ObjectiveTable = ObjectiveTable()
    constraints: ConstraintsTable = ConstraintsTable()
    sampler: SamplerTable = SamplerTable()
    pruner: PrunerTable = PrunerTable()
    workers: WorkersTable = WorkersTable()
    storage: StorageTable = StorageTable()
    tracking: TrackingTable = TrackingTable()

    @field_validator("enqueue", "earlier", mode="before")
    @classmethod
    def _listed(cls, given: Any) -> Any:
        return tuple(given) if isinstance(given, list) else given

    @field_validator("expected_gain", mode="before")
    @classmethod
    def _share_alone(cls, given: Any) -> Any:
        return gain_table(given)

    @field_validator("enqueue")
    @classmethod
    def _flat(cls, entries: tuple[dict[str, Any], ...]) -> tuple[dict[str, Any], ...]:
        return tuple(map(flat_point, entries))

    @field_validator("earlier")
    @classmethod
    def _absolute(cls, paths: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(str(Path(path).resolve()) for path in paths)

    @model_validator(mode="before")
    @classmethod
    def _training_is_not_searched(cls, given: Any) -> Any:
        """A setting of [training] is fixed, also where the built-in space would search it.

        So is refinement where something is asked for that least squares alone can fit.
        """
        if not isinstance(given, Mapping):
            return given
        training, space = given.get("training", {}), given.get("space", {})
        if not (isinstance(training, Mapping) and isinstance(space, Mapping)):
            return given
        fixed = {
            name: value
            for name, value in training.items()
            if name in Space.model_fields and isinstance(value, str | int | float)
        }
        space = {**fixed, **space}
        asked = {**training, **space}
        if any(asked.get(name) not in (None, "none", 0) for name in NEED_REFINEMENT):
            space.setdefault("refinement", "select_edges")
        return {**given, "space": space}

    @property
    def repeats_at_once(self) -> int:
        """How many repeats of a trial are trained together."""
        # Wilcoxon judges repeat by repeat, so there each waits for the one before.
        return 1 if self.pruner.name == "wilcoxon" else self.repeats

    @property
    def most_trainings_at_once(self) -> int:
        """The most trainings that can be under way together."""
        return self.sampler.most_in_flight * self.repeats_at_once

    def identity(self) -> dict[str, Any]:
        """What makes two specs the same study: all but size, workers and places to write to."""
        where = ("workers", "storage", "tracking")
        content = self.model_dump(mode="json", exclude={"trials", *where, *STEERING})
        del content["sampler"]["stop_when_tied"]
        return content
