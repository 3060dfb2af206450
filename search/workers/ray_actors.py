"""Ray actors that each own a device: a GPU, a share of one, or one CPU core."""

from __future__ import annotations

import logging
import os
import signal
import threading
import warnings
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ray
from ray.exceptions import (
    ObjectLostError,
    OutOfMemoryError,
    RayActorError,
    RayTaskError,
    WorkerCrashedError,
)

from cellbox.errors import InputError, refuse
from search.spec.tables import WorkersTable
from search.workers.device import cores, use_gpu_share, use_one_core
from search.workers.executor import Executor, MakeWorker, WorkerDied
from search.workers.job import Key, Work, WorkerReport

if TYPE_CHECKING:
    # They bring JAX, which a worker's process may only meet when its device is settled.
    from cellbox.training.lane import Shape
    from search.workers.plan import DevicePlan


class _Actor:
    """The process of one worker. Its device is settled before JAX is imported in it."""

    def __init__(self, gpu_share: float):
        self._gpu_share = gpu_share
        self._worker: Any = None

    def host(self) -> str:
        """The machine that this process is on, and the cores it may use there.

        Several Ray nodes may be on one machine, where their workers must not share a core.
        """
        boot = Path("/proc/sys/kernel/random/boot_id")
        machine = (
            boot.read_text().strip() if boot.is_file() else ray.get_runtime_context().get_node_id()
        )
        return f"{machine} {list(cores())}"

    def prepare(self, place: int) -> None:
        """Settle the device, then import what training needs while the data are on their way.

        place: number of this worker among those on its machine; each takes another core.
        """
        if self._gpu_share:
            use_gpu_share(self._gpu_share)
        else:
            own = cores()
            use_one_core(own[place % len(own)])
        import search.workers.worker  # noqa: F401

    def kind(self) -> str:
        """See `search.workers.plan.device_kind`."""
        from search.workers.plan import device_kind

        return device_kind()

    def plan(self, shape: Shape, n_nodes: int, most_lanes: int) -> DevicePlan:
        """See `search.workers.plan.device_plan`."""
        from search.workers.plan import device_plan

        return device_plan(shape, n_nodes, most_lanes)

    def hold(self, make_worker: MakeWorker, data: Any, n_lanes: int) -> None:
        """Take the study's data, which Ray shares between the workers of a machine."""
        self._worker = make_worker(data, n_lanes)

    def work(self, jobs: Sequence[Work], cancelled: Sequence[Key]) -> WorkerReport:
        """See `search.workers.worker.Worker.work`."""
        return self._worker.work(jobs, cancelled)

    def describe(self) -> dict[str, Any]:
        """The process and the device it owns."""
        return {
            "pid": os.getpid(),
            "cores": list(cores()),
            "gpus": [str(gpu) for gpu in ray.get_runtime_context().get_accelerator_ids()["GPU"]],
            "jax_platforms": os.environ.get("JAX_PLATFORMS"),
            "memory_fraction": os.environ.get("XLA_PYTHON_CLIENT_MEM_FRACTION"),
        }


class RayCluster:
    """Ray and its workers, which import JAX while the caller makes the data.

    Ray itself starts at once and in the caller's thread: it forks, and a fork beside a thread
    that is importing or compiling can hang.

    Raises InputError where Ray cannot give what was asked for.
    """

    def __init__(self, workers: WorkersTable, **ray_options: Any):
        self._workers = workers
        self._places: list[int] = []
        self._owns_ray = not ray.is_initialized()
        self.actors: list[Any] = []
        self._preparing: Future[None] | None = None
        if self._owns_ray:
            self._start_ray(ray_options)
        try:
            self.n_workers = self._workers.count or self._device_count()
            self._refuse_too_many()
            self.actors = [self._new_actor() for _ in range(self.n_workers)]
            # New processes take seconds to answer, and the caller has data to make.
            beside = ThreadPoolExecutor(1)
            self._preparing = beside.submit(self._prepare_all)
            beside.shutdown(wait=False)
        except BaseException:
            self.close()
            raise

    def _start_ray(self, options: dict[str, Any]) -> None:
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "1")
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        # By default Ray lets workers give way to every other process.
        os.environ.setdefault("RAY_worker_niceness", "0")
        quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
        address = self._workers.address or os.environ.get("RAY_ADDRESS")
        if address is None:
            quiet["include_dashboard"] = False
        with _own_signals(), warnings.catch_warnings():
            # JAX warns of every fork; here it has no threads yet that a fork could break.
            warnings.filterwarnings("ignore", "os.fork", RuntimeWarning)
            try:
                ray.init(address=address, **quiet, **options)
            except ConnectionError as error:
                raise refuse(
                    "workers.address" if self._workers.address else "RAY_ADDRESS",
                    f"no Ray cluster answers at {address}",
                    "Start one with `ray start --head`, or leave the address out",
                ) from error

    def _device_count(self) -> int:
        """One worker for each share of a GPU, or for each core, that Ray has."""
        resources = ray.cluster_resources()
        share = self._workers.gpus_per_worker
        if share:
            return int(resources.get("GPU", 0) / share + 1e-6)
        return int(resources.get("CPU", 0))

    def _new_actor(self) -> Any:
        share = self._workers.gpus_per_worker
        options = {"num_cpus": 1, "num_gpus": share, "max_restarts": 0}
        actor = ray.remote(_Actor).options(**options)
        return actor.remote(share)

    def _prepare_all(self) -> None:
        on_host: Counter[str] = Counter()
        hosts = ray.get([actor.host.remote() for actor in self.actors])
        ready = []
        for actor, host in zip(self.actors, hosts, strict=True):
            self._places.append(on_host[host])
            ready.append(actor.prepare.remote(on_host[host]))
            on_host[host] += 1
        ray.get(ready)

    def wait_until_prepared(self) -> None:
        """Wait until each worker has its device. Raises what went wrong there."""
        assert self._preparing is not None
        with _deaths_refused():
            self._preparing.result()

    def kinds(self) -> list[str]:
        """What kind of device each worker has."""
        self.wait_until_prepared()
        with _deaths_refused():
            return ray.get([actor.kind.remote() for actor in self.actors])

    def plan(
        self, worker: int, shape: Shape, n_nodes: int, most_lanes: int
    ) -> Callable[[], DevicePlan]:
        """Begin to measure on a worker's device how many models it should train side by side.

        Returns what waits for the answer and gives it.
        """
        answer = self.actors[worker].plan.remote(shape, n_nodes, most_lanes)

        def wait_for_it() -> DevicePlan:
            with _deaths_refused():
                return ray.get(answer)

        return wait_for_it

    def replace(self, number: int) -> Any:
        """Start a new process in the place of a worker that no longer answers."""
        # One that only lost its connection would keep its device from the new one.
        ray.kill(self.actors[number])
        self.actors[number] = self._new_actor()
        self.actors[number].prepare.remote(self._places[number])
        return self.actors[number]

    def _refuse_too_many(self) -> None:
        available = self._device_count()
        if available < 1:
            raise refuse(
                "workers.gpus_per_worker",
                "GPUs are asked for, and Ray sees none",
                "Set gpus_per_worker = 0 to train on CPU cores",
            )
        if self.n_workers > available:
            raise refuse(
                "workers.count",
                f"{self.n_workers} workers are asked for, and Ray has devices for {available}",
                f"Use at most {available}",
            )

    def close(self) -> None:
        """End the workers, and Ray where it was started here."""
        for actor in self.actors:
            ray.kill(actor)
        if self._preparing is not None:
            # It ends with the workers; after them, its calls would start another Ray.
            wait([self._preparing])
        self.actors = []
        if self._owns_ray:
            ray.shutdown()
            self._owns_ray = False


