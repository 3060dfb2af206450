"""How often the 90 % intervals of an ensemble hold the true edge, apart for edges and for zeros.

    python -m tests.benchmarks.calibration [--systems LI CY ...] [--noise 0.01 0.001] [--seeds 5]
                                           [--first-seed 100] [--members 2] [--json FILE]
    python -m tests.benchmarks.calibration --random 7 20 60 [--amplitudes equal unequal]
                                           [--ratio 3] [--known-edges] [--blocks] ...

Each experiment is a known system at the budget of the paper's runs with a balanced design, and
fresh conditions, noise and starts. A well calibrated interval holds the truth in about 90 %.

--random: random networks of so many nodes instead, with two edges a node, |W| from 0.5 to 1.5,
ratio · nodes conditions and 5 times, refined from a regression without descent.
--amplitudes: their α, all 1 (from 100 nodes on 0.5), or from 0.1 to 2, even in the logarithm.
--known-edges: refinement is told the edges, which is quicker than to search them.
--blocks: by what factor errors by row blocks are too small at the true network, up to 40 nodes.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from tests.benchmarks.measuring import add_seeds, arguments, seeds_of, table, write_rows

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


def random_experiment(
    n_nodes: int, amplitudes: str, noise: float, seed: int, ratio: float
) -> tuple[Any, Any]:
    """A random network, and data of it."""
    import cellbox

    network = cellbox.random_network(
        n_nodes,
        density=min(0.3, 2 / (n_nodes - 1)),
        amplitude=1.0 if n_nodes < 100 else 0.5,
        motif="cyclic" if seed % 2 else "acyclic",
        seed=seed,
    )
    if amplitudes == "unequal":
        drawn = np.random.default_rng(seed).uniform(np.log(0.1), np.log(2.0), n_nodes)
        network = replace(network, amplitudes=np.exp(drawn))
    data = cellbox.simulate(
        network, n_conditions=round(ratio * n_nodes), noise=noise, design="balanced", seed=seed
    )
    return network, data


def holds_random(
    n_nodes: int, amplitudes: str, noise: float, seed: int, ratio: float, known_edges: bool
) -> dict[str, Any]:
    """As `holds`, of a random network."""
    from cellbox.refinement.edge_intervals import edge_intervals
    from cellbox.refinement.multiple_shooting import MultipleShooting
    from cellbox.refinement.refine import refine
    from cellbox.refinement.regression_start import regression_start

    network, data = random_experiment(n_nodes, amplitudes, noise, seed, ratio)
    problem = MultipleShooting.of(data, data.split.training)
    edge, began = network.weights != 0, time.perf_counter()
    if known_edges:
        found = refine(problem, network, allowed_edges=edge, select_edges=False)
    else:
        found = refine(problem, regression_start(problem, data.nodes))
    refined = time.perf_counter()
    intervals = edge_intervals(problem, found.network)
    ended = time.perf_counter()
    inside = (intervals.low <= network.weights) & (network.weights <= intervals.high)
    learned = found.network.weights
    return {
        "edges": inside[edge],
        "zeros": inside[~edge],
        "width": float(np.median(intervals.high - intervals.low)),
        "selected edges": float((learned[edge] != 0).mean()),
        "selected zeros": float((learned[~edge] != 0).mean()),
        "left out": intervals.n_left_out,
        "r": float(np.corrcoef(learned.ravel(), network.weights.ravel())[0, 1]),
        "refined in s": refined - began,
        "intervals in s": ended - refined,
    }


def block_row(n_nodes: int, amplitudes: str, seed: int, ratio: float) -> dict[str, Any]:
    """Errors from the information of all parameters, in units of those by row blocks."""
    from unittest.mock import patch

    from cellbox.identifiability import least_errors
    from cellbox.identifiability.check import check_design

    network, data = random_experiment(n_nodes, amplitudes, 0.01, seed, ratio)
    together, by_blocks = (
        np.array([edge.least_error for edge in report.edges])
        for report in (
            check_design(data, guess=network, noise=0.01),
            patch.object(least_errors, "MOST_PARAMETERS", 0)(check_design)(
                data, guess=network, noise=0.01
            ),
        )
    )
    low, middle, high = np.quantile(together / by_blocks, [0.05, 0.5, 0.95])
    named = {"nodes": n_nodes, "amplitudes": amplitudes, "seed": seed}
    return {**named, "5 %": low, "median": middle, "95 %": high}


def random_rows(chosen: Any) -> Iterator[dict[str, Any]]:
    """One row for each network, and one for each kind of amplitudes at the end."""
    for amplitudes in chosen.amplitudes:
        if chosen.blocks:
            for n_nodes in chosen.random:
                for seed in seeds_of(chosen):
                    yield block_row(n_nodes, amplitudes, seed, chosen.ratio)
            continue
        every: dict[str, list[np.ndarray]] = {"edges": [], "zeros": []}
        for n_nodes in chosen.random:
            for noise in chosen.noise:
                for seed in seeds_of(chosen):
                    found = holds_random(
                        n_nodes, amplitudes, noise, seed, chosen.ratio, chosen.known_edges
                    )
                    named = {"nodes": n_nodes, "amplitudes": amplitudes, "noise": noise}
                    shares = {}
                    for kind, values in every.items():
                        values.append(found[kind])
                        shares[kind] = _share([found.pop(kind)])
                    yield {**named, "seed": seed, **shares, **found}
        yield {"amplitudes": amplitudes, **{kind: _share(all_) for kind, all_ in every.items()}}


def rows(chosen: Any) -> Iterator[dict[str, Any]]:
    """One row for each system and noise, and one for all of them at the end."""
    every: dict[str, list[np.ndarray]] = {"edges": [], "zeros": []}
    for name in chosen.systems:
        for noise in chosen.noise:
            seeds = seeds_of(chosen)
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
    add_seeds(parser, 5, 100, "experiments")
    parser.add_argument("--members", type=int, default=2)
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--random", nargs="+", type=int, default=[], metavar="NODES")
    parser.add_argument("--amplitudes", nargs="+", default=["equal", "unequal"])
    parser.add_argument("--ratio", type=float, default=3.0, help="conditions for each node (3)")
    parser.add_argument("--known-edges", action="store_true")
    parser.add_argument("--blocks", action="store_true")
    chosen = parser.parse_args()
    if chosen.quick:
        chosen.systems, chosen.noise, chosen.seeds, chosen.steps = ["CY"], [0.01], 1, 200
    measured = []
    for row in random_rows(chosen) if chosen.random else rows(chosen):
        measured.append(row)
        print(table([row]), flush=True)
    if chosen.blocks:
        return
    low, high = EXPECTED
    within = {kind: low <= measured[-1][kind] <= high for kind in ("edges", "zeros")}
    print(f"within {low:.0%} to {high:.0%}: {within}")
    write_rows(measured, chosen.json, within=within)


if __name__ == "__main__":
    main()
