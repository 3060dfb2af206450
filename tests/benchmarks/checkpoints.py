"""What it costs to save trainings under way, and to go on with them.

    python -m tests.benchmarks.checkpoints [--cases LI:16 LI:64 random99:16] [--repeats 5]

For packs of so many models: seconds until a worker has saved all of them (besides the first time,
which compiles), until their files are written, and until another worker goes on with all of them;
and the share of the time that saving them every so often takes.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from tests.benchmarks.measuring import environment, table, use_one_core


def _data(name: str) -> Any:
    from cellbox.networks.network import write_network
    from cellbox.networks.random_networks import random_network
    from search.spec.reading import make_spec
    from search.study.data_loading import load_study_data

    if not name.startswith("random"):
        return load_study_data(make_spec({"name": "saved", "data": {"system": name}}))
    n_nodes = int(name.removeprefix("random"))
    network = random_network(n_nodes, density=2 / n_nodes, amplitude=0.5, seed=0)
    with tempfile.TemporaryDirectory() as place:
        file = Path(place) / "edges.csv"
        write_network(network, file)
        budget = {"conditions": 100, "time_points": 3, "noise": 0.01, "held_out": 5}
        spec = {"name": "saved", "data": {"network": str(file), **budget}}
        return load_study_data(make_spec(spec))


def measured(name: str, n_lanes: int, repeats: int) -> dict[str, Any]:
    """What saving costs, with so many models side by side."""
    from dataclasses import replace

    from cellbox.settings import Settings
    from search.study.checkpoints import Checkpoints
    from search.study.folder import StudyFolder
    from search.workers import worker as workers
    from search.workers.job import Job, Saved
    from search.workers.saving import SAVE_EVERY

    data = _data(name)
    settings = Settings(steps=3000, validate_every=10, refinement="none", conditions_per_step=8)
    rows, times = data.indices(data.own, 0)
    jobs = [Job(number, 0, number, settings, rows, times) for number in range(n_lanes)]
    worker = workers.Worker(data, n_lanes)
    worker.work(jobs, [])
    took = []
    for _ in range(repeats + 1):
        began = time.perf_counter()
        saved = [event for event in worker._save(0.0, None) if isinstance(event, Saved)]
        took.append(time.perf_counter() - began)
    saving = float(np.median(took[1:]))
    with tempfile.TemporaryDirectory() as place:
        kept = Checkpoints(StudyFolder(Path(place)), print)
        began = time.perf_counter()
        for event in saved:
            kept.keep(event.trial, event.repeat, event.content)
        writing = time.perf_counter() - began
    other = workers.Worker(data, n_lanes)
    other.work(jobs[:1], [])
    going_on = []
    for _ in range(2):
        other._drop([job.key for job in jobs])
        other._waiting = [
            replace(job, saved=one.content) for job, one in zip(jobs, saved, strict=True)
        ]
        began = time.perf_counter()
        other._fill_lanes()
        going_on.append(time.perf_counter() - began)
    return {
        "case": name,
        "models": n_lanes,
        "kilobytes_each": round(len(saved[0].content) / 1000, 1),
        "first_seconds": round(took[0], 2),
        "saving_seconds": round(saving, 4),
        "writing_seconds": round(writing, 4),
        "share_percent": round(100 * saving / (SAVE_EVERY + saving), 3),
        "going_on_first_seconds": round(going_on[0], 2),
        "going_on_seconds": round(going_on[1], 4),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", nargs="+", default=["LI:16", "LI:64", "random99:16"])
    parser.add_argument("--repeats", type=int, default=5)
    given = parser.parse_args()
    use_one_core()
    cases = [case.split(":") for case in given.cases]
    print(table([measured(name, int(lanes), given.repeats) for name, lanes in cases]))
    print(environment())


if __name__ == "__main__":
    main()
