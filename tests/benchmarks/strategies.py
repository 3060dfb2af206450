"""What each phase of training is worth: an ablation, and a test of the criterion that chooses.

    python -m tests.benchmarks.strategies [--systems LI CY ...] [--noise 0.01 0.001] [--seeds 2]
                                          [--first-seed 200] [--steps 3000] [--json FILE]

On known systems at the budget of the paper's runs with a balanced design: Pearson r of W after
descent through the whole horizon (single shooting), through intervals (interval shooting), and
through intervals and then the whole horizon; after least squares (multiple shooting) from there,
over all edges and with a selection of edges; and after the latter from the initial draw, without
any descent. Then, among trainings that differ in penalty and strategy, r of the one with the least
validation error and of the one with the least selection error. The truth is only compared with.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from tests.benchmarks.measuring import environment, table

DESCENTS = {"whole horizon": 0.0, "intervals": 1.0, "intervals, then whole": 0.7}
PENALTIES = (1e-6, 1e-5, 1e-4)
STRATEGIES = (
    *DESCENTS,
    "+ least squares",
    "+ selection of edges",
    "selection from the draw",
)
CHOICES = (
    "best",
    "chosen by validation_mae",
    "chosen by selection_error",
    "descent chosen by validation_mae",
    "descent chosen by selection_error",
)


def experiment(system_name: str, noise: float, seed: int, steps: int) -> dict[str, Any]:
    """All strategies on one experiment."""
    from cellbox.dataset import validation_rows
    from cellbox.finishing import finish
    from cellbox.metrics import pearson_correlation
    from cellbox.multiple_shooting import MultipleShooting
    from cellbox.networks import Network, system
    from cellbox.settings import Settings
    from cellbox.simulation import simulate_system

    data = simulate_system(system(system_name), noise=noise, design="balanced", seed=seed)
    split, truth = data.split, data.truth
    assert split is not None
    assert truth is not None
    rows = split.training
    training = MultipleShooting.of(data, rows)
    validation = data.rows(validation_rows(data, split))

    def r_of(network: Network) -> float:
        return pearson_correlation(network.weights, truth.weights) or 0.0

    settings = [
        Settings(steps=steps, interval_share=share, l1=l1)
        for share in DESCENTS.values()
        for l1 in PENALTIES
    ]
    harvests = _descend(data, settings, seed)
    outcomes = [
        finish(harvest, replace(chosen, refinement=kind), training, validation)
        for harvest, chosen in zip(harvests, settings, strict=True)
        for kind in ("none", "select_edges")
    ]
    middle = {name: place * len(PENALTIES) + 1 for place, name in enumerate(DESCENTS)}
    result = {name: r_of(outcomes[2 * place].network) for name, place in middle.items()}
    from_there = middle["intervals, then whole"]
    every = finish(
        harvests[from_there],
        replace(settings[from_there], refinement="all_edges"),
        training,
        validation,
    )
    result["+ least squares"] = r_of(every.network)
    result["+ selection of edges"] = r_of(outcomes[2 * from_there + 1].network)
    (drawn,) = _descend(data, [Settings(steps=1, validate_every=1, peak_rate=1e-12)], seed)
    result["selection from the draw"] = r_of(
        finish(drawn, Settings(), training, validation).network
    )
    result["best"] = max(r_of(outcome.network) for outcome in outcomes)
    for name in ("validation_mae", "selection_error"):
        chosen = min(outcomes, key=lambda outcome: getattr(outcome, name))
        result[f"chosen by {name}"] = r_of(chosen.network)
        # Among descents alone, where settings matter more.
        chosen = min(outcomes[::2], key=lambda outcome: getattr(outcome, name))
        result[f"descent chosen by {name}"] = r_of(chosen.network)
    return {"system": system_name, "noise": noise, "seed": seed, **result}


def _descend(data: Any, settings: list[Any], seed: int) -> list[Any]:
    """What gradient descent alone leaves behind, side by side in one pack."""
    from cellbox.fitting import pool_of
    from cellbox.lane import Status
    from cellbox.pack import Pack, hyperparameters_of, shape_of

    pool = pool_of(data, data.split, settings[0])
    rows, times = np.arange(len(data.split.training)), np.arange(len(data.times))
    pack = Pack(pool, shape_of(settings[0], len(rows), len(times)), n_lanes=len(settings))
    for lane, chosen in enumerate(settings):
        pack.insert(lane, seed, hyperparameters_of(chosen, rows, times, pool))
    while (pack.advance().status == Status.RUNNING).any():
        pass
    return [pack.harvest(lane) for lane in range(len(settings))]


def experiments(options: Any) -> Iterator[dict[str, Any]]:
    """Every experiment that was asked for."""
    for name in options.systems:
        for noise in options.noise:
            for seed in range(options.first_seed, options.first_seed + options.seeds):
                yield experiment(name, noise, seed, options.steps)


def main() -> None:
    """Run, print a table of medians over seeds, and write JSON where asked."""
    from cellbox.networks import SYSTEM_NAMES

    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--systems", nargs="+", default=list(SYSTEM_NAMES))
    parser.add_argument("--noise", nargs="+", type=float, default=[0.01])
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--first-seed", type=int, default=200)
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--json", metavar="FILE", help="write every experiment")
    options = parser.parse_args()
    rows = []
    for row in experiments(options):
        rows.append(row)
        print(f"{row['system']}, noise {row['noise']}, seed {row['seed']}: done", flush=True)
    for columns in (STRATEGIES, CHOICES):
        print("\n" + table(medians(rows, columns)))
    if options.json is not None:
        result = {"environment": environment(), "rows": rows}
        Path(options.json).write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


def medians(rows: list[dict[str, Any]], columns: tuple[str, ...]) -> list[dict[str, Any]]:
    """One row for each system and noise: medians over seeds."""
    groups: dict[tuple[str, float], list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault((row["system"], row["noise"]), []).append(row)
    return [
        {
            "system": name,
            "noise": str(noise),
            # As text, since the digits that differ come late.
            **{column: f"{np.median([row[column] for row in group]):.4f}" for column in columns},
        }
        for (name, noise), group in groups.items()
    ]


if __name__ == "__main__":
    main()
