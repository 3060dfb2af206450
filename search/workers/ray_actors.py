"""Ray actors that each own a device: a GPU, a share of one, or one CPU core."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import ray
from ray.exceptions import (
    ObjectLostError,
    OutOfMemoryError,
    RayActorError,
    RayTaskError,
    WorkerCrashedError,
)

from cellbox.errors import InputError, Problem, refuse
from search.console.interrupts import interrupt_if_asked
from search.spec.tables import WorkersTable
from search.workers.ray_actor import Actor, Introduction
from search.workers.ray_scout import Scout, Sight, look
from search.workers.ray_session import RaySession
from search.workers.versions import differences, versions

if TYPE_CHECKING:
    # They bring JAX, which a worker's process may only meet when its device is settled.
    from cellbox.training.lane import Shape
    from search.workers.plan import DevicePlan

DEATHS = (RayActorError, WorkerCrashedError, OutOfMemoryError, ObjectLostError)

_LOOK_EVERY = 0.5  # seconds
# Ray's own limit for a node that is silent is about this.
_LONGEST_SILENCE = 30.0
# For the others, when the first worker of a cluster has come up.
_WAIT_FOR_OTHERS = 20.0
_SAY_AFTER = 5.0


@dataclass(eq=False)
class Seat:
    """A worker that is there, or wanted.

    waiting: its introduction, while that is on its way. node: where it is, once that is known.
    """

    number: int
    gpu_share: float
    actor: Any
    waiting: Any
    introduction: Introduction | None = None
    removed: bool = False


class RayCluster:
    """Ray and its workers, which import JAX while the caller makes the data.

    Ray itself starts at once and in the caller's thread: it forks, and a fork beside a thread
    that is importing or compiling can hang. A cluster that was not started here may get nodes and
    lose them: see `adjust`.

    Raises InputError where Ray cannot give what was asked for. say: told what is waited for.
    """

    #: Of each worker; Ray gives a core to nobody else.
    cpus_per_worker = 1.0

    def __init__(
        self, workers: WorkersTable, say: Callable[[str], None] = print, **ray_options: Any
    ):
        self._workers = workers
        self._say = say
        self._versions: dict[str, str] = {}
        self._scout: Scout | None = None
        self._prepared = False
        self.seats: list[Seat] = []
        self.session = RaySession(workers.address, ray_options)
        try:
            self._begin()
        except BaseException:
            self.close()
            raise

    def _begin(self) -> None:
        if not self.session.owned:
            self._versions = versions()
            self._scout = Scout()
        sight = self._scout.sight if self._scout is not None else look()
        wanted = self._wanted(sight)
        self._refuse_too_many(sight, wanted)
        for share, count in wanted.items():
            for _ in range(count):
                self._add_seat(share)

    @property
    def elastic(self) -> bool:
        """Whether nodes may come and go."""
        return self.session.address is not None

    def start_again(self) -> None:
        """Start Ray once more, where it was started here, with as many workers as before."""
        shares = [seat.gpu_share for seat in self.seats]
        self.seats = []
        self.session.start_again()
        for share in shares:
            self._add_seat(share)

    def lost(self) -> str | None:
        """What is gone without which Ray is of no use; None while all is there."""
        if self.session.owned:
            gone = self.session.lost()
            return None if gone is None else f"Ray's process {gone} died"
        if self._scout is not None and self._scout.silent_for > _LONGEST_SILENCE:
            why = f" ({self._scout.trouble})" if self._scout.trouble else ""
            return f"Ray has not answered for {_LONGEST_SILENCE:.0f} s{why}"
        return None

    def refuse_if_lost(self) -> None:
        """Raises InputError where Ray is gone."""
        gone = self.lost()
        if gone is not None:
            raise lost_for_good(gone)

    def node_is_gone(self, number: int) -> bool:
        """Whether the machine of a worker has left the cluster, as opposed to its process."""
        introduction = self.seats[number].introduction
        if not self.elastic or introduction is None:
            return False
        return introduction.node not in look().nodes

    def _wanted(self, sight: Sight) -> dict[float, int]:
        """How many workers there should be with each share of a GPU."""
        share, beside = self._workers.gpus_per_worker, self._workers.cpu_workers
        count = self._workers.count or _devices(sight, share)
        return {share: count, 0.0: beside} if share and beside else {share: count}

    def adjust(self) -> list[Seat]:
        """Follow a cluster that has changed: seats for new devices, which are returned.

        Where a number of workers is asked for, all have a seat from the beginning, and Ray, or what
        scales its cluster, finds a device for those that wait. Where none is, a seat whose device
        went for good is given up.
        """
        if self._scout is None or not self.elastic or self._workers.count is not None:
            return []
        share = self._workers.gpus_per_worker
        mine = [seat for seat in self.seats if seat.gpu_share == share and not seat.removed]
        more = _devices(self._scout.sight, share) - len(mine)
        waiting = [seat for seat in mine if seat.introduction is None]
        for seat in waiting[len(waiting) + min(0, more) :]:
            ray.kill(seat.actor)
            seat.removed, seat.waiting = True, None
        return [self._add_seat(share) for _ in range(more)]

    def _add_seat(self, share: float) -> Seat:
        seat = Seat(len(self.seats), share, None, None)
        self.seats.append(seat)
        self._fill(seat)
        return seat

    def _fill(self, seat: Seat) -> None:
        options = {
            "num_cpus": self.cpus_per_worker, "num_gpus": seat.gpu_share, "max_restarts": 0
        }  # fmt: skip
        seat.actor = ray.remote(Actor).options(**options).remote(seat.gpu_share)
        seat.waiting = seat.actor.prepare.remote(seat.number, bool(self._versions))
        seat.introduction = None

    def replace(self, number: int) -> Seat:
        """Begin a new process in the place of a worker that no longer answers."""
        seat = self.seats[number]
        # One that only lost its connection would keep its device from the new one.
        ray.kill(seat.actor)
        self._fill(seat)
        return seat

    def introduced(self, seat: Seat) -> Introduction:
        """Take what a worker says that has come up. Raises what went wrong there."""
        seat.introduction = ray.get(seat.waiting)
        seat.waiting = None
        return seat.introduction

    def unlike_here(self, introduction: Introduction) -> list[str]:
        """What is installed otherwise where a worker is."""
        there = introduction.versions
        return differences(self._versions, there) if self._versions else []

    def wait_until_prepared(self) -> None:
        """Wait until each worker has its device. Raises what went wrong there.

        Of a cluster, until the first have: nodes may come later.
        """
        began, first, told = time.monotonic(), None, False
        while not self._prepared:
            waiting = {seat.waiting: seat for seat in self.seats if seat.waiting is not None}
            if not waiting:
                break
            self.refuse_if_lost()
            interrupt_if_asked()
            came, _ = ray.wait(list(waiting), num_returns=len(waiting), timeout=_LOOK_EVERY)
            with deaths_refused():
                for answer in came:
                    self.introduced(waiting[answer])
            now = time.monotonic()
            if first is None and any(seat.introduction for seat in self.seats):
                first = now
            if self.elastic and first is not None:
                there = sum(seat.introduction is not None for seat in self.seats)
                if there >= self._room() or now - first > _WAIT_FOR_OTHERS:
                    break
            if self.elastic and first is None and not told and now - began > _SAY_AFTER:
                told = True
                self._say(
                    f"waiting for a free device in the Ray cluster at {self.session.address}: "
                    "none of its nodes has one for us now"
                )
        self._prepared = True
        self._refuse_other_versions()

    def _room(self) -> int:
        """How many of the workers that are wanted have a device now."""
        assert self._scout is not None
        sight = self._scout.sight
        wanted = self._wanted(sight)
        return sum(min(count, _devices(sight, share)) for share, count in wanted.items())

    def get(self, answer: Any) -> Any:
        """Wait for an answer before anything is trained. Raises InputError where none comes."""
        while not ray.wait([answer], timeout=_LOOK_EVERY)[0]:
            self.refuse_if_lost()
        with deaths_refused():
            return ray.get(answer)

    def kinds(self) -> dict[int, str]:
        """What kind of device each worker has that has come up, by its number."""
        self.wait_until_prepared()
        return {
            seat.number: seat.introduction.kind
            for seat in self.seats
            if seat.introduction is not None
        }

    def plan(
        self, worker: int, shape: Shape, n_nodes: int, most_lanes: int
    ) -> Callable[[], DevicePlan]:
        """Begin to measure on a worker's device how many models it should train side by side.

        Returns what waits for the answer and gives it.
        """
        answer = self.seats[worker].actor.plan.remote(shape, n_nodes, most_lanes)
        return lambda: self.get(answer)

    def _refuse_too_many(self, sight: Sight, wanted: dict[float, int]) -> None:
        share, beside = self._workers.gpus_per_worker, self._workers.cpu_workers
        available, asked = _devices(sight, share), wanted[share]
        if self.elastic and self._workers.count is not None:
            # What is not there yet may come.
            if asked > available:
                self._say(
                    f"{asked} workers are asked for, and the cluster has devices for "
                    f"{available} now: the others begin when nodes come"
                )
            return
        if available < 1:
            wait = ", or give count to wait for nodes that have them" if self.elastic else ""
            raise refuse(
                "workers.gpus_per_worker" if share else "workers",
                f"{'GPUs' if share else 'CPU cores'} are asked for, and Ray sees none",
                f"Set gpus_per_worker = 0 to train on CPU cores{wait}"
                if share
                else f"Start nodes with cores{wait}",
            )
        if asked > available:
            raise refuse(
                "workers.count",
                f"{asked} workers are asked for, and Ray has devices for {available}",
                f"Use at most {available}",
            )
        if share and asked + beside > sight.cpus:
            raise refuse(
                "workers.cpu_workers",
                f"{beside} workers are asked for beside {asked} on GPUs, and Ray has "
                f"{sight.cpus:g} CPU cores, of which each takes one",
                f"Use at most {max(0, int(sight.cpus) - asked)}",
            )

    def _refuse_other_versions(self) -> None:
        unlike = {
            seat.introduction.host: self.unlike_here(seat.introduction)
            for seat in self.seats
            if seat.introduction is not None
        }
        problems = [
            Problem(
                f"the Ray node {host}",
                f"other versions are installed there than here: {', '.join(others)}",
                "Install the same on all nodes, from deploy/constraints.txt, and start them again",
            )
            for host, others in unlike.items()
            if others
        ]
        if problems:
            raise InputError(problems)

    def close(self) -> None:
        """End the workers, and Ray where it was started here."""
        try:
            if self._scout is not None:
                self._scout.close()
            if self.lost() is None:
                for seat in self.seats:
                    # None: it was interrupted when it was to be begun.
                    if seat.actor is not None and not seat.removed:
                        ray.kill(seat.actor)
            self.seats = []
        finally:
            self.session.close()


def _devices(sight: Sight, share: float) -> int:
    """One worker for each share of a GPU, or for each core, that there is."""
    return int(sight.gpus / share + 1e-6) if share else int(sight.cpus)


def lost_for_good(gone: str) -> InputError:
    """The refusal to go on without Ray."""
    return refuse(
        "workers",
        f"{gone}; all that has finished is kept",
        "Run the same command again, once a cluster is back, or with --executor inline on this "
        "machine alone; it goes on where this run ended",
    )


@contextmanager
def deaths_refused() -> Iterator[None]:
    """Before anything is trained, a worker that dies is for the user to mend."""
    try:
        yield
    except DEATHS as error:
        raise refuse(
            "workers",
            f"expected each to start and to measure its device, and one died "
            f"({type(error).__name__}{_cause(error)})",
            "Look for too little memory, a failing device, or a node without CellBox; --lanes N "
            "trains without measuring",
        ) from error
    except RayTaskError as error:
        if isinstance(error.cause, InputError):
            raise error.cause from None
        raise


def _cause(error: BaseException) -> str:
    """The last line of what Ray says of a death, where that names an error of Python."""
    last = (str(error).strip().splitlines() or [""])[-1].strip()
    return f": {last}" if "Error: " in last else ""
