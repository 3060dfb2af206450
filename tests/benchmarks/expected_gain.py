"""Whether `expected_gain` stops a study as rarely too early as it says, and what that saves.

    python -m tests.benchmarks.expected_gain --seeds 30 --first-seed 100
    python -m tests.benchmarks.expected_gain --seeds 12 --first-seed 200 --samplers cmaes nsga2
    python -m tests.benchmarks.expected_gain --sweeps LI --folder FOLDER --seeds 8 --first-seed 0

Sequences of errors are replayed trial by trial. Where the rule first stops one, the trials that
really came next tell whether it was wrong: whether they improved the best by more than the share.
Each sequence is replayed with several horizons and shares, each with 95 % confidence.

Sequences: draws from laws (trials that are all alike), Optuna's samplers on test functions with 16
trials under way, and sweeps of known systems by descent alone, which `--sweeps` makes in a folder
that keeps them.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from search.spec.reading import make_spec
from search.study.expected_gain import GainWatch
from search.study.folder import StudyFolder
from search.study.summaries import summaries_of
from tests.benchmarks.measuring import add_seeds, seeds_of, table, write_rows
from tests.search.fake_study import make_record

#: Trials ahead, and the share by which they are to improve on the best.
ASKED = ((30, 0.01), (30, 0.05), (50, 0.02), (100, 0.01), (100, 0.05))
CONFIDENCE = 0.95
_IN_FLIGHT = 16
_SPEC = {"name": "replay", "data": {"system": "LI"}}

Random = np.random.Generator

LAWS: Mapping[str, Callable[[Random, int], np.ndarray]] = {
    "normal": lambda random, n: np.abs(1 + 0.2 * random.standard_normal(n)),
    "lognormal": lambda random, n: np.exp(0.5 * random.standard_normal(n)),
    "narrow lognormal": lambda random, n: np.exp(0.1 * random.standard_normal(n)),
    "uniform": lambda random, n: 1 + random.random(n),
    "exponential": lambda random, n: 1 + random.exponential(size=n),
    "Gumbel": lambda random, n: 5 + 0.3 * np.log(random.exponential(size=n)),
    "square of 2": lambda random, n: 1 + ((random.random((n, 2)) - 0.3) ** 2).sum(1),
    "square of 5": lambda random, n: 1 + ((random.random((n, 5)) - 0.3) ** 2).sum(1),
    "square of 10": lambda random, n: 1 + ((random.random((n, 10)) - 0.3) ** 2).sum(1),
    "two groups": lambda random, n: np.where(
        random.random(n) < 0.2, 1 + 0.1 * random.random(n) ** 0.5, 2 + random.random(n)
    ),
}
#: One trial in a hundred is of a region of its own that is 30 % better, which nothing tells before.
HIDDEN_REGION: Mapping[str, Callable[[Random, int], np.ndarray]] = {
    "hidden region": lambda random, n: (
        np.where(random.random(n) < 0.01, 0.7, 1.0) * (1 + 0.2 * random.random(n))
    )
}


def _coordinates(trial: Any, n: int) -> np.ndarray:
    return np.array([trial.suggest_float(f"x{place}", -1, 1) for place in range(n)])


def _rosenbrock(trial: Any, random: Random) -> float:
    x = 1.5 * _coordinates(trial, 4) + 0.5
    return 10 + float(np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2))


def _rastrigin(trial: Any, random: Random) -> float:
    x = 3 * _coordinates(trial, 4) - 0.7
    return 5 + float(np.sum(x * x - 5 * np.cos(2 * np.pi * x) + 5))


def _conditional(trial: Any, random: Random) -> float:
    """Three kinds, of which one has a coordinate more and is a third better."""
    kind = trial.suggest_categorical("kind", ["a", "b", "c"])
    x = _coordinates(trial, 3)
    more = trial.suggest_float("more", -1, 1) if kind == "b" else 0.6
    worse = {"a": 0.3, "b": 0.0, "c": 0.5}[kind]
    return 0.01 * (1 + worse + float(np.sum((x - 0.4) ** 2)) + (more - 0.2) ** 2)


def _noisy(trial: Any, random: Random) -> float:
    square = float(np.sum((_coordinates(trial, 4) - 0.3) ** 2))
    return 0.01 * (1 + square) * float(np.exp(0.05 * random.standard_normal()))


def _basin(trial: Any, random: Random) -> float:
    """A bowl, and elsewhere a narrow basin that is deeper."""
    x = _coordinates(trial, 3)
    basin = float(np.exp(-np.sum((x - 0.5) ** 2) / 0.02))
    return 1 + 0.2 * float(np.sum((x + 0.5) ** 2)) - 0.6 * basin


FUNCTIONS: Mapping[str, Callable[[Any, Random], float]] = {
    "sphere": lambda trial, random: 1 + float(np.sum((_coordinates(trial, 5) - 0.3) ** 2)),
    "sphere to 0": lambda trial, random: float(np.sum((_coordinates(trial, 4) - 0.3) ** 2)),
    "Rosenbrock": _rosenbrock,
    "Rastrigin": _rastrigin,
    "noisy": _noisy,
    "conditional": _conditional,
    "basin": _basin,
}


def _grid(name: str, seed: int) -> Any:
    """A grid of 500 to 1,100 points over all that a function asks for."""
    import optuna

    tried = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    tried.optimize(lambda trial: FUNCTIONS[name](trial, np.random.default_rng(0)), n_trials=50)
    asked = {
        key: one for trial in tried.trials for key, one in trial.distributions.items()
    }  # fmt: skip
    numbers = [key for key, one in asked.items() if not hasattr(one, "choices")]
    kinds = {key: list(one.choices) for key, one in asked.items() if key not in numbers}
    count = {5: 4, 4: 5 - len(kinds), 3: 8}[len(numbers)]
    values = {key: np.linspace(asked[key].low, asked[key].high, count) for key in numbers}
    space = {**kinds, **{key: list(map(float, each)) for key, each in values.items()}}
    return optuna.samplers.GridSampler(space, seed=seed)


def _made(sampler: str, function: str, seed: int) -> Any:
    """The service's sampler; Optuna's own where the service's is of the space of its spec."""
    import optuna

    from search.proposals.samplers import make_sampler

    if sampler == "grid":
        return _grid(function, seed)
    if sampler == "qmc":
        return optuna.samplers.QMCSampler(seed=seed, scramble=True, warn_independent_sampling=False)
    return make_sampler(make_spec({**_SPEC, "seed": seed, "sampler": {"name": sampler}}), 0)


