"""What is believed of a network before the next experiment: an estimate, and others like it.

One fit may be wrong, and a design for it worthless. So a design is judged by an ensemble: the
members of one that was fitted, or draws from what the data leave open around a fit. A draw is what
the same experiment might have led to with other noise: each row of W and its amplitude as its row
block says (`cellbox.identifiability.drawn_networks`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cellbox.arrays import (
    EdgeMask,
    NodeMask,
    NodeValues,
    Perturbations,
    Responses,
    RowNumbers,
    Times,
    ValueMask,
)
from cellbox.data.dataset import Dataset
from cellbox.errors import refuse
from cellbox.identifiability.design_findings import training_rows
from cellbox.identifiability.drawn_networks import (
    AMPLITUDE_DEVIATION,
    alikeness,
    drawn_around,
    row_factors,
)
from cellbox.identifiability.row_information import Factors
from cellbox.networks.form import EQ_1
from cellbox.networks.network import Network, in_order_of
from cellbox.networks.prior import AUTO
from cellbox.networks.random_networks import Motif, random_network
from cellbox.refinement.multiple_shooting import MultipleShooting
from cellbox.refinement.refine import explain, is_large, obstacle
from cellbox.refinement.refined import Refined
from cellbox.refinement.regression_start import amplitude_guess
from cellbox.refinement.shrinkage import shrink
from cellbox.refinement.unexplained import is_explained, needs_other_starts, share_left
from cellbox.training.starts import Starts

MEMBERS = 20

# An ensemble of fewer is no picture of what is open, and draws are made around each of its members.
_ENOUGH_MEMBERS = 8

# How networks are refined: with a selection of edges, by Eq. 1, and a prior as the data confirm it.
_HOW = (True, EQ_1, AUTO)


@dataclass(frozen=True, eq=False)
class Belief:
    """What is believed of a network, and what was measured so far.

    estimate: the best network. members: as likely ones, by which designs are judged. noise:
    standard deviation of a measured value (log ratio). times: of measurement. allowed: entries of W
    that may be edges. perturbations, measured: the experiment so far, of no rows where there is
    none. root_precision: how sure each of these values is, as the typical error over its own; None
    where the data tell no errors. amplitude_deviation: of the prior on log α, which least squares
    take to be as alike as the data say. sentences: where all of that comes from. condition_names:
    of the data. family: whether members are random networks, of which none is an estimate.
    """

    estimate: Network
    members: tuple[Network, ...]
    noise: float
    times: Times
    allowed: EdgeMask
    perturbations: Perturbations
    measured: ValueMask
    amplitude_deviation: float
    sentences: tuple[str, ...]
    condition_names: tuple[str, ...] = ()
    family: bool = False
    root_precision: Responses | None = None

    @property
    def counted(self) -> Responses:
        """How sure each value of the experiment so far is beside the noise; 0 where none is."""
        if self.root_precision is None:
            return self.measured.astype(float)
        return np.where(self.measured, self.root_precision, 0.0)

    @property
    def expected(self) -> NodeValues:
        """How sure further values of each node will be, as those that there are; 0 for no value.

        The root of their mean precision.
        """
        if self.root_precision is None:
            return self.seen.astype(float)
        squares = (self.counted**2).sum(axis=(0, 1))
        return np.sqrt(squares / np.maximum(self.measured.sum(axis=(0, 1)), 1))

    @property
    def seen(self) -> NodeMask:
        """The nodes that are measured: all, where there is no experiment yet."""
        if not len(self.measured):
            return np.ones(len(self.nodes), bool)
        return np.asarray(self.measured.any(axis=(0, 1)))

    @property
    def nodes(self) -> tuple[str, ...]:
        """Names of the nodes."""
        return self.estimate.nodes

    def factors(self, networks: Sequence[Network]) -> Factors:
        """What the experiment so far tells of each row, were these the true networks."""
        return row_factors(
            networks,
            self.perturbations,
            self.counted,
            self.times,
            self.noise,
            self.allowed,
            self.amplitude_deviation,
        )


def belief_from_data(
    data: Dataset,
    networks: Sequence[Network] = (),
    *,
    refined: bool = True,
    n_members: int = MEMBERS,
    noise: float | None = None,
    seed: int = 0,
) -> Belief:
    """What these data tell, by networks that were fitted to them or by a fit of its own.

    networks: of a fitted model, or of the members of an ensemble. refined: whether least squares
    found them; else they are where least squares begin. noise: by default what the fit leaves.

    Raises InputError for networks of other nodes, and where nothing can be fitted.
    """
    networks = [in_order_of(network, data.nodes) for network in networks]
    problem = MultipleShooting.of(data, _telling_rows(data))
    told: list[str] = []
    why_not = obstacle(problem, data.allowed_edges)
    if why_not is not None:
        fit = _of_few_data(problem, data, networks)
        told.append(
            f"{why_not[0].upper()}{why_not[1:]}, so that the network is hardly known yet: the "
            "proposal rests on networks drawn around a rough guess."
        )
    elif networks and refined:
        fit = _explaining(problem, networks)
    else:
        if networks:
            told.append("The model was not found by least squares, which therefore began from it.")
        fit = fitted_from(problem, data, networks)
    if why_not is None and not is_explained(problem, fit.noise):
        left = 100 * share_left(problem, fit.noise)
        told.append(
            f"The network leaves {left:.0f} % of the data's mean square "
            "unexplained and may be a wrong one: mind what its members agree on."
        )
    level = fit.noise if noise is None else noise
    level = max(level, 1e-9)
    centres = networks if networks and refined and why_not is None else [fit.network]
    if len(centres) >= _ENOUGH_MEMBERS:
        members = tuple(centres)
        told.insert(0, f"Judged by the {len(members)} networks of the ensemble.")
    else:
        members = drawn_around(problem, centres, level, data.possible_edges, n_members, seed)
        told.insert(0, f"Judged by {n_members} networks drawn from what the data leave open.")
    if data.errors is not None:
        told.append(
            f"Values count by their errors (typically {data.typical_error:.3g}), and further ones "
            "of a node are taken to be as sure as those of it so far."
        )
    return Belief(
        fit.network,
        members,
        level,
        data.times,
        data.possible_edges,
        problem.perturbations,
        problem.measured,
        alikeness(fit.network),
        tuple(told),
        data.row_names,
        root_precision=None if data.errors is None else np.asarray(problem.root_precision),
    )


def _telling_rows(data: Dataset) -> RowNumbers:
    """Training rows in which anything was measured, and that may judge a network."""
    rows = training_rows(data)
    rows = rows[~np.isnan(data.measurements[rows]).all(axis=(1, 2)) & data.judged[rows]]
    if not len(rows):
        fix = "Measure something first, or plan a first experiment: cellbox design first"
        raise refuse(data.name, "expected a training row with a measured value, found none", fix)
    return rows


def belief_of_family(
    nodes: Sequence[str],
    times: Times,
    noise: float,
    *,
    density: float | None = None,
    amplitude: float = 1.0,
    motif: Motif = "cyclic",
    n_members: int = MEMBERS,
    seed: int = 0,
) -> Belief:
    """Random networks of these nodes, where nothing has been measured yet.

    density: share of pairs of nodes that are edges; by default about two into each node.
    """
    n = len(nodes)
    if density is None:
        density = 1.0 if n == 2 else min(0.5, 2 / max(n - 1, 1))
    drawn = [
        random_network(n, density=density, amplitude=amplitude, motif=motif, seed=seed + number)
        for number in range(n_members)
    ]
    members = tuple(Network(tuple(nodes), one.weights, one.amplitudes) for one in drawn)
    return Belief(
        members[0],
        members,
        noise,
        np.asarray(times, float),
        np.ones((n, n), bool),
        np.zeros((0, n)),
        np.zeros((0, len(times), n), bool),
        AMPLITUDE_DEVIATION,
        (
            f"Nothing is measured yet: judged by {n_members} random networks of these nodes, with "
            f"{100 * density:.0f} % of all possible edges.",
        ),
        family=True,
    )


def _explaining(problem: MultipleShooting, networks: Sequence[Network]) -> Refined:
    """The network that explains the data best, as it is."""
    explained = [explain(problem, network) for network in networks]
    return min(explained, key=lambda one: one.information)


def fitted_from(problem: MultipleShooting, data: Dataset, networks: Sequence[Network]) -> Refined:
    """Least squares with a selection of edges, from as many starts as it takes."""
    starts = Starts(problem, data.nodes, data.allowed_edges, prior=data.prior)
    found = [one.found for network in networks for one in starts.descent(network, *_HOW)]
    found += [one.found for one in starts.regression(*_HOW)]
    noise = min((one.noise for one in found), default=None)
    if not is_large(data.n_nodes) and needs_other_starts(
        problem, noise, [one.noise for one in found]
    ):
        found += [one.found for one in starts.random(*_HOW)]
    if not found:
        fix = "Fit the data first (cellbox fit), and give the folder of the model"
        raise refuse(data.name, "expected data that least squares can explain, found none", fix)
    return min(found, key=lambda one: one.information)


def _of_few_data(problem: MultipleShooting, data: Dataset, networks: Sequence[Network]) -> Refined:
    """A network from data that are too few for least squares."""
    if networks:
        return _explaining(problem, networks)
    shrunken = shrink(
        problem,
        data.nodes,
        allowed_edges=data.allowed_edges,
        scored=data.measured_nodes,
        may_be_sparse=True,
    )
    if shrunken is not None:
        network, noise = shrunken.network, shrunken.noise
    else:
        n = data.n_nodes
        network = Network(data.nodes, np.zeros((n, n)), amplitude_guess(problem))
        noise = float(np.sqrt(np.nanmean(problem.measurements**2)))
    return Refined(network, noise, 0, problem.n_values, 0, math.inf)
