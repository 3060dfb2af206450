"""How precisely an experiment tells W: standard errors, decided edges, r, signs that may change.

Other than the search, which looks at one row of W after the other, this looks at all entries of W
and all amplitudes together, with the derivatives of whole responses. Networks with more than 2,000
of these are looked at row by row here too, which makes errors somewhat too small
(`cellbox.identifiability.least_errors`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from cellbox.arrays import EdgeValues, Perturbations, Times
from cellbox.equation.dynamics import Parameters
from cellbox.equation.solver_settings import precision_context
from cellbox.identifiability.design_report import DETERMINED_BELOW
from cellbox.identifiability.least_errors import MOST_PARAMETERS
from cellbox.identifiability.row_information import Derivatives, RowDerivatives, updated
from cellbox.networks.network import Network
from cellbox.planning.beliefs import Belief
from cellbox.refinement.edge_intervals import LEVEL
from cellbox.refinement.multiple_shooting import MultipleShooting
from cellbox.refinement.refined import PRIOR_DEVIATION
from cellbox.refinement.whole_courses import Series, residuals

# Standard errors to either side of an estimate that hold the true value in 90 % of cases.
_WITHIN = {0.9: 1.6448536269514722}[LEVEL]

# Rows whose derivatives are formed at once.
_ROWS_AT_ONCE = 8


@dataclass(frozen=True, eq=False)
class Precision:
    """Standard errors that are expected of least squares with a weak prior, at one network.

    network: which is taken to be true. errors: of entries of W; 0 where none may be. allowed: where
    there may be edges. log_volume: the log determinant of what is known of all parameters (nats, up
    to a constant; half of it is what D-optimality counts).
    """

    network: Network
    errors: EdgeValues
    allowed: np.ndarray
    log_volume: float

    @property
    def median_error(self) -> float:
        """Half of all standard errors are below."""
        return float(np.median(self.errors[self.allowed]))

    @property
    def r(self) -> float:
        """The Pearson correlation with the true W that such errors leave.

        That is √(var W / (var W + mean variance)), of estimates that keep every edge.
        """
        spread = float(np.var(self.network.weights))
        return float(np.sqrt(spread / (spread + (self.errors**2).mean()))) if spread else 0.0

    @property
    def decided(self) -> np.ndarray:
        """Which edges are decided if estimates are just these weights; see `chance_decided`."""
        return _decided(np.abs(self.network.weights), self.errors) & self.allowed

    @property
    def chance_decided(self) -> EdgeValues:
        """How likely each edge is decided by an estimate with such an error.

        An edge is decided where its 90 % interval leaves out 0, so that it exists and its sign is
        known; or lies within ±0.5, so that it is absent or weak.
        """
        # The quantiles of a standard normal distribution, in place of an integral over it.
        shares = (np.arange(40) + 0.5) / 40
        from scipy.special import ndtri

        drawn = self.network.weights[..., None] + self.errors[..., None] * ndtri(shares)
        chance = _decided(np.abs(drawn), self.errors[..., None]).mean(axis=-1)
        return np.where(self.allowed, chance, 0.0)

    def chance_of_sign_change(self, after: Precision) -> EdgeValues:
        """How likely each estimate changes its sign when the errors become those of `after`.

        An estimate moves by a normal step whose variance is what that of the estimate loses; 0
        where there is no edge.
        """
        from scipy.special import ndtr

        moves = np.sqrt(np.maximum(self.errors**2 - after.errors**2, 0.0))
        weights = np.abs(self.network.weights)
        chance = ndtr(-weights / np.maximum(moves, 1e-12))
        return np.where((weights > 0) & self.allowed, chance, 0.0)


def _decided(sizes: np.ndarray, errors: np.ndarray) -> np.ndarray:
    within = _WITHIN * errors
    return (sizes > within) | (sizes + within < DETERMINED_BELOW)


class Prospect:
    """What more conditions would leave open, were one network true, beside what is measured.

    times: when those are measured; by default as it was so far.
    """

    def __init__(
        self,
        belief: Belief,
        network: Network,
        times: Float[np.ndarray, " n_new_times"] | None = None,
    ):
        self._belief, self._network = belief, network
        self._times = belief.times if times is None else times
        n = len(belief.nodes)
        self._by_rows = n * (n + 1) > MOST_PARAMETERS
        if self._by_rows:
            self._along = RowDerivatives([network], self._times)
            self._known = belief.factors([network])
            return
        self._free = np.append(belief.allowed.ravel(), np.ones(n, bool))
        prior = (
            np.append(np.full(n * n, PRIOR_DEVIATION), np.full(n, belief.amplitude_deviation))
            ** -2.0
        )
        information = self._information(belief.perturbations, belief.times, belief.counted)
        self._before = np.diag(prior[self._free]) + information.sum(axis=0)

    def _information(
        self, perturbations: Perturbations, times: Times, counted: np.ndarray
    ) -> Float[np.ndarray, "n_rows n_free n_free"]:
        """Fisher information of each condition about the free entries of W and log α."""
        n_free = int(self._free.sum())
        parts = [np.zeros((0, n_free, n_free))]
        with precision_context("float64"):
            parameters = Parameters(
                jnp.asarray(self._network.weights), jnp.log(jnp.asarray(self._network.amplitudes))
            )
            for first in range(0, len(perturbations), _ROWS_AT_ONCE):
                part = slice(first, first + _ROWS_AT_ONCE)
                values = np.where(counted[part] > 0, 0.0, np.nan)
                problem = MultipleShooting(perturbations[part], values, times)
                found = np.asarray(_derivatives(parameters, Series.of(problem)))
                found = found[: len(values)][..., self._free] / self._belief.noise
                if self._belief.root_precision is not None:
                    found = found * counted[part].reshape(len(values), -1, 1)
                parts.append(np.swapaxes(found, 1, 2) @ found)
        return np.concatenate(parts)

    def precision(self, more: Perturbations | None = None) -> Precision:
        """With these conditions measured as well; without any, as it is now."""
        [found] = self.precisions(more, [np.ones(0 if more is None else len(more))])
        return found

    def precisions(
        self, more: Perturbations | None, counts: Sequence[Float[np.ndarray, " n_rows"]]
    ) -> list[Precision]:
        """As often as each count says; the conditions themselves are followed once."""
        n = len(self._belief.nodes)
        more = np.zeros((0, n)) if more is None else more
        if self._by_rows:
            derivatives = self._along(more)
            return [self._by_row(derivatives, count) for count in counts]
        sure = np.broadcast_to(self._belief.expected, (len(more), len(self._times), n))
        found = self._information(more, self._times, sure)
        return [self._together(np.tensordot(count, found, 1)) for count in counts]

    def _together(self, information: Float[np.ndarray, "n_free n_free"]) -> Precision:
        n, total = len(self._belief.nodes), self._before + information
        if not np.isfinite(total).all():
            # A response that cannot be solved tells nothing.
            total = np.where(np.isfinite(self._before).all(), self._before, np.eye(len(total)))
        lower = np.linalg.cholesky(total)
        errors = np.zeros(n * n + n)
        errors[self._free] = np.sqrt((np.linalg.inv(lower) ** 2).sum(axis=0))
        volume = float(2 * np.log(np.diag(lower)).sum())
        return Precision(self._network, errors[: n * n].reshape(n, n), self._belief.allowed, volume)

    def _by_row(self, derivatives: Derivatives, count: Float[np.ndarray, " n_rows"]) -> Precision:
        n = len(self._belief.nodes)
        weighted = (
            derivatives * np.sqrt(count)[:, None, None] * self._belief.expected[:, None, None, None]
        )
        values = weighted.reshape(*derivatives.shape[:2], -1, n + 1)
        known = (
            updated(self._known, values, self._belief.noise)[0] if len(count) else self._known[0]
        )
        errors = np.sqrt((known**2).sum(axis=2))[:, :n]
        # Of a root of what is not forbidden, by its singular values.
        sizes = np.linalg.svd(known, compute_uv=False)
        volume = -2 * float(np.log(sizes[sizes > 1e-12]).sum())
        errors = np.where(self._belief.allowed, errors, 0.0)
        return Precision(self._network, errors, self._belief.allowed, volume)


@jax.jit
def _derivatives(
    parameters: Parameters, series: Series
) -> Float[Array, "n_rows n_values n_parameters"]:
    """Of every value of each row by W row by row, then log α; 0 where nothing is measured."""
    found = jax.jacfwd(lambda at: residuals(at, series, jnp.zeros(())))(parameters)
    n_times, n, n_rows = found.weights.shape[:3]
    by_parameter = jnp.concatenate(
        [found.weights.reshape(n_times, n, n_rows, -1), found.log_amplitudes], axis=-1
    )
    return jnp.moveaxis(by_parameter, 2, 0).reshape(n_rows, n_times * n, -1)
