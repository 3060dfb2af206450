"""What a condition would tell of each row of W and its amplitude, by every member of an ensemble.

With the states known, the response of node i depends on row i of W and α_i alone. How it changes
with them, F = ∂x_i/∂(W_i, log α_i), follows

    dF_ij/dt = −F_ij + α_i sech²(z_i) x_j,    dF_iα/dt = −F_iα + α_i tanh(z_i),    z = W x − u,

which is solved along the response: with the forcing on a straight line over each step, the rest is
exact. What is known of a row is a covariance P = L Lᵀ. Values measured with noise σ change it to

    (P⁻¹ + Fᵀ F / σ²)⁻¹,    with a gain of ½ log det(1 + F P Fᵀ / σ²)

in nats, summed over rows (Bayesian D-optimality, Chaloner & Verdinelli 1995).

Times late in a course tell nearly the same. So F may be taken in a few directions of the times that
hold nearly all of it: of independent noise, that leaves out what those say that are left out, and
nothing else. Derivatives are float32; what is known is float64.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

from cellbox.arrays import Times
from cellbox.equation.classical_step import classical_step
from cellbox.equation.traced_arrays import TracedAmplitudes, TracedWeights
from cellbox.networks.network import Network

# Steps in the model's time unit: the longest, and the shortest that strong coupling asks for.
_LONGEST_STEP, _SHORTEST_STEP = 0.5, 0.1

# Conditions that are integrated side by side: programs are compiled for few sizes.
_SIDE_BY_SIDE = 256

# Directions of the times that are left out hold no more than this share of all squares of F.
_LEFT_OUT = 1e-3

# Up to so many, small determinants are taken apart side by side.
_FEW_TIMES = 8

# By member and row: F in rows of times (or directions of them), and L.
Derivatives = Float[np.ndarray, "n_members n_nodes n_conditions n_times row"]
Factors = Float[np.ndarray, "n_members n_nodes row row"]


class RowDerivatives:
    """F of every row, along the responses of several networks to any condition, at set times.

    networks: of the same nodes. times: ascending, in the model's time unit.
    """

    def __init__(self, networks: Sequence[Network], times: Times):
        self._weights = np.array([each.weights for each in networks], np.float32)
        self._amplitudes = np.array([each.amplitudes for each in networks], np.float32)
        coupling = np.linalg.norm(self._amplitudes[:, :, None] * self._weights, axis=(1, 2))
        a_node = max(1e-9, float(np.median(coupling)) / math.sqrt(self._weights.shape[1]))
        longest = min(_LONGEST_STEP, max(_SHORTEST_STEP, 1 / a_node))
        self._lengths, self._kernel = _grid(np.asarray(times, float), longest)
        self.n_members, self.n_nodes = self._amplitudes.shape

    @property
    def n_times(self) -> int:
        """Times, or directions of them, that F has."""
        return len(self._kernel)

    def in_few_directions(
        self, perturbations: Float[np.ndarray, "n_conditions n_nodes"]
    ) -> RowDerivatives:
        """The same in as many directions of the times as these conditions need."""
        values = self(perturbations)
        values = np.where(np.isfinite(values), values, 0.0)
        squares = np.einsum("mictj,micsj->ts", values, values, dtype=float)
        sizes, directions = np.linalg.eigh(squares)
        left_out = np.cumsum(sizes) <= _LEFT_OUT * sizes.sum()
        fewer = object.__new__(RowDerivatives)
        fewer.__dict__.update(self.__dict__)
        kept = directions[:, ~left_out].T if sizes.sum() > 0 else np.eye(self.n_times)
        fewer._kernel = kept @ self._kernel
        return fewer

    def __call__(self, perturbations: Float[np.ndarray, "n_conditions n_nodes"]) -> Derivatives:
        """F; not finite where a response cannot be solved."""
        n_conditions, n = perturbations.shape
        shape = (self.n_members, n, n_conditions, self.n_times, n + 1)
        found = np.empty(shape, np.float32)
        for first in range(0, n_conditions, _SIDE_BY_SIDE):
            part = perturbations[first : first + _SIDE_BY_SIDE]
            self._fill(found[:, :, first : first + len(part)], part)
        return found

    def _fill(self, found: Derivatives, perturbations: np.ndarray) -> None:
        n_conditions, n = perturbations.shape
        size = _SIDE_BY_SIDE if n_conditions > _SIDE_BY_SIDE // 8 else _SIDE_BY_SIDE // 8
        padded = np.zeros((size, n), np.float32)
        padded[:n_conditions] = perturbations
        kernel = self._kernel.astype(np.float32)

        def of_member(member: int) -> None:
            courses = _courses(
                self._weights[member],
                self._amplitudes[member],
                padded,
                self._lengths.astype(np.float32),
            )
            # Conditions × steps × nodes.
            states, slopes, levels = (
                np.ascontiguousarray(np.swapaxes(np.asarray(each)[:, :n_conditions], 0, 1))
                for each in courses
            )
            for time, weights in enumerate(kernel):
                by_weights = np.swapaxes(slopes * weights[:, None], 1, 2) @ states
                found[member, :, :, time, :n] = np.swapaxes(by_weights, 0, 1)
                found[member, :, :, time, n] = np.tensordot(weights, levels, (0, 1)).T

        _side_by_side(of_member, range(self.n_members))


def _side_by_side(work: Callable[[int], None], members: Iterable[int]) -> None:
    """Do it for all members, on all cores: what takes long is done outside Python's lock."""
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        for _ in threads.map(work, members):
            pass


