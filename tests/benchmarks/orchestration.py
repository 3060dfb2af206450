"""What a trial costs beside its training: asking, telling, recording, and MLflow.

    python -m tests.benchmarks.orchestration [--trials 1000] [--peer-trials 50] [--json FILE]

Our sweep runs with workers that answer each job at once, with five reports and a small random
network. Beside it Ray Tune with Optuna and MLflow runs trials that report five values. Both
search the same four numbers with TPE. A trial's milliseconds run from the first proposal until
MLflow has everything; our end includes models and pictures of the best trials.
"""

from __future__ import annotations

import cProfile
import io
import math
import pstats
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from cellbox.models.training_record import Training
from cellbox.scores.metrics import PredictionScore, Recovery
from search.study.data import StudyData
from search.study.record import RepeatRecord
from search.workers.executor import Executor
from search.workers.job import Event, Finished, Job, Report, WorkerReport
from tests.benchmarks.measuring import bars, table, write
from tests.benchmarks.service import (
    Side,
    arguments,
    both_sides,
    environment,
    parsed,
    resident_megabytes,
    tune_with_mlflow,
)

_REPORTED_STEPS = (50, 100, 150, 200, 250)
STEPS = 300
_LANES = 8
_A_FEW = 100
RANGES: dict[str, dict[str, Any]] = {
    "peak_rate": {"low": 0.02, "high": 0.2, "log": True},
    "l1": {"low": 1e-6, "high": 3e-4, "log": True},
    "weight_decay": {"low": 1e-6, "high": 1e-2, "log": True},
    "interval_share": {"low": 0.0, "high": 1.0},
}


def pretended_error(peak_rate: float, l1: float, step: int) -> float:
    """A validation error with a valley, so that a sampler has something to learn."""
    off = math.log(peak_rate / 0.06) ** 2 + 0.2 * math.log(l1 / 1e-5) ** 2
    return 0.005 * (1 + off) * (1 + 5 * math.exp(-step / 60))


class AnsweringExecutor(Executor):
    """Workers that train nothing: each job is answered at once."""

    def __init__(self, data: StudyData):
        super().__init__([_LANES, _LANES])
        self._n_nodes = data.evaluation.n_nodes
        self._calls: deque[tuple[int, tuple[Job, ...]]] = deque()
        # The sweep asks for its first trial as soon as it has its workers.
        self.began = time.time()
        self.megabytes: list[float | None] = [resident_megabytes()]

    def _send(self, worker: int, jobs: Sequence[Job], cancelled: Sequence[tuple[int, int]]) -> None:
        self._calls.append((worker, tuple(jobs)))

    def _receive(self) -> tuple[int, WorkerReport]:
        worker, jobs = self._calls.popleft()
        events = [event for job in jobs for event in answers(job, self._n_nodes)]
        self.megabytes += [resident_megabytes()] * len(jobs)
        return worker, WorkerReport(tuple(events), 0, 0.0)

    def _restart(self, worker: int) -> None:
        raise AssertionError("no worker dies here")

    def close(self) -> None:
        """Nothing to let go of."""


def answers(job: Job, n_nodes: int) -> Iterator[Event]:
    """What a worker says of a training that it has not done."""
    settings = job.settings
    errors = [pretended_error(settings.peak_rate, settings.l1, s) for s in _REPORTED_STEPS]
    for step, error in zip(_REPORTED_STEPS, errors, strict=True):
        yield Report(job.trial, job.repeat, step, error)
    yield _finished(job, errors, n_nodes)


