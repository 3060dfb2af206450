"""What is said of the edges of a network before any datum: a list of edges, signs, confidence."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from cellbox.arrays import EdgeMask, EdgeValues
from cellbox.errors import InputError, Problem, refuse
from cellbox.networks.network import Network

#: A strength that the data choose.
AUTO = "auto"

#: The largest strength: the odds of a listed edge are then a million times those of another.
LARGEST_STRENGTH = 14.0


@dataclass(frozen=True, eq=False)
class EdgePrior:
    """Prior knowledge of the edges of a network, of which the data keep what they confirm.

    nodes: the names of rows and columns. confidence: how sure each listed edge W[target, source]
    is said to be, above 0 and at most 1; 0 where none is listed. signs: 1 for activation, -1 for
    inhibition, 0 where no edge is listed or its sign is not known.

    Example:
        >>> import cellbox
        >>> prior = cellbox.EdgePrior.of(cellbox.system("LI").network)
        >>> int(prior.listed.sum())
        8
    """

    nodes: tuple[str, ...]
    confidence: EdgeValues
    signs: Int[np.ndarray, "n_nodes n_nodes"]

    def __post_init__(self) -> None:
        """Raise InputError for arrays of other shapes, and confidence outside 0 to 1."""
        shape = (len(self.nodes), len(self.nodes))
        for name in ("confidence", "signs"):
            if np.shape(getattr(self, name)) != shape:
                found = f"expected targets, sources {shape}, found {np.shape(getattr(self, name))}"
                raise refuse(f"prior, {name}", found, "Give one row and one column for each node")
        if not ((self.confidence >= 0) & (self.confidence <= 1)).all():
            found = f"expected numbers from 0 to 1, found {self.confidence.max():g}"
            raise refuse("prior, confidence", found, "Give 1 for what is sure, 0 for no edge")

    @classmethod
    def of(cls, network: Network, confidence: float = 1.0) -> EdgePrior:
        """The edges of a network and their signs, as a prior."""
        edges = network.weights != 0
        return cls(network.nodes, edges * float(confidence), np.sign(network.weights).astype(int))

    @property
    def listed(self) -> EdgeMask:
        """Which edges are listed."""
        return self.confidence > 0

    @property
    def covered(self) -> EdgeMask:
        """Of which edges the list says anything: of those between nodes that it knows.

        A node without any listed edge is not known, such as a drug. Self-regulation is judged
        only where it is listed: most lists leave it out.
        """
        listed = self.listed
        known = np.asarray(listed.any(axis=0) | listed.any(axis=1))
        covered = known[:, None] & known[None, :]
        np.fill_diagonal(covered, False)
        return covered | listed

    @property
    def fingerprint(self) -> str:
        """Tells priors apart."""
        digest = hashlib.sha256("\n".join(self.nodes).encode())
        for values in (self.confidence, self.signs):
            digest.update(np.ascontiguousarray(values, float).tobytes())
        return digest.hexdigest()[:16]

    def agreed(self, weights: EdgeValues) -> EdgeValues:
        """Confidence in each edge with the sign that it has here; 0 where another one is listed."""
        right = (self.signs == 0) | (np.sign(weights) == self.signs)
        return np.where(right, self.confidence, 0.0)

    def among(self, nodes: tuple[str, ...]) -> EdgePrior:
        """The prior of these nodes, in their order; nothing is listed of those it has not."""
        if nodes == self.nodes:
            return self
        place = {node: index for index, node in enumerate(self.nodes)}
        at = np.array([place.get(node, -1) for node in nodes], dtype=int)
        known = (at >= 0)[:, None] & (at >= 0)[None, :]
        return replace(
            self,
            nodes=nodes,
            confidence=np.where(known, self.confidence[np.ix_(at, at)], 0.0),
            signs=np.where(known, self.signs[np.ix_(at, at)], 0),
        )


class PriorEdge(NamedTuple):
    """One edge of a prior or of a network beside it.

    listed_sign: 1, -1, or 0 where none is known. confidence: 0 where the edge is not listed.
    weight: of the network, 0 where it has no such edge.
    """

    source: str
    target: str
    listed_sign: int
    confidence: float
    weight: float


@dataclass(frozen=True)
class PriorComparison:
    """What the data made of a prior, edge by edge; the most important ones first.

    confirmed: listed, and in the network with the listed sign, if one is. other_sign: in the
    network with another one. rejected: listed, and left out. additional: in the network, not
    listed, and between nodes that the prior knows.
    """

    confirmed: tuple[PriorEdge, ...]
    other_sign: tuple[PriorEdge, ...]
    rejected: tuple[PriorEdge, ...]
    additional: tuple[PriorEdge, ...]

    @property
    def n_listed(self) -> int:
        """How many edges are listed between nodes of the network."""
        return len(self.confirmed) + len(self.other_sign) + len(self.rejected)

    @property
    def sentence(self) -> str:
        """How many of each, for people."""
        other = f", {len(self.other_sign)} with another sign" if self.other_sign else ""
        return (
            f"Of {self.n_listed:,} edges of the prior the network has {len(self.confirmed):,}"
            f"{other}; {len(self.rejected):,} are left out, and {len(self.additional):,} edges "
            "are there in addition."
        )


def compare_with_prior(network: Network, prior: EdgePrior) -> PriorComparison:
    """What a network has of a prior, what it leaves out, and what it has in addition.

    Example:
        >>> import cellbox
        >>> network = cellbox.system("LI").network
        >>> compared = cellbox.compare_with_prior(network, cellbox.EdgePrior.of(network))
        >>> len(compared.confirmed), len(compared.rejected)
        (8, 0)
    """
    prior = prior.among(network.nodes)
    weights, listed = network.weights, prior.listed
    there, agrees = weights != 0, prior.agreed(weights) > 0

    def of(mask: EdgeMask, strongest: EdgeValues) -> Iterator[PriorEdge]:
        places = np.argwhere(mask)
        order = np.argsort(-strongest[mask], kind="stable")
        for target, source in places[order]:
            yield PriorEdge(
                network.nodes[source],
                network.nodes[target],
                int(prior.signs[target, source]),
                float(prior.confidence[target, source]),
                float(weights[target, source]),
            )

    size = np.abs(weights)
    return PriorComparison(
        confirmed=tuple(of(listed & there & agrees, size)),
        other_sign=tuple(of(listed & there & ~agrees, size)),
        rejected=tuple(of(listed & ~there, prior.confidence)),
        additional=tuple(of(there & ~listed & prior.covered, size)),
    )


def check_strength(strength: object, where: str) -> Iterator[Problem]:
    """What is wrong with a strength, if anything is."""
    if strength == AUTO and isinstance(strength, str):
        return
    is_number = isinstance(strength, int | float) and not isinstance(strength, bool)
    if not is_number or not 0 <= float(str(strength)) <= LARGEST_STRENGTH:
        yield Problem(
            where,
            f"expected {AUTO} or a number from 0 to {LARGEST_STRENGTH:g}, found {strength!r}",
            f"Leave it to the data ({AUTO}), or give the log odds ratio of a listed edge: 3 makes "
            "it 20 times as likely as another",
        )


def check_prior(prior: EdgePrior | None, nodes: tuple[str, ...], name: str) -> None:
    """Raise InputError where a prior is of other nodes than the data."""
    if prior is not None and prior.nodes != nodes:
        raise InputError(
            [
                Problem(
                    f"{name}, prior",
                    f"expected the nodes of the data, found {', '.join(prior.nodes[:5])}, ...",
                    "Give prior.among(data.nodes)",
                )
            ]
        )
