"""Whether forms find the network where Eq. 1 does not explain data, and stay off elsewhere.

    python -m tests.benchmarks.forms --seeds 2 --first-seed 700
    python -m tests.benchmarks.forms --kinds none --seeds 10
    python -m tests.benchmarks.forms --kinds none --named --for-none off_target --nodes 6

Experiments are those of `tests.benchmarks.criticism`, where the kinds of mismatch are. Each is
fitted by least squares from a regression, without descent: by Eq. 1 alone, and with the form
searched (--named: with the form that has made the data instead). The control is the same network,
design and noise without the mismatch, fitted by Eq. 1 (for hub: without the hub). Sure edges are
those that the fit calls determined and has not left out; false ones are not in the true network.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from cellbox.criticism.criticism import Criticism
from cellbox.data.dataset import Dataset
from cellbox.equation.network_responses import responses
from cellbox.identifiability.check import check_result
from cellbox.networks.form import EQ_1, SEARCH, form_of
from cellbox.refinement.multiple_shooting import MultipleShooting
from cellbox.scores.metrics import recovery
from cellbox.training.fit import criticise_fit
from cellbox.training.form_search import judge_of
from cellbox.training.starts import Starts
from tests.benchmarks.criticism import data_of
from tests.benchmarks.measuring import add_seeds, seeds_of
from tests.cellbox.small import at_last_time

# The form that makes the data of each kind.
NAMED = {
    "none": "none",
    "offset": "offset",
    "start": "start",
    "drive": "treated_drive",
    "basal": "drive",
    "decay": "decay",
    "hill": "hill",
    "hub": "hidden",
    "told_hub": "hidden",
    "quiet_hub": "hidden",
    "off_target": "off_target",
}


class Fit(NamedTuple):
    """What came of one fit. form: what it has beside Eq. 1. sure, false: numbers of edges."""

    r: float
    form: str
    verdict: str
    sure: int
    false: int
    seconds: float


def fitted(data: Dataset, form: str) -> Fit:
    """The best fit from a regression, and what is said of its edges."""
    assert data.split is not None
    assert data.truth is not None
    began = time.process_time()
    rows = data.split.training
    starts = Starts(MultipleShooting.of(data, rows), data.nodes, None, judge_of(data, rows))
    chosen = starts.form_for(form, select_edges=True)
    fits = starts.regression(True, chosen)
    network = min(fits, key=lambda one: one.found.information).found.network
    criticism: Criticism = criticise_fit(network, data, data.split)
    seconds = time.process_time() - began
    report = check_result(network, data, rows, refined=True, criticism=criticism)
    named = {node: place for place, node in enumerate(data.nodes)}
    sure = [
        (named[edge.target], named[edge.source])
        for edge in report.edges
        if edge.determined and edge.weight
    ]
    false = sum(data.truth.weights[place] == 0 for place in sure)
    r = recovery(network, data.truth).pearson
    kept = EQ_1 if network.form is None else network.form.form
    return Fit(r or 0.0, str(kept), criticism.verdict, len(sure), int(false), seconds)


def control_of(data: Dataset) -> Dataset:
    """The same network, design and noise, and Eq. 1 alone."""
    assert data.truth is not None
    assert data.noise_free is not None
    exact = responses(data.truth, data.perturbations, data.times)
    return replace(data, measurements=data.measurements - data.noise_free + exact, noise_free=exact)


def lines(
    kinds: list[str],
    seeds: range,
    *,
    named: bool,
    n_nodes: int,
    name_for_none: str = "none",
    steady: bool = False,
) -> Iterator[str]:
    """A line for each experiment, and one for each kind."""
    for kind in kinds:
        apart, sure, false = [], 0, 0
        for seed in seeds:
            data = data_of(kind, seed, n_nodes)
            data = at_last_time(data) if steady else data
            plain = fitted(data, "none")
            control = plain if kind == "none" else fitted(control_of(data), "none")
            name = name_for_none if kind == "none" else NAMED[kind]
            found = fitted(data, str(form_of(name)) if named else SEARCH)
            apart.append(found.r - control.r)
            sure, false = sure + found.sure, false + found.false
            yield (
                f"{kind} {seed}: r {found.r:.4f} (control {control.r:.4f}, Eq. 1 {plain.r:.4f}), "
                f"form {found.form}, {found.verdict}, {found.false} of {found.sure} sure edges "
                f"false, {found.seconds:.0f} s (Eq. 1 {plain.seconds:.0f} s)"
            )
        worst = f"r − control's {min(apart):+.4f} at worst"
        yield f"{kind}: {worst}; {false} of {sure} sure edges false"


def main() -> None:
    """Print what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kinds", nargs="*", choices=NAMED, default=list(NAMED))
    add_seeds(parser, 1, 700)
    parser.add_argument("--named", action="store_true")
    parser.add_argument("--for-none", default="none", help="with --named: what is fitted to none")
    parser.add_argument("--nodes", type=int, default=10, help="nodes of each network")
    parser.add_argument("--steady", action="store_true", help="measured at the last time alone")
    arguments = parser.parse_args()
    seeds = seeds_of(arguments)
    found = lines(
        arguments.kinds,
        seeds,
        named=arguments.named,
        n_nodes=arguments.nodes,
        name_for_none=arguments.for_none,
        steady=arguments.steady,
    )
    for line in found:
        print(line, flush=True)


if __name__ == "__main__":
    main()
