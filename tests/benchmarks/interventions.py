"""What it is worth to tell that nodes are held, and that doses begin and end.

    python -m tests.benchmarks.interventions --seeds 3 --first-seed 1400
    python -m tests.benchmarks.interventions --seeds 3 --first-seed 1400 --conditions 9

Networks and designs are those of `tests.benchmarks.forms`: acyclic, of ten nodes, 30 conditions to
train on with two perturbed nodes each, 5 times to 20, noise 0.02. In a share of the conditions one
of the two is knocked out (held at -2), or doses begin within the first quarter and end within
three quarters. Each is fitted by least squares from a regression, knowing that (told); with a
knock-out as a dose of 1, its level measured like other values, or doses that last for all (as a
dose); without the knocked-out node's dose (ignored); and without these conditions (left out). All
that is asked of the network is compared with the truth; sure edges are those that the fit calls
determined and has not left out.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from cellbox.data.dataset import Dataset, Split
from cellbox.data.drawn_interventions import Drawn
from cellbox.data.simulation import simulate
from cellbox.networks.random_networks import random_network
from tests.benchmarks.forms import fitted
from tests.benchmarks.measuring import add_seeds, seeds_of

KINDS = ("knock-outs", "pulses")
_NODES, _TRAINING, _NOISE, _LEVEL, _DOSE = 10, 30, 0.02, -2.0, 1.0


def data_of(kind: str, share: float, n_conditions: int, seed: int) -> Dataset:
    """An experiment in which so many conditions have knock-outs, or doses that begin and end."""
    network = random_network(_NODES, density=0.2, motif="acyclic", seed=seed)
    knock_outs, pulses = (share, 0.0) if kind == "knock-outs" else (0.0, share)
    return simulate(
        network,
        n_conditions=n_conditions,
        noise=_NOISE,
        design="balanced",
        done=Drawn(knock_outs=knock_outs, level=_LEVEL, pulses=pulses),
        seed=seed,
    )


def without_being_told(data: Dataset, dose: float, seed: int) -> Dataset:
    """The same data where knocked-out nodes have a dose and values, and all doses last."""
    done = data.interventions
    assert done is not None
    random = np.random.default_rng(seed)
    levels = np.broadcast_to(done.held[:, None], data.measurements.shape)
    held = ~np.isnan(levels)
    noisy = levels + _NOISE * random.standard_normal(levels.shape)
    return replace(
        data,
        interventions=None,
        perturbations=np.where(done.free, data.perturbations, dose),
        measurements=np.where(held, noisy, data.measurements),
        noise_free=np.where(held, levels, data.noise_free),
    )


def left_out(data: Dataset) -> Dataset:
    """The conditions in which no node is held and all doses last, split as they were."""
    assert data.split is not None
    assert data.interventions is not None
    kept = np.flatnonzero(~data.interventions.affected)
    split = data.split
    parts = [np.flatnonzero(np.isin(kept, part)) for part in (
        split.training, split.validation, split.test,
    )]  # fmt: skip
    return replace(data.rows(kept), split=Split(*parts))


def lines(kinds: list[str], share: float, n_conditions: int, seeds: range) -> Iterator[str]:
    """A line for each fit."""
    for kind in kinds:
        for seed in seeds:
            data = data_of(kind, share, n_conditions, seed)
            ways = {
                "told": data,
                "as a dose": without_being_told(data, _DOSE, seed),
                "ignored": without_being_told(data, 0.0, seed),
                "left out": left_out(data),
            }
            if kind == "pulses":
                del ways["ignored"]
            for name, way in ways.items():
                found = fitted(way, "none")
                yield (
                    f"{kind} {seed}, {name}: r {found.r:.4f}, {found.verdict}, {found.false} of "
                    f"{found.sure} sure edges false, {found.seconds:.0f} s"
                )


def main() -> None:
    """Print what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kinds", nargs="*", choices=KINDS, default=list(KINDS))
    parser.add_argument("--share", type=float, default=1 / 3, metavar="X")
    parser.add_argument("--conditions", type=int, default=_TRAINING, metavar="N")
    add_seeds(parser, 3, 1400)
    arguments = parser.parse_args()
    how = arguments.kinds, arguments.share, arguments.conditions
    for line in lines(*how, seeds_of(arguments)):
        print(line, flush=True)


if __name__ == "__main__":
    main()