def _finished(job: Job, errors: list[float], n_nodes: int) -> Finished:
    random = np.random.default_rng(job.trial)
    return Finished(
        trial=job.trial,
        repeat=job.repeat,
        weights=random.standard_normal((n_nodes, n_nodes)),
        amplitudes=random.uniform(0.5, 1.5, n_nodes),
        record=RepeatRecord(
            job.seed,
            Training(
                status="completed",
                message="Nothing was trained.",
                steps=STEPS,
                validation_mae=errors[-1],
                history={
                    "step": list(_REPORTED_STEPS),
                    "training_loss": errors,
                    "validation_mae": errors,
                },
                seconds=0.0,
                compile_seconds=0.0,
                selection_error=errors[-1],
                refinement="Not refined.",
            ),
            {**_numbers(PredictionScore), "all_nodes": None, **_numbers(Recovery)},
        ),
        baselines={
            **dict.fromkeys(("mean", "ridge", "persistence"), _numbers(PredictionScore)),
            "all_nodes": None,
        },
        shape={"lanes": _LANES, "device": "none", "versions": {}},
        started=time.time(),
    )


def _numbers(scores: Any) -> dict[str, float]:
    return {item.name: 0.5 for item in fields(scores)}


class Workers:
    """Stands where the sweep starts its workers. kind: of those that answer."""

    def __init__(self, kind: type[AnsweringExecutor] = AnsweringExecutor) -> None:
        self._kind = kind
        self.executor: Any = None

    def begin_plans(self, *anything: Any) -> Callable[[], dict[str, Any]]:
        return dict

    def lanes(self, plans: Any) -> list[int]:
        return [1]

    def close(self) -> None:
        pass

    def take(self, data: StudyData, *anything: Any) -> AnsweringExecutor:
        self.executor = self._kind(data)
        return self.executor


@contextmanager
def answering_workers(workers: Workers) -> Iterator[None]:
    @contextmanager
    def started(*anything: Any, **named: Any) -> Iterator[Workers]:
        yield workers

    with mock.patch("search.sweeping.run.started_workers", started):
        yield


def our_side(folder: str, trials: int, seed: int, profile: str | None) -> dict[str, Any]:
    """Run our sweep without training, and say when what happened."""
    from search.spec.reading import make_spec
    from search.sweeping.display import Silent
    from search.sweeping.run import sweep

    spec = make_spec(
        {
            "name": "orchestration",
            "seed": seed,
            "trials": trials,
            "data": {"system": "LI"},
            "training": {"steps": STEPS, "validate_every": 50},
            "space": {"schedule": "constant", **RANGES},
            "sampler": {"name": "tpe", "in_flight": 16},
            # Looks at every report, and never has enough trials to prune one.
            "pruner": {"name": "median", "startup_trials": 10**6},
            "workers": {"executor": "inline"},
        }
    )
    workers, study = Workers(), Path(folder) / "orchestration"
    with answering_workers(workers), _profiled(profile):
        result = sweep(spec, study=study, display=Silent())
    ended = time.time()
    recorded = sorted(record.finished for record in result.folder.records())
    tracked = _tracked_times(study)
    if len(recorded) != trials or len(tracked) != trials:
        raise SystemExit(f"of {trials} trials {len(recorded)} ended, MLflow has {len(tracked)}")
    megabytes = workers.executor.megabytes
    return {
        "began": workers.executor.began,
        "ended": ended,
        "recorded": recorded,
        "tracked": tracked,
        "megabytes": {
            "start": megabytes[0],
            "after_100_trials": megabytes[min(_A_FEW, trials)],
            "end": megabytes[trials],
        },
    }


def _tracked_times(study: Path) -> list[float]:
    """When each trial's network came into MLflow, ascending."""
    networks = (study / "mlflow-artifacts").glob("*/artifacts/network.npz")
    return sorted(file.stat().st_mtime for file in networks)


@contextmanager
def _profiled(file: str | None) -> Iterator[None]:
    """Write where the sweep's process spends its time, if a file is given."""
    if file is None:
        yield
        return
    with cProfile.Profile() as profile:
        yield
    text = io.StringIO()
    pstats.Stats(profile, stream=text).sort_stats("cumulative").print_stats(150)
    Path(file).write_text(text.getvalue(), encoding="utf-8")


