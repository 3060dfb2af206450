"""Population-based training beside TPE, where descent alone decides.

    python -m tests.benchmarks.population [--seeds 3] [--first-seed 0] [--nodes 100] [--steps 1500]

One random network for each seed, 100 conditions of two nodes at three times, noise 0.01. All have
the same number of training steps: pbt a population of 8 in 10 generations, tpe 8 whole trainings,
and "tpe half" twice as many of half the steps. The first trial of each has the package's defaults.
The best by validation error is judged by held-out conditions and the true W.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from tests.benchmarks.measuring import environment, table

_MEMBERS, _GENERATIONS = 8, 10


def _spec(name: str, network: Path, seed: int, steps: int) -> dict[str, Any]:
    short = name.endswith("half")
    sampler: dict[str, Any] = {"name": name.split()[0]}
    trials = _MEMBERS * (2 if short else 1)
    if name == "pbt":
        sampler |= {"population": _MEMBERS, "generations": _GENERATIONS}
        trials = _MEMBERS * _GENERATIONS
    else:
        # So that most of few trials are proposed by what earlier ones found.
        sampler |= {"in_flight": 4} | ({"startup_trials": 4} if sampler["name"] == "tpe" else {})
    return {
        "name": name.replace(" ", "-"),
        "seed": seed,
        "trials": trials,
        "data": {
            "network": str(network), "amplitude": 0.5, "conditions": 100, "perturbed_nodes": 2,
            "time_points": 3, "noise": 0.01, "held_out": 10,
        },
        "training": {
            "steps": steps // 2 if short else steps, "validate_every": 20, "refinement": "none",
            "conditions_per_step": 8,
        },
        "objective": {"minimise": ["validation_mae"]},
        "sampler": sampler,
        "pruner": {"name": "none"},
        "workers": {"count": 2, "lanes": 4},
        "tracking": {"enabled": False},
    }  # fmt: skip


def compared(seed: int, n_nodes: int, steps: int) -> list[dict[str, Any]]:
    """What each finds on one network."""
    import search
    from cellbox.networks.network import write_network
    from cellbox.networks.random_networks import random_network

    rows = []
    with tempfile.TemporaryDirectory() as place:
        file = Path(place) / "edges.csv"
        network = random_network(n_nodes, density=2 / (n_nodes - 1), amplitude=0.5, seed=seed)
        write_network(network, file)
        for name in ("pbt", "tpe", "tpe half"):
            spec = search.make_spec(_spec(name, file, seed, steps))
            result = search.sweep(spec, study=Path(place) / spec.name, report=False)
            best = result.best.record
            rows.append(
                {
                    "seed": seed,
                    "search": name,
                    "steps_in_all": sum(_own_steps(one, result) for one in result.folder.records()),
                    "validation_mae": round(best.objectives["validation_mae"], 5),
                    "test_mae": round(best.metrics["test_mae_noise_free"], 5),
                    "r_of_w": round(best.metrics["pearson"], 4),
                    "auprc": round(best.metrics["auprc"], 4),
                    "diverged": result.counts.diverged,
                }
            )
            print(rows[-1], flush=True)
    return rows


def _own_steps(record: Any, result: Any) -> int:
    """Steps of a trial itself, without those of the trials that it went on from."""
    steps = record.repeats[0].training.steps
    if record.lineage is None or record.lineage.parent is None:
        return steps
    return steps - result.folder.record(record.lineage.parent).repeats[0].training.steps


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--nodes", type=int, default=100)
    parser.add_argument("--steps", type=int, default=1500)
    given = parser.parse_args()
    seeds = range(given.first_seed, given.first_seed + given.seeds)
    rows = [row for seed in seeds for row in compared(seed, given.nodes, given.steps)]
    print(table(rows))
    for name in dict.fromkeys(row["search"] for row in rows):
        of = [row for row in rows if row["search"] == name]
        print(name, {key: round(float(np.median([row[key] for row in of])), 5)
                     for key in ("validation_mae", "test_mae", "r_of_w", "auprc")})  # fmt: skip
    print(environment())


if __name__ == "__main__":
    main()
