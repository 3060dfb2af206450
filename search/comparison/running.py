"""The loop of a comparison: every split of every scheme, what is finished once only."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from cellbox.data.dataset import Dataset
from cellbox.data.split_schemes import SCHEMES, HeldOut, held_out
from cellbox.evaluation.held_out_predictions import Entrant, predict_held_out
from cellbox.evaluation.paired_comparison import Predicted, SchemeReport, report_scheme
from search.comparison.folder import ComparisonFolder
from search.console.interrupts import Interrupted


class ComparisonDisplay(Protocol):
    """Shows how a comparison gets on."""

    def update(self, finished: float, total: int, now: str, seconds_left: float | None) -> None:
        """So many splits of all are done, parts included; `now` is the split under way."""

    def close(self) -> None:
        """Nothing more will come."""


@dataclass(frozen=True)
class Comparison:
    """What a comparison found: a report for each scheme."""

    data: str
    entrant: Entrant
    schemes: tuple[SchemeReport, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain values; the names are an interface."""
        return {
            "data": self.data,
            "cellbox": asdict(self.entrant),
            "schemes": [
                {**asdict(scheme), "sentences": scheme.sentences()} for scheme in self.schemes
            ],
        }


def compare(
    data: Dataset,
    entrant: Entrant,
    *,
    schemes: Sequence[str] = SCHEMES,
    seeds: int = 10,
    out: str | Path,
    progress: ComparisonDisplay | None = None,
) -> Comparison:
    """Predict the held-out rows of every split with CellBox and simpler models, and report.

    seeds: of random splits. out: a folder that keeps each finished split; splits that are there
        already are not done again.

    Raises InputError where the data do not suit a scheme or the settings, and where `out` holds
    other results or another comparison is running there; Interrupted on Ctrl-C.
    """
    splits = [split for scheme in schemes for split in held_out(data, scheme, seeds=seeds)]
    folder = ComparisonFolder(Path(out))
    with folder.opened():
        predicted = predict_splits(data, [(split, entrant) for split in splits], folder, progress)
        reports = tuple(_report(data, scheme, splits, predicted) for scheme in schemes)
        comparison = Comparison(data.name, entrant, reports)
        folder.write_report(comparison.as_dict())
    return comparison


def predict_splits(
    data: Dataset,
    asked: Sequence[tuple[HeldOut, Entrant]],
    folder: ComparisonFolder,
    progress: ComparisonDisplay | None = None,
) -> list[Predicted]:
    """Predictions of each split's held-out rows, by what is to learn from the others.

    folder: which this process holds; what it has is not done again.

    Raises as `compare` does.
    """
    found = [folder.read(data, split, entrant) for split, entrant in asked]
    tally = _Tally(len(asked), sum(each is not None for each in found), progress)
    try:
        return [
            _done(data, split, entrant, folder, tally) if each is None else each
            for (split, entrant), each in zip(asked, found, strict=True)
        ]
    except KeyboardInterrupt as stopped:
        raise Interrupted(folder.path, tally.finished, len(asked), "splits") from stopped
    finally:
        if progress is not None:
            progress.close()


def _report(
    data: Dataset, scheme: str, splits: Sequence[HeldOut], predicted: Sequence[Predicted]
) -> SchemeReport:
    own = [index for index, split in enumerate(splits) if split.scheme == scheme]
    return report_scheme(
        data, [splits[index] for index in own], [predicted[index] for index in own]
    )


def _done(
    data: Dataset, split: HeldOut, entrant: Entrant, folder: ComparisonFolder, tally: _Tally
) -> Predicted:
    """The predictions of a split, which are kept as soon as they are there."""
    name = f"{split.scheme}, {split.name}"
    tally.tell(name, 0.0)
    predicted = predict_held_out(
        data, split, entrant, lambda step, steps, _: tally.tell(name, step / steps)
    )
    folder.write(data, split, entrant, predicted)
    tally.count()
    return predicted


class _Tally:
    """How many splits are finished, and how long the others will take."""

    def __init__(self, total: int, finished: int, progress: ComparisonDisplay | None):
        self.finished = finished
        self._total, self._progress = total, progress
        self._before, self._started = finished, time.perf_counter()

    def tell(self, name: str, share: float) -> None:
        """Show the split under way, and the share of it that is done."""
        if self._progress is None:
            return
        done = self.finished - self._before + share
        left = None
        if done > 0:
            seconds = time.perf_counter() - self._started
            left = seconds / done * (self._total - self.finished - share)
        self._progress.update(self.finished + share, self._total, name, left)

    def count(self) -> None:
        """One more is finished."""
        self.finished += 1
