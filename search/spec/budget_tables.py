"""What a budget study is, as Python objects: which experiments may be tried, and what is asked."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from search.spec.tables import Table, TrackingTable, WorkersTable

# A ladder has so many steps unless a number is given; a grid has at most so many cells.
_STEPS, MOST_CELLS = 5, 1000

#: The axes of a simulated experiment, in the order in which they are named.
AXES = (
    "conditions", "perturbed_nodes", "time_points", "spacing", "horizon", "replicates",
    "dose_levels", "noise",
)  # fmt: skip

Measure = Literal["pearson", "auprc", "sign_accuracy", "prediction_error", "named_signs"]


def ladder(low: float, high: float, count: int = _STEPS) -> tuple[float, ...]:
    """Numbers between two, each about the same multiple of the one before; whole where both are."""
    steps = [low * (high / low) ** (step / (count - 1)) for step in range(count)]
    if isinstance(low, int) and isinstance(high, int):
        return tuple(sorted({round(step) for step in steps}))
    return tuple(float(f"{step:.6g}") for step in steps)


def _as_values(given: Any) -> Any:
    """One value, a list, or a table with low, high and count: values that ascend."""
    if isinstance(given, Mapping):
        unknown = set(given) - {"low", "high", "count"}
        if unknown or not {"low", "high"} <= set(given):
            raise ValueError("a range has low and high, and may have a count of values")
        low, high, count = given["low"], given["high"], given.get("count", _STEPS)
        plain = all(isinstance(n, int | float) and not isinstance(n, bool) for n in (low, high))
        if not (plain and 0 < low < high < math.inf and isinstance(count, int) and count > 1):
            raise ValueError(
                f"a range needs numbers with 0 < low < high and a count from 2 up, found {given}"
            )
        return ladder(low, high, count)
    values = tuple(given) if isinstance(given, list | tuple) else (given,)
    if not values:
        raise ValueError("expected at least one value")
    if len(set(values)) < len(values):
        raise ValueError(f"the values must differ, found {list(values)}")
    if all(isinstance(value, int | float) for value in values):
        return tuple(sorted(values))
    return values


_Whole = Annotated[tuple[Annotated[int, Field(ge=1)], ...], BeforeValidator(_as_values)]
_Levels = Annotated[tuple[Annotated[int, Field(ge=0)], ...], BeforeValidator(_as_values)]
_Times = Annotated[tuple[Annotated[float, Field(gt=0)], ...], BeforeValidator(_as_values)]
_Noises = Annotated[tuple[Annotated[float, Field(ge=0)], ...], BeforeValidator(_as_values)]
_Spacings = Annotated[
    tuple[Literal["even", "early", "geometric"], ...], BeforeValidator(_as_values)
]


class FamilyTable(Table):
    """Networks like the user's, of which each draw has another; see `cellbox.random_network`."""

    nodes: int = Field(ge=2)
    density: float = Field(gt=0, le=1)
    weights: tuple[float, float] = (0.5, 1.5)
    motif: Literal["cyclic", "acyclic", "bifurcating"] = "cyclic"
    amplitude: float = Field(default=1.0, gt=0)
    amplitude_spread: float = Field(default=0.0, ge=0)

    @field_validator("weights", mode="before")
    @classmethod
    def _two(cls, given: Any) -> Any:
        return tuple(given) if isinstance(given, list) else given


