"""How often the 90 % intervals of an ensemble hold the true edge, apart for edges and for zeros.

    python -m tests.benchmarks.calibration [--systems LI CY ...] [--noise 0.01 0.001] [--seeds 5]
                                           [--first-seed 100] [--members 2] [--json FILE]

Each experiment is a known system at the budget of the paper's runs with a balanced design, and
fresh conditions, noise and starts. A well calibrated interval holds the truth in about 90 %.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tests.benchmarks.measuring import arguments, environment, table

SYSTEMS = ("LI", "CY", "BF", "LL", "BFC", "TF", "mCAD", "VSC", "HSC", "GSD")
EXPECTED = (0.80, 0.97)


def holds(system_name: str, noise: float, seed: int, members: int, steps: int) -> dict[str, Any]:
    """Of one experiment: whether each interval holds its true weight, for edges and for zeros."""
    from cellbox.data.simulation import simulate_system
    from cellbox.networks.known_systems import system
    from cellbox.settings import Settings
    from cellbox.training.fit_ensemble import fit_ensemble

    data = simulate_system(system(system_name), noise=noise, design="balanced", seed=seed)
    ensemble = fit_ensemble(data, Settings(steps=steps), members=members, seed=seed)
    truth, intervals = data.truth, ensemble.intervals
    if truth is None or intervals is None:
        raise ValueError(f"{system_name} gives no intervals")
    inside = (intervals.low <= truth.weights) & (truth.weights <= intervals.high)
    frequency = ensemble.selected.mean(axis=0)
    edge = truth.weights != 0
    return {
        "edges": inside[edge],
        "zeros": inside[~edge],
        "width": float(np.median(intervals.high - intervals.low)),
        "selected edges": float(frequency[edge].mean()),
        "selected zeros": float(frequency[~edge].mean()) if (~edge).any() else None,
        "left out": intervals.n_left_out,
    }


def rows(chosen: Any) -> Iterator[dict[str, Any]]:
    """One row for each system and noise, and one for all of them at the end."""
    every: dict[str, list[np.ndarray]] = {"edges": [], "zeros": []}
    for name in chosen.systems:
        for noise in chosen.noise:
            seeds = range(chosen.first_seed, chosen.first_seed + chosen.seeds)
            found = [holds(name, noise, seed, chosen.members, chosen.steps) for seed in seeds]
            for kind, values in every.items():
                values += [one[kind] for one in found]
            yield {
                "system": name,
                "noise": noise,
                **{kind: _share([one[kind] for one in found]) for kind in every},
                "median width": float(np.median([one["width"] for one in found])),
                "edges selected": float(np.mean([one["selected edges"] for one in found])),
                "zeros selected": float(np.mean([one["selected zeros"] for one in found])),
                "rows left out": int(sum(one["left out"] for one in found)),
            }
    yield {"system": "all", **{kind: _share(values) for kind, values in every.items()}}


def _share(inside: list[np.ndarray]) -> float:
    return float(np.concatenate(inside).mean())


def main() -> None:
    """Measure, print each row when it is there, and say whether all is as it should be."""
    parser = arguments(__doc__, repeats=1)
    parser.add_argument("--systems", nargs="+", default=list(SYSTEMS))
    parser.add_argument("--noise", nargs="+", type=float, default=[0.01, 0.001])
    parser.add_argument("--seeds", type=int, default=5, help="experiments of each kind (5)")
    parser.add_argument("--first-seed", type=int, default=100)
    parser.add_argument("--members", type=int, default=2)
    parser.add_argument("--steps", type=int, default=1500)
    chosen = parser.parse_args()
    if chosen.quick:
        chosen.systems, chosen.noise, chosen.seeds, chosen.steps = ["CY"], [0.01], 1, 200
    measured = []
    for row in rows(chosen):
        measured.append(row)
        print(table([row]), flush=True)
    low, high = EXPECTED
    within = {kind: low <= measured[-1][kind] <= high for kind in ("edges", "zeros")}
    print(f"within {low:.0%} to {high:.0%}: {within}")
    if chosen.json is not None:
        result = {"rows": measured, "within": within, "environment": environment()}
        Path(chosen.json).write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
