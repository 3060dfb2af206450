"""What real data have and a clean simulation has not: gaps, wild values, nodes nobody measures."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Int

from cellbox.arrays import Responses
from cellbox.data.dataset import Dataset
from cellbox.errors import InputError, Problem
from cellbox.networks.network import Network

# Flaws have a stream of random numbers of their own, which changes no other draw.
_STREAM = 0xF1A35


@dataclass(frozen=True)
class Flaws:
    """What is wrong with simulated measurements.

    missing: share of values that are not measured.
    outliers: share of values that are far off, and by how much: `outlier_size` times the root mean
        square of the responses (from half to once and a half of it, up or down).
    hidden: nodes that are neither perturbed nor measured, nor named.

    Raises InputError for shares outside 0 to 1, and the like.
    """

    missing: float = 0.0
    outliers: float = 0.0
    outlier_size: float = 5.0
    hidden: int = 0

    def __post_init__(self) -> None:
        problems = [
            Problem(name, f"expected a share from 0 up to below 1, found {share}", "Use 0.02")
            for name, share in (("missing", self.missing), ("outliers", self.outliers))
            if not 0 <= share < 1
        ]
        if not 0 < self.outlier_size < np.inf:
            found = f"expected a number above 0, found {self.outlier_size}"
            problems.append(Problem("outlier size", found, "Use 5"))
        if self.hidden < 0:
            found = f"expected a number from 0 up, found {self.hidden}"
            problems.append(Problem("hidden nodes", found, "Use 0"))
        if problems:
            raise InputError(problems)


NO_FLAWS = Flaws()


def seen_nodes(network: Network, flaws: Flaws, seed: int) -> Int[np.ndarray, " n_seen"]:
    """Indices of the nodes that are not hidden. Raises InputError where fewer than two are left."""
    if flaws.hidden > network.n_nodes - 2:
        found = f"expected at most {network.n_nodes - 2} of {network.n_nodes}, found {flaws.hidden}"
        raise InputError([Problem("hidden nodes", found, "Leave at least two to see")])
    random = np.random.default_rng([seed, _STREAM])
    hidden = random.permutation(network.n_nodes)[: flaws.hidden]
    return np.setdiff1d(np.arange(network.n_nodes), hidden)


def part_of(network: Network, nodes: Int[np.ndarray, " n_seen"]) -> Network:
    """The network among some of its nodes."""
    return Network(
        nodes=tuple(network.nodes[node] for node in nodes),
        weights=network.weights[np.ix_(nodes, nodes)],
        amplitudes=network.amplitudes[nodes],
        form=None if network.form is None else network.form.in_order(nodes),
    )


def with_flaws(data: Dataset, flaws: Flaws, seed: int) -> Dataset:
    """The dataset with wild and missing values; the exact response beside them stays whole."""
    if not flaws.missing and not flaws.outliers:
        return data
    random = np.random.default_rng([seed, _STREAM, 1])
    shape = data.measurements.shape
    measured = data.measurements + _outliers(data, flaws, random)
    gaps = random.random(shape) < flaws.missing
    return replace(data, measurements=np.where(gaps, np.nan, measured))


def _outliers(data: Dataset, flaws: Flaws, random: np.random.Generator) -> Responses:
    """How far each value is off: mostly not at all."""
    shape = data.measurements.shape
    size = np.sqrt(np.nanmean(data.measurements**2)) * flaws.outlier_size
    off = size * random.uniform(0.5, 1.5, shape) * random.choice([-1.0, 1.0], shape)
    return np.where(random.random(shape) < flaws.outliers, off, 0.0)
