"""A budget study against a brute-force grid: every budget with every draw.

    python -m tests.benchmarks.budget VSC --noise 0.001 --draws 20 --studies 20 --share 0.25

Does all experiments of 4 × 3 × 3 budgets once (kept in --out, so that the command goes on where it
stopped), and then plays studies on their outcomes: each sees so large a share of them, chosen as
`cellbox budget` chooses, with the draws in another order. Of each study: Spearman's r of success
and of scores with the whole grid's, how many 90 % intervals hold the whole grid's value, and its
answer beside the grid's.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import spearmanr

from cellbox.storage.compilation import keep_compiled_programs
from search.budget.choosing import Chooser, Planned
from search.budget.findings import simulated_findings
from search.budget.sources import prices_of, simulated_experiments
from search.spec.budget_reading import make_budget_spec
from search.spec.budget_tables import BudgetSpec
from search.study.budget_folder import ExperimentRecord

Outcomes = dict[tuple[int, int], dict[str, Any]]


def spec_of(arguments: argparse.Namespace, seed: int, experiments: int) -> BudgetSpec:
    made = make_budget_spec(
        {
            "name": "benchmark",
            "seed": seed,
            "experiments": experiments,
            "draws": arguments.draws,
            "truth": {"system": arguments.system},
            "axes": {
                "conditions": arguments.conditions,
                "perturbed_nodes": [1, 2, 3],
                "time_points": [2, 3, 5],
                "noise": arguments.noise,
            },
            "choosing": {"name": arguments.choose, "interval": 0.0},
        }
    )
    assert isinstance(made, BudgetSpec)
    return made


def whole_grid(arguments: argparse.Namespace) -> Outcomes:
    """Every budget with every draw; what was done before is read."""
    file = Path(arguments.out)
    known: list[dict[str, Any]] = json.loads(file.read_text()) if file.is_file() else []
    done = {(one["cell"], one["draw"]): one for one in known}
    experiments = simulated_experiments(spec_of(arguments, 0, 1))
    started = time.perf_counter()
    for draw in range(arguments.draws):
        for number, cell in enumerate(experiments.grid.cells):
            if (number, draw) not in done:
                outcome = experiments.run(cell, draw)
                done[number, draw] = {"cell": number, "draw": draw, **outcome}
        file.write_text(json.dumps(list(done.values())))
        print(f"draw {draw}: {time.perf_counter() - started:.0f} s", flush=True)
    return done


def played(arguments: argparse.Namespace, grid: Any, outcomes: Outcomes, seed: int) -> dict:
    """What a study that sees a share of the experiments finds."""
    total = round(arguments.share * len(outcomes))
    spec = spec_of(arguments, seed, total)
    order = np.random.default_rng(seed).permutation(arguments.draws)
    chooser = Chooser(spec, grid)
    planned: list[Planned] = []
    told: list[ExperimentRecord] = []
    while len(told) < total:
        while len(planned) < total and len(told) >= chooser.seen_by(len(planned)):
            found = chooser.choose(len(planned), planned, told)
            assert found is not None
            planned.append(found)
        cell, draw = planned[len(told)]
        outcome = {"status": "learned", **outcomes[cell, int(order[draw])]}
        told.append(ExperimentRecord(len(told), grid.cells[cell], draw, outcome, 0.0, 0.0))
    return simulated_findings(spec, grid, told, None)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("system")
    parser.add_argument("--noise", type=float, default=0.01)
    parser.add_argument("--draws", type=int, default=20)
    parser.add_argument("--conditions", type=int, nargs="+", default=[4, 6, 8, 12])
    parser.add_argument("--studies", type=int, default=20)
    parser.add_argument("--share", type=float, default=0.25)
    parser.add_argument("--choose", default="unsure", choices=("unsure", "grid", "random"))
    parser.add_argument("--out", default="whole_grid.json")
    arguments = parser.parse_args()
    keep_compiled_programs()
    outcomes = whole_grid(arguments)
    spec = spec_of(arguments, 0, 1)
    grid = simulated_experiments(spec).grid
    r = np.full((len(grid.cells), arguments.draws), np.nan)
    for (cell, draw), outcome in outcomes.items():
        r[cell, draw] = outcome["pearson"] or 0.0
    success = (r >= spec.success.threshold).mean(axis=1).round(4)
    score = 1 - 10 ** np.log10(np.maximum(1 - r, 1e-5)).mean(axis=1)
    costs = np.array([prices_of(spec).cost(cell) for cell in grid.cells])
    cheapest = costs[success >= spec.success.share].min(initial=np.inf)
    print(f"whole grid: cheapest {cheapest:g}\n{success.reshape(grid.shape).squeeze()}")
    for seed in range(arguments.studies):
        found = played(arguments, grid, outcomes, seed)
        of = {name: np.array([cell[name] for cell in found["cells"]]) for name in found["cells"][0]}
        held = (success >= of["low"].round(2)) & (success <= of["high"].round(2))
        answer = found["cheapest"] or {}
        # Budgets that always succeed tie in the grid, which knows steps of 1 / draws alone.
        stepped = np.round(of["probability"] * arguments.draws)
        print(
            f"study {seed}: Spearman of success {spearmanr(of['probability'], success)[0]:.3f} "
            f"({spearmanr(stepped, success)[0]:.3f} in steps as coarse as the grid's), "
            f"of scores {spearmanr(of['score'], score)[0]:.3f}; intervals hold {held.mean():.2f}; "
            f"cost {answer.get('cost')} [{answer.get('low')}, {answer.get('high')}], "
            f"{answer.get('words')}",
            flush=True,
        )


if __name__ == "__main__":
    main()
