"""What weighting values by their errors is worth, where half of them are ten times as noisy.

    python -m tests.benchmarks.known_errors LI VSC GSD --first-seed 900 --seeds 3
    python -m tests.benchmarks.known_errors LI VSC --descent

Balanced designs, noise 0.1 on half of the values and 0.01 on the others; refined from a regression,
or descent alone.
"""

from __future__ import annotations

import argparse
from dataclasses import replace

import numpy as np

from cellbox.data.dataset import Dataset
from cellbox.data.simulation import simulate_system
from cellbox.networks.known_systems import system
from cellbox.refinement.multiple_shooting import MultipleShooting
from cellbox.scores.metrics import recovery
from cellbox.settings import Settings
from cellbox.training.fit import fit
from cellbox.training.starts import Starts
from tests.benchmarks.measuring import add_seeds, seeds_of

_NOISY, _PRECISE = 0.1, 0.01


def uneven(name: str, seed: int) -> Dataset:
    """An experiment half of whose values are ten times as noisy, with the errors of all."""
    data = simulate_system(system(name), seed=seed, design="balanced")
    random = np.random.default_rng(seed)
    assert data.noise_free is not None
    errors = np.where(random.random(data.measurements.shape) < 0.5, _NOISY, _PRECISE)
    noisy = data.noise_free + errors * random.standard_normal(errors.shape)
    return replace(data, measurements=noisy, errors=errors)


def correlation(data: Dataset) -> float:
    """r of W of the best fit from a regression; 0 where it has no edge."""
    assert data.split is not None
    assert data.truth is not None
    starts = Starts(MultipleShooting.of(data, data.split.training), data.nodes, None)
    best = min(starts.regression(True), key=lambda one: one.found.information).found
    return recovery(best.network, data.truth).pearson or 0.0


def of_descent(data: Dataset) -> float:
    """r of W of descent with default settings, not refined."""
    assert data.truth is not None
    model = fit(data, Settings(refinement="none"), seed=0, descent="always")
    return recovery(model.network, data.truth).pearson or 0.0


def main() -> None:
    """Print r of W with and without the errors."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("systems", nargs="+", metavar="SYSTEM")
    add_seeds(parser, 3, 900)
    parser.add_argument("--descent", action="store_true", help="do not refine")
    arguments = parser.parse_args()
    measure = of_descent if arguments.descent else correlation
    for name in arguments.systems:
        for seed in seeds_of(arguments):
            data = uneven(name, seed)
            weighted, alike = measure(data), measure(replace(data, errors=None))
            print(f"{name} {seed}: r {weighted:.4f}, all values alike {alike:.4f}", flush=True)


if __name__ == "__main__":
    main()