class TruthTable(Table):
    """What experiments are simulated on.

    system: one of the ten; network: an edge list, whose nodes have this amplitude, or that of a
    file with the columns node and amplitude; model: what `cellbox fit` wrote, of an ensemble each
    member in turn; family: networks drawn at random.
    """

    system: str | None = None
    network: str | None = None
    model: str | None = None
    family: FamilyTable | None = None
    amplitude: float | None = Field(default=None, gt=0)
    amplitudes: str | None = None

    @field_validator("network", "model", "amplitudes")
    @classmethod
    def _absolute(cls, path: str | None) -> str | None:
        return None if path is None else str(Path(path).resolve())

    @model_validator(mode="after")
    def _one_source(self) -> TruthTable:
        names = ("system", "network", "model", "family")
        given = [name for name in names if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(
                f"expected exactly one of system, network, model and family, found "
                f"{' and '.join(given) or 'none'}"
            )
        if self.amplitude is not None and self.network is None:
            raise ValueError("amplitude goes with network only")
        if self.amplitudes is not None and self.model is None is self.family:
            return self
        if self.amplitudes is not None:
            raise ValueError("amplitudes goes with system or network only")
        return self


class AxesTable(Table):
    """What an experiment may have, each a value, a list, or { low, high, count }.

    conditions; perturbed_nodes of each; time_points, with their spacing and horizon (decay times);
    replicates; dose_levels: so many equal steps up to the full dose, 0 for any dose; noise:
    standard deviation of a measurement (log ratio). What is left out follows from the truth.
    """

    conditions: _Whole | None = None
    perturbed_nodes: _Whole | None = None
    time_points: _Whole | None = None
    spacing: _Spacings = ("even",)
    horizon: _Times | None = None
    replicates: _Whole = (1,)
    dose_levels: _Levels = (0,)
    noise: _Noises | None = None


class SuccessTable(Table):
    """When an experiment has succeeded, and how often that is wanted.

    measure: pearson (r of W), auprc, sign_accuracy, named_signs (share of `edges`, written
    "A -> B", whose learned sign is right), which reach the threshold; or prediction_error, which
    stays below it.
    """

    measure: Measure = "pearson"
    threshold: float = 0.9
    share: float = Field(default=0.9, gt=0, lt=1)
    edges: tuple[str, ...] = ()

    @field_validator("edges", mode="before")
    @classmethod
    def _listed(cls, given: Any) -> Any:
        return tuple(given) if isinstance(given, list) else given

    @model_validator(mode="after")
    def _edges_are_named(self) -> SuccessTable:
        if (self.measure == "named_signs") != bool(self.edges):
            raise ValueError('measure = "named_signs" and a list of edges go together')
        if any(edge.count("->") != 1 for edge in self.edges):
            raise ValueError(f'edges are written "A -> B", found {list(self.edges)}')
        return self

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """Source and target of the named edges."""
        split = (edge.split("->") for edge in self.edges)
        return tuple((source.strip(), target.strip()) for source, target in split)

    @property
    def falls(self) -> bool:
        """Whether a smaller score is the better one."""
        return self.measure == "prediction_error"

    def reached(self, score: float | None) -> bool:
        """Whether an experiment with this score has succeeded; one without any has not."""
        if score is None:
            return False
        return score <= self.threshold if self.falls else score >= self.threshold


class BudgetPricesTable(Table):
    """What parts of an experiment cost; see `cellbox.budgets.prices.Prices`.

    noise: by its standard deviation, written as a text, what measuring a sample so well costs.
    Where no price is given, a sample costs one.
    """

    fixed: float = Field(default=0.0, ge=0)
    condition: float = Field(default=0.0, ge=0)
    perturbed_node: float = Field(default=0.0, ge=0)
    sample: float = Field(default=0.0, ge=0)
    time_point: float = Field(default=0.0, ge=0)
    replicate: float = Field(default=0.0, ge=0)
    plate: float = Field(default=0.0, ge=0)
    wells: int = Field(default=96, ge=1)
    noise: dict[str, float] = Field(default_factory=dict)
    unit: str = ""


class LimitsTable(Table):
    """At most so many conditions, samples or plates, or so much money."""

    conditions: int | None = Field(default=None, ge=1)
    samples: int | None = Field(default=None, ge=1)
    plates: int | None = Field(default=None, ge=1)
    cost: float | None = Field(default=None, gt=0)


class ChoosingTable(Table):
    """How budgets are chosen, and when it is enough.

    name: unsure (where the answer and the surface are), grid (every budget in turn) or random.
    interval: the study stops when the cost's 90 % interval is at most this share of the cost wide;
    0 for never. fewest: experiments before it may stop. in_flight: experiments under way at once;
    each choice sees exactly those that lie this far back.
    """

    name: Literal["unsure", "grid", "random"] = "unsure"
    interval: float = Field(default=0.1, ge=0)
    fewest: int = Field(default=40, ge=1)
    in_flight: int = Field(default=8, ge=1)


class DataSource(Table):
    """Measured data whose parts are smaller experiments; see `cellbox lint`."""

    folder: str
    test: float = Field(default=0.3, gt=0, lt=1)
    structural_zeros: bool = False
    time: float | None = Field(default=None, gt=0)

    @field_validator("folder")
    @classmethod
    def _absolute(cls, path: str) -> str:
        return str(Path(path).resolve())


class DataAxes(Table):
    """Parts of measured data: conditions learned from, time points, nodes measured."""

    conditions: _Whole | None = None
    time_points: _Whole | None = None
    nodes: _Whole | None = None


class _Study(Table):
    """What all budget studies have.

    experiments: at most so many. draws: of design, noise and truth, or of held-out conditions;
    each budget sees every draw at most once.
    """

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=100)
    seed: int = Field(default=0, ge=0, lt=2**31)
    experiments: int = Field(default=200, ge=1)
    draws: int = Field(default=20, ge=2)
    workers: WorkersTable = WorkersTable()
    tracking: TrackingTable = TrackingTable()

    def identity(self) -> dict[str, Any]:
        """What makes two specs the same study: all but size, workers and places to write to."""
        return self.model_dump(mode="json", exclude={"experiments", "workers", "tracking"})


class BudgetSpec(_Study):
    """A study of simulated experiments. See search/README.md for the same as a TOML file.

    panel: the nodes that are perturbed and measured; all by default. design: "balanced" perturbs
    all nodes about equally often, "paper" random ones.
    """

    truth: TruthTable
    axes: AxesTable = AxesTable()
    panel: tuple[str, ...] | None = None
    design: Literal["paper", "balanced"] = "balanced"
    success: SuccessTable = SuccessTable()
    prices: BudgetPricesTable = BudgetPricesTable()
    limits: LimitsTable = LimitsTable()
    choosing: ChoosingTable = ChoosingTable()

    @field_validator("panel", mode="before")
    @classmethod
    def _listed(cls, given: Any) -> Any:
        return tuple(given) if isinstance(given, list) else given

    def identity(self) -> dict[str, Any]:
        """Without what may change while the study goes on: when it is precise enough."""
        content = super().identity()
        del content["choosing"]["interval"], content["choosing"]["fewest"]
        return content


class DataBudgetSpec(_Study):
    """A study of parts of measured data. further: conditions that might be added."""

    draws: int = Field(default=10, ge=2)
    data: DataSource
    axes: DataAxes = DataAxes()
    further: int = Field(default=20, ge=1)
