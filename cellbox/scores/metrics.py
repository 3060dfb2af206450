"""How well a model predicts, and how well its network is the true one.

Recovery is computed only where a true network exists; it is reported, never used to choose.
Edges are W[target, source]; "off-diagonal" leaves self-regulation out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from cellbox.arrays import NodeMask, NodeValues, Perturbations, Responses, RowMask
from cellbox.errors import refuse
from cellbox.networks.network import Network, in_order_of


@dataclass(frozen=True)
class PredictionScore:
    """How close predictions on held-out rows are, over the scored nodes and all their times.

    test_mae: mean |predicted - measured| (log ratio); None where nothing was measured.
    test_mae_noise_free: the same against the exact response, over rows that are not
        rounding-sensitive; None where it is not known, and where there is no such row.
    test_pearson: r of measured with predicted values, pooled over rows, times and nodes; None
        where undefined.
    """

    test_mae: float | None
    test_mae_noise_free: float | None
    test_pearson: float | None


@dataclass(frozen=True)
class Recovery:
    """How close a learned network is to the true one; see `recovery` for definitions."""

    pearson: float | None
    pearson_off_diagonal: float | None
    pearson_alpha: float | None
    auprc: float | None
    auprc_ratio: float | None
    early_precision_ratio: float | None
    sign_accuracy: float | None


def mean_absolute_error(
    predicted: Float[np.ndarray, "*shape"], measured: Float[np.ndarray, "*shape"]
) -> float | None:
    """Mean |predicted - measured| over the entries that were measured (not NaN), in their unit.

    None where nothing was measured; infinite where a prediction of a measured value is not
    finite, so that a model never looks better for having failed there.

    Raises InputError where the shapes differ.
    """
    _require_same_shape(predicted, measured)
    known = ~np.isnan(measured)
    if not known.any():
        return None
    if not np.isfinite(predicted[known]).all():
        return float("inf")
    return float(np.abs(predicted[known] - measured[known]).mean())


def pearson_correlation(
    a: Float[np.ndarray, "*shape"], b: Float[np.ndarray, "*shape"]
) -> float | None:
    """Pearson's r over the pairs of which both are finite.

    None where it is undefined: fewer than two pairs, or one side constant.

    Raises InputError where the shapes differ.
    """
    _require_same_shape(a, b)
    both = np.isfinite(a) & np.isfinite(b)
    first, second = (np.asarray(side[both], dtype=float) for side in (a, b))
    # Compared exactly: the mean of equal numbers may differ from them by rounding.
    if first.size < 2 or np.ptp(first) == 0 or np.ptp(second) == 0:
        return None
    first, second = first - first.mean(), second - second.mean()
    # Scaled first, so that squares of very small or large numbers stay representable.
    first, second = first / np.abs(first).max(), second / np.abs(second).max()
    r = first @ second / np.sqrt((first @ first) * (second @ second))
    return float(np.clip(r, -1.0, 1.0))


def prediction_score(
    predicted: Responses,
    measured: Responses,
    noise_free: Responses | None,
    nodes_mask: NodeMask,
    judged: RowMask | None = None,
) -> PredictionScore:
    """Score predictions of held-out rows on the nodes of `nodes_mask`; all in log ratio.

    measured: NaN where nothing was measured; those entries do not count. noise_free: the exact
    response where the data were simulated. judged: the rows that are compared with it, by
    default all. The correlation is None, not that of the rest, where a prediction of a measured
    value is not finite.

    Raises InputError where the shapes differ.
    """
    _require_same_shape(predicted, measured)
    predicted, measured = predicted[..., nodes_mask], measured[..., nodes_mask]
    finite = np.isfinite(predicted[~np.isnan(measured)]).all()
    of_exact = None
    if noise_free is not None:
        rows = np.ones(len(predicted), bool) if judged is None else judged
        of_exact = mean_absolute_error(predicted[rows], noise_free[rows][..., nodes_mask])
    return PredictionScore(
        test_mae=mean_absolute_error(predicted, measured),
        test_mae_noise_free=of_exact,
        test_pearson=pearson_correlation(predicted, measured) if finite else None,
    )


def wrong_basin_share(
    predicted: Perturbations, exact: Perturbations, amplitudes: NodeValues
) -> float | None:
    """Share of rows in which some node ends more than half its amplitude from where it should.

    predicted, exact: states at the horizon (log ratio); nodes whose exact state is NaN do not
    count. amplitudes: the true α. A node's states lie within α of 0, so half of it is far beyond
    what errors of a weight do without leaving for another steady state. A prediction that is
    not finite is wrong. None where no exact state is known.

    Raises InputError where the shapes differ.
    """
    _require_same_shape(predicted, exact)
    known = ~np.isnan(exact)
    judged = known.any(axis=1)
    if not judged.any():
        return None
    # Written so that a NaN prediction is not near.
    near = np.abs(predicted - exact) <= 0.5 * amplitudes
    return float((known & ~near).any(axis=1)[judged].mean())


# A response rests where no node moves faster (log ratio per unit of time, the time in which a node
# decays by e): what is left to go is then small beside most noise.
STEADY_SPEED = 1e-3


def unsteady_share(
    network: Network,
    perturbations: Perturbations,
    states: Perturbations,
    lines: Sequence[str] | None = None,
    free: Bool[np.ndarray, "n_rows n_nodes"] | None = None,
) -> float | None:
    """Share of rows in which the network has not come to rest in these states.

    In such a row some node has |dx/dt| above `STEADY_SPEED`, or there is no state (NaN). None
    without rows. lines: the cell line of each row, where these differ. free: nodes that are not
    held, by default all; what is held rests.
    """
    if not len(states):
        return None
    if network.form is None:
        inputs = states @ network.weights.T - perturbations
        speed = np.abs(network.amplitudes * np.tanh(inputs) - states)
    else:
        # It brings JAX, which scores can do without.
        from cellbox.equation.forms import velocities

        speed = np.abs(velocities(network, perturbations, states, lines))
    speed = speed if free is None else speed * free
    # Written so that a NaN does not rest.
    return float(np.mean(~(speed <= STEADY_SPEED).all(axis=1)))


def recovery(learned: Network, truth: Network) -> Recovery:
    """Compare a learned network with the true one; nodes are matched by name.

    pearson: r over all entries of W, the "inference accuracy" of Ji et al. 2021
        (arXiv 2104.06467). pearson_off_diagonal: the same without the diagonal.
    pearson_alpha: r of the amplitudes; None where the true ones are all equal, as in the ten
        systems, since no correlation is defined there.
    auprc: average precision of the true off-diagonal edges, ranked by |W|.
    auprc_ratio: auprc over that of a random ranking, the density of true edges.
    early_precision_ratio: precision among the k strongest off-diagonal edges, k being the
        number of true ones, over the density.
    sign_accuracy: share of true off-diagonal edges whose learned sign is right; 0 is wrong.

    The last four follow BEELINE (Pratapa et al. 2020, Nat Methods 17:147), where the ratios are
    1 for a random ranking. Unlike there, edges of equal |W| count as if shuffled, so a network
    without any edge scores as a random one. None where the truth has no off-diagonal edge.

    All are None where the learned network is not finite.

    Raises InputError where the two do not have the same nodes.
    """
    learned = in_order_of(learned, truth.nodes)
    if not (np.isfinite(learned.weights).all() and np.isfinite(learned.amplitudes).all()):
        return Recovery(None, None, None, None, None, None, None)
    off_diagonal = ~np.eye(len(truth.nodes), dtype=bool)
    weights, true_weights = learned.weights[off_diagonal], truth.weights[off_diagonal]
    is_edge, strength = true_weights != 0, np.abs(weights)
    auprc = _average_precision(is_edge, strength)
    early_precision = _early_precision(is_edge, strength)
    density = is_edge.mean() if is_edge.any() else None
    right = np.sign(weights[is_edge]) == np.sign(true_weights[is_edge])
    return Recovery(
        pearson=pearson_correlation(learned.weights, truth.weights),
        pearson_off_diagonal=pearson_correlation(weights, true_weights),
        pearson_alpha=pearson_correlation(learned.amplitudes, truth.amplitudes),
        auprc=auprc,
        auprc_ratio=None if auprc is None or density is None else float(auprc / density),
        early_precision_ratio=(
            None if early_precision is None or density is None else float(early_precision / density)
        ),
        sign_accuracy=float(right.mean()) if right.size else None,
    )


def _average_precision(
    is_edge: Bool[np.ndarray, " n_pairs"], strength: Float[np.ndarray, " n_pairs"]
) -> float | None:
    """Sum of precision times gain in recall over the distinct strengths, strongest first.

    Equal strengths enter together, so the order in which they happen to stand does not matter.
    """
    if not is_edge.any():
        return None
    _, tie = np.unique(-strength, return_inverse=True)
    found = np.bincount(tie, weights=is_edge)
    precision = np.cumsum(found) / np.cumsum(np.bincount(tie))
    return float(precision @ found / is_edge.sum())


def _early_precision(
    is_edge: Bool[np.ndarray, " n_pairs"], strength: Float[np.ndarray, " n_pairs"]
) -> float | None:
    """Precision among the k strongest, expected over orders of those that tie at the cut."""
    k = int(is_edge.sum())
    if k == 0:
        return None
    cut = np.sort(strength)[-k]
    above, at_cut = strength > cut, strength == cut
    places_left = k - above.sum()
    return float((is_edge[above].sum() + places_left * is_edge[at_cut].mean()) / k)


def _require_same_shape(a: np.ndarray, b: np.ndarray) -> None:
    """Refuse arrays that numpy would broadcast into a comparison nobody meant."""
    if np.shape(a) != np.shape(b):
        raise refuse(
            "values to compare",
            f"expected two arrays of one shape, found {np.shape(a)} and {np.shape(b)}",
            "Give one prediction for each measurement",
        )
