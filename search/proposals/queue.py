"""Points that are tried before the sampler chooses: where they come from, when their turn is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any


@dataclass(frozen=True)
class QueuedPoint:
    """A point, whole or in part, that the trial of this number gets.

    origin: where it comes from, for people.
    """

    number: int
    parameters: Mapping[str, Any]
    origin: str


@dataclass(frozen=True)
class CarriedTrial:
    """A finished trial of an earlier study that this study has as well.

    study: that study's folder. trial: its number there. parameters: its point in this study's
        space.
    """

    study: str
    trial: int
    parameters: Mapping[str, Any]

    @property
    def origin(self) -> str:
        """Where it comes from, for people."""
        return f"carried over from {self.study}, trial {self.trial}"


@dataclass(frozen=True)
class Queue:
    """What a study tries before its sampler chooses.

    carried: the first trials, in order. queued: the points of later ones.
    """

    carried: tuple[CarriedTrial, ...] = ()
    queued: tuple[QueuedPoint, ...] = ()

    def of(self, number: int) -> QueuedPoint | None:
        """The point that a trial is to have; None where the sampler chooses all of it."""
        return next((point for point in self.queued if point.number == number), None)

    def origin(self, number: int) -> str | None:
        """Where a trial's point comes from; None where the sampler chose it."""
        if number < len(self.carried):
            return self.carried[number].origin
        point = self.of(number)
        return None if point is None else point.origin

    def with_more(self, points: Sequence[tuple[Mapping[str, Any], str]], asked: int) -> Queue:
        """With further points, each with its origin, for the trials after `asked` that are free."""
        taken = [point.number + 1 for point in self.queued]
        first = max([asked, len(self.carried), *taken])
        more = [
            QueuedPoint(first + place, parameters, origin)
            for place, (parameters, origin) in enumerate(points)
        ]
        return replace(self, queued=(*self.queued, *more))

    def as_dict(self) -> dict[str, Any]:
        """As plain values."""
        return {
            "carried": [asdict(trial) for trial in self.carried],
            "queued": [asdict(point) for point in self.queued],
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> Queue:
        """What `as_dict` gave."""
        return cls(
            tuple(CarriedTrial(**trial) for trial in content["carried"]),
            tuple(QueuedPoint(**point) for point in content["queued"]),
        )
