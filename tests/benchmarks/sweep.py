"""A whole sweep of LI, against Ray Tune with Optuna, MLflow and diffrax as people use them.

    python -m tests.benchmarks.sweep [--trials 64] [--peer-trials 16] [--json FILE] [--seed 0]

Both train 3,000 full-batch steps a trial on the same simulated data (20 conditions, 5 time points),
search the same space but for interval shooting, prune nothing, write MLflow into SQLite and have
two processes of one core each. Each side is a process of its own, so that its start counts; ours
begins without any program that an earlier study compiled, unless `--warm` is given. The peer's
fewer trials tell its rate; its start is counted once.

Running, a rate is that from the first training's beginning to the last one's end. With start-up
and end, it is all trials over the life of the process.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from tests.benchmarks.measuring import bars, table, write
from tests.benchmarks.service import (
    Side,
    arguments,
    both_sides,
    environment,
    parsed,
    tune_with_mlflow,
)
from tests.benchmarks.tune_trainable import STEPS, train


def _spec(seed: int, trials: int) -> Any:
    from search.spec.reading import make_spec

    return make_spec(
        {
            "name": "LI",
            "seed": seed,
            "trials": trials,
            "data": {"system": "LI"},
            # The other side ends with descent too.
            "training": {"steps": STEPS, "refinement": "none"},
            "pruner": {"name": "none"},
            "workers": {"executor": "ray", "count": 2},
        }
    )


def our_side(folder: str, trials: int, seed: int, warm: bool) -> dict[str, Any]:
    """Run our sweep, and say when its trials trained and what came out."""
    if not warm:
        os.environ["XDG_CACHE_HOME"] = folder
    from search.sweeping.display import Silent
    from search.sweeping.run import sweep

    result = sweep(_spec(seed, trials), study=Path(folder) / "LI", display=Silent())
    records = list(result.folder.records())
    return {
        "began": min(record.started for record in records),
        "finished": max(record.finished for record in records),
        "errors": [record.metrics["validation_mae"] for record in records],
    }


def peer_side(folder: str, trials: int, seed: int) -> dict[str, Any]:
    """Run Ray Tune, and say the same."""
    from ray import tune

    from search.sweeping.trials import repeat_seed

    results, _ = tune_with_mlflow(
        tune.with_parameters(train, data=_arrays(seed), seed=repeat_seed(seed, 0), locks=folder),
        _ask,
        trials=trials,
        folder=Path(folder),
        seed=seed,
    )
    metrics = [result.metrics for result in results]
    return {
        "began": min(of_trial["began"] for of_trial in metrics),
        "finished": max(of_trial["finished"] for of_trial in metrics),
        "errors": [of_trial["validation_mae"] for of_trial in metrics],
    }


def _ask(trial: Any) -> dict[str, Any]:
    """Our own space without interval shooting, which the peer does not have."""
    from search.spec.space import Fixed, Space, suggest

    space = Space(interval_share=Fixed(value=0.0))
    point = suggest(space, trial, several_times=True)
    return {name: value for name, value in point.items() if name not in trial.params}


def _arrays(seed: int) -> dict[str, Any]:
    """What our workers train and judge on, as plain arrays."""
    import numpy as np

    from search.study.data_loading import load_study_data

    data = load_study_data(_spec(seed, trials=1))
    rows, times = data.indices(data.own, repeat=0)
    validation = data.validation
    arrays = {
        "perturbations": data.perturbations[rows],
        "measurements": data.measurements[rows][:, times],
        "times": data.times[times],
        "validation_perturbations": validation.perturbations,
        "validation_measurements": validation.measurements,
    }
    return {name: np.asarray(values, np.float32) for name, values in arrays.items()}


def compare(ours: Side, peer: Side, trials: int, peer_trials: int) -> dict[str, Any]:
    """The result from what both sides said."""
    sides = {
        "ours": _described(ours, trials, trials),
        "peer": _described(peer, peer_trials, trials),
    }
    of_ours, of_peer = sides["ours"], sides["peer"]
    return {
        "speedup_with_startup": (
            of_ours["trials_per_minute_with_startup"] / of_peer["trials_per_minute_with_startup"]
        ),
        "speedup_running": (
            of_ours["trials_per_minute_running"] / of_peer["trials_per_minute_running"]
        ),
        "ours": of_ours,
        "peer": of_peer,
        "best_validation_mae_ratio": of_ours["best_validation_mae"]
        / of_peer["best_validation_mae"],
        "trials": trials,
        "peer_trials": peer_trials,
        **environment(),
    }


def _described(side: Side, measured: int, wanted: int) -> dict[str, Any]:
    """Times and rates of a side that ran `measured` trials, as if it had run `wanted`."""
    answer = side.answer
    startup = answer["began"] - side.started
    running = (answer["finished"] - answer["began"]) / measured
    ending = side.ended - answer["finished"]
    whole = startup + wanted * running + ending
    return {
        "seconds_with_startup": whole,
        "seconds_running": wanted * running,
        "seconds_starting": startup,
        "seconds_ending": ending,
        "trials_per_minute_with_startup": 60 * wanted / whole,
        "trials_per_minute_running": 60 / running,
        "best_validation_mae": min(answer["errors"]),
        # Of as many trials as the other side may have had.
        "best_validation_mae_of_first_16": min(answer["errors"][:16]),
        "measured_trials": measured,
    }


def main() -> None:
    parser = arguments("A whole sweep against Ray Tune.", trials=64, peer_trials=16)
    parser.add_argument("--warm", action="store_true", help="use programs that are on disk")
    given = parsed(parser)
    sides = both_sides(given, our_side, peer_side, warm=given.warm)
    result = {**compare(*sides, given.trials, given.peer_trials), "warm": given.warm}
    show(result, given.json)


def show(result: dict[str, Any], file: str | None) -> None:
    """Print a table, and write JSON and a plot where a file is given."""
    columns = (
        "seconds_starting",
        "seconds_running",
        "seconds_ending",
        "trials_per_minute_running",
        "trials_per_minute_with_startup",
        "best_validation_mae",
    )
    rows = [
        {"side": side, **{column: result[side][column] for column in columns}}
        for side in ("ours", "peer")
    ]
    print(f"{result['trials']} trials of LI; the peer's rate is that of {result['peer_trials']}")
    print(table(rows), "\n")
    for name in ("speedup_with_startup", "speedup_running", "best_validation_mae_ratio"):
        print(f"{name}: {result[name]:.3g}")
    shown = {
        f"{side}, {what}": result[side][f"trials_per_minute_{key}"]
        for what, key in (("running", "running"), ("with start-up", "with_startup"))
        for side in ("ours", "peer")
    }
    write(result, file, lambda ax: bars(ax, shown, "trials per minute"))


if __name__ == "__main__":
    main()
