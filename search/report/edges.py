"""How strong each edge of a learned network is, and how sure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from cellbox.arrays import EdgeMask, EdgeValues
from cellbox.identifiability.design_report import OF_WEIGHT
from cellbox.models.ensemble import SELECTED_ABOVE, Ensemble
from cellbox.networks.network import Network, in_order_of
from cellbox.networks.prior import EdgePrior
from search.report.blocks import Table
from search.report.cells import fixed_number, percent
from search.report.prior_content import prior_word

#: Edges that a page shows; its file has all of them.
ROWS_SHOWN = 20

# Half the width of a 90 % interval, in standard errors.
_TO_90_PERCENT = 1.645


@dataclass(frozen=True)
class JudgedEdge:
    """The effect of `source` on `target`.

    weight: W[target, source], dimensionless. low, high: an interval of it; frequency: share of
    the models that select it; None where not known. determined: whether the training data can
    tell it, None where not judged; why: why not. true_weight: None where no truth is known.
    """

    source: str
    target: str
    weight: float
    low: float | None = None
    high: float | None = None
    frequency: float | None = None
    determined: bool | None = None
    why: str = ""
    true_weight: float | None = None

    @property
    def effect(self) -> str:
        """What the source does, in a word."""
        return "activates" if self.weight > 0 else "inhibits"

    @property
    def sureness(self) -> tuple[bool, float, float, float]:
        """Sorts edges, the surest last: zero outside the interval, selected most, least spread."""
        if self.low is None or self.high is None:
            return False, self.frequency or 0.0, 0.0, abs(self.weight)
        half = (self.high - self.low) / 2
        clear = self.low > 0 or self.high < 0
        return clear, self.frequency or 0.0, abs(self.weight) / max(half, 1e-9), abs(self.weight)

    def in_words(self) -> str:
        """The edge as a sentence's part."""
        number = fixed_number(self.weight)
        if self.low is not None and self.high is not None:
            number += f", {fixed_number(self.low)} to {fixed_number(self.high)}"
        if self.frequency is not None:
            number += f", in {percent(self.frequency)} of the models"
        return f"{self.source} {self.effect} {self.target} (W {number})"


@dataclass(frozen=True)
class JudgedNetwork:
    """A network's edges, the surest first, and in a sentence what their intervals are."""

    network: Network
    edges: tuple[JudgedEdge, ...]
    intervals_from: str

    @property
    def has_intervals(self) -> bool:
        """Whether any edge has an interval."""
        return any(edge.low is not None for edge in self.edges)

    def surest(self, most: int) -> list[JudgedEdge]:
        """The surest edges between different nodes: a node acting on itself says little."""
        return [edge for edge in self.edges if edge.source != edge.target][:most]


def judged_by_ensemble(
    ensemble: Ensemble, found: Mapping[str, Any] | None, truth: Network | None
) -> JudgedNetwork:
    """The edges as an ensemble sees them. found: what the data determine, as JSON has it."""
    edges = [
        _judged(each.source, each.target, each.mean, (each.low, each.high), each.frequency)
        for each in ensemble.edges()
        if each.mean != 0
    ]
    return _finished(ensemble.network, edges, ensemble.intervals_from, found, truth)


def judged_alone(
    network: Network, found: Mapping[str, Any] | None, truth: Network | None
) -> JudgedNetwork:
    """The edges of a single network, with intervals by the least errors that its data allow.

    Only where least squares found it, and Eq. 1 explains the data: errors of another estimate may
    be many times larger.
    """
    tells = found is not None and found.get("refined") is True and not found.get("withheld")
    judged = found["edges"] if found is not None and tells else []
    errors = {
        (edge["source"], edge["target"]): edge["least_error"]
        for edge in judged
        if edge["error_of"] == OF_WEIGHT
    }
    edges = []
    for source, target, weight in _entries(network):
        error = errors.get((source, target))
        half = None if error is None else _TO_90_PERCENT * error
        bounds = (None, None) if half is None else (weight - half, weight + half)
        edges.append(_judged(source, target, weight, bounds, None))
    said = (
        "90 % intervals from the least standard error that the data allow (Fisher information): "
        "they can only be wider."
        if any(error is not None for error in errors.values())
        else "One network alone tells no intervals; an ensemble does (cellbox fit --members 20)."
    )
    return _finished(network, edges, said, found, truth)


