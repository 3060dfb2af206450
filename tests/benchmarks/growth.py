"""How the cost of a training step grows: nodes, conditions, time points, lanes, a stiff lane.

    python -m tests.benchmarks.growth [--json FILE] [--repeats 5] [--quick]
    python -m tests.benchmarks.growth --trials 2000 [--json FILE]

The first measures the whole training step of full packs on one core, one size changed at a time
from 10 nodes, 20 conditions, 5 time points and 16 lanes; and the same pack with one lane so stiff
that it needs every step the solver may take. The second runs a sweep of so many very short trials
with Ray and MLflow, and tells its rate and its memory from the first hundred trials to the last.
"""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from tests.benchmarks.measuring import (
    arguments,
    environment,
    table,
    use_one_core,
    write,
)

BASE = {"nodes": 10, "conditions": 20, "times": 5, "lanes": 16}
SIZES = {
    "nodes": (5, 10, 20, 32, 33, 50, 100, 200, 400),
    "conditions": (5, 10, 20, 50, 100, 200),
    "times": (1, 2, 5, 10, 20),
    "lanes": (1, 4, 8, 16, 32, 64, 128),
}
# One shape, and so one program.
QUICK_BASE = {"nodes": 5, "conditions": 4, "times": 5, "lanes": 4}
QUICK = {"nodes": (5,), "lanes": (4,)}
STEPS = 10


def step_seconds(chosen: dict[str, int], repeats: int, *, stiff: bool = False) -> float:
    """Median seconds of one training step of a full pack.

    chosen: its sizes, as in BASE. stiff: whether one lane's network is made so stiff that it takes
        every step there is.
    """
    from cellbox.data.simulation import simulate
    from cellbox.networks.network import Network
    from cellbox.settings import Settings
    from cellbox.training.fit import pool_of
    from cellbox.training.lane import Status
    from cellbox.training.pack import Pack, hyperparameters_of, shape_of

    n_nodes = chosen["nodes"]
    random = np.random.default_rng(0)
    weights = random.normal(0, 1, (n_nodes, n_nodes)) * (random.random((n_nodes, n_nodes)) < 0.2)
    network = Network(
        tuple(f"n{number}" for number in range(n_nodes)), weights, np.full(n_nodes, 0.5)
    )
    data = simulate(network, n_conditions=chosen["conditions"], n_times=chosen["times"])
    assert data.split is not None
    # No learning: what is timed stays what it was.
    settings = Settings(steps=10**6, validate_every=STEPS, peak_rate=1e-12, schedule="constant")
    pool = pool_of(data, data.split, settings)
    rows, times = np.arange(chosen["conditions"]), np.arange(chosen["times"])
    pack = Pack(pool, shape_of(settings, len(rows), len(times)), chosen["lanes"])
    for slot in range(chosen["lanes"]):
        pack.insert(slot, slot, hyperparameters_of(settings, rows, times, pool))
    if stiff:
        _make_stiff(pack)
    pack.advance()
    seconds = []
    for _ in range(repeats):
        began = time.perf_counter()
        pack.advance()
        seconds.append((time.perf_counter() - began) / STEPS)
    if pack.harvest(0).status != Status.RUNNING:
        raise SystemExit("the stiff lane ended before it was timed")
    return float(np.median(seconds))


def _make_stiff(pack: Any) -> None:
    """Give lane 0 self-inhibitions that decay so fast that an explicit solver takes tiny steps."""
    import equinox as eqx

    def weights(lanes: Any) -> Any:
        return lanes.parameters.weights

    n_nodes = weights(pack._lanes).shape[-1]
    stiff = weights(pack._lanes).at[0].set(-60.0 * np.eye(n_nodes))
    pack._lanes = eqx.tree_at(weights, pack._lanes, stiff)


def training_steps(repeats: int, quick: bool) -> dict[str, Any]:
    """Every size alone, and the pack with a stiff lane."""
    base = QUICK_BASE if quick else BASE
    rows = []
    for what, sizes in (QUICK if quick else SIZES).items():
        for size in sizes:
            chosen = {**base, what: size}
            seconds = step_seconds(chosen, repeats)
            rows.append(
                {
                    "grows": what,
                    "size": size,
                    "milliseconds_per_step_and_model": 1000 * seconds / chosen["lanes"],
                }
            )
            print(table(rows[-1:]).splitlines()[-1], flush=True)
    plain = step_seconds(base, repeats)
    stiff = step_seconds(base, repeats, stiff=True)
    return {"rows": rows, "stiff_lane_slowdown": stiff / plain, **environment()}


