"""One study of very many trials that train nothing: does its cost grow with what it already has?

    python -m tests.benchmarks.long_study [--trials 100000] [--tracked] [--json FILE]

Our sweep runs as in `orchestration`, whose workers answer each job at once, with TPE and the median
pruner. Told are a trial's time on the clock and of the driver's processor, for each tenth of the
study; the driver's memory; and, in programs of their own, how long it takes to go on with the
study, to ask for it again, and to look at it. `--in FOLDER` keeps the study.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from tests.benchmarks.measuring import environment, table, write
from tests.benchmarks.orchestration import RANGES, STEPS, AnsweringExecutor, answering_workers
from tests.benchmarks.orchestration import Workers as StandIns

_MORE = 64


def spec_of(trials: int, sampler: str, tracked: bool) -> Any:
    """The spec of the study."""
    from search.spec.reading import make_spec

    return make_spec(
        {
            "name": "long",
            "trials": trials,
            "data": {"system": "LI"},
            "training": {"steps": STEPS, "validate_every": 50},
            "space": {"schedule": "constant", **RANGES},
            "sampler": {"name": sampler, "in_flight": 16},
            "pruner": {"name": "median", "startup_trials": 10**6},
            "workers": {"executor": "inline"},
            "tracking": {"enabled": tracked},
        }
    )


class _Timed(AnsweringExecutor):
    """Notes when each trial is answered."""

    def __init__(self, *given: Any):
        super().__init__(*given)
        self.moments: list[tuple[float, float]] = []

    def _receive(self) -> Any:
        worker, report = super()._receive()
        now = (time.monotonic(), time.process_time())
        self.moments += [now] * len({event.trial for event in report.events})
        return worker, report


def run(trials: int, sampler: str, tracked: bool, study: str) -> dict[str, Any]:
    """Run the sweep in this process, and say what it took."""
    from search.sweeping.display import Silent
    from search.sweeping.run import sweep

    began, workers = time.monotonic(), StandIns(_Timed)
    with answering_workers(workers):
        sweep(spec_of(trials, sampler, tracked), study=study, display=Silent(), report=False)
    ended = time.monotonic()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    if workers.executor is None:
        return {"seconds": ended - began, "peak_megabytes": peak}
    moments = np.array(workers.executor.moments)
    return {
        "seconds": ended - began,
        "until_the_first_answer": moments[0, 0] - began,
        "after_the_last_answer": ended - moments[-1, 0],
        "milliseconds_of_tenths": _of_tenths(moments[:, 0]),
        "processor_milliseconds_of_tenths": _of_tenths(moments[:, 1]),
        "milliseconds_of_first_and_last_thousand": _ends(moments[:, 0]),
        "processor_milliseconds_of_first_and_last_thousand": _ends(moments[:, 1]),
        "megabytes_at_the_last_trial": workers.executor.megabytes[-1],
        "peak_megabytes": peak,
    }


def _of_tenths(moments: np.ndarray) -> list[float]:
    places = np.linspace(0, len(moments) - 1, 11).astype(int)
    return [float(x) for x in 1000 * np.diff(moments[places]) / np.maximum(1, np.diff(places))]


def _ends(moments: np.ndarray) -> list[float]:
    few = min(1000, len(moments) // 2)
    return [
        float(1000 * (moments[few - 1] - moments[0]) / few),
        float(1000 * (moments[-1] - moments[-few]) / few),
    ]


def measured(given: argparse.Namespace, study: str) -> dict[str, Any]:
    """All that is told of the study, each part by a program of its own."""
    found: dict[str, Any] = {"trials": given.trials, "sampler": given.sampler}
    for name, trials in (
        ("study", given.trials),
        ("gone_on_with", given.trials + _MORE),
        ("asked_for_again", given.trials + _MORE),
    ):
        found[name] = _in_a_program(trials, given, study)
        print(f"{name}: {json.dumps(found[name])}", flush=True)
    for command in ("status", "best"):
        began = time.monotonic()
        subprocess.run(
            [sys.executable, "-m", "search.cli.main", command, study],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        found[f"{command}_seconds"] = time.monotonic() - began
        print(f"{command}: {found[f'{command}_seconds']:.2f} s", flush=True)
    return {**found, **environment()}


def _in_a_program(trials: int, given: argparse.Namespace, study: str) -> dict[str, Any]:
    answer = subprocess.run(
        [
            *(sys.executable, "-m", "tests.benchmarks.long_study", "--alone", study),
            *("--trials", str(trials), "--sampler", given.sampler),
            *(["--tracked"] if given.tracked else []),
        ],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return json.loads(answer.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", metavar="FILE", help="write the result there, and a plot")
    parser.add_argument("--trials", type=int, default=100_000)
    parser.add_argument("--sampler", default="tpe", help="as in [sampler] of a spec")
    parser.add_argument("--tracked", action="store_true", help="with MLflow")
    parser.add_argument("--in", dest="kept", metavar="FOLDER", help="keep the study there")
    parser.add_argument("--alone", metavar="FOLDER", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.alone is not None:
        print(json.dumps(run(given.trials, given.sampler, given.tracked, given.alone)))
        return
    with tempfile.TemporaryDirectory() as place:
        result = measured(given, given.kept or str(Path(place) / "long"))
    of_tenths = result["study"]["milliseconds_of_tenths"]
    of_processor = result["study"]["processor_milliseconds_of_tenths"]
    print(
        table(
            [
                {"tenth": place + 1, "milliseconds": one, "of_the_processor": other}
                for place, (one, other) in enumerate(zip(of_tenths, of_processor, strict=True))
            ]
        )
    )

    def draw(ax: Any) -> None:
        ax.plot(range(1, 11), of_tenths, "o-", label="clock")
        ax.plot(range(1, 11), of_processor, "o-", label="processor")
        ax.set(xlabel="tenth of the study", ylabel="milliseconds per trial")
        ax.legend(frameon=False)

    write(result, given.json, draw)


if __name__ == "__main__":
    main()
