"""How often the verdict is right, on data that come from Eq. 1 and on data that do not.

    python -m tests.benchmarks.criticism --kinds none start hub --seeds 10 --first-seed 600
    python -m tests.benchmarks.criticism --outliers LI VSC GSD --seeds 3

Networks are acyclic, of ten nodes, with |W| from 0.5 to 1.5 and α = 1, under a balanced design with
30 conditions to train on, 5 times to 20 and noise 0.02; 10 conditions more are held out. Each is
refined from a regression, without descent; with --at-the-truth not at all, and the true network is
judged. Kinds:

- none: Eq. 1; offset: treated rows are shifted by normal(0, 0.2) in each node; start: x(0) is
  normal(0, 0.3); drive: normal(0, 0.3) inside the tanh of each node in treated rows; decay: its
  logarithm is normal(0, 0.5); hill: Hill kinetics; basal: normal(0, 0.3) inside the tanh of each
  node in all rows; hub: the node with most targets is not measured, and perturbed in 4 of 10
  conditions, which no file tells; told_hub: the same of the nodes that others act on; quiet_hub:
  such a node is perturbed in no condition; outliers: 2 % of the values are far off; off_target: the
  doses of two nodes act on another node as well, with 0.5 to 1.5 times their size and either sign.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Iterator
from itertools import chain
from typing import Any

import jax.numpy as jnp
import numpy as np

from cellbox.criticism.criticise import criticise
from cellbox.data.dataset import Dataset, Split
from cellbox.data.design import draw_design
from cellbox.data.flaws import Flaws, part_of, with_flaws
from cellbox.data.hill_kinetics import hill_responses
from cellbox.data.simulation import equal_times, simulate_system
from cellbox.equation.classical_step import classical_step
from cellbox.equation.solver_settings import precision_context
from cellbox.networks.known_systems import system
from cellbox.networks.network import Network
from cellbox.networks.random_networks import random_network
from cellbox.networks.random_off_targets import drawn_off_targets
from cellbox.refinement.multiple_shooting import MultipleShooting
from cellbox.scores.metrics import recovery
from cellbox.training.starts import Starts
from tests.benchmarks.measuring import add_seeds, seeds_of

KINDS = (
    *("none", "hub", "start", "hill", "offset", "drive", "decay", "outliers", "basal"),
    *("told_hub", "quiet_hub", "off_target"),
)
HUBS = ("hub", "told_hub", "quiet_hub")
_NODES, _TRAINING, _HELD_OUT, _NOISE = 10, 30, 5, 0.02
_STEP = 0.05


def data_of(kind: str, seed: int, n_measured: int = _NODES) -> Dataset:
    """An experiment of this kind."""
    random = np.random.default_rng([seed, KINDS.index(kind)])
    n_nodes = n_measured + (kind in HUBS)
    network = random_network(n_nodes, density=0.2, motif="acyclic", seed=seed)
    seen = np.arange(n_nodes)
    hub = _hub_of(network, told=kind != "hub")
    seen = np.delete(seen, hub) if kind in HUBS else seen
    n_rows = _TRAINING + 2 * _HELD_OUT
    perturbations = np.zeros((n_rows, n_nodes))
    drawn = draw_design(n_rows, len(seen), random, kind="balanced")
    perturbations[:, seen] = drawn.perturbations(2)
    if kind in ("hub", "told_hub"):
        hit = random.random(n_rows) < 0.4
        perturbations[hit, hub] = random.uniform(0.3, 1.0, int(hit.sum()))
    times = equal_times(5, 20.0)
    with precision_context("float64"):
        exact = _responses(kind, network, perturbations, times, random)[:, :, seen]
    data = Dataset(
        nodes=tuple(network.nodes[node] for node in seen),
        times=times,
        perturbations=perturbations[:, seen],
        measurements=exact + _NOISE * random.standard_normal(exact.shape),
        row_names=tuple(f"c{row + 1}" for row in range(n_rows)),
        activity_nodes=np.zeros(len(seen), bool),
        noise_free=exact,
        truth=part_of(network, seen),
        split=Split(*np.split(np.arange(n_rows), [_TRAINING, _TRAINING + _HELD_OUT])),
        name=kind,
    )
    return with_flaws(data, Flaws(outliers=0.02), seed) if kind == "outliers" else data


def _hub_of(network: Network, *, told: bool) -> int:
    """The node with most targets, or of those that others act on."""
    n_targets = (network.weights != 0).sum(axis=0)
    acted_on = (network.weights != 0).any(axis=1)
    return int(np.argmax(np.where(acted_on | (not told), n_targets, -1)))


def _responses(kind, network: Network, perturbations, times, random) -> np.ndarray:
    """What answers: Eq. 1, or it with something else."""
    if kind == "hill":
        return hill_responses(network, perturbations, times)
    n_nodes, treated = network.n_nodes, (perturbations != 0).any(axis=1)[:, None]
    drive = random.normal(0, 0.3, n_nodes) * treated if kind == "drive" else 0.0
    drive = random.normal(0, 0.3, n_nodes) if kind == "basal" else drive
    decay = np.exp(random.normal(0, 0.5, n_nodes)) if kind == "decay" else 1.0
    if kind == "off_target":
        perturbations = perturbations @ (np.eye(n_nodes) + drawn_off_targets(n_nodes, 2, random)).T
    state: Any = np.zeros(perturbations.shape)
    state = state + random.normal(0, 0.3, n_nodes) if kind == "start" else state

    def rate(_, x):
        inputs = x @ network.weights.T - perturbations + drive
        return network.amplitudes * jnp.tanh(inputs) - decay * x

    states, now = [], 0.0
    for moment in times:
        while now < moment - _STEP / 2:
            state = classical_step(rate, jnp.asarray(state), jnp.asarray(_STEP))
            now += _STEP
        states.append(np.asarray(state))
    exact = np.stack(states, axis=1)
    shift = random.normal(0, 0.2, n_nodes) * treated if kind == "offset" else np.zeros(n_nodes)
    return exact + (shift[:, None] if kind == "offset" else shift)


def verdicts(kinds: list[str], seeds: range, at_the_truth: bool) -> Iterator[str]:
    """A line for each experiment, and one for each kind."""
    counts: dict[str, Counter] = {kind: Counter() for kind in kinds}
    for kind in kinds:
        for seed in seeds:
            data = data_of(kind, seed)
            split = data.split
            assert split is not None
            assert data.truth is not None
            began = time.process_time()
            network = data.truth if at_the_truth else _refined(data)
            refined = time.process_time()
            if network is None:
                yield f"{kind} {seed}: no network could be solved"
                continue
            held_out = np.concatenate([split.validation, split.test])
            found = criticise(network, data, split.training, held_out)
            seconds = refined - began, time.process_time() - refined
            counts[kind][found.verdict] += 1
            first = found.findings[0].kind if found.findings else "-"
            counts[kind][f"first {first}"] += 1
            r = recovery(network, data.truth).pearson
            yield (
                f"{kind} {seed}: {found.verdict} ({first}), r {0.0 if r is None else r:.3f}, "
                f"refined in {seconds[0]:.1f} s, judged in {seconds[1]:.1f} s"
            )
    yield from (f"{kind}: {dict(count)}" for kind, count in counts.items())


def _refined(data: Dataset) -> Network | None:
    """The network that least squares find from a regression, None where there is none."""
    assert data.split is not None
    starts = Starts(MultipleShooting.of(data, data.split.training), data.nodes, None)
    fits = starts.regression(True)
    return min(fits, key=lambda one: one.found.information).found.network if fits else None


def outliers(systems: list[str], seeds: range) -> Iterator[str]:
    """r of W with 0, 2 and 5 % of the values far off."""
    for name in systems:
        for seed in seeds:
            found = []
            for share in (0.0, 0.02, 0.05):
                clean = simulate_system(system(name), seed=seed, design="balanced")
                data = with_flaws(clean, Flaws(outliers=share), seed)
                split = data.split
                assert split is not None
                assert data.truth is not None
                starts = Starts(MultipleShooting.of(data, split.training), data.nodes, None)
                fits = starts.regression(True)
                best = min(fits, key=lambda one: one.found.information).found
                r = recovery(best.network, data.truth).pearson
                plain = recovery(fits[0].found.network, data.truth).pearson
                shown = [f"{0.0 if value is None else value:.4f}" for value in (r, plain)]
                found.append(f"{share:.0%}: r {shown[0]} (all values alike: {shown[1]})")
            yield f"{name} {seed}: {'; '.join(found)}"


def main() -> None:
    """Print what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kinds", nargs="*", choices=KINDS, default=[])
    parser.add_argument("--outliers", nargs="*", default=[], metavar="SYSTEM")
    add_seeds(parser, 2, 600)
    parser.add_argument("--at-the-truth", action="store_true")
    arguments = parser.parse_args()
    seeds = seeds_of(arguments)
    for line in chain(
        verdicts(arguments.kinds, seeds, arguments.at_the_truth),
        outliers(arguments.outliers, seeds),
    ):
        print(line, flush=True)


if __name__ == "__main__":
    main()