def peer_side(folder: str, trials: int, seed: int) -> dict[str, Any]:
    """Run Ray Tune with trials that train nothing, and say when what happened."""
    results, ended = tune_with_mlflow(
        report_five_values, _ask_four, trials=trials, folder=Path(folder), seed=seed
    )
    return {"began": min(result.metrics["began"] for result in results), "ended": ended}


def report_five_values(config: dict[str, Any]) -> None:
    """A trial of Ray Tune."""
    from ray import tune

    began = time.time()
    for step in _REPORTED_STEPS:
        error = pretended_error(config["peak_rate"], config["l1"], step)
        tune.report({"validation_mae": error, "began": began})


def _ask_four(trial: Any) -> None:
    for name, dimension in RANGES.items():
        trial.suggest_float(
            name, dimension["low"], dimension["high"], log=dimension.get("log", False)
        )


def compare(ours: Side, peer: Side, trials: int, peer_trials: int) -> dict[str, Any]:
    """The result from what both sides said."""
    running = ours.answer["ended"] - ours.answer["began"]
    peer_running = peer.answer["ended"] - peer.answer["began"]
    milliseconds = 1000 * running / trials
    peer_milliseconds = 1000 * peer_running / peer_trials
    return {
        "milliseconds_per_trial": milliseconds,
        "milliseconds_per_trial_with_startup": 1000 * ours.seconds / trials,
        "peer_milliseconds_per_trial": peer_milliseconds,
        "peer_milliseconds_per_trial_with_startup": 1000 * peer.seconds / peer_trials,
        "speedup": peer_milliseconds / milliseconds,
        "seconds": {
            "startup": ours.answer["began"] - ours.started,
            "until_the_last_trial_is_recorded": ours.answer["recorded"][-1] - ours.answer["began"],
            "until_mlflow_has_the_last_trial": ours.answer["tracked"][-1] - ours.answer["began"],
            "until_mlflow_has_everything": running,
        },
        "trials_per_second": {
            "recorded": _first_and_last(ours.answer["recorded"]),
            "in_mlflow": _first_and_last(ours.answer["tracked"]),
        },
        "resident_megabytes": ours.answer["megabytes"],
        "trials": trials,
        "peer_trials": peer_trials,
        **environment(),
    }


def _first_and_last(times: Sequence[float]) -> dict[str, float]:
    """The rate of the first and the last hundred trials, or of all where there are fewer."""
    few = min(_A_FEW, len(times) - 1)
    return {
        "first_hundred": few / (times[few] - times[0]),
        "last_hundred": few / (times[-1] - times[-1 - few]),
    }


def main() -> None:
    parser = arguments("What a trial costs beside its training.", trials=1000, peer_trials=50)
    parser.add_argument("--profile", metavar="FILE", help="write where our time goes; slows it")
    given = parsed(parser)
    profile = str(Path(given.profile).resolve()) if given.profile else None
    sides = both_sides(given, our_side, peer_side, profile=profile)
    show(compare(*sides, given.trials, given.peer_trials), given.json)


def show(result: dict[str, Any], file: str | None) -> None:
    """Print a table, and write JSON and a plot where a file is given."""
    rows = [
        {
            "side": side,
            "trials": result[f"{prefix}trials"],
            "milliseconds_per_trial": result[f"{prefix}milliseconds_per_trial"],
            "with_startup": result[f"{prefix}milliseconds_per_trial_with_startup"],
        }
        for side, prefix in (("ours", ""), ("Ray Tune, Optuna, MLflow", "peer_"))
    ]
    print(table(rows), "\n")
    print(table([{"ours": "seconds", **result["seconds"]}]), "\n")
    print(f"milliseconds_per_trial: {result['milliseconds_per_trial']:.3g}")
    shown = {row["side"]: row["milliseconds_per_trial"] for row in rows}
    write(result, file, lambda ax: bars(ax, shown, "milliseconds per trial that trains nothing"))


if __name__ == "__main__":
    main()
