"""What the benchmarks of the service share: fresh processes, and how people do it with Ray Tune.

A side of a comparison runs in a process of its own, so that what it costs to start counts. That
process is this module: `python -m tests.benchmarks.service CALL.json ANSWER.json`.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tests.benchmarks import measuring

_REPOSITORY = Path(__file__).resolve().parents[2]
_PACKAGES = ("ray", "optuna", "mlflow", "jax", "jaxlib", "diffrax", "optax", "equinox", "numpy")
_CORES = 2


@dataclass(frozen=True)
class Side:
    """One side of a comparison. started, ended: of its process, in seconds since 1970."""

    started: float
    ended: float
    answer: dict[str, Any]

    @property
    def seconds(self) -> float:
        """From the start of the process to its end."""
        return self.ended - self.started


def in_fresh_process(function: Callable[..., dict[str, Any]], **arguments: Any) -> Side:
    """Call a module's function, whose arguments and answer JSON can hold, in a new process."""
    # As the main module a function has a name that the new process could not find.
    module = sys.modules[function.__module__]
    spec = getattr(module, "__spec__", None)
    call = {
        "module": spec.name if spec else function.__module__,
        "function": function.__name__,
        "arguments": arguments,
    }
    with tempfile.TemporaryDirectory() as place:
        files = [Path(place) / name for name in ("call.json", "answer.json", "output.txt")]
        files[0].write_text(json.dumps(call), encoding="utf-8")
        command = [sys.executable, "-m", __spec__.name, *map(str, files[:2])]
        started = time.time()
        with open(files[2], "wb") as output:
            code = subprocess.run(
                command, cwd=place, env=_environment(), stdout=output, stderr=output
            ).returncode
        ended = time.time()
        if code:
            sys.exit(f"{call['function']} failed:\n{files[2].read_text('utf-8', 'replace')}")
        return Side(started, ended, json.loads(files[1].read_text(encoding="utf-8")))


def _environment() -> dict[str, str]:
    """This process's environment, in which the repository is found from any folder."""
    kept = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
    return {**kept, "PYTHONPATH": str(_REPOSITORY), "JAX_PLATFORMS": "cpu"}


def _answer(call_file: str, answer_file: str) -> None:
    call = json.loads(Path(call_file).read_text(encoding="utf-8"))
    function = getattr(importlib.import_module(call["module"]), call["function"])
    answer = function(**call["arguments"])
    Path(answer_file).write_text(json.dumps(answer), encoding="utf-8")


def tune_with_mlflow(
    trainable: Callable[..., None],
    space: Callable[[Any], dict[str, Any] | None],
    *,
    trials: int,
    folder: Path,
    seed: int,
) -> tuple[Any, float]:
    """What people write today: Ray Tune, Optuna's TPE and MLflow on SQLite, two trials at a time.

    Returns the trials' results, and when the last of it was written.

    Processes are used again, which is not Ray Tune's default but makes it faster.
    space: asks an Optuna trial for a point, as `OptunaSearch` takes it.
    """
    import optuna
    import ray
    from ray import tune
    from ray.air.integrations.mlflow import MLflowLoggerCallback
    from ray.tune.search.optuna import OptunaSearch

    ray.init(num_cpus=_CORES, include_dashboard=False, log_to_driver=False)
    search = OptunaSearch(
        space,
        metric="validation_mae",
        mode="min",
        sampler=optuna.samplers.TPESampler(seed=seed),
    )
    tracking = MLflowLoggerCallback(
        tracking_uri=f"sqlite:///{folder / 'mlflow.db'}", experiment_name="peer"
    )
    tuner = tune.Tuner(
        tune.with_resources(trainable, {"cpu": 1}),
        tune_config=tune.TuneConfig(
            search_alg=search,
            num_samples=trials,
            max_concurrent_trials=_CORES,
            reuse_actors=True,
        ),
        run_config=tune.RunConfig(
            name="peer", storage_path=str(folder / "tune"), callbacks=[tracking], verbose=0
        ),
    )
    results = tuner.fit()
    ended = time.time()
    ray.shutdown()
    if results.errors:
        raise results.errors[0]
    return results, ended


def resident_megabytes() -> float | None:
    """Memory of this process that is in use now; None where the system does not tell."""
    file = Path("/proc/self/statm")
    if not file.is_file():
        return None
    return int(file.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def environment() -> dict[str, Any]:
    """What the numbers were measured with."""
    return {**measuring.environment(), "versions": {name: version(name) for name in _PACKAGES}}


def arguments(description: str, *, trials: int, peer_trials: int) -> argparse.ArgumentParser:
    """What both benchmarks take."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--trials", type=int, default=trials, help=f"of ours ({trials})")
    parser.add_argument(
        "--peer-trials", type=int, default=peer_trials, help=f"of Ray Tune ({peer_trials})"
    )
    parser.add_argument("--json", metavar="FILE", help="write the result, and a plot beside it")
    parser.add_argument("--seed", type=int, default=0, help="of data, starts and samplers")
    return parser


def parsed(parser: argparse.ArgumentParser) -> argparse.Namespace:
    """The command line's arguments; refuses fewer trials than have a rate."""
    given = parser.parse_args()
    if min(given.trials, given.peer_trials) < 2:
        parser.error("at least 2 trials are needed for a rate")
    return given


def both_sides(
    given: argparse.Namespace, ours: Callable[..., Any], peer: Callable[..., Any], **options: Any
) -> tuple[Side, Side]:
    """Our side and then the peer's, each in a process and a folder of its own.

    options: what ours takes beside the number of trials.
    """

    def alone(function: Callable[..., Any], **arguments: Any) -> Side:
        with tempfile.TemporaryDirectory() as folder:
            return in_fresh_process(function, folder=folder, seed=given.seed, **arguments)

    return alone(ours, trials=given.trials, **options), alone(peer, trials=given.peer_trials)


if __name__ == "__main__":
    _answer(*sys.argv[1:])
