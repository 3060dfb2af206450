"""Genes knocked out together: predicted by the network, and by simple rules."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int

from cellbox.knockouts.experiments import check_pairs
from cellbox.knockouts.inference import KnockoutNetwork
from cellbox.knockouts.regressions import bounded, shrunk

#: Places of the genes that are knocked out together.
KnockedOut = Int[np.ndarray, "n_conditions n_knocked"]
#: Steady expression, row k with gene k knocked out.
SingleKnockouts = Float[np.ndarray, "n_genes n_genes"]
Predicted = Float[np.ndarray, "n_conditions n_genes"]

_STEPS = 500
_AT_REST = 1e-7
_HALF = 0.5


def steady_expression(network: KnockoutNetwork, knocked_out: KnockedOut) -> Predicted:
    """Steady expression with these genes knocked out, by the model alone.

    knocked_out: places of genes, counted from 0, a row for each condition. What a model with loops
    answers after 500 steps is taken where it has not come to rest. Values lie between 0 and the
    largest that was measured.

    Raises InputError for places of genes that there are not.
    """
    n_genes = len(network.genes)
    check_pairs(knocked_out, n_genes, "genes knocked out")
    clamped = _clamped(knocked_out, n_genes)
    levels = network.base.levels
    changes = np.where(clamped, -levels, 0.0)
    for _ in range(_STEPS):
        activities = bounded(changes / network.scales, network.settings.saturation)
        # Where nothing is left a gene does nothing, as in the regressions.
        activities = np.where(clamped, -levels / network.scales, activities)
        pulled = np.clip(activities @ network.weights.T, -levels, network.ceiling - levels)
        pulled = np.where(clamped, -levels, pulled)
        moved = float(np.abs(pulled - changes).max(initial=0.0))
        changes = changes + _HALF * (pulled - changes)
        if moved < _AT_REST:
            break
    return levels + changes


def predict_doubles(
    network: KnockoutNetwork, knockouts: SingleKnockouts, pairs: KnockedOut
) -> Predicted:
    """Steady expression with two genes knocked out, from what each does alone.

    The single responses, freed of noise by the model that expects them, and their sum corrected by
    what the model, with both genes clamped, says beyond the sum of its own single responses.
    knockouts: the single knock-outs that were measured, row k with gene k knocked out.
    pairs: places of genes, counted from 0.

    Raises InputError for places of genes that there are not.
    """
    levels, n_genes = network.base.levels, len(network.genes)
    check_pairs(pairs, n_genes, "genes knocked out")
    alone = steady_expression(network, np.arange(n_genes)[:, None]) - levels
    both = steady_expression(network, pairs) - levels
    singles = shrunk(knockouts - levels, network.base.noise, alone, network.settings.slope_error)
    first, second = pairs.T
    interaction = both - alone[first] - alone[second]
    predicted = levels + singles[first] + singles[second] + interaction
    return _possible(predicted, pairs, network.ceiling)


def additive_doubles(
    levels: Float[np.ndarray, " n_genes"], knockouts: SingleKnockouts, pairs: KnockedOut
) -> Predicted:
    """The additive rule: the sum of both measured responses, and nothing below 0.

    levels: the wild type. pairs: places of genes, counted from 0.

    Raises InputError for places of genes that there are not.

    Example:
        >>> import numpy as np
        >>> from cellbox.knockouts.doubles import additive_doubles
        >>> knockouts = np.array([[0.0, 0.5, 0.7], [0.5, 0.0, 0.8], [0.5, 0.5, 0.0]])
        >>> additive_doubles(np.array([0.5, 0.5, 0.9]), knockouts, np.array([[0, 1]])).round(3)
        array([[0. , 0. , 0.6]])
    """
    check_pairs(pairs, len(levels), "genes knocked out")
    first, second = pairs.T
    return _possible(knockouts[first] + knockouts[second] - levels, pairs, np.inf)


def judged(pairs: KnockedOut, n_genes: int) -> Bool[np.ndarray, "n_conditions n_genes"]:
    """Which values a prediction is judged by: not those of the knocked-out genes, which are 0."""
    return ~_clamped(pairs, n_genes)


def _possible(expression: Predicted, pairs: KnockedOut, ceiling: float) -> Predicted:
    expression = np.clip(expression, 0.0, ceiling)
    return np.where(_clamped(pairs, expression.shape[1]), 0.0, expression)


def _clamped(knocked_out: KnockedOut, n_genes: int) -> Bool[np.ndarray, "n_conditions n_genes"]:
    clamped = np.zeros((len(knocked_out), n_genes), dtype=bool)
    np.put_along_axis(clamped, knocked_out, True, axis=1)
    return clamped
