"""What a prior of edges brings when it is right, and what it costs when it is wrong.

    python -m tests.benchmarks.prior --seeds 8 --first-seed 900
    python -m tests.benchmarks.prior --seeds 3 --whole

Random networks, each with growing numbers of conditions, are fitted without a prior and with

- true: the true edges between different nodes, with their signs;
- half wrong: half of the true edges, and as many false ones;
- half missing: half of the true edges;
- wrong signs: the true edges, each with the other sign;
- shuffled: as many edges between random pairs of nodes.

Fits are least squares from a regression (--whole: all of `cellbox.fit`). For each number of
conditions it prints medians of r of W and of AUPRC, false and missed edges in all, and what
the prior changed at worst; then how many conditions bring the median of r to 0.95.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from cellbox.data.dataset import Dataset
from cellbox.data.simulation import simulate
from cellbox.networks.form import EQ_1
from cellbox.networks.network import Network
from cellbox.networks.prior import AUTO, EdgePrior
from cellbox.networks.random_networks import random_network
from cellbox.refinement.multiple_shooting import MultipleShooting
from cellbox.scores.metrics import recovery
from cellbox.training.fit import fit
from cellbox.training.starts import Starts
from tests.benchmarks.measuring import add_seeds, seeds_of

NONE = "none"
KINDS = ("true", "half wrong", "half missing", "wrong signs", "shuffled")
_WANTED = 0.95


class Fit(NamedTuple):
    """What came of one fit. false, missed: numbers of edges. strength: of the prior."""

    r: float
    auprc: float
    false: int
    missed: int
    strength: float


def prior_of(truth: Network, kind: str, seed: int) -> EdgePrior:
    """A prior of this kind for a network; the same seed gives the same one."""
    random = np.random.default_rng([seed, 0x9717])
    between = ~np.eye(len(truth.nodes), dtype=bool)
    edges = random.permutation(np.argwhere((truth.weights != 0) & between))
    others = random.permutation(np.argwhere((truth.weights == 0) & between))
    half = len(edges) // 2
    listed = {
        "true": edges,
        "wrong signs": edges,
        "half missing": edges[:half],
        "half wrong": np.concatenate([edges[:half], others[: len(edges) - half]]),
        "shuffled": random.permutation(np.argwhere(between))[: len(edges)],
    }[kind]
    confidence, signs = np.zeros(truth.weights.shape), np.zeros(truth.weights.shape, int)
    targets, sources = listed.T
    confidence[targets, sources] = 1.0
    true = np.sign(truth.weights[targets, sources]).astype(int)
    guessed = random.choice([-1, 1], size=len(true))
    signs[targets, sources] = np.where(true == 0, guessed, -true if kind == "wrong signs" else true)
    return EdgePrior(truth.nodes, confidence, signs)


def fits(data: Dataset, kinds: list[str], seed: int, *, whole: bool) -> Iterator[Fit]:
    """The fit without a prior, then with each kind of prior."""
    assert data.truth is not None
    assert data.split is not None
    priors = [None, *(prior_of(data.truth, kind, seed) for kind in kinds)]
    problem = MultipleShooting.of(data, data.split.training)
    for prior in priors:
        if whole:
            model = fit(data, prior=prior)
            yield _judged(model.network, data.truth, model.training.prior_strength)
            continue
        found = Starts(problem, data.nodes, None, prior=prior).regression(True, EQ_1, AUTO)
        best = min((one.found for one in found), key=lambda one: one.information, default=None)
        if best is None:
            yield Fit(0.0, 0.0, 0, int((data.truth.weights != 0).sum()), 0.0)
        else:
            yield _judged(best.network, data.truth, best.prior_strength)


def _judged(network: Network, truth: Network, strength: float | None) -> Fit:
    scores = recovery(network, truth)
    found, there = network.weights != 0, truth.weights != 0
    return Fit(
        scores.pearson or 0.0,
        scores.auprc or 0.0,
        int((found & ~there).sum()),
        int((there & ~found).sum()),
        strength or 0.0,
    )


def main() -> None:
    """Print what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kinds", nargs="*", choices=KINDS, default=list(KINDS))
    parser.add_argument("--conditions", type=int, nargs="*", default=[3, 4, 5, 6, 8])
    parser.add_argument("--nodes", type=int, default=10)
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--noise", type=float, default=0.02)
    parser.add_argument("--density", type=float, default=0.2)
    add_seeds(parser, 4, 900)
    parser.add_argument("--whole", action="store_true", help="all of cellbox.fit")
    arguments = parser.parse_args()
    seeds = seeds_of(arguments)
    enough: dict[str, int] = {}
    for n_conditions in arguments.conditions:
        found: dict[str, list[Fit]] = {kind: [] for kind in (NONE, *arguments.kinds)}
        for seed in seeds:
            network = random_network(arguments.nodes, density=arguments.density, seed=seed)
            data = simulate(
                network, n_conditions=n_conditions, n_times=arguments.times,
                noise=arguments.noise, n_held_out=3, design="balanced", seed=seed,
            )  # fmt: skip
            made = fits(data, arguments.kinds, seed, whole=arguments.whole)
            for kind, one in zip(found, made, strict=True):
                found[kind].append(one)
            told = ", ".join(
                f"{kind} {of_kind[-1].r:.3f}/{of_kind[-1].auprc:.3f} ({of_kind[-1].strength:.1f})"
                for kind, of_kind in found.items()
            )
            print(f"  {n_conditions} conditions, {seed}: {told}", flush=True)
        for kind, of_kind in found.items():
            print(_line(n_conditions, kind, of_kind, found[NONE]), flush=True)
            if np.median([one.r for one in of_kind]) >= _WANTED:
                enough.setdefault(kind, n_conditions)
    for kind in (NONE, *arguments.kinds):
        print(f"median of r at least {_WANTED}: {kind}, {enough.get(kind, 'no')} conditions")


def _line(n_conditions: int, kind: str, found: list[Fit], without: list[Fit]) -> str:
    """One number of conditions and one kind of prior, over all seeds."""
    r, auprc = np.array([one.r for one in found]), np.array([one.auprc for one in found])
    apart_r = r - np.array([one.r for one in without])
    apart_auprc = auprc - np.array([one.auprc for one in without])
    return (
        f"{n_conditions} conditions, {kind}: r {np.median(r):.3f} (mean {r.mean():.3f}, change "
        f"{apart_r.mean():+.3f}, worst {apart_r.min():+.3f}), AUPRC {np.median(auprc):.3f} (mean "
        f"{auprc.mean():.3f}, change {apart_auprc.mean():+.3f}, worst {apart_auprc.min():+.3f}), "
        f"{sum(one.false for one in found)} false and {sum(one.missed for one in found)} missed"
    )


if __name__ == "__main__":
    main()
