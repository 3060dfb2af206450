"""What a GPU makes of packs: for a machine with jax, diffrax, equinox, optax and numpy alone.

    python -m tests.benchmarks.gpu [--json FILE] [--repeats 5] [--quick]

Run in a copy of the repository; nothing is installed and no network is used. Throughput against
lane count for LI, GSD and a random network of 100 nodes, as trials of 3,000 steps in a minute;
with one lane that is training one trial after another. One gradient of LI against both forms of
diffrax, as `gradient` has it. Then one gradient of networks of 1,000 to 20,000 nodes with 100
conditions, against the best form that diffrax alone allows. What does not fit into memory is said
and left out; gradients that differ end the script with an error, after everything is written.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from tests.benchmarks.gradient import Problem, compare_li, difference, diffrax_side, ours
from tests.benchmarks.measuring import (
    arguments,
    environment,
    interleaved,
    keep_no_programs,
    table,
    write,
)

LANES = (1, 16, 64, 256, 1024, 4096)
LARGE_NODES = (1000, 2000, 5000, 10_000, 20_000)
STEPS_OF_A_TRIAL = 3000
# Each side chooses steps of its own, at a relative tolerance of 1e-3.
MOST_DIFFERENCE = 1e-2


def throughput(name: str, lanes: Sequence[int], repeats: int) -> list[dict[str, Any]]:
    """Trials in a minute for each number of lanes, and how that compares to one after another."""
    from cellbox.training.pack import Pack

    pool, shape, hyperparameters = _training(name)
    rows: list[dict[str, Any]] = []
    first: np.ndarray | None = None
    for n_lanes in lanes:
        try:
            pack = Pack(pool, shape, n_lanes)
            for slot in range(n_lanes):
                pack.insert(slot, 0, hyperparameters)
            pack.advance()
            seconds = []
            for _ in range(repeats):
                began = time.perf_counter()
                pack.advance()
                seconds.append(time.perf_counter() - began)
        except Exception as error:
            if "RESOURCE_EXHAUSTED" not in str(error):
                raise
            rows.append({**_empty_row(name, n_lanes), "note": "does not fit into memory"})
            break
        step = float(np.median(seconds)) / shape.validate_every
        weights = pack.harvest(0).weights
        first = weights if first is None else first
        rate = 60 * n_lanes / (STEPS_OF_A_TRIAL * step)
        alone = rows[0]["trials_per_minute"] if rows else rate
        rows.append(
            {
                "network": name,
                "lanes": n_lanes,
                "milliseconds_per_step": 1000 * step,
                "trials_per_minute": rate,
                "over_one_after_another": rate / alone,
                "compile_seconds": pack.compile_seconds,
                "difference_from_one_lane": difference(weights.ravel(), first.ravel()),
                "note": "",
            }
        )
    return rows


def _empty_row(name: str, n_lanes: int) -> dict[str, Any]:
    keys = (
        "milliseconds_per_step",
        "trials_per_minute",
        "over_one_after_another",
        "compile_seconds",
        "difference_from_one_lane",
    )
    return {"network": name, "lanes": n_lanes, **dict.fromkeys(keys)}


def _training(name: str) -> tuple[Any, Any, Any]:
    """The pool, shape and hyperparameters of default training on a simulated experiment."""
    from cellbox.data.simulation import simulate, simulate_system
    from cellbox.networks.known_systems import system
    from cellbox.networks.network import Network
    from cellbox.settings import Settings
    from cellbox.training.fit import pool_of
    from cellbox.training.pack import hyperparameters_of, shape_of

    if name == "random":
        random = np.random.default_rng(0)
        n_nodes = 100
        weights = np.where(
            random.random((n_nodes, n_nodes)) < 0.03, random.normal(0, 1, (n_nodes, n_nodes)), 0.0
        )
        nodes = tuple(f"n{number}" for number in range(n_nodes))
        data = simulate(Network(nodes, weights, np.full(n_nodes, 0.5)), n_conditions=50)
    else:
        data = simulate_system(system(name))
    assert data.split is not None
    settings = Settings(steps=STEPS_OF_A_TRIAL)
    pool = pool_of(data, data.split, settings)
    rows, times = np.arange(len(data.split.training)), np.arange(len(data.times))
    shape = shape_of(settings, len(rows), len(times))
    return pool, shape, hyperparameters_of(settings, rows, times, pool)


def large_gradient(n_nodes: int, n_conditions: int, repeats: int) -> dict[str, Any]:
    """One gradient of a large network, ours and diffrax's."""
    random = np.random.default_rng(0)
    times = np.linspace(0, 10, 6)[1:]
    problem = Problem(
        random.normal(0, 1 / np.sqrt(n_nodes), (1, n_nodes, n_nodes)).astype(np.float32),
        np.zeros((1, n_nodes)),
        random.uniform(-1, 1, (n_nodes, n_conditions)),
        times,
        random.normal(0, 0.5, (len(times), n_nodes, n_conditions)),
    )
    row: dict[str, Any] = {"nodes": n_nodes, "conditions": n_conditions}
    sides = {}
    for name, make in {
        "ours": lambda: ours(problem, 1),
        "diffrax": lambda: diffrax_side(problem, 1, "best"),
    }.items():
        try:
            sides[name] = make()
            sides[name].call()
        except Exception as error:
            if "RESOURCE_EXHAUSTED" not in str(error):
                raise
            sides.pop(name, None)
    seconds = interleaved({name: side.call for name, side in sides.items()}, repeats=repeats)
    for name in ("ours", "diffrax"):
        row[f"{name}_milliseconds"] = 1000 * seconds[name] if name in seconds else None
    both = len(sides) == 2
    row["speedup"] = seconds["diffrax"] / seconds["ours"] if both else None
    row["difference"] = (
        difference(sides["ours"].gradient(), sides["diffrax"].gradient()) if both else None
    )
    row["note"] = "" if both else f"only {', '.join(sides) or 'neither'} fits into memory"
    return row


