"""A first guess of the network from linear regression, without any integration.

Within an interval of length T that begins in x and ends in y, Eq. 1 averages to

    (y − x e^{−T}) / (α (1 − e^{−T})) = tanh(W x̄ − u),

where x̄ is the response averaged with the weight that the decay leaves to each moment: if it moves
on a straight line, x̄ = x + (y − x) φ(T) with φ(T) = (T − 1 + e^{−T}) / (T (1 − e^{−T})), from the
middle of a short interval to the end of a long one. With a guess of α, u + artanh of the left side
is linear in W, and a row of W is a ridge regression. That is wrong for noise and for curved
responses, but lies in the right valley where a descent from no network at all may not
(responses measured at few times, networks with several steady states).
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float

from cellbox.arrays import EdgeMask, NodeValues, Responses, ValueMask
from cellbox.networks.network import Network
from cellbox.refinement.multiple_shooting import MultipleShooting

# A node's amplitude is guessed to be this many times its largest response, and no less than this
# share of the largest response of all.
_ABOVE_LARGEST = 1.1
_LEAST_SHARE = 0.05

# The ridge, as a share of the mean square of the regressors.
_RIDGE = 1e-3


def regression_start(
    problem: MultipleShooting, nodes: tuple[str, ...], allowed_edges: EdgeMask | None = None
) -> Network:
    """The network that a regression on the measured intervals finds.

    Values that were not measured are taken to lie on straight lines between those that were, from
    0 at time 0; nothing is explained by them. What is held lies at its level.
    allowed_edges: which entries of W may differ from zero; all by default.

    Where edges have prices, those that are likely beforehand are drawn to zero less, others more.
    """
    likely = None if problem.prices is None else problem.prices.least
    averages, inputs, told, amplitudes = _inputs(problem)
    weights = np.zeros((problem.n_nodes, problem.n_nodes))
    roots = np.broadcast_to(problem.root_precision, problem.measurements.shape)
    regressors = _Regressors(averages)
    for node in range(problem.n_nodes):
        used = told[:, :, node]
        sources = slice(None) if allowed_edges is None else allowed_edges[node]
        root = roots[:, :, node][used]
        of_node, curvature = regressors.of(used, sources, root)
        weights[node, sources] = _ridge(
            curvature,
            of_node.T @ (inputs[used][:, node] * root),
            None if likely is None else np.exp(likely[node, sources]),
        )
    return Network(nodes, weights, amplitudes)


def regression_residuals(problem: MultipleShooting, start: Network) -> Responses:
    """What a network from the regression leaves of the input of each interval; NaN if not told."""
    averages, inputs, told, _ = _inputs(problem)
    return np.where(told, inputs - averages @ start.weights.T, np.nan)


def _inputs(problem: MultipleShooting) -> tuple[Responses, Responses, ValueMask, NodeValues]:
    """x̄ of each interval, W x̄ as its pull tells it, where it is told, and the guess of α."""
    averages, pulled, told = _pulled(problem)
    amplitudes = _largest_pull(pulled, told)
    with np.errstate(invalid="ignore", divide="ignore"):
        inputs = np.arctanh(pulled / amplitudes) + _doses(problem)
    return averages, inputs, told, amplitudes


def _doses(problem: MultipleShooting) -> Responses:
    """u of each interval, or of each row; where it switches, with the weight that decay leaves."""
    doses, done = problem.perturbations[:, None], problem.interventions
    if done is None or done.lasting.all():
        return doses
    ends = problem.times[:, None]
    begins = np.concatenate([[0.0], problem.times[:-1]])[:, None]
    first = np.clip(done.begins[:, None], begins, ends)
    last = np.clip(done.ends[:, None], first, ends)
    left = np.exp(last - ends) - np.exp(first - ends)
    return doses * left / -np.expm1(begins - ends)


def amplitude_guess(problem: MultipleShooting) -> NodeValues:
    """A guess of α from how far each node is pulled, without any integration."""
    _, pulled, told = _pulled(problem)
    return _largest_pull(pulled, told)


def _pulled(
    problem: MultipleShooting,
) -> tuple[
    Responses,
    Responses,
    ValueMask,
]:
    """x̄ of each interval, the left side of the equation times α, and where the data tell it."""
    states = _filled(problem)
    first = np.zeros_like(states[:, :1])
    if problem.interventions is not None:
        first = problem.interventions.with_levels(first)
    starts = np.concatenate([first, states[:, :-1]], axis=1)
    durations = np.diff(problem.times, prepend=0.0)[None, :, None]
    # An interval without length tells nothing, and must not divide by zero.
    told = problem.measured & (durations > 0)
    durations = np.where(durations > 0, durations, 1.0)
    gone = np.exp(-durations)
    pulled = (states - starts * gone) / (1 - gone)
    share = (durations - 1 + gone) / (durations * (1 - gone))
    return starts + (states - starts) * share, pulled, told


def _largest_pull(pulled: Responses, told: ValueMask) -> NodeValues:
    """α above the largest pull of each node."""
    largest = np.where(told, np.abs(pulled), 0.0).max(axis=(0, 1))
    return _ABOVE_LARGEST * np.maximum(largest, _LEAST_SHARE * max(largest.max(), 1e-12))


def _filled(problem: MultipleShooting) -> Responses:
    """The measurements, and straight lines where there are none."""
    states = problem.measurements.copy()
    times = np.concatenate([[0.0], problem.times])
    for row, node in zip(*np.nonzero(~problem.measured.all(axis=1)), strict=True):
        known = np.concatenate([[True], problem.measured[row, :, node]])
        values = np.concatenate([[0.0], states[row, :, node]])
        states[row, :, node] = np.interp(problem.times, times[known], values[known])
    done = problem.interventions
    return states if done is None else done.with_levels(states)


class _Regressors:
    """x̄ as regressions need it; nodes that were measured alike, one after the other, share it."""

    def __init__(self, averages: Responses):
        self._averages = averages
        self._asked: tuple[bytes, ...] = ()
        self._found: tuple[np.ndarray, np.ndarray] | None = None

    def of(
        self,
        used: Bool[np.ndarray, "n_conditions n_times"],
        sources: Bool[np.ndarray, " n_nodes"] | slice,
        root: Float[np.ndarray, " n_values"],
    ) -> tuple[Float[np.ndarray, "n_values n_sources"], Float[np.ndarray, "n_sources n_sources"]]:
        """The regressors of the values used, each times its root, and their curvature."""
        of_sources = b"all" if isinstance(sources, slice) else sources.tobytes()
        asked = (used.tobytes(), of_sources, root.tobytes())
        if self._found is None or asked != self._asked:
            regressors = self._averages[used][:, sources] * root[:, None]
            self._asked, self._found = asked, (regressors, regressors.T @ regressors)
        return self._found


def _ridge(
    curvature: Float[np.ndarray, "n_sources n_sources"],
    wanted: Float[np.ndarray, " n_sources"],
    shares: Float[np.ndarray, " n_sources"] | None,
) -> Float[np.ndarray, " n_sources"]:
    """shares: of the penalty, for each source; None for all of it."""
    n_sources = len(wanted)
    penalty = _RIDGE * max(np.trace(curvature) / max(n_sources, 1), 1e-12)
    diagonal = np.eye(n_sources) if shares is None else np.diag(shares)
    return np.linalg.solve(curvature + penalty * diagonal, wanted)
