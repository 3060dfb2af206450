"""Ray actors that each own a device: a GPU, a share of one, or one CPU core."""

from __future__ import annotations

import logging
import os
import threading
from collections import Counter
from collections.abc import Sequence
from typing import Any

import ray
from ray.exceptions import RayActorError, RayTaskError

from cellbox.errors import InputError, refuse
from search.executors.device import cores, use_gpu_share, use_one_core
from search.executors.dispatch import Executor, WorkerDied
from search.executors.job import Job, WorkerReport
from search.spec import Workers
from search.study_data import StudyData


class _Actor:
    """The process of one worker. Its device is settled before JAX is imported in it."""

    def __init__(self, gpu_share: float, n_lanes: int):
        self._gpu_share = gpu_share
        self._n_lanes = n_lanes
        self._worker: Any = None

    def node(self) -> str:
        """The machine that this process is on."""
        return ray.get_runtime_context().get_node_id()

    def prepare(self, place: int) -> None:
        """Settle the device, then import what training needs while the data are on their way.

        place: number of this worker among those on its machine; each takes another core.
        """
        if self._gpu_share:
            use_gpu_share(self._gpu_share)
        else:
            own = cores()
            use_one_core(own[place % len(own)])
        import search.executors.worker  # noqa: F401

    def hold(self, data: StudyData) -> None:
        """Take the study's data, which Ray shares between the workers of a machine."""
        from search.executors.worker import Worker

        self._worker = Worker(data, self._n_lanes)

    def work(
        self, jobs: Sequence[Job], cancelled: Sequence[tuple[int, int]]
    ) -> WorkerReport:
        """See `search.executors.worker.Worker.work`."""
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
    """Ray and its idle workers, started in the background while the data are made."""

    def __init__(self, workers: Workers, **ray_options: Any):
        self._workers = workers
        self._options = ray_options
        self._failure: BaseException | None = None
        self._owns_ray = False
        self._places: list[int] = []
        self.actors: list[Any] = []
        self.n_workers = 0
        self._thread = threading.Thread(target=self._start, daemon=True)
        self._thread.start()

    def _start(self) -> None:
        try:
            self._start_ray()
            self.n_workers = self._workers.count or self._device_count()
            self.actors = [self._new_actor() for _ in range(self.n_workers)]
            if self._enough():
                self._prepare_all()
        except BaseException as failure:  # noqa: BLE001 - raised again by `wait`
            self._failure = failure

    def _start_ray(self) -> None:
        if ray.is_initialized():
            return
        os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "1")
        os.environ.setdefault("RAY_usage_stats_enabled", "0")
        quiet: dict[str, Any] = {
            "log_to_driver": False,
            "logging_level": logging.ERROR,
            "configure_logging": True,
        }
        if self._workers.address is not None:
            ray.init(address=self._workers.address, **quiet, **self._options)
        else:
            ray.init(include_dashboard=False, **quiet, **self._options)
        self._owns_ray = True

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
        return actor.remote(share, self._workers.lanes_per_worker)

    def _prepare_all(self) -> None:
        on_node: Counter[str] = Counter()
        for actor, node in zip(
            self.actors, ray.get([actor.node.remote() for actor in self.actors]), strict=True
        ):
            self._places.append(on_node[node])
            actor.prepare.remote(on_node[node])
            on_node[node] += 1

    def replace(self, number: int) -> Any:
        """Start a new process in the place of a dead worker."""
        self.actors[number] = self._new_actor()
        self.actors[number].prepare.remote(self._places[number])
        return self.actors[number]

    def wait(self) -> RayCluster:
        """Wait until Ray is up. Raises InputError where it cannot give what was asked for."""
        self._thread.join()
        if isinstance(self._failure, ConnectionError):
            raise refuse(
                "workers.address",
                f"no Ray cluster answers at {self._workers.address}",
                "Start one with `ray start --head`, or leave the address out",
            ) from self._failure
        if self._failure is not None:
            raise self._failure
        if self.n_workers < 1:
            raise refuse(
                "workers.gpus_per_worker",
                "GPUs are asked for, and Ray sees none",
                "Set gpus_per_worker = 0 to train on CPU cores",
            )
        if not self._enough():
            raise refuse(
                "workers.count",
                f"{self.n_workers} workers are asked for, and Ray has devices for "
                f"{self._device_count()}",
                f"Use at most {self._device_count()}",
            )
        return self

    def _enough(self) -> bool:
        return 0 < self.n_workers <= self._device_count()

    def close(self) -> None:
        """End the workers, and Ray where it was started here."""
        self._thread.join()
        for actor in self.actors:
            ray.kill(actor)
        self.actors = []
        if self._owns_ray:
            ray.shutdown()
            self._owns_ray = False


class RayExecutor(Executor):
    """Workers in Ray actors, on this machine or on a cluster."""

    def __init__(self, cluster: RayCluster, data: StudyData, n_lanes: int):
        cluster.wait()
        super().__init__(cluster.n_workers, n_lanes)
        self._cluster = cluster
        self._data = ray.put(data)
        self._calls: dict[Any, int] = {}
        for actor in cluster.actors:
            actor.hold.remote(self._data)

    def describe_workers(self) -> list[dict[str, Any]]:
        """The process and device of each worker."""
        return ray.get([actor.describe.remote() for actor in self._cluster.actors])

    def _send(
        self, worker: int, jobs: Sequence[Job], cancelled: Sequence[tuple[int, int]]
    ) -> None:
        self._calls[self._cluster.actors[worker].work.remote(jobs, cancelled)] = worker

    def _receive(self) -> tuple[int, WorkerReport]:
        ready, _ = ray.wait(list(self._calls), num_returns=1)
        worker = self._calls.pop(ready[0])
        try:
            return worker, ray.get(ready[0])
        except RayActorError as error:
            raise WorkerDied(worker, type(error).__name__) from error
        except RayTaskError as error:
            # A refusal inside the worker is the user's to read, without Ray around it.
            if isinstance(error.cause, InputError):
                raise error.cause from None
            raise

    def _restart(self, worker: int) -> None:
        self._cluster.replace(worker).hold.remote(self._data)

    def close(self) -> None:
        """End the workers."""
        self._cluster.close()
