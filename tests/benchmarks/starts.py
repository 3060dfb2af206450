"""How well strongly coupled networks are recovered, and from which start.

    python -m tests.benchmarks.starts [--kinds repressilator3 ...] [--seeds 4] [--first-seed 700]
                                      [--noise 0.01] [--json FILE]

Repressilators of 3 and 5 nodes, toggles of 2 and 4 nodes, and acyclic networks of 4 to 8 nodes; α
is 1, |W| is 2, 2.5 or 3 (acyclic: uniform from 1 to 3). Each experiment has 9, 12 or 20 conditions,
5 or 8 times up to 20, and a random or a balanced design, all drawn with the seed. Every network
is learned by `cellbox.fit` with its defaults, and once more refined from the truth itself: what is
lost beside that is lost by starts.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from tests.benchmarks.measuring import add_seeds, arguments, seeds_of, table, write_rows

# Nodes and signs of a loop: each node acts on the next one.
LOOPS = {"repressilator3": 3, "repressilator5": 5, "toggle2": 2, "toggle4": 4}
KINDS = (*LOOPS, "feed-forward")


def experiment(kind: str, seed: int, noise: float) -> Any:
    """Simulated data of one network, with the truth."""
    import cellbox

    random = np.random.default_rng([seed, KINDS.index(kind)])
    if kind in LOOPS:
        strength = random.choice([2.0, 2.5, 3.0])
        weights = -strength * np.roll(np.eye(LOOPS[kind]), 1, axis=0)
        nodes = tuple(f"g{number}" for number in range(1, LOOPS[kind] + 1))
        network = cellbox.Network(nodes, weights, np.ones(len(nodes)))
    else:
        network = cellbox.random_network(
            int(random.integers(4, 9)),
            density=random.uniform(0.15, 0.4),
            weight_range=(1.0, 3.0),
            motif="acyclic",
            seed=seed,
        )
    return cellbox.simulate(
        network,
        n_conditions=int(random.choice([9, 12, 20])),
        n_times=int(random.choice([5, 8])),
        design=str(random.choice(["paper", "balanced"])),
        noise=noise,
        seed=seed,
    )


def recovered(kind: str, seed: int, noise: float) -> dict[str, Any]:
    """Of one experiment: what was found of the network, from where, in how long."""
    import cellbox
    from cellbox.refinement.multiple_shooting import MultipleShooting
    from cellbox.refinement.refine import refine

    data = experiment(kind, seed, noise)
    began = time.perf_counter()
    model = cellbox.fit(data, seed=seed)
    seconds = time.perf_counter() - began
    from_truth = refine(MultipleShooting.of(data, data.split.training), data.truth)
    true = data.truth.weights.ravel()
    told = model.training.refinement
    return {
        "network": kind,
        "seed": seed,
        "nodes": data.n_nodes,
        "conditions": len(data.split.training),
        "times": len(data.times),
        "r": _correlation(model.network.weights, true),
        "r from the truth": _correlation(from_truth.network.weights, true),
        "start": told.split(" steps from ")[1].split(":")[0] if " steps from " in told else told,
        "seconds": seconds,
    }


def _correlation(weights: np.ndarray, true: np.ndarray) -> float:
    """Pearson r, 0 where all weights are alike."""
    return float(np.corrcoef(weights.ravel(), true)[0, 1]) if np.ptp(weights) > 0 else 0.0


def main() -> None:
    """Measure, and print each row when it is there."""
    parser = arguments(__doc__, repeats=1)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS)
    parser.add_argument("--noise", type=float, default=0.01)
    add_seeds(parser, 4, 700, "networks")
    chosen = parser.parse_args()
    if chosen.quick:
        chosen.kinds, chosen.seeds = ("toggle2",), 1
    measured = []
    for kind in chosen.kinds:
        for seed in seeds_of(chosen):
            measured.append(recovered(kind, seed, chosen.noise))
            print(table(measured[-1:]), flush=True)
    write_rows(measured, chosen.json)


if __name__ == "__main__":
    main()
