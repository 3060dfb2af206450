"""The process of one worker in a Ray cluster, and what it says of itself when it comes up."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import ray

from search.workers.device import claimed_core, cores, use_gpu_share, use_one_core
from search.workers.executor import MakeWorker
from search.workers.job import Key, Work, WorkerReport
from search.workers.versions import versions

if TYPE_CHECKING:
    # They bring JAX, which a worker's process may only meet when its device is settled.
    from cellbox.training.lane import Shape
    from search.workers.plan import DevicePlan


@dataclass(frozen=True)
class Introduction:
    """What a worker says when it has come up.

    kind: see `search.workers.plan.device_kind`. node: Ray's name of the node it is on; host: the
    machine's. versions: see `search.workers.versions`; empty where nobody asked.
    """

    kind: str
    node: str
    host: str
    versions: dict[str, str]


class Actor:
    """The process of one worker. Its device is settled before JAX is imported in it."""

    def __init__(self, gpu_share: float):
        self._gpu_share = gpu_share
        self._worker: Any = None

    def prepare(self, place: int, compare: bool) -> Introduction:
        """Settle the device, and import what training needs while the data are on their way.

        place: another number for each worker; the core that it would take is this one, or the next
        that is free. compare: whether its versions are asked for.
        """
        if self._gpu_share:
            use_gpu_share(self._gpu_share)
        else:
            self._core = claimed_core(place)
            use_one_core(self._core.number)
        import search.workers.worker  # noqa: F401
        from search.workers.plan import device_kind

        return Introduction(
            kind=device_kind(),
            node=ray.get_runtime_context().get_node_id(),
            host=os.uname().nodename,
            versions=versions() if compare else {},
        )

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

    def save(self) -> WorkerReport:
        """See `search.workers.worker.Worker.save`."""
        return self._worker.save()

    def describe(self) -> dict[str, Any]:
        """The process and the device it owns."""
        return {
            "pid": os.getpid(),
            "cores": list(cores()),
            "gpus": [str(gpu) for gpu in ray.get_runtime_context().get_accelerator_ids()["GPU"]],
            "jax_platforms": os.environ.get("JAX_PLATFORMS"),
            "memory_fraction": os.environ.get("XLA_PYTHON_CLIENT_MEM_FRACTION"),
        }