@contextmanager
def _own_signals() -> Iterator[None]:
    """Keep the caller's answer to SIGTERM, which Ray replaces when it starts."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)


# Seconds in which the loop of a sweep does not turn.
_LONGEST_WAIT = 1.0
_DEATHS = (RayActorError, WorkerCrashedError, OutOfMemoryError, ObjectLostError)


@contextmanager
def _deaths_refused() -> Iterator[None]:
    """Before anything is trained, a worker that dies is for the user to mend."""
    try:
        yield
    except _DEATHS as error:
        raise refuse(
            "workers",
            f"expected each to start and to measure its device, and one died "
            f"({type(error).__name__})",
            "Look for too little memory or a failing device; --lanes N trains without measuring",
        ) from error
    except RayTaskError as error:
        if isinstance(error.cause, InputError):
            raise error.cause from None
        raise


class RayExecutor(Executor):
    """Workers in Ray actors, on this machine or on a cluster."""

    calls_at_once = 2

    def __init__(
        self, cluster: RayCluster, make_worker: MakeWorker, data: Any, lanes: Sequence[int]
    ):
        super().__init__(lanes)
        self._cluster, self._make_worker = cluster, make_worker
        cluster.wait_until_prepared()
        self._data = ray.put(data)
        # Answers that each worker owes, the oldest first.
        self._calls: list[deque[Any]] = [deque() for _ in cluster.actors]
        self._held = [
            actor.hold.remote(make_worker, self._data, n_lanes)
            for actor, n_lanes in zip(cluster.actors, self.lanes, strict=True)
        ]

    def describe_workers(self) -> list[dict[str, Any]]:
        """The process and device of each worker."""
        return ray.get([actor.describe.remote() for actor in self._cluster.actors])

    def _send(self, worker: int, jobs: Sequence[Work], cancelled: Sequence[Key]) -> None:
        self._calls[worker].append(self._cluster.actors[worker].work.remote(jobs, cancelled))

    def _receive(self) -> tuple[int, WorkerReport] | None:
        owed = {calls[0]: worker for worker, calls in enumerate(self._calls) if calls}
        # Not for ever: a worker that compiles is silent, and the sweep may be asked to stop.
        answered, _ = ray.wait(list(owed), num_returns=1, timeout=_LONGEST_WAIT)
        if not answered:
            return None
        (answer,) = answered
        worker = owed[answer]
        self._calls[worker].popleft()
        try:
            return worker, ray.get(answer)
        except _DEATHS as error:
            raise WorkerDied(worker, type(error).__name__) from error
        except RayTaskError as error:
            # A refusal inside the worker is the user's to read, without Ray around it.
            if isinstance(error.cause, InputError):
                raise error.cause from None
            # Where the worker never came up, that is what went wrong.
            ray.get(self._held[worker])
            raise

    def _restart(self, worker: int) -> None:
        self._calls[worker].clear()
        actor = self._cluster.replace(worker)
        self._held[worker] = actor.hold.remote(self._make_worker, self._data, self.lanes[worker])

    def close(self) -> None:
        """End the workers."""
        self._cluster.close()