def sweep_of(trials: int) -> dict[str, Any]:
    """Rate and memory of a sweep of many short trials."""
    from search.spec.reading import make_spec
    from search.sweeping.display import Silent
    from search.sweeping.run import sweep

    spec = make_spec(
        {
            "name": "growth",
            "trials": trials,
            "data": {"system": "CY"},
            "training": {"steps": 100, "validate_every": 25, "refinement": "none"},
            "pruner": {"name": "none"},
        }
    )
    with tempfile.TemporaryDirectory() as place, _watched() as memory:
        result = sweep(spec, study=Path(place) / "growth", display=Silent())
        ends = sorted(record.finished for record in result.folder.records())
    few = min(100, trials // 4)
    # The first trials wait for compilation, which is no rate.
    rates = {
        "first_hundred": few / (ends[2 * few] - ends[few]),
        "last_hundred": few / (ends[-1] - ends[-1 - few]),
    }
    seconds = np.array([moment for moment, _ in memory])
    return {
        "trials": trials,
        "trials_per_second": rates,
        "last_over_first": rates["last_hundred"] / rates["first_hundred"],
        "megabytes": {
            "after_200_trials": memory[int(np.searchsorted(seconds, ends[2 * few]))][1],
            "at_the_last": memory[min(int(np.searchsorted(seconds, ends[-1])), len(memory) - 1)][1],
        },
        **environment(),
    }


@contextmanager
def _watched() -> Iterator[list[tuple[float, dict[str, float]]]]:
    """What this process and its children hold in memory, twice a second, by what they are."""
    import psutil

    found: list[tuple[float, dict[str, float]]] = []
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.5):
            held: dict[str, float] = {}
            for process in (psutil.Process(), *psutil.Process().children(recursive=True)):
                try:
                    name = " ".join(process.cmdline()[:4])
                    kind = (
                        "sweep"
                        if process.pid == psutil.Process().pid
                        else "workers"
                        if name.startswith("ray::_Actor")
                        else "mlflow"
                        if "search.tracking.process" in name
                        else "ray"
                    )
                    held[kind] = held.get(kind, 0.0) + process.memory_info().rss / 2**20
                except psutil.NoSuchProcess:
                    continue
            found.append((time.time(), held))

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        over.set()
        thread.join()


def main() -> None:
    parser = arguments(__doc__, repeats=5)
    parser.add_argument("--trials", type=int, help="measure a sweep of so many trials instead")
    given = parser.parse_args()
    if given.trials is not None:
        result = sweep_of(given.trials)
        rows = [
            {
                "when": "first hundred",
                "trials_per_second": result["trials_per_second"]["first_hundred"],
                **result["megabytes"]["after_200_trials"],
            },
            {
                "when": "last hundred",
                "trials_per_second": result["trials_per_second"]["last_hundred"],
                **result["megabytes"]["at_the_last"],
            },
        ]
        print(table(rows))

        def draw_rates(ax: Any) -> None:
            ax.bar([row["when"] for row in rows], [row["trials_per_second"] for row in rows])
            ax.set_ylabel("trials per second")

        write(result, given.json, draw_rates)
        return
    use_one_core()
    result = training_steps(given.repeats, given.quick)
    print(f"\none stiff lane makes a pack {result['stiff_lane_slowdown']:.2g} times slower")

    def draw(ax: Any) -> None:
        for what in dict.fromkeys(row["grows"] for row in result["rows"]):
            shown = [row for row in result["rows"] if row["grows"] == what]
            ax.plot(
                [row["size"] for row in shown],
                [row["milliseconds_per_step_and_model"] for row in shown],
                "o-",
                label=what,
            )
        ax.set(xscale="log", yscale="log", xlabel="size", ylabel="milliseconds per step and model")
        ax.legend(title="what grows", frameon=False)

    write(result, given.json, draw)


if __name__ == "__main__":
    main()