def optimised(name: str, sampler: str, seed: int, trials: int) -> np.ndarray:
    """What Optuna finds of a function, trial by trial, with others under way as in a sweep."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    random = np.random.default_rng(seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        study = optuna.create_study(sampler=_made(sampler, name, seed))
        under_way: list[Any] = []
        errors: list[float] = []
        while len(errors) < trials:
            while len(under_way) < _IN_FLIGHT:
                trial = study.ask()
                under_way.append((trial, FUNCTIONS[name](trial, random)))
            trial, value = under_way.pop(0)
            study.tell(trial, value)
            errors.append(value)
    return np.array(errors)


#: Of each sweep: the sampler, the pruner, what is minimised.
SWEEPS = (
    ("tpe", "none", "validation_mae"),
    ("random", "none", "validation_mae"),
    ("tpe", "median", "selection_error"),
)


def swept(
    system: str, seed: int, kinds: tuple[str, str, str], trials: int, folder: Path
) -> np.ndarray:
    """The errors of a sweep by descent alone; infinite for trials that were pruned or diverged."""
    from search.sweeping.display import Silent
    from search.sweeping.run import sweep

    sampler, pruner, objective = kinds
    place = folder / "-".join((system, *kinds, str(seed)))
    spec = make_spec(
        {
            "name": place.name,
            **{"seed": seed, "trials": trials, "data": {"system": system}},
            "training": {"steps": 200, "validate_every": 50, "refinement": "none"},
            "objective": {"minimise": [objective]},
            "sampler": {"name": sampler, "stop_when_tied": 0},
            "pruner": {"name": pruner},
            "workers": {"executor": "inline", "lanes": 32},
            "tracking": {"enabled": False},
        }
    )
    sweep(spec, study=place, display=Silent(), report=False)
    return np.array(
        [
            next(iter(trial.objectives.values())) if trial.eligible else np.inf
            for trial in summaries_of(StudyFolder.at(place))
        ]
    )


def stopped_at(errors: np.ndarray, sampler: str, trials: int, improvement: float) -> int | None:
    """After how many trials the rule stops a study of these; None where it does not."""
    wanted = {"trials": trials, "improvement": improvement, "confidence": CONFIDENCE}
    # A grid, which the space of a spec would have to be made for, learns as little.
    name = "random" if sampler == "grid" else sampler
    spec = make_spec({**_SPEC, "sampler": {"name": name}, "expected_gain": wanted})
    watch = GainWatch(spec)
    for number, error in enumerate(errors):
        ended = "completed" if np.isfinite(error) else "pruned"
        if watch.add(make_record(number, status=ended, objectives={"validation_mae": error})):
            return number + 1
    return None


def replayed(
    group: str, name: str, sampler: str, sequences: Sequence[np.ndarray], trials: int, share: float
) -> dict[str, Any]:
    """How often these sequences were stopped, and how often that was too early."""
    stopped, wrong, gains = [], 0, []
    for errors in sequences:
        at = stopped_at(errors[: len(errors) - trials], sampler, trials, share)
        if at is None:
            continue
        best, later = errors[:at].min(), errors[at : at + trials].min()
        stopped.append(at)
        wrong += bool(later < best - share * abs(best))
        # What the whole rest of the sequence would have brought.
        gains.append(1 - min(errors[at:].min(), best) / best)
    length = float(np.mean([len(errors) for errors in sequences]))
    return {
        **{"group": group, "of": name, "trials ahead": trials, "share": share},
        **{"sequences": len(sequences), "stopped": len(stopped), "wrong": wrong},
        "after": float(np.median(stopped)) if stopped else None,
        "saved": sum(length - at for at in stopped) / (length * len(sequences)),
        "all others": float(np.median(gains)) if gains else None,
    }


def sequences_of(
    options: argparse.Namespace,
) -> Iterator[tuple[str, str, str, list[np.ndarray]]]:
    """Group, name, sampler and sequences of each kind."""
    seeds = list(seeds_of(options))
    if options.sweeps:
        for system in options.sweeps:
            for kinds in SWEEPS:
                found = [
                    swept(system, seed, kinds, options.trials, Path(options.folder))
                    for seed in seeds
                ]
                yield f"sweeps, {kinds[0]}", f"{system}, {kinds[2]}", kinds[0], found
        return
    for group, laws in (("laws", LAWS), ("hidden region", HIDDEN_REGION)):
        for name, law in laws.items() if options.samplers is None else ():
            drawn = [law(np.random.default_rng(seed), options.trials) for seed in seeds]
            yield group, name, "random", drawn
    for sampler in options.samplers or ("random", "tpe"):
        for name in options.functions:
            found = [optimised(name, sampler, seed, options.trials) for seed in seeds]
            yield f"functions, {sampler}", name, sampler, found


def summed(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Rows of a group together, with the bounds in which the share of wrong stops lies (95 %)."""
    from scipy.stats import beta

    together = []
    for group in dict.fromkeys(row["group"] for row in rows):
        chosen = [row for row in rows if row["group"] == group]
        replays, stopped, wrong = (
            sum(row[key] for row in chosen) for key in ("sequences", "stopped", "wrong")
        )
        # Clopper and Pearson 1934.
        least = float(beta.ppf(0.025, wrong, stopped - wrong + 1)) if wrong else 0.0
        most = float(beta.ppf(0.975, wrong + 1, stopped - wrong)) if wrong < stopped else 1.0
        together.append(
            {
                **{"group": group, "replays": replays, "stopped": stopped, "wrong": wrong},
                "share wrong": wrong / stopped if stopped else None,
                "at least": least if stopped else None,
                "at most": most if stopped else None,
                "saved": sum(row["saved"] * row["sequences"] for row in chosen) / replays,
            }
        )
    return together


