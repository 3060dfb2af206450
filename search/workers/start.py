"""Starting workers early, so that they come up while the data are made."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from search.spec.tables import WorkersTable
from search.study.data import StudyData
from search.workers.device import keep_off_gpus
from search.workers.executor import Executor, MakeWorker

if TYPE_CHECKING:
    # They bring JAX, whose threads are settled when it starts.
    from cellbox.training.lane import Shape
    from search.workers.plan import DevicePlan


class StartingWorkers:
    """Workers that are starting, and get the data when those are ready."""

    def __init__(self, spec: WorkersTable, say: Callable[[str], None] = print):
        self._spec = spec
        self._cluster: Any = None
        self._executor: Executor | None = None
        self._kinds: dict[int, str] | None = None
        # What a plan is measured on, for workers that come later.
        self._measured: tuple[Any, ...] = ()
        if spec.executor == "ray":
            # Ray is only imported where it is used.
            from search.workers.ray_actors import RayCluster

            keep_off_gpus()
            self._cluster = RayCluster(spec, say)

    def begin_plans(
        self, known: Mapping[str, DevicePlan], shape: Shape, n_nodes: int, most_lanes: int
    ) -> Callable[[], dict[str, DevicePlan]]:
        """How each kind of worker trains: as the spec says, as is known, or as it measures now.

        Returns what gives the plans, and waits for measurements: workers make them meanwhile.
        See `search.workers.plan.device_plan` for the arguments.
        """
        from search.workers.plan import DevicePlan, device_plan

        self._measured = (shape, n_nodes, most_lanes)
        plans: dict[str, DevicePlan] = {}
        measuring: dict[str, Callable[[], DevicePlan]] = {}
        for worker, kind in self._device_kinds().items():
            if self._spec.lanes is not None:
                plans[kind] = DevicePlan(kind, self._spec.lanes, {}, None)
            elif kind in known:
                plans[kind] = known[kind]
            elif kind in measuring:
                continue
            elif self._cluster is None:
                measuring[kind] = partial(device_plan, shape, n_nodes, most_lanes)
            else:
                measuring[kind] = self._cluster.plan(worker, shape, n_nodes, most_lanes)
        return lambda: plans | {kind: measured() for kind, measured in measuring.items()}

    def take(
        self,
        data: StudyData,
        plans: Mapping[str, DevicePlan],
        learned: Callable[[DevicePlan], None] | None = None,
    ) -> Executor:
        """The executor, with the study's data. Raises InputError for missing devices.

        learned: told how a kind of worker trains that comes later.
        """
        # Imported late: it brings JAX, whose threads are settled when it starts.
        from search.workers.worker import Worker

        if self._cluster is None:
            return self._inline(Worker, data, *self.lanes(plans))
        by_kind = {kind: plan.lanes for kind, plan in plans.items()}
        return self._ray(
            Worker,
            data,
            by_kind=by_kind,
            usual=self._spec.lanes,
            measured=self._measured,
            learned=learned,
        )

    def take_for(self, make_worker: MakeWorker, data: Any) -> Executor:
        """An executor for other work than trainings, which is done one piece after another."""
        # One piece is under way, and another waits.
        if self._cluster is None:
            executor = self._inline(make_worker, data, 2)
        else:
            executor = self._ray(make_worker, data, usual=2)
        executor.whole_packs = False
        return executor

    def _inline(self, make_worker: MakeWorker, data: Any, lanes: int) -> Executor:
        from search.workers.inline import InlineExecutor

        self._executor = InlineExecutor(make_worker, data, lanes)
        return self._executor

    def _ray(self, make_worker: MakeWorker, data: Any, **sizes: Any) -> Executor:
        from search.workers.ray_executor import PackSizes, RayExecutor

        self._executor = RayExecutor(self._cluster, make_worker, data, PackSizes(**sizes))
        return self._executor

    def lanes(self, plans: Mapping[str, DevicePlan]) -> list[int]:
        """Models that each worker trains side by side, of those that have come up.

        Of a cluster with a number of workers, all count, so that a study does not depend on which
        of them were there when it began.
        """
        found = [plans[kind].lanes for kind in self._device_kinds().values()]
        if self._cluster is not None and self._spec.count is not None:
            missing = self._spec.count + self._spec.cpu_workers - len(found)
            found += [found[0]] * max(0, missing)
        return found

    def _device_kinds(self) -> dict[int, str]:
        if self._kinds is None:
            from search.workers.plan import device_kind

            self._kinds = {0: device_kind()} if self._cluster is None else self._cluster.kinds()
        return self._kinds

    def close(self) -> None:
        """End the workers; they may have been ended before."""
        executor, cluster = self._executor, self._cluster
        self._executor = self._cluster = None
        if executor is not None:
            executor.close()
        elif cluster is not None:
            cluster.close()


@contextmanager
def started_workers(
    spec: WorkersTable, say: Callable[[str], None], task: str
) -> Iterator[StartingWorkers]:
    """Workers for the length of a block.

    say: told what is going on. task: what a worker is for, as in "train".
    """
    if spec.executor == "ray":
        say("starting Ray and its workers")
    else:
        say(f"preparing to {task} in this process")
    workers = StartingWorkers(spec, say)
    try:
        yield workers
    finally:
        workers.close()