def main() -> None:
    parser = arguments(__doc__, repeats=5)
    given = parser.parse_args()
    import jax

    keep_no_programs()
    device = jax.devices()[0]
    print(f"{device.device_kind}, {jax.default_backend()}")
    lanes = (1, 4) if given.quick else LANES
    by_lanes = [
        row
        for name in (("LI",) if given.quick else ("LI", "GSD", "random"))
        for row in throughput(name, lanes, given.repeats)
    ]
    print(table(by_lanes), "\n")
    li = compare_li(given.repeats, 4 if given.quick else 64)
    print(table([{"LI": name, **row} for name, row in li["sides"].items()]), "\n")
    large = [
        large_gradient(n_nodes, 4 if given.quick else 100, given.repeats)
        for n_nodes in ((40,) if given.quick else LARGE_NODES)
    ]
    print(table(large))
    result = {
        "device": device.device_kind,
        "throughput": by_lanes,
        "li": li,
        "large_gradients": large,
        **environment(),
    }

    def draw(ax: Any) -> None:
        for name in dict.fromkeys(row["network"] for row in by_lanes):
            shown = [
                (row["lanes"], row["trials_per_minute"])
                for row in by_lanes
                if row["network"] == name and row["trials_per_minute"] is not None
            ]
            ax.plot(*zip(*shown, strict=True), "o-", label=name)
        ax.set(xscale="log", yscale="log", xlabel="lanes", ylabel="trials in a minute")
        ax.legend(title="network", frameon=False)

    write(result, given.json, draw)
    differences = [row["difference_from_tight_tolerances"] for row in li["sides"].values()]
    differences += [row["difference"] for row in large if row["difference"] is not None]
    if not max(differences) < MOST_DIFFERENCE:
        raise SystemExit(f"gradients differ by {max(differences):.2g}")


if __name__ == "__main__":
    main()
