"""The queue's work, done by Ray's actors: those that are there, and those that come."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import ray
from ray.exceptions import RayError, RayTaskError

from cellbox.errors import InputError
from search.workers.executor import Executor, MakeWorker, WorkerDied
from search.workers.job import Ended, Event, Key, Work, WorkerReport
from search.workers.ray_actors import DEATHS, RayCluster, Seat, lost_for_good

if TYPE_CHECKING:
    # It brings JAX.
    from search.workers.plan import DevicePlan

# Seconds in which the loop of a sweep does not turn.
_LONGEST_WAIT = 1.0
_MOST_STARTS = 3
_MOST_FAILURES = 3


@dataclass(frozen=True)
class PackSizes:
    """How many models a worker trains side by side, by the kind of its device.

    usual: of kinds that are not named; None where they have to be measured, on `measured`, the
    arguments of `search.workers.plan.device_plan`. learned: told what was measured.
    """

    by_kind: dict[str, int] = field(default_factory=dict)
    usual: int | None = None
    measured: tuple[Any, ...] = ()
    learned: Callable[[DevicePlan], None] | None = None


class RayExecutor(Executor):
    """Workers in Ray actors, on this machine or on a cluster.

    A worker takes part from the moment in which it has come up. Where Ray itself dies that was
    started for this run, it is started again, and what was under way with it.
    """

    calls_at_once = 2

    def __init__(self, cluster: RayCluster, make_worker: MakeWorker, data: Any, sizes: PackSizes):
        super().__init__([0] * len(cluster.seats))
        self._cluster, self._make_worker = cluster, make_worker
        self._sizes = sizes
        cluster.wait_until_prepared()
        self._plain_data = data
        self._data = ray.put(data)
        self._starts = 0
        # Answers that each worker owes, the oldest first.
        self._calls: list[deque[Any]] = [deque() for _ in cluster.seats]
        self._held: list[Any] = [None for _ in cluster.seats]
        self._plans: dict[int, Any] = {}
        self._failures: dict[int, int] = {}
        for seat in cluster.seats:
            if seat.introduction is not None:
                self._settle(seat)

    def describe_workers(self) -> list[dict[str, Any]]:
        """The process and device of each worker."""
        return ray.get(
            [self._cluster.seats[number].actor.describe.remote() for number in self._at_work()]
        )

    def poll(self) -> list[Event]:
        """See `Executor.poll`. Raises InputError where Ray is gone for good."""
        gone = self._cluster.lost()
        try:
            if gone is None:
                self._take_new_seats()
                events = super().poll()
                if any(isinstance(event, Ended) for event in events):
                    self._starts = 0
                return events
        except (RayError, OSError) as error:
            # Ray's processes may be gone for some moments before that is seen.
            gone = self._cluster.lost()
            if gone is None:
                raise error
        self._begin_again(str(gone))
        return []

    def save(self, seconds: float) -> list[Event]:
        """See `Executor.save`; nothing where Ray is gone."""
        try:
            return super().save(seconds) if self._cluster.lost() is None else []
        except (RayError, OSError) as error:
            self.notices.append(f"trainings under way were not saved: {type(error).__name__}")
            return []

    def _ask_to_save(self, worker: int) -> bool:
        self._calls[worker].append(self._cluster.seats[worker].actor.save.remote())
        return True

    def _available(self, worker: int) -> bool:
        return self._held[worker] is not None

    def _at_work(self) -> list[int]:
        return [number for number in range(len(self._held)) if self._available(number)]

    def _send(self, worker: int, jobs: Sequence[Work], cancelled: Sequence[Key]) -> None:
        actor = self._cluster.seats[worker].actor
        self._calls[worker].append(actor.work.remote(jobs, cancelled))

    def _receive(self) -> tuple[int, WorkerReport] | None:
        owed = {calls[0]: worker for worker, calls in enumerate(self._calls) if calls}
        coming = self._coming()
        if not (owed or coming):
            # An answer was taken whose call an interrupt left as it was.
            time.sleep(_LONGEST_WAIT)
            return None
        # Not for ever: a worker that compiles is silent, and the sweep may be asked to stop.
        answered, _ = ray.wait([*owed, *coming], num_returns=1, timeout=_LONGEST_WAIT)
        if not answered:
            return None
        (answer,) = answered
        if answer not in owed:
            self._come(coming[answer])
            return None
        worker = owed[answer]
        self._calls[worker].popleft()
        try:
            return worker, ray.get(answer)
        except DEATHS as error:
            gone = self._cluster.node_is_gone(worker)
            why = "its node has left" if gone else type(error).__name__
            raise WorkerDied(worker, why, blameless=gone) from error
        except RayTaskError as error:
            # A refusal inside the worker is the user's to read, without Ray around it.
            if isinstance(error.cause, InputError):
                raise error.cause from None
            # Where the worker never came up, that is what went wrong.
            ray.get(self._held[worker])
            raise

    def _wait_for_workers(self) -> None:
        coming = self._coming()
        if not coming:
            # All that were there are gone, and others may come.
            time.sleep(_LONGEST_WAIT)
            return
        answered, _ = ray.wait(list(coming), num_returns=1, timeout=_LONGEST_WAIT)
        for answer in answered:
            self._come(coming[answer])

    def _coming(self) -> dict[Any, Seat]:
        """What workers that are not at work yet owe: their introductions and measurements."""
        seats = self._cluster.seats
        found = {seat.waiting: seat for seat in seats if seat.waiting is not None}
        return found | {answer: seats[number] for number, answer in self._plans.items()}

    def _come(self, seat: Seat) -> None:
        """Take what a worker says that is coming up."""
        try:
            if seat.number in self._plans:
                plan = ray.get(self._plans.pop(seat.number))
                self._sizes.by_kind[plan.kind] = plan.lanes
                if self._sizes.learned is not None:
                    self._sizes.learned(plan)
            else:
                self._cluster.introduced(seat)
        except (*DEATHS, RayTaskError) as error:
            self._plans.pop(seat.number, None)
            self._failed_to_come(seat, error)
            return
        self._settle(seat)

    def _failed_to_come(self, seat: Seat, error: Exception) -> None:
        failures = self._failures[seat.number] = self._failures.get(seat.number, 0) + 1
        if failures < _MOST_FAILURES:
            self._cluster.replace(seat.number)
            return
        seat.removed, seat.waiting = True, None
        last = (str(error).strip().splitlines() or [""])[-1].strip()
        self.notices.append(
            f"worker {seat.number} did not come up in {failures} tries and is left out ({last})"
        )

    def _settle(self, seat: Seat) -> None:
        """Give a worker that has come up the data, if it is one that may train."""
        introduction = seat.introduction
        assert introduction is not None
        unlike = self._cluster.unlike_here(introduction)
        if unlike:
            # It keeps its device, so that no other worker of ours is begun there.
            self.notices.append(
                f"the node {introduction.host} is not used: other versions are installed there "
                f"({', '.join(unlike)})"
            )
            return
        lanes = self._sizes.by_kind.get(introduction.kind, self._sizes.usual)
        if lanes is None:
            self._plans[seat.number] = seat.actor.plan.remote(*self._sizes.measured)
            return
        self.lanes[seat.number] = lanes
        self._held[seat.number] = seat.actor.hold.remote(self._make_worker, self._data, lanes)

    def _take_new_seats(self) -> None:
        for _ in self._cluster.adjust():
            self._add_worker()
            self._calls.append(deque())
            self._held.append(None)

    def _restart(self, worker: int) -> None:
        self._calls[worker].clear()
        self._held[worker] = None
        self._cluster.replace(worker)

    def _begin_again(self, gone: str) -> None:
        """Start Ray again, and with it all that was under way."""
        self._starts += 1
        if not self._cluster.session.owned or self._starts > _MOST_STARTS:
            raise lost_for_good(gone)
        self.notices.append(
            f"{gone}; it was started again, and trials under way go on or start again"
        )
        self._requeue_all()
        self._plans.clear()
        self._cluster.start_again()
        self._data = ray.put(self._plain_data)
        self._calls = [deque() for _ in self._cluster.seats]
        self._held = [None for _ in self._cluster.seats]

    def close(self) -> None:
        """End the workers."""
        self._cluster.close()
