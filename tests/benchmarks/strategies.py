"""What each phase of training is worth: an ablation, and a test of the criterion that chooses.

    python -m tests.benchmarks.strategies [--systems LI CY ...] [--noise 0.01 0.001] [--seeds 2]
                                          [--times 5 20 80] [--spread 0.3] [--first-seed 200]
                                          [--steps 3000] [--json FILE]

On known systems at the budget of the paper's runs with a balanced design: Pearson r of W after
gradient descent alone, through the whole horizon (single shooting), through a horizon that grows
by one measured time after the other, through intervals (interval shooting), and through intervals
and then the whole horizon; after least squares (multiple shooting) from there, over all edges and
with a selection of edges; and after the latter without any descent, from the initial draw, from the
best of eight draws by selection error, and from a regression on the measured derivatives. Then,
among trainings that differ in penalty and strategy, r of the one with the least validation error
and of the one with the least selection error. The truth is only compared with.

--times: measured times in the same horizon. Many make interval shooting start from noise often.
--spread: standard deviation of the logarithms of the true amplitudes, which are all equal without.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial
from itertools import product
from typing import Any

import numpy as np

from tests.benchmarks.measuring import add_seeds, seeds_of, table, write_rows

DESCENTS = {"whole horizon": 0.0, "intervals": 1.0, "intervals, then whole": 0.7}
PENALTIES = (1e-6, 1e-5, 1e-4)
N_DRAWS = 8
STRATEGIES = (
    "whole horizon",
    "growing horizon",
    "intervals",
    "intervals, then whole",
    "+ least squares",
    "+ selection of edges",
    "selection from the draw",
    "best of 8 draws",
    "selection from regression",
)
CHOICES = (
    "best",
    "chosen by validation_mae",
    "chosen by selection_error",
    "descent chosen by validation_mae",
    "descent chosen by selection_error",
)


def experiment(
    system_name: str, noise: float, n_times: int, seed: int, steps: int, spread: float = 0.0
) -> dict[str, Any]:
    """All strategies on one experiment."""
    from cellbox.data.simulation import simulate_system
    from cellbox.networks.known_systems import system
    from cellbox.scores.metrics import pearson_correlation
    from cellbox.settings import Settings
    from cellbox.training.finish import Finisher

    known = system(system_name)
    factors = np.exp(spread * np.random.default_rng(seed).standard_normal(known.network.n_nodes))
    network = replace(known.network, amplitudes=known.network.amplitudes * factors)
    known = replace(known, network=network)
    data = simulate_system(known, noise=noise, n_times=n_times, design="balanced", seed=seed)
    settings = [
        Settings(steps=steps, interval_share=share, l1=l1)
        for share in DESCENTS.values()
        for l1 in PENALTIES
    ]
    harvests = _descend(data, settings, [seed] * len(settings))
    finisher = Finisher.of(data, data.split)
    alone, refined = (
        [
            finisher.finish(
                harvest,
                replace(chosen, refinement=kind),
                seed=seed,
                seconds=0.0,
                compile_seconds=0.0,
            ).model
            for harvest, chosen in zip(harvests, settings, strict=True)
        ]
        for kind in ("none", "select_edges")
    )
    middle = {name: place * len(PENALTIES) + 1 for place, name in enumerate(DESCENTS)}
    networks = {name: alone[place].network for name, place in middle.items()}
    networks["growing horizon"] = _grown(data, replace(settings[1], interval_share=0.0), seed)
    networks |= _least_squares(data, networks["intervals, then whole"], seed)
    networks |= _chosen(alone, refined)
    truth = data.truth.weights
    r = {name: pearson_correlation(one.weights, truth) or 0.0 for name, one in networks.items()}
    best = max(pearson_correlation(one.network.weights, truth) or 0.0 for one in (*alone, *refined))
    named = {"system": system_name, "noise": noise, "times": n_times, "seed": seed}
    return {**named, **r, "best": best}


def _least_squares(data: Any, descended: Any, seed: int) -> dict[str, Any]:
    """Networks after least squares, by where they began."""
    from cellbox.networks.network import Network
    from cellbox.refinement.multiple_shooting import MultipleShooting
    from cellbox.refinement.refine import refine
    from cellbox.refinement.regression_start import regression_start
    from cellbox.settings import Settings

    training = MultipleShooting.of(data, data.split.training)
    undone = Settings(steps=1, validate_every=1, peak_rate=1e-12)
    draws = _descend(data, [undone] * N_DRAWS, range(seed, seed + N_DRAWS))
    drawn = [refine(training, Network(data.nodes, draw.weights, draw.amplitudes)) for draw in draws]
    guess = regression_start(training, data.nodes)
    return {
        "+ least squares": refine(training, descended, select_edges=False).network,
        "+ selection of edges": refine(training, descended).network,
        "selection from the draw": drawn[0].network,
        "best of 8 draws": min(drawn, key=lambda one: one.information).network,
        "selection from regression": refine(training, guess).network,
    }


def _chosen(alone: list[Any], refined: list[Any]) -> dict[str, Any]:
    """The networks that each criterion chooses, among all, and among descents alone."""
    found = {}
    for name in ("validation_mae", "selection_error"):
        criterion = partial(_error, name=name)
        found[f"chosen by {name}"] = min(alone + refined, key=criterion).network
        # Settings matter more there.
        found[f"descent chosen by {name}"] = min(alone, key=criterion).network
    return found


def _error(model: Any, name: str) -> float:
    """An error of a model's training, infinite where it has none."""
    error = getattr(model.training, name)
    return np.inf if error is None else error


