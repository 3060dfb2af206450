"""What `cellbox fit` loses, and saves, where least squares from a regression are enough.

    python -m tests.benchmarks.without_descent 931 LI VSC random12 repressilator3 VSC:noise=0.05

Each experiment is fitted with `descent="where needed"`, as `cellbox fit` does, and with a descent
in any case; the table has r of W, held-out error and processor time of both, compiling included.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

import cellbox
from cellbox.data.dataset import Dataset
from cellbox.networks.known_systems import SYSTEM_NAMES, system
from tests.benchmarks.starts import experiment


def data_of(kind: str, seed: int) -> Dataset:
    """An experiment: a system, randomN, or a kind of `tests.benchmarks.starts`, with options."""
    name, *options = kind.split(":")
    said = dict(option.split("=") for option in options)
    noise = float(said.get("noise", 0.01))
    if name.startswith("random"):
        n = int(name.removeprefix("random"))
        network = cellbox.random_network(
            n,
            density=2.5 / n,
            weight_range=(0.5, 1.5),
            motif=said.get("motif", "acyclic"),
            seed=seed,
        )
        return cellbox.simulate(
            network, n_conditions=n, n_times=5, design="balanced", noise=noise, seed=seed
        )
    if name not in SYSTEM_NAMES:
        return experiment(name, seed, noise)
    more = {"n_conditions": int(said["conditions"])} if "conditions" in said else {}
    return cellbox.simulate_system(system(name), noise=noise, seed=seed, **more)


def main() -> None:
    """Fit each experiment both ways and print a line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("seed", type=int)
    parser.add_argument("experiments", nargs="+")
    arguments = parser.parse_args()
    print(f"{'':26}descent      r            held-out MAE          processor s")
    for kind in arguments.experiments:
        data = data_of(kind, arguments.seed)
        rows = data.split or cellbox.split_rows(data, seed=arguments.seed)
        found = []
        for descent in ("where needed", "always"):
            started = time.process_time()
            model = cellbox.fit(data, seed=arguments.seed, descent=descent)
            seconds = time.process_time() - started
            r = np.corrcoef(model.network.weights.ravel(), data.truth.weights.ravel())[0, 1]
            found.append((model, r, cellbox.evaluate(model, data, rows)["test_mae"], seconds))
        (first, r, error, seconds), (_, r_always, error_always, seconds_always) = found
        skipped = "skipped" if first.training.steps == 0 else "needed"
        print(
            f"{kind:26}{skipped:9}{r:.4f} {r_always:.4f}   {error:.5f} {error_always:.5f}   "
            f"{seconds:6.1f} {seconds_always:6.1f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
