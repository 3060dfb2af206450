"""The additive rule: the response to a combination is the sum of the responses to its parts.

It knows of no interaction, so that a model has to beat it to show that it has learned one; models
of perturbation responses often do not (Ahlmann-Eltze, Huber & Anders, Nature Methods 2025). Values
are log ratios to the unperturbed system, whose own response is therefore 0.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from cellbox.arrays import Responses, RowMask


def additive_responses(
    singles: Float[np.ndarray, "n_singles n_nodes"],
    responses: Float[np.ndarray, "n_singles n_outputs"],
    asked: Float[np.ndarray, "n_asked n_nodes"],
) -> Float[np.ndarray, "n_asked n_outputs"]:
    """The sum of the single responses of every perturbed node, NaN where one is not known.

    singles: perturbations that may be of any kind; those of one node are used. responses: what was
        measured there (log ratio), NaN where nothing was; replicates are averaged.
    asked: the perturbations to predict; where nothing is perturbed, the response is 0.

    The response of a node at a dose that was not measured lies on the straight line between the
    nearest doses around it, of which 0, with no response, is one; past the largest dose it grows
    like the dose. Only doses of the same sign are used: what a node does when it is pushed up is
    not told by what it does when pushed down.
    """
    is_single = (singles != 0).sum(axis=1) == 1
    predicted = np.zeros((len(asked), responses.shape[1]))
    for node in np.flatnonzero((asked != 0).any(axis=0)):
        own = is_single & (singles[:, node] != 0)
        for sign in (1.0, -1.0):
            here = sign * asked[:, node] > 0
            there = own & (sign * singles[:, node] > 0)
            predicted[here] += _at_doses(
                np.abs(singles[there, node]), responses[there], np.abs(asked[here, node])
            )
    return predicted


def predictable(predicted: Responses, measured: Responses) -> RowMask:
    """The rows of which every measured value has a prediction."""
    return (np.isfinite(predicted) | np.isnan(measured)).all(axis=(1, 2))


def _at_doses(
    doses: Float[np.ndarray, " n_measured"],
    responses: Float[np.ndarray, "n_measured n_outputs"],
    asked: Float[np.ndarray, " n_asked"],
) -> Float[np.ndarray, "n_asked n_outputs"]:
    """One node's response at positive doses, NaN of an output that was measured at none."""
    found = np.full((len(asked), responses.shape[1]), np.nan)
    known = ~np.isnan(responses)
    # Outputs that were measured at the same doses at once; there is most often one such group.
    patterns, of_output = np.unique(known, axis=1, return_inverse=True)
    for number, rows in enumerate(patterns.T):
        if rows.any():
            outputs = np.flatnonzero(of_output.reshape(-1) == number)
            levels, level = np.unique(doses[rows], return_inverse=True)
            means = np.zeros((len(levels), len(outputs)))
            np.add.at(means, level, responses[np.ix_(rows, outputs)])
            means /= np.bincount(level)[:, None]
            found[:, outputs] = _interpolated(levels, means, asked)
    return found


def _interpolated(
    levels: Float[np.ndarray, " n_levels"],
    means: Float[np.ndarray, "n_levels n_outputs"],
    asked: Float[np.ndarray, " n_asked"],
) -> Float[np.ndarray, "n_asked n_outputs"]:
    """Straight lines from no response at dose 0 through the means at ascending levels."""
    levels = np.concatenate([[0.0], levels])
    means = np.concatenate([np.zeros((1, means.shape[1])), means])
    above = np.clip(np.searchsorted(levels, asked), 1, len(levels) - 1)
    width = levels[above] - levels[above - 1]
    share = np.clip((asked - levels[above - 1]) / width, 0.0, 1.0)[:, None]
    beyond = np.maximum(asked / levels[-1], 1.0)[:, None]
    return beyond * ((1 - share) * means[above - 1] + share * means[above])
