"""What is saved of a training under way, and whether another training may go on with it."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from cellbox.storage.seals import digest_of
from cellbox.training.lane_state import (
    LaneState,
    UnusableState,
    state_as_bytes,
    state_from_bytes,
)
from search.study.data import StudyData
from search.workers.job import Job, Report

#: Seconds between two of them: what a worker that dies costs at most of each of its trainings.
SAVE_EVERY = 30.0
#: Where a run is asked to end, trainings that are no further than this begin anew later.
WORTH_SAVING = 5.0
# However large trainings are, saving takes at most such a share of the time.
_SHARE = 0.02
#: Of what one answer brings; the rest comes with the next ones.
MOST_BYTES = 2**26


@dataclass(frozen=True)
class Spent:
    """What a training has cost so far, in seconds.

    seconds, compile_seconds: as its record has them. elapsed: since it began, by the clock on the
    wall, while a worker had it.
    """

    seconds: float
    compile_seconds: float
    elapsed: float


def identity_of(job: Job, shape: Mapping[str, Any], data_digest: str) -> dict[str, Any]:
    """All that the numbers of a training depend on; shape: as a record has it."""
    return {
        "seed": job.seed,
        "settings": asdict(job.settings),
        "conditions": digest_of(np.ascontiguousarray(job.rows, np.int64).tobytes()),
        "times": digest_of(np.ascontiguousarray(job.times, np.int64).tobytes()),
        "data": data_digest,
        "begins": None if job.begins is None else digest_of(job.begins),
        "until": job.until,
        **shape,
    }


def digest_of_data(data: StudyData) -> str:
    """The digest of all numbers that trainings of a study learn from and are chosen by."""
    digest = hashlib.sha256()
    for part in (data.pool, data.validation):
        for values in (part.perturbations, part.measurements, part.times, part.possible_edges):
            digest.update(np.ascontiguousarray(values, float).tobytes())
        if part.errors is not None:
            digest.update(np.ascontiguousarray(part.errors, float).tobytes())
    return digest.hexdigest()


def saved_as_bytes(state: LaneState, identity: Mapping[str, Any], spent: Spent) -> bytes:
    """What another worker, or a later run, needs to go on with a training."""
    return state_as_bytes(state, {"identity": identity, "spent": asdict(spent)})


def saved_in(content: bytes, identity: Mapping[str, Any]) -> tuple[LaneState, Spent]:
    """What was saved of the training with this identity.

    Raises UnusableState where it is damaged, or of another training.
    """
    state, notes = state_from_bytes(content)
    try:
        kept, spent = dict(notes["identity"]), Spent(**notes["spent"])
    except (KeyError, TypeError, ValueError) as error:
        raise UnusableState("expected what a worker saves, found something else") from error
    # As it would have been read.
    wanted = json.loads(json.dumps(identity))
    other = [name for name in sorted({*wanted, *kept}) if wanted.get(name) != kept.get(name)]
    if other:
        raise UnusableState(f"it was trained with other {', '.join(other)}")
    return state, spent


def earlier_reports(job: Job, state: LaneState) -> Iterator[Report]:
    """What a training has reported on its way to this state, as it did then."""
    best = float("inf")
    for step, _, validation in state.history:
        best = min(best, validation)
        yield Report(job.trial, job.repeat, step, best)


def state_at_the_end(state: LaneState | None) -> bytes | None:
    """Where a training stopped, with which another goes on."""
    return None if state is None else state_as_bytes(state, {})


def beginning_of(job: Job) -> LaneState | None:
    """The state from which a training begins; None where its seed decides.

    Raises UnusableState where it is damaged.
    """
    return None if job.begins is None else state_from_bytes(job.begins)[0]


class Timing:
    """When a worker saves next, so that it costs little."""

    def __init__(self) -> None:
        self._not_before = 0.0

    @property
    def rested(self) -> bool:
        """Whether it has done other things for long enough."""
        return time.monotonic() >= self._not_before

    def took(self, seconds: float) -> None:
        """Take note of how long it took to save."""
        self._not_before = time.monotonic() + seconds / _SHARE
