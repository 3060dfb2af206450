"""Whether differences between cell lines are found, and none where there are none.

    python -m tests.benchmarks.cell_lines --lines 2 3 --seeds 2 --first-seed 810
    python -m tests.benchmarks.cell_lines --lines 2 --differences 0 --seeds 10 --first-seed 820

Each experiment is a network (LI, or a random one of 12 nodes) with so many lines, each of which
differs from the first in so many entries (`cellbox.with_lines`), and has conditions of its own. All
fits are least squares from a regression, without descent:
- lines: W shared, and differences let in (the form `lines`);
- control: one line alone, with as many conditions as all lines have together;
- pooled: Eq. 1, all lines as one;
- alone: Eq. 1 for each line by itself, against the line's own W; the mean over lines.
r of W is over all entries, against that of the first line.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from cellbox.data.dataset import Dataset
from cellbox.data.simulation import simulate
from cellbox.networks.known_systems import system
from cellbox.networks.line_networks import networks_of_lines, shown_differences
from cellbox.networks.network import Network
from cellbox.networks.random_lines import with_lines
from cellbox.networks.random_networks import random_network
from cellbox.refinement.multiple_shooting import MultipleShooting
from cellbox.scores.metrics import recovery
from cellbox.training.fit import criticise_fit
from cellbox.training.starts import Starts
from tests.benchmarks.measuring import add_seeds, seeds_of

NETWORKS = ("LI", "random")


class Experiment(NamedTuple):
    """What is simulated. conditions: to train on, of each line."""

    network: str
    n_lines: int
    n_differences: int
    seed: int
    conditions: int
    noise: float


class Outcome(NamedTuple):
    """What came of one experiment; see the module."""

    found: int
    missed: int
    false: int
    r: float
    r_control: float | None
    r_pooled: float | None
    r_alone: float | None
    verdict: str
    seconds: float


def network_of(experiment: Experiment) -> Network:
    """The network of the first line."""
    if experiment.network == "LI":
        return system("LI").network
    return random_network(12, density=0.2, seed=experiment.seed)


def simulated(network: Network, experiment: Experiment, conditions: int) -> Dataset:
    """An experiment with so many conditions of each line."""
    return simulate(
        network,
        n_conditions=conditions,
        n_held_out=3,
        noise=experiment.noise,
        design="balanced",
        seed=experiment.seed,
    )


def fitted(data: Dataset, form: str) -> Network:
    """The best fit from a regression."""
    assert data.split is not None
    starts = Starts(MultipleShooting.of(data, data.split.training), data.nodes, None)
    fits = starts.regression(True, starts.form_for(form, select_edges=True))
    return min(fits, key=lambda one: one.found.information).found.network


def r_of(learned: Network, truth: Network) -> float:
    """Pearson's r over all entries of W."""
    return recovery(learned, truth).pearson or 0.0


def places_of(network: Network) -> set[tuple[str, str, str, str]]:
    """What differs, whatever its values."""
    return {one[:4] for one in shown_differences(network)}


def outcome_of(experiment: Experiment, *, compared: bool = True) -> Outcome:
    """One experiment. compared: beside its control, and fits without the form."""
    base = network_of(experiment)
    truth = with_lines(base, experiment.n_lines, experiment.n_differences, seed=experiment.seed)
    data = simulated(truth, experiment, experiment.conditions)
    assert data.split is not None
    began = time.process_time()
    learned = fitted(data, "lines")
    seconds = time.process_time() - began
    wanted, found = places_of(truth), places_of(learned)
    control = pooled = alone = None
    if compared:
        one = simulated(base, experiment, experiment.n_lines * experiment.conditions)
        control, pooled = r_of(fitted(one, "none"), base), r_of(fitted(data, "none"), base)
        alone = float(np.mean(list(_alone(data, truth))))
    return Outcome(
        len(wanted & found), len(wanted - found), len(found - wanted),
        r_of(learned, base), control, pooled, alone,
        criticise_fit(learned, data, data.split).verdict, seconds,
    )  # fmt: skip


def _alone(data: Dataset, truth: Network) -> Iterator[float]:
    """r of each line that is fitted by itself."""
    assert data.split is not None
    assert data.lines is not None
    for name, own in networks_of_lines(truth).items():
        rows = [row for row in data.split.training if data.lines[row] == name]
        starts = Starts(MultipleShooting.of(data.rows(np.array(rows)), np.arange(len(rows))),
                        data.nodes, None)  # fmt: skip
        fits = starts.regression(True)
        if not fits:
            yield 0.0
            continue
        yield r_of(min(fits, key=lambda one: one.found.information).found.network, own)


def line_of(experiment: Experiment, outcome: Outcome) -> str:
    """An experiment as a line of text."""
    others = (outcome.r_control, outcome.r_pooled, outcome.r_alone)
    control, pooled, alone = ("-" if r is None else f"{r:.4f}" for r in others)
    return (
        f"{experiment.network} {experiment.seed}, {experiment.n_lines} lines, σ "
        f"{experiment.noise}, {experiment.conditions} conditions each: found {outcome.found}, "
        f"missed {outcome.missed}, false {outcome.false}; r {outcome.r:.4f} (control {control}, "
        f"pooled {pooled}, alone {alone}), {outcome.verdict}, {outcome.seconds:.0f} s"
    )


def main() -> None:
    """Print what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", nargs="*", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--lines", nargs="*", type=int, default=[2, 3])
    parser.add_argument("--differences", type=int, default=4)
    parser.add_argument("--conditions", type=int, default=15, help="of each line")
    parser.add_argument("--noise", type=float, default=0.01)
    parser.add_argument("--form-alone", action="store_true", help="nothing to compare with")
    parser.add_argument("--json", metavar="FILE")
    add_seeds(parser, 1, 810)
    arguments = parser.parse_args()
    outcomes = []
    for network in arguments.networks:
        for n_lines in arguments.lines:
            for seed in seeds_of(arguments):
                experiment = Experiment(
                    network, n_lines, arguments.differences, seed, arguments.conditions,
                    arguments.noise,
                )  # fmt: skip
                outcome = outcome_of(experiment, compared=not arguments.form_alone)
                outcomes.append({**experiment._asdict(), **outcome._asdict()})
                print(line_of(experiment, outcome), flush=True)
    total = {name: sum(one[name] for one in outcomes) for name in ("found", "missed", "false")}
    clean = sum(not one["false"] for one in outcomes)
    print(f"all: {total}, nothing false in {clean} of {len(outcomes)}")
    if arguments.json is not None:
        content = {"experiments": outcomes, **total}
        Path(arguments.json).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
