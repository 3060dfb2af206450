"""Held-out conditions beside what a model predicts of them; replicates as mean and spread."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from cellbox.arrays import NodeValues, Responses, RowNumbers
from cellbox.data.dataset import Dataset
from cellbox.errors import listed
from search.report.cells import shown_number


@dataclass(frozen=True, eq=False)
class Condition:
    """One condition, all its replicates together.

    row: the first of them in the data. perturbation: u. words: what is done in it. mean, spread: of
    its replicates (log ratio), the spread (standard deviation) NaN where there is one measurement.
    predicted: at the same times. error: mean absolute error against the mean, NaN where nothing was
    measured.
    """

    name: str
    row: int
    perturbation: NodeValues
    words: str
    mean: Float[np.ndarray, "n_times n_nodes"]
    spread: Float[np.ndarray, "n_times n_nodes"]
    n_replicates: int
    predicted: Float[np.ndarray, "n_times n_nodes"]
    error: float


def conditions_of(data: Dataset, rows: RowNumbers, predicted: Responses) -> list[Condition]:
    """The conditions of these rows, in order of appearance; predicted: of each row."""
    condition_of = data.condition_of_row[rows]
    found = []
    for number in dict.fromkeys(condition_of.tolist()):
        own = np.flatnonzero(condition_of == number)
        values = data.measurements[rows[own]]
        known = (~np.isnan(values)).sum(axis=0)
        mean = np.where(known > 0, np.nansum(values, axis=0) / np.maximum(known, 1), np.nan)
        squares = np.nansum((values - mean) ** 2, axis=0)
        spread = np.where(known > 1, np.sqrt(squares / np.maximum(known - 1, 1)), np.nan)
        if data.errors is not None and len(own) == 1:
            spread = data.errors[rows[own[0]]]
        apart = np.abs(predicted[own[0]] - mean)[:, data.measured_nodes]
        first = int(rows[own[0]])
        found.append(
            Condition(
                name=data.row_names[first],
                row=first,
                perturbation=data.perturbations[first],
                words=row_in_words(data, first),
                mean=mean,
                spread=spread,
                n_replicates=len(own),
                predicted=predicted[own[0]],
                error=float(np.nanmean(apart)) if np.isfinite(apart).any() else np.nan,
            )
        )
    return found


def typical(conditions: list[Condition], most: int) -> list[Condition]:
    """From the best to the worst predicted, evenly spread over their ranks."""
    judged = sorted(
        (condition for condition in conditions if np.isfinite(condition.error)),
        key=lambda condition: condition.error,
    )
    ranks = np.linspace(0, len(judged) - 1, min(most, len(judged))).round().astype(int)
    return [judged[rank] for rank in ranks]


def row_in_words(data: Dataset, row: int) -> str:
    """What is done in a row: doses, nodes that are held, and doses that begin later or end."""
    doses, done = doses_in_words(data.nodes, data.perturbations[row]), data.interventions
    more = "" if done is None else done.words(row, data.nodes)
    if not more:
        return doses
    return f"{doses}; {more}" if data.perturbations[row].any() else more


def doses_in_words(nodes: tuple[str, ...], perturbation: NodeValues) -> str:
    """What is perturbed, and how much: "g1 0.5, g3 0.2"."""
    strongest = np.argsort(-np.abs(perturbation), kind="stable")
    perturbed = [node for node in strongest if perturbation[node] != 0]
    named = [f"{nodes[node]} {shown_number(float(perturbation[node]), 2)}" for node in perturbed]
    return listed(named, 4) if named else "unperturbed"