def judged_by_good_models(
    network: Network,
    weights: Float[np.ndarray, "n_models n_nodes n_nodes"],
    selected: Bool[np.ndarray, "n_models n_nodes n_nodes"],
    found: Mapping[str, Any] | None,
    truth: Network | None,
    which: str,
) -> JudgedNetwork:
    """The edges of a study's best network beside its other good ones.

    which: the good models in a few words ("the 12 trials whose ...").
    """
    alone = judged_alone(network, found, truth)
    place = {node: index for index, node in enumerate(network.nodes)}
    low, high, frequency = weights.min(axis=0), weights.max(axis=0), selected.mean(axis=0)
    edges = []
    for edge in alone.edges:
        at = place[edge.target], place[edge.source]
        bounds = (edge.low, edge.high)
        if not alone.has_intervals:
            bounds = (float(low[at]), float(high[at]))
        edges.append(replace(edge, low=bounds[0], high=bounds[1], frequency=float(frequency[at])))
    often = f"Frequencies are the share of {which} that have the edge."
    said = f"{alone.intervals_from} {often}"
    if not alone.has_intervals:
        said = (
            f"Intervals are the lowest and highest weight among {which}: how far settings matter, "
            f"not how far the data may mislead all of them. {often}"
        )
    edges.sort(key=lambda edge: edge.sureness, reverse=True)
    return JudgedNetwork(network, tuple(edges), said)


def selected_edges(weights: EdgeValues, refinement: str) -> EdgeMask:
    """Which edges a trained network selects: those left in, else the clearly large ones."""
    if refinement == "select_edges" and (weights == 0).any():
        return weights != 0
    return np.abs(weights) > SELECTED_ABOVE * max(float(np.abs(weights).max()), 1e-12)


def edge_block(
    judged: JudgedNetwork, told_by: Sequence[str] = (), prior: EdgePrior | None = None
) -> Table:
    """The edges as a table, the surest first; columns that hold nothing are left out.

    told_by: of the first edges, which conditions tell most of them. prior: what was known of edges
    before.
    """
    columns: list[tuple[str, Any]] = [
        ("source", lambda edge: edge.source),
        ("effect", lambda edge: edge.effect),
        ("target", lambda edge: edge.target),
        ("weight", lambda edge: edge.weight),
        ("low", lambda edge: edge.low),
        ("high", lambda edge: edge.high),
        ("frequency", lambda edge: edge.frequency),
        ("determined", lambda edge: None if edge.determined is None else _determined(edge)),
        ("prior", lambda edge: None if prior is None else _in_prior(edge, prior)),
        ("true weight", lambda edge: edge.true_weight),
    ]
    kept = [
        (name, value)
        for name, value in columns
        if any(value(edge) is not None for edge in judged.edges) or name in ("source", "target")
    ]
    rows = tuple(tuple(value(edge) for _, value in kept) for edge in judged.edges)
    header = tuple(name for name, _ in kept)
    if any(told_by):
        header = (*header, "most told by")
        told = [*told_by, *[None] * (len(rows) - len(told_by))]
        rows = tuple((*row, each) for row, each in zip(rows, told, strict=True))
    shown = min(ROWS_SHOWN, len(rows))
    order = "surest" if judged.has_intervals else "strongest"
    return Table(
        f"The {shown} {order} of {len(rows):,} edges",
        header,
        rows[:shown],
        file="edges.csv",
        more_rows=rows[shown:],
    )


def _in_prior(edge: JudgedEdge, prior: EdgePrior) -> str | None:
    return prior_word(prior, edge.source, edge.target, edge.weight)


def _determined(edge: JudgedEdge) -> str:
    return "yes" if edge.determined else edge.why or "no"


def _entries(network: Network) -> list[tuple[str, str, float]]:
    targets, sources = np.nonzero(network.weights)
    return [
        (network.nodes[source], network.nodes[target], float(network.weights[target, source]))
        for target, source in zip(targets, sources, strict=True)
    ]


def _judged(
    source: str,
    target: str,
    weight: float,
    bounds: tuple[float | None, float | None],
    frequency: float | None,
) -> JudgedEdge:
    low, high = bounds
    if low is not None and high is not None and not (np.isfinite(low) and np.isfinite(high)):
        low = high = None
    return JudgedEdge(source, target, float(weight), low, high, frequency)


def _finished(
    network: Network,
    edges: Sequence[JudgedEdge],
    said: str,
    found: Mapping[str, Any] | None,
    truth: Network | None,
) -> JudgedNetwork:
    """The edges with what the data determine and the truth, the surest first."""
    verdicts = {(edge["source"], edge["target"]): edge for edge in (found or {}).get("edges", [])}
    known = None if truth is None else in_order_of(truth, network.nodes)
    place = {node: index for index, node in enumerate(network.nodes)}
    finished = []
    for edge in edges:
        verdict = verdicts.get((edge.source, edge.target), {})
        true = None
        if known is not None:
            true = float(known.weights[place[edge.target], place[edge.source]])
        finished.append(
            JudgedEdge(
                edge.source,
                edge.target,
                edge.weight,
                edge.low,
                edge.high,
                edge.frequency,
                verdict.get("determined"),
                verdict.get("why", ""),
                true,
            )
        )
    finished.sort(key=lambda edge: edge.sureness, reverse=True)
    return JudgedNetwork(network, tuple(finished), said)