def _grown(data: Any, settings: Any, seed: int) -> Any:
    """Descent through the first time alone, then through the first two, and so on."""
    import equinox as eqx
    import jax

    from cellbox.equation.dynamics import Parameters
    from cellbox.networks.network import Network
    from cellbox.training.fit import pool_of
    from cellbox.training.lane import Status
    from cellbox.training.pack import Pack, hyperparameters_of, shape_of

    pool = pool_of(data, data.split, settings)
    rows, n_times = np.arange(len(data.split.training)), len(data.times)
    pack = Pack(pool, shape_of(settings, len(rows), n_times), n_lanes=1)
    stage = replace(settings, steps=max(1, settings.steps // n_times))
    reached: Parameters | None = None
    for last in range(1, n_times + 1):
        lane = hyperparameters_of(stage, rows, np.arange(last), pool)
        pack.insert(0, seed, lane)
        if reached is not None:
            # A pack begins every training from a draw; this one goes on.
            pack._lanes = eqx.tree_at(lambda lanes: lanes.parameters, pack._lanes, reached)
        while pack.advance().status[0] == Status.RUNNING:
            pass
        reached = jax.tree.map(lambda leaf: leaf.copy(), pack._lanes.parameters)
    harvest = pack.harvest(0)
    return Network(data.nodes, harvest.weights, harvest.amplitudes)


def _descend(data: Any, settings: list[Any], seeds: Iterable[int]) -> list[Any]:
    """What gradient descent alone leaves behind, side by side in one pack."""
    from cellbox.training.fit import pool_of, train_to_the_end
    from cellbox.training.pack import Pack, hyperparameters_of, shape_of

    pool = pool_of(data, data.split, settings[0])
    rows, times = np.arange(len(data.split.training)), np.arange(len(data.times))
    pack = Pack(pool, shape_of(settings[0], len(rows), len(times)), n_lanes=len(settings))
    for lane, (chosen, seed) in enumerate(zip(settings, seeds, strict=True)):
        pack.insert(lane, seed, hyperparameters_of(chosen, rows, times, pool))
    train_to_the_end(pack, lambda progress: None)
    return [pack.harvest(lane) for lane in range(len(settings))]


def experiments(options: Any) -> Iterator[dict[str, Any]]:
    """Every experiment that was asked for."""
    seeds = seeds_of(options)
    for name, noise, n_times, seed in product(options.systems, options.noise, options.times, seeds):
        yield experiment(name, noise, n_times, seed, options.steps, options.spread)


def main() -> None:
    """Run, print a table of medians over seeds, and write JSON where asked."""
    from cellbox.networks.known_systems import SYSTEM_NAMES

    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--systems", nargs="+", default=list(SYSTEM_NAMES))
    parser.add_argument("--noise", nargs="+", type=float, default=[0.01])
    parser.add_argument("--times", nargs="+", type=int, default=[5])
    parser.add_argument("--spread", type=float, default=0.0)
    add_seeds(parser, 2, 200)
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--json", metavar="FILE", help="write every experiment")
    options = parser.parse_args()
    rows = []
    for row in experiments(options):
        rows.append(row)
        named = f"{row['system']}, noise {row['noise']}, {row['times']} times, seed {row['seed']}"
        print(f"{named}: done", flush=True)
        write_rows(rows, options.json)
    for columns in (STRATEGIES, CHOICES):
        print("\n" + table(medians(rows, columns)))


def medians(rows: list[dict[str, Any]], columns: tuple[str, ...]) -> list[dict[str, Any]]:
    """One row for each system, noise and number of times: medians over seeds."""
    groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault((row["system"], row["noise"], row["times"]), []).append(row)
    return [
        {
            "system": name,
            "noise": str(noise),
            "times": str(n_times),
            # As text, since the digits that differ come late.
            **{column: f"{np.median([row[column] for row in group]):.4f}" for column in columns},
        }
        for (name, noise, n_times), group in groups.items()
    ]


if __name__ == "__main__":
    main()
