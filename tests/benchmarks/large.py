"""How well networks of more than 40 nodes are recovered, and what that costs.

    python -m tests.benchmarks.large [--nodes 60] [--density 0.05] [--ratio 3] [--noise 0.01]
                                     [--amplitude 0.5] [--motif cyclic] [--weakest 0.5]
                                     [--seeds 2] [--first-seed 500] [--json FILE]

Each experiment is a random network, ratio · nodes conditions of a balanced design and 5 times.
Refinement begins from a regression, as it does in `cellbox fit` beside descent.
"""

from __future__ import annotations

import resource
import time
from typing import Any

import numpy as np

from tests.benchmarks.measuring import add_seeds, arguments, seeds_of, table, write_rows


def recovered(chosen: Any, seed: int) -> dict[str, Any]:
    """Of one experiment: what was found of the network, in how long."""
    import cellbox
    from cellbox.refinement.multiple_shooting import MultipleShooting
    from cellbox.refinement.refine import refine
    from cellbox.refinement.regression_start import regression_start

    network = cellbox.random_network(
        chosen.nodes,
        density=chosen.density,
        weight_range=(chosen.weakest, 1.5),
        amplitude=chosen.amplitude,
        motif=chosen.motif,
        seed=seed,
    )
    n_conditions = round(chosen.ratio * chosen.nodes)
    data = cellbox.simulate(
        network, n_conditions=n_conditions, noise=chosen.noise, design="balanced", seed=seed
    )
    problem = MultipleShooting.of(data, data.split.training)
    began = time.perf_counter()
    start = regression_start(problem, data.nodes)
    found = refine(problem, start)
    true, learned = network.weights, found.network.weights
    return {
        "nodes": chosen.nodes,
        "conditions": n_conditions,
        "seed": seed,
        "edges": int((true != 0).sum()),
        "missed": int(((learned == 0) & (true != 0)).sum()),
        "false": int(((learned != 0) & (true == 0)).sum()),
        "r of the regression": float(np.corrcoef(start.weights.ravel(), true.ravel())[0, 1]),
        "r": float(np.corrcoef(learned.ravel(), true.ravel())[0, 1]),
        "steps": found.n_steps,
        "seconds": time.perf_counter() - began,
        "peak GB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6,
    }


def main() -> None:
    """Measure, and print each row when it is there."""
    parser = arguments(__doc__, repeats=1)
    parser.add_argument("--nodes", type=int, default=60)
    parser.add_argument("--density", type=float, default=0.05)
    parser.add_argument("--ratio", type=float, default=3.0, help="conditions for each node (3)")
    parser.add_argument("--noise", type=float, default=0.01)
    parser.add_argument("--amplitude", type=float, default=0.5)
    parser.add_argument("--motif", default="cyclic")
    parser.add_argument("--weakest", type=float, default=0.5, help="smallest |W| of an edge (0.5)")
    add_seeds(parser, 2, 500, "networks")
    chosen = parser.parse_args()
    if chosen.quick:
        chosen.nodes, chosen.ratio, chosen.seeds = 41, 1.0, 1
    measured = []
    for seed in seeds_of(chosen):
        measured.append(recovered(chosen, seed))
        print(table(measured[-1:]), flush=True)
    write_rows(measured, chosen.json)


if __name__ == "__main__":
    main()
