"""Starting workers early, so that they come up while the data are made."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from search.executors.device import keep_off_gpus
from search.executors.dispatch import Executor
from search.spec import Workers as WorkersSpec
from search.study_data import StudyData


class Workers:
    """Workers that are starting, and get the data when those are ready."""

    def __init__(self, spec: WorkersSpec):
        self._spec = spec
        self._cluster: Any = None
        self._executor: Executor | None = None
        if spec.executor == "ray":
            # Ray is only imported where it is used.
            from search.executors.ray_actors import RayCluster

            keep_off_gpus()
            self._cluster = RayCluster(spec)

    def take(self, data: StudyData) -> Executor:
        """The executor, with the study's data. Raises InputError for missing devices."""
        n_lanes = self._spec.lanes_per_worker
        if self._cluster is not None:
            from search.executors.ray_actors import RayExecutor

            self._executor = RayExecutor(self._cluster, data, n_lanes)
        else:
            from search.executors.inline import InlineExecutor

            self._executor = InlineExecutor(data, n_lanes)
        return self._executor

    def close(self) -> None:
        """End the workers."""
        if self._executor is not None:
            self._executor.close()
        elif self._cluster is not None:
            self._cluster.close()


@contextmanager
def started_workers(spec: WorkersSpec) -> Iterator[Workers]:
    """Workers for the length of a block."""
    workers = Workers(spec)
    try:
        yield workers
    finally:
        workers.close()
