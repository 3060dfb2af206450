"""Training a recorded trial once more, alone, in the shape it had."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cellbox.errors import refuse
from cellbox.storage.compilation import keep_compiled_programs
from search.study.access import spec_of
from search.study.data_loading import load_study_data
from search.study.folder import StudyFolder
from search.study.record import TrialRecord
from search.sweeping.trials import make_job, make_plan, state_of_parent
from search.workers.inline import InlineExecutor
from search.workers.job import Finished
from search.workers.worker import Worker


@dataclass(frozen=True)
class Rerun:
    """What a trial was recorded with, and what it gave this time.

    identical: whether every repeat's network and validation error is the same to the last bit.
    largest_difference: of any weight. changed: what differs in the shape, a line each.
    """

    number: int
    recorded_validation_mae: float | None
    validation_mae: float | None
    identical: bool
    largest_difference: float
    changed: tuple[str, ...]

    def sentences(self) -> Iterator[str]:
        """What came out beside what was recorded."""
        yield (
            f"trial {self.number}: validation MAE {self.recorded_validation_mae} recorded, "
            f"{self.validation_mae} now"
        )
        if self.identical:
            yield "The same numbers to the last bit."
        else:
            yield f"Weights differ by at most {self.largest_difference:.3g}."
        for change in self.changed:
            yield f"The shape differs: {change}"

    def as_dict(self) -> dict[str, Any]:
        """The comparison as plain values."""
        return {**self.__dict__, "changed": list(self.changed)}


def rerun_trial(study: str | Path, number: int) -> Rerun:
    """Train a trial again from its record, in this process, alone in a pack of the same shape.

    On the same kind of device with the same versions and threads the numbers are the same to
    the last bit. Raises InputError for a trial that is not there, or was pruned.

    Example:
        >>> import search
        >>> result = search.sweep(search.read_spec("tiny.toml"), study="tiny_again")
        >>> search.rerun_trial("tiny_again", result.best.number).identical
        True
    """
    folder = StudyFolder(Path(study)).require()
    if not folder.finished(number):
        raise refuse(
            f"trial {number}", f"expected a finished trial of {folder.path}, found none",
            "See the trial table for the numbers there are",
        )  # fmt: skip
    record = folder.record(number)
    networks, best = folder.networks(number), record.best_repeat
    if networks is None or best is None or record.shape is None:
        raise refuse(
            f"trial {number}",
            "expected a trial that ran to its end, found a pruned one",
            "Choose a completed or diverged trial",
        )
    keep_compiled_programs()
    finished = _train(record, record.shape["lanes"], folder)
    again = np.stack([one.weights for one in finished])
    recorded = record.repeats[best].training.validation_mae
    found = finished[best].record.training.validation_mae
    return Rerun(
        number=number,
        recorded_validation_mae=recorded,
        validation_mae=found,
        identical=bool(np.array_equal(again, networks.weights) and recorded == found),
        largest_difference=float(np.max(np.abs(again - networks.weights))),
        changed=tuple(_changes(record.shape, finished[best].shape)),
    )


def _train(record: TrialRecord, n_lanes: int, folder: StudyFolder) -> list[Finished]:
    """Every repeat of a trial, trained once more in this process."""
    spec = spec_of(folder)
    data = load_study_data(spec)
    plan = make_plan(record.number, record.parameters, spec, data, lineage=record.lineage)
    begins = state_of_parent(plan, folder)
    executor = InlineExecutor(Worker, data, n_lanes)
    for repeat in range(len(record.repeats)):
        executor.submit(make_job(plan, repeat, spec, data, begins))
    finished: dict[int, Finished] = {}
    while len(finished) < len(record.repeats):
        for event in executor.poll():
            if isinstance(event, Finished):
                finished[event.repeat] = event
    return [finished[repeat] for repeat in sorted(finished)]


def _changes(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    return [
        f"{key}: {before.get(key)!r} recorded, {now.get(key)!r} now"
        for key in sorted({*before, *now})
        if before.get(key) != now.get(key)
    ]
