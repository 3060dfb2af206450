"""Which conditions decide an edge: where its source moves and its target can still answer.

At states x that follow their inputs, x_i = α_i tanh(z_i) with z = W x − u, and a measured value of
node i tells of W[i, j] as ∂x_i/∂W_ij = α_i (1 − tanh² z_i) x_j. Its square is that value's Fisher
information (up to the noise, which is common to all), without what other entries of the row take.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cellbox.arrays import Responses, RowNumbers
from cellbox.data.dataset import Dataset
from cellbox.networks.network import Network
from cellbox.networks.off_targets import OFF_TARGET
from search.report.cells import percent
from search.report.conditions import row_in_words
from search.report.edges import JudgedEdge

_NAMED = 2


def deciding_conditions(
    network: Network,
    data: Dataset,
    rows: RowNumbers,
    states: Responses,
    edges: Sequence[JudgedEdge],
) -> list[str]:
    """For each edge the perturbations that tell most of it, with their shares; "" where none does.

    rows: those that train. states: x of each, as the network predicts it at the data's times.
    Of a network with another curve than tanh, or with hidden nodes, nothing is said.
    """
    fitted = network.form
    if fitted is not None and (fitted.form.curve != "tanh" or fitted.form.n_hidden):
        return [""] * len(edges)
    place = {node: index for index, node in enumerate(network.nodes)}
    at = np.nan_to_num(states)
    doses = _acting(data, rows)
    if fitted is not None and OFF_TARGET in fitted.values:
        doses = doses + doses @ fitted.values[OFF_TARGET].T
    inputs = at @ network.weights.T - doses
    slopes = network.amplitudes * (1 - np.tanh(inputs) ** 2)
    measured = np.isfinite(data.measurements[rows])
    condition = data.condition_of_row[rows]
    names = {
        int(number): row_in_words(data, int(row))
        for number, row in zip(condition, rows, strict=True)
    }
    said = []
    for edge in edges:
        target, source = place[edge.target], place[edge.source]
        told = (slopes[..., target] * at[..., source]) ** 2 * measured[..., target]
        by_condition = {number: told[condition == number].sum() for number in names}
        whole = sum(by_condition.values())
        first = sorted(by_condition, key=lambda number: -by_condition[number])[:_NAMED]
        parts = [f"{names[n]} ({percent(by_condition[n] / whole)})" for n in first if whole > 0]
        said.append(", ".join(parts))
    return said


def _acting(data: Dataset, rows: RowNumbers) -> Responses:
    """u of each row at each time, or once where all doses last."""
    doses, done = data.perturbations[rows], data.interventions_of(rows)
    if done is None:
        return doses[:, None]
    return np.stack([done.acting(doses, float(time)) for time in data.times], axis=1)