def main() -> None:
    """Print how often the rule stopped, was wrong, and what it saved."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    add_seeds(parser, 30, 100, "sequences")
    parser.add_argument("--trials", type=int, default=400, help="of a sequence (400)")
    names = ", ".join(FUNCTIONS)
    parser.add_argument(
        "--samplers", nargs="+", metavar="NAME", help="on the functions alone (laws, random, tpe)"
    )
    parser.add_argument(
        "--functions", nargs="+", metavar="NAME", default=list(FUNCTIONS), help=names
    )
    parser.add_argument("--sweeps", nargs="+", metavar="SYSTEM", help="replay sweeps of these")
    parser.add_argument("--folder", default="studies", help="where the sweeps are kept (studies)")
    parser.add_argument("--asked", type=int, nargs="+", default=range(len(ASKED)), metavar="N",
                        help="which of the horizons and shares (all)")  # fmt: skip
    parser.add_argument("--json", metavar="FILE", help="write the result")
    options = parser.parse_args()
    rows = []
    for group, name, sampler, sequences in sequences_of(options):
        for trials, share in (ASKED[number] for number in options.asked):
            rows.append(replayed(group, name, sampler, sequences, trials, share))
        print(table(rows[-len(options.asked) :]), flush=True)
    together = summed(rows)
    print(table(together))
    write_rows(rows, options.json, together=together)


if __name__ == "__main__":
    main()
