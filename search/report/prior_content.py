"""What a page says of a prior of edges: which the network has, lacks, and has in addition."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from cellbox.models.ensemble import Ensemble
from cellbox.models.model import FittedModel
from cellbox.networks.network import Network
from cellbox.networks.prior import EdgePrior, PriorEdge, compare_with_prior
from search.report.blocks import Block, Section, Table, Text

_ROWS_SHOWN = 12
# An edge of an ensemble is one that so large a share of its members selects.
_OFTEN = 0.5

#: What the data say of a listed edge that the network has not.
REJECTED, NOT_TOLD = "rejected", "not told by the data"
_SIGNS = {1: "activates", -1: "inhibits", 0: "not known"}


def as_selected(model: FittedModel) -> Network:
    """The network of a model; of an ensemble the edges that at least half of its members select."""
    if not isinstance(model, Ensemble):
        return model.network
    often = model.selected.mean(axis=0) >= _OFTEN
    return replace(model.network, weights=np.where(often, model.network.weights, 0.0))


def prior_word(prior: EdgePrior, source: str, target: str, weight: float) -> str | None:
    """What a prior says of an edge, in a word; None where it does not cover it."""
    at = prior.nodes.index(target), prior.nodes.index(source)
    if prior.listed[at]:
        sign = int(prior.signs[at])
        return "other sign" if sign and sign != np.sign(weight) else "listed"
    return "not listed" if prior.covered[at] else None


def prior_rows(
    network: Network, prior: EdgePrior, found: Mapping[str, Any] | None
) -> dict[str, list[tuple[PriorEdge, str]]]:
    """The edges of a prior and those beside it, each with what the data say of it.

    found: what the data determine, as JSON has it: a listed edge that is left out is rejected
    where the data could tell it, and else only not confirmed.
    """
    compared = compare_with_prior(network, prior)
    judged = {} if found is None else {(e["source"], e["target"]): e for e in found["edges"]}

    def verdict(edge: PriorEdge) -> str:
        one = judged.get((edge.source, edge.target))
        return REJECTED if one is None or one["determined"] else NOT_TOLD

    return {
        "left out": [(edge, verdict(edge)) for edge in compared.rejected],
        "other sign": [(edge, "another sign") for edge in compared.other_sign],
        "additional": [(edge, "in addition") for edge in compared.additional],
        "confirmed": [(edge, "confirmed") for edge in compared.confirmed],
    }


def prior_sentences(
    network: Network, prior: EdgePrior, found: Mapping[str, Any] | None
) -> list[str]:
    """What came of a prior, in sentences."""
    rows = prior_rows(network, prior, found)
    left_out = rows["left out"]
    n_not_told = sum(said == NOT_TOLD for _, said in left_out)
    sentences = [compare_with_prior(network, prior).sentence]
    if n_not_told:
        sentences.append(
            f"Of those left out the data could not tell {n_not_told:,}: these are not confirmed, "
            "rather than rejected."
        )
    return sentences


def prior_section(model: FittedModel, prior: EdgePrior, found: Mapping[str, Any] | None) -> Section:
    """The section about a prior."""
    network = as_selected(model)
    rows = prior_rows(network, prior, found)
    blocks: list[Block] = [Text((*_strength(model), *prior_sentences(network, prior, found)))]
    left_out = rows["left out"]
    lists = (
        ("Prior edges the data reject", "rejected_by_the_data.csv", left_out, REJECTED),
        ("Prior edges the data do not tell", "not_told_by_the_data.csv", left_out, NOT_TOLD),
        ("Edges of another sign than the prior's", "other_sign.csv", rows["other sign"], None),
        ("Edges the data ask for in addition", "in_addition.csv", rows["additional"], None),
        ("Prior edges the data confirm", "confirmed_by_the_data.csv", rows["confirmed"], None),
    )  # fmt: skip
    for title, file, edges, said in lists:
        kept = [edge for edge, of_edge in edges if said in (None, of_edge)]
        if kept:
            blocks.append(_table(f"{title}: {len(kept):,}", file, kept))
    return Section("prior", "Beside what was known before", tuple(blocks))


def _strength(model: FittedModel) -> list[str]:
    strength = model.training.prior_strength
    if strength is None:
        return ["The prior played no part in this network."]
    return [
        f"An edge of the prior counted as {np.exp(strength):.2g} times as likely as another "
        f"(strength {strength:.2g})."
    ]


def _table(title: str, file: str, edges: Sequence[PriorEdge]) -> Table:
    rows = tuple(
        (
            edge.source,
            _SIGNS[edge.listed_sign] if edge.confidence else "not listed",
            edge.target,
            edge.confidence or None,
            edge.weight or None,
        )
        for edge in edges
    )
    header = ("source", "in the prior", "target", "confidence", "weight")
    return Table(title, header, rows[:_ROWS_SHOWN], file=file, more_rows=rows[_ROWS_SHOWN:])
