"""Regression on few of many sources: the sum of single effects, for all targets side by side.

A row of W is taken for a sum of a few vectors that have one entry each, whose place is unknown.
Given the others, each has a posterior over places and sizes in closed form; they are updated in
turn (Wang, Sarkar, Carbonetto & Stephens 2020, J R Stat Soc B 82:1273). Where sources are alike, as
genes with the same regulators are, the probability is shared among them instead of going to one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.special import logsumexp

from cellbox.arrays import EdgeValues

_ROUNDS = 15
# Keeps the logarithm of a probability finite.
_LEAST = 1e-300


@dataclass(frozen=True, eq=False)
class SourcePosterior:
    """What a regression says of each entry [target, source].

    weights: posterior means. inclusion: the probability that the entry is not zero. log_odds: of
    it, computed so that probabilities near 1 still differ.
    """

    weights: EdgeValues
    inclusion: EdgeValues
    log_odds: EdgeValues


def single_effects(
    curvatures: Float[np.ndarray, "n_nodes n_nodes n_nodes"],
    projections: EdgeValues,
    prior_log_odds: EdgeValues,
    prior_variances: EdgeValues,
    n_effects: int,
) -> SourcePosterior:
    """The posterior of every target's regression on the sources, from its normal equations.

    curvatures: XᵀX of each target, projections: its Xᵀy, both weighted with 1/noise variance.
    prior_log_odds: of an entry being one of the effects. prior_variances: of its size if it is.
    """
    diagonals = np.einsum("rjj->rj", curvatures)
    variances = 1 / (diagonals + 1 / prior_variances)
    effects = np.zeros((n_effects, *projections.shape))
    scores = np.zeros_like(effects)
    total = np.zeros_like(projections)
    for _ in range(_ROUNDS):
        for number in range(n_effects):
            total -= effects[number]
            left = projections - (curvatures @ total[..., None])[..., 0]
            means = variances * left
            scores[number] = (
                0.5 * np.log(variances / prior_variances)
                + 0.5 * means**2 / variances
                + prior_log_odds
            )
            effects[number] = _shares(scores[number]) * means
            total += effects[number]
    return SourcePosterior(total, *_inclusion(scores))


def _shares(scores: EdgeValues) -> EdgeValues:
    """Probability of each place; no effect at all has the score 0."""
    highest = np.maximum(scores.max(axis=1, keepdims=True), 0)
    exponentials = np.exp(scores - highest)
    return exponentials / (exponentials.sum(axis=1, keepdims=True) + np.exp(-highest))


def _inclusion(
    scores: Float[np.ndarray, "n_effects n_nodes n_nodes"],
) -> tuple[EdgeValues, EdgeValues]:
    """Probability that any effect has a place, and its log-odds."""
    with_none = np.concatenate([scores, np.zeros((*scores.shape[:2], 1))], axis=2)
    whole = logsumexp(with_none, axis=2, keepdims=True)
    log_shares = scores - whole
    log_absent = np.log1p(-np.minimum(np.exp(log_shares), 0.5))
    # Only the largest can be near 1: what is left of it is the sum of all others.
    best = np.argmax(scores, axis=2)[..., None]
    others = with_none.copy()
    np.put_along_axis(others, best, -np.inf, axis=2)
    rest = logsumexp(others, axis=2, keepdims=True) - whole
    np.put_along_axis(log_absent, best, rest, axis=2)
    absent = log_absent.sum(axis=0)
    inclusion = -np.expm1(absent)
    return inclusion, np.log(np.maximum(inclusion, _LEAST)) - absent
