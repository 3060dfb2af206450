"""How many results a second the queue takes from Ray's actors that train nothing.

    python -m tests.benchmarks.actors [--actors 16] [--trials 20000] [--in-flight 512]

Real actors, each in a process of its own that takes no core, answer each job at once, with five
reports and a small random network. What is measured is one side of the sweep: giving jobs out and
taking answers. Asking, telling, recording and MLflow are `orchestration`'s.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from cellbox.settings import Settings
from search.spec.tables import WorkersTable
from search.workers.job import Ended, Job, Key, WorkerReport
from tests.benchmarks.measuring import environment, table
from tests.benchmarks.orchestration import answers
from tests.benchmarks.service import resident_megabytes

_N_NODES = 7
_LANES = 8


class AnsweringWorker:
    """Answers each job at once. data: the number of nodes."""

    def __init__(self, data: int, n_lanes: int):
        self._n_nodes = data

    def work(self, jobs: Sequence[Job], cancelled: Sequence[Key]) -> WorkerReport:
        return WorkerReport(tuple(event for job in jobs for event in answers(job, self._n_nodes)))


def measured(actors: int, trials: int, in_flight: int) -> dict[str, Any]:
    """Results per second and the driver's time for each, with so many actors."""
    from search.workers.ray_actors import RayCluster
    from search.workers.ray_executor import PackSizes, RayExecutor

    class Coreless(RayCluster):
        cpus_per_worker = 0.0

    began = time.perf_counter()
    cluster = Coreless(WorkersTable(count=actors), num_cpus=actors)
    executor = RayExecutor(cluster, AnsweringWorker, _N_NODES, PackSizes(usual=_LANES))
    try:
        started = time.perf_counter() - began
        settings, rows, times = Settings(), np.arange(20), np.arange(5)

        def job(number: int) -> Job:
            return Job(number, 0, number, settings, rows, times)

        before = resident_megabytes()
        submitted = ended = 0
        began, began_cpu = time.perf_counter(), time.process_time()
        halves: list[float] = []
        while ended < trials:
            while submitted < min(trials, ended + in_flight):
                executor.submit(job(submitted))
                submitted += 1
            ended += sum(isinstance(event, Ended) for event in executor.poll())
            if not halves and ended >= trials // 2:
                halves.append(time.perf_counter() - began)
        seconds = time.perf_counter() - began
        return {
            "actors": actors,
            "trials": trials,
            "start_seconds": round(started, 1),
            "results_per_second": round(trials / seconds),
            "second_half_per_second": round((trials - trials // 2) / (seconds - halves[0])),
            "driver_ms_per_trial": round(1000 * (time.process_time() - began_cpu) / trials, 2),
            "megabytes_before": before,
            "megabytes_after": resident_megabytes(),
        }
    finally:
        executor.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--actors", type=int, nargs="+", default=[16])
    parser.add_argument("--trials", type=int, default=20000)
    parser.add_argument("--in-flight", type=int, default=512)
    given = parser.parse_args()
    print(table([measured(n, given.trials, given.in_flight) for n in given.actors]))
    print(environment())


if __name__ == "__main__":
    main()
