"""What executors are given and what they give back. Plain values and arrays only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Int

from cellbox.arrays import EdgeValues, NodeValues, RowNumbers
from cellbox.settings import Settings
from search.study.record import RepeatRecord

#: What names a piece of work within a study: its trial and its repeat.
Key = tuple[int, int]


@dataclass(frozen=True, eq=False)
class Work:
    """What a worker is given; what is to be done is in subclasses."""

    trial: int
    repeat: int

    @property
    def key(self) -> Key:
        """What names this work within a study."""
        return self.trial, self.repeat


@dataclass(frozen=True, eq=False)
class Job(Work):
    """One training: one repeat of one trial.

    rows, times: indices into the study's pool that this training may see. saved: from where it goes
        on, as a `Saved` brought it; None where it begins. begins: the end of another training, from
        which it begins; None where its seed decides. until: the step at which it is over before its
        settings' last one; None where it is not.
    """

    seed: int
    settings: Settings
    rows: RowNumbers
    times: Int[np.ndarray, " n_times"]
    saved: bytes | None = None
    begins: bytes | None = None
    until: int | None = None


@dataclass(frozen=True)
class Report:
    """A training's validation error on its way."""

    trial: int
    repeat: int
    step: int
    validation_mae: float


@dataclass(frozen=True, eq=False)
class Saved:
    """What is needed to go on with a training from a step of its descent, as bytes."""

    trial: int
    repeat: int
    step: int
    content: bytes


@dataclass(frozen=True)
class Continued:
    """A training that was given what had been saved of it.

    step: from which it goes on. trouble: why it begins anew instead, from step 0; None where not.
    """

    trial: int
    repeat: int
    step: int
    trouble: str | None = None


@dataclass(frozen=True)
class Descended:
    """A training whose lane is free: what follows its descent is under way."""

    trial: int
    repeat: int


@dataclass(frozen=True, eq=False)
class Ended:
    """Work that is over; what came of it is in subclasses."""

    trial: int
    repeat: int


@dataclass(frozen=True, eq=False)
class Finished(Ended):
    """A training that ended.

    record: what the trial's record says of this repeat; its seconds are its share of the time that
        its worker spent training.
    shape: what its numbers depend on beside settings, data and seed.
    started: seconds since 1970.
    state: where its descent stopped before its last step; None where it did not.
    """

    weights: EdgeValues
    amplitudes: NodeValues
    record: RepeatRecord
    baselines: dict[str, Any]
    shape: dict[str, Any]
    started: float
    state: bytes | None = None


Event = Report | Saved | Continued | Ended
WorkerEvent = Event | Descended


@dataclass(frozen=True)
class WorkerReport:
    """What a worker answers to one call: what happened, and how its time went so far.

    seconds: since its first job; training_seconds: of these, with its device at work.
    lanes_advanced: lanes of packs that were advanced; lanes_filled: of these, with a training.
    """

    events: tuple[WorkerEvent, ...] = ()
    programs: int = 0
    compile_seconds: float = 0.0
    training_seconds: float = 0.0
    seconds: float = 0.0
    lanes_advanced: int = 0
    lanes_filled: int = 0
