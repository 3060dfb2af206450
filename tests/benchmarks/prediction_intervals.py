"""How often the 90 % interval of a single model's prediction holds the response without noise.

    python -m tests.benchmarks.prediction_intervals [--of LI VSC 8x20x0.05 ...] [--seeds 5]
                                                    [--first-seed 300] [--json FILE]

--of: known systems at the budget of the paper's runs, or random networks of N nodes, two edges a
node, with C conditions and noise S, as NxCxS (α 1, from 100 nodes on 0.5). Asked of held-out
conditions (40 of random networks), at the times of measurement. An experiment whose model tells no
intervals is counted as such.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from tests.benchmarks.measuring import add_seeds, arguments, seeds_of, table, write_rows

OF = ("LI", "CY", "mCAD", "VSC", "HSC", "8x20x0.05", "12x24x0.02", "20x40x0.05")


def experiment(of: str, seed: int) -> Any:
    """Data of a known system or of a random network."""
    import cellbox

    if "x" not in of:
        return cellbox.simulate_system(cellbox.system(of), seed=seed)
    n_nodes, n_conditions, noise = of.split("x")
    n = int(n_nodes)
    network = cellbox.random_network(
        n, density=min(0.5, 2 / (n - 1)), amplitude=1.0 if n < 100 else 0.5, seed=seed
    )
    return cellbox.simulate(
        network, n_conditions=int(n_conditions), n_held_out=40, noise=float(noise), seed=seed
    )


def held(of: str, seed: int) -> dict[str, Any]:
    """Of one experiment: the share of responses that intervals hold, and their width."""
    import cellbox

    data = experiment(of, seed)
    model = cellbox.fit(data, seed=seed)
    rows = data.split.test
    started = time.perf_counter()
    predicted, low, high = model.predict_with_interval(data.perturbations[rows])
    seconds = time.perf_counter() - started
    told = {"of": of, "seed": seed, "verdict": model.criticism.verdict, "seconds": seconds}
    if low is None or high is None:
        return told | {"held": None, "width": None, "error": None}
    exact = data.noise_free[rows]
    known = np.isfinite(low) & np.isfinite(exact)
    apart = np.abs(predicted - exact)
    return told | {
        "held": float(((low <= exact) & (exact <= high))[known].mean()),
        "width": float((high - low)[known].mean()),
        "error": float(apart[known].mean()),
    }


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Of experiments of one kind."""
    own = [row for row in rows if row["held"] is not None]

    def mean(name: str) -> float | None:
        return float(np.mean([row[name] for row in own])) if own else None

    return {
        "of": rows[0]["of"],
        "tell intervals": f"{len(own)} of {len(rows)}",
        "hold": mean("held"),
        "least": min((row["held"] for row in own), default=None),
        "width": mean("width"),
        "mean error": mean("error"),
    }


def main() -> None:
    """Measure, and print a row for each kind when it is there."""
    parser = arguments(__doc__, repeats=1)
    parser.add_argument("--of", nargs="+", default=list(OF))
    add_seeds(parser, 5, 300, "experiments")
    chosen = parser.parse_args()
    if chosen.quick:
        chosen.of, chosen.seeds = ["3x12x0.02"], 1
    rows = []
    for of in chosen.of:
        rows += [held(of, seed) for seed in seeds_of(chosen)]
        print(table([summary([row for row in rows if row["of"] == of])]), flush=True)
    write_rows(rows, chosen.json)


if __name__ == "__main__":
    main()