def _grid(
    times: Times, longest: float
) -> tuple[Float[np.ndarray, " n_steps"], Float[np.ndarray, "n_times n_steps_and_one"]]:
    """Lengths of steps that meet all times, and what the forcing at each step's ends counts for.

    That is ∫ exp(s − t) forcing(s) ds up to each time t, the forcing on a straight line over each
    step.
    """
    counts = [
        max(1, math.ceil(duration / longest - 1e-9)) for duration in np.diff(times, prepend=0.0)
    ]
    lengths = np.repeat(np.diff(times, prepend=0.0) / counts, counts)
    ends = np.cumsum(lengths)
    kept = np.exp(-lengths)
    at_start, at_end = (1 - kept) / lengths - kept, 1 - (1 - kept) / lengths
    before = np.where(ends <= times[:, None] + 1e-9, np.exp(ends - times[:, None]), 0.0)
    kernel = np.zeros((len(times), len(lengths) + 1))
    kernel[:, :-1] += before * at_start
    kernel[:, 1:] += before * at_end
    return lengths, kernel


@jax.jit
def _courses(
    weights: TracedWeights,
    amplitudes: TracedAmplitudes,
    perturbations: Float[Array, "n_conditions n_nodes"],
    lengths: Float[Array, " n_steps"],
) -> tuple[Array, Array, Array]:
    """States, slopes α sech²(z) and levels α tanh(z) at the start and after each step."""

    def level(state: Array) -> Array:
        return amplitudes * jnp.tanh(state @ weights.T - perturbations)

    def advance(state: Array, length: Array) -> tuple[Array, Array]:
        there = classical_step(lambda _, at: level(at) - at, state, length)
        return there, there

    start = jnp.zeros_like(perturbations)
    _, after = lax.scan(advance, start, lengths)
    states = jnp.concatenate([start[None], after])
    levels = jax.vmap(level)(states)
    return states, amplitudes - levels**2 / amplitudes, levels


def gains(
    derivatives: Derivatives, factors: Factors, noise: float
) -> Float[np.ndarray, "n_members n_nodes n_conditions"]:
    """½ log det(1 + F P Fᵀ / σ²) of each condition by itself, row by row, in nats."""
    n_members, n, n_conditions, n_times, width = derivatives.shape
    told = np.empty((n_members, n, n_conditions))

    def of_member(member: int) -> None:
        scaled = derivatives[member].reshape(n, -1, width) @ (factors[member] / noise).astype(
            np.float32
        )
        scaled = scaled.reshape(n, n_conditions, n_times, width)
        if n_times > _FEW_TIMES:
            unit = np.eye(n_times, dtype=np.float32)
            inner = unit + scaled @ np.swapaxes(scaled, 2, 3)
            told[member] = np.linalg.slogdet(inner)[1] / 2
            return
        inner = np.empty((n_times, n_times, n, n_conditions))
        for one in range(n_times):
            for other in range(one, n_times):
                products = np.einsum("icj,icj->ic", scaled[:, :, one], scaled[:, :, other])
                inner[one, other] = products + (one == other)
        told[member] = _log_determinants(inner) / 2

    _side_by_side(of_member, range(n_members))
    return np.where(np.isfinite(told), told, 0.0)


def _log_determinants(
    matrices: Float[np.ndarray, "size size *others"],
) -> Float[np.ndarray, "*others"]:
    """Of many small positive definite matrices, of which the upper half is given and used up."""
    total = np.zeros(matrices.shape[2:])
    with np.errstate(invalid="ignore"):
        for place in range(len(matrices)):
            pivot = matrices[place, place]
            total += np.log(pivot)
            for row in range(place + 1, len(matrices)):
                matrices[row, row:] -= matrices[place, row] / pivot * matrices[place, row:]
    return total


def updated(
    factors: Factors,
    derivatives: Float[np.ndarray, "n_members n_nodes n_values row"],
    noise: float,
    *,
    take_away: bool = False,
) -> Factors:
    """What is known of each row after some more values, or (take_away) without some that were.

    With A = F L / σ and A Aᵀ = U D Uᵀ, the new covariance is L (1 ± Aᵀ A)⁻¹ Lᵀ, whose root is
    L (1 + Aᵀ U diag(((1 ± d)^−½ − 1)/d) Uᵀ A).
    """
    values = np.where(np.isfinite(derivatives), derivatives, 0.0).astype(float)
    scaled = values @ factors / noise
    sizes, directions = np.linalg.eigh(scaled @ np.swapaxes(scaled, 2, 3))
    sizes = np.maximum(sizes, 1e-12)
    left = np.maximum(1 - sizes, 1e-9) if take_away else 1 + sizes
    changes = (left**-0.5 - 1) / sizes
    along = np.swapaxes(directions, 2, 3) @ scaled
    return factors + (factors @ np.swapaxes(along, 2, 3)) @ (changes[..., None] * along)


def factors_after(
    derivatives: Derivatives,
    counted: Float[np.ndarray, "n_conditions n_times n_nodes"],
    deviations: Float[np.ndarray, "n_members n_nodes row"],
    noise: float,
) -> Factors:
    """What is known of each row after an experiment, from a normal prior.

    counted: 0 where nothing was measured, else how sure a value is beside the noise.
    deviations: of the prior, by parameter; what may not differ from zero has 0.
    """
    n_members, n, _, _, width = derivatives.shape
    known = np.empty((n_members, n, width, width))
    seen = np.moveaxis(counted, 2, 0).reshape(n, -1, 1)
    for member in range(n_members):
        values = derivatives[member].reshape(n, -1, width).astype(float)
        values = np.where(np.isfinite(values), values, 0.0) * seen / noise
        # In units of the prior, so that what is forbidden needs no case of its own.
        values *= deviations[member][:, None]
        precision = np.swapaxes(values, 1, 2) @ values + np.eye(width)
        root = np.swapaxes(np.linalg.inv(np.linalg.cholesky(precision)), 1, 2)
        known[member] = deviations[member][:, :, None] * root
    return known
