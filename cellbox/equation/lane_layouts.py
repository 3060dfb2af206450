"""How the numbers of many models lie in memory, and the products of Eq. 1 in each way.

Small networks put the lanes last, so that one instruction works on the same entry of several
models, and write the products out as sums: a library call for a 7 × 7 matrix costs more than the
product. Large networks put the lanes first and leave the products to the library
(`python -m tests.benchmarks.growth` shows where that begins).

A *state* has one value for each lane, node and condition.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol, runtime_checkable

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float, Int, Shaped

# One value for each lane, node and condition; for each lane and two nodes; for each lane.
State = Float[Array, "*state"]
Matrix = Float[Array, "*matrix"]
PerLane = Float[Array, " lanes"]

# Larger networks have their lanes first.
LARGEST_LANES_LAST = 32

# Terms of a sum that are written out; longer sums are loops over blocks of this many.
_BLOCK = 16


@runtime_checkable
class Layout(Protocol):
    """Where the axes of a state are, and what needs to know it.

    lane_axis: of the lanes in a sequence of states.
    """

    lane_axis: int

    def state(self, values: Float[Array, "lanes n_nodes n_conditions"]) -> State:
        """A state from values by lane."""

    def values(self, state: State) -> Float[Array, "lanes n_nodes n_conditions"]:
        """The values by lane of a state."""

    def matrix(self, weights: Float[Array, "lanes n_nodes n_nodes"]) -> Matrix:
        """A matrix for each lane, from weights by lane."""

    def weights(self, matrix: Matrix) -> Float[Array, "lanes n_nodes n_nodes"]:
        """Weights by lane."""

    def per_lane(self, values: Shaped[Array, " lanes"]) -> Shaped[Array, "..."]:
        """One number for each lane, to be combined with a state."""

    def per_node(self, values: Float[Array, "lanes n_nodes"]) -> Float[Array, "..."]:
        """One number for each lane and node, to be combined with a state."""

    def drive(self, matrix: Matrix, state: State) -> State:
        """W x."""

    def transposed_drive(self, matrix: Matrix, state: State) -> State:
        """Wᵀ x."""

    def add_outers(self, matrix: Matrix, left: Sequence[State], right: Sequence[State]) -> Matrix:
        """The matrix + Σ over pairs of states and conditions of left · rightᵀ."""

    def apart(self, function: Callable[..., Array], *arguments: Array) -> Array:
        """`function(layout, *arguments)`, kept from being fused with what makes the arguments."""

    def worst(self, error: State) -> PerLane:
        """Root mean square over nodes, and of these the largest over conditions."""


class LanesLast:
    """States (n_nodes, n_conditions, lanes), matrices (n_nodes, n_nodes, lanes)."""

    lane_axis = -1

    def state(
        self, values: Float[Array, "lanes n_nodes n_conditions"]
    ) -> Float[Array, "n_nodes n_conditions lanes"]:
        return jnp.moveaxis(values, 0, -1)

    def values(
        self, state: Float[Array, "n_nodes n_conditions lanes"]
    ) -> Float[Array, "lanes n_nodes n_conditions"]:
        return jnp.moveaxis(state, -1, 0)

    matrix = state
    weights = values

    def per_lane(self, values: Shaped[Array, " lanes"]) -> Shaped[Array, " lanes"]:
        return values

    def per_node(self, values: Float[Array, "lanes n_nodes"]) -> Float[Array, "n_nodes 1 lanes"]:
        return values.T[:, None, :]

    def drive(
        self,
        matrix: Float[Array, "n_nodes n_nodes lanes"],
        state: Float[Array, "n_nodes n_conditions lanes"],
    ) -> Float[Array, "n_nodes n_conditions lanes"]:
        return _written_out(matrix, state)

    def transposed_drive(
        self,
        matrix: Float[Array, "n_nodes n_nodes lanes"],
        state: Float[Array, "n_nodes n_conditions lanes"],
    ) -> Float[Array, "n_nodes n_conditions lanes"]:
        return _written_out(jnp.swapaxes(matrix, 0, 1), state)

    def add_outers(
        self,
        matrix: Float[Array, "n_nodes n_nodes lanes"],
        left: Sequence[Float[Array, "n_nodes n_conditions lanes"]],
        right: Sequence[Float[Array, "n_nodes n_conditions lanes"]],
    ) -> Float[Array, "n_nodes n_nodes lanes"]:
        for one, other in zip(left, right, strict=True):
            matrix = self.apart(_add_outer, matrix, one, other)
        return matrix

    def apart(self, function: Callable[..., Array], *arguments: Array) -> Array:
        if jax.default_backend() != "cpu":
            # Elsewhere the compiler weighs this better, and a branch waits for the host.
            return function(self, *arguments)
        return _in_a_branch(function, self, *arguments)

    def worst(self, error: Float[Array, "n_nodes n_conditions lanes"]) -> PerLane:
        return jnp.sqrt(jnp.max(jnp.mean(error**2, axis=0), axis=0))


class LanesFirst:
    """States (lanes, n_conditions, n_nodes), matrices (lanes, n_nodes, n_nodes) of Wᵀ."""

    lane_axis = 1

    def state(
        self, values: Float[Array, "lanes n_nodes n_conditions"]
    ) -> Float[Array, "lanes n_conditions n_nodes"]:
        return jnp.swapaxes(values, 1, 2)

    def values(
        self, state: Float[Array, "lanes n_conditions n_nodes"]
    ) -> Float[Array, "lanes n_nodes n_conditions"]:
        return jnp.swapaxes(state, 1, 2)

    matrix = state
    weights = values

    def per_lane(self, values: Shaped[Array, " lanes"]) -> Shaped[Array, "lanes 1 1"]:
        return values[:, None, None]

    def per_node(self, values: Float[Array, "lanes n_nodes"]) -> Float[Array, "lanes 1 n_nodes"]:
        return values[:, None, :]

    def drive(
        self,
        matrix: Float[Array, "lanes n_nodes n_nodes"],
        state: Float[Array, "lanes n_conditions n_nodes"],
    ) -> Float[Array, "lanes n_conditions n_nodes"]:
        return _product(state, matrix)

    def transposed_drive(
        self,
        matrix: Float[Array, "lanes n_nodes n_nodes"],
        state: Float[Array, "lanes n_conditions n_nodes"],
    ) -> Float[Array, "lanes n_conditions n_nodes"]:
        return _product(state, jnp.swapaxes(matrix, 1, 2))

    def add_outers(
        self,
        matrix: Float[Array, "lanes n_nodes n_nodes"],
        left: Sequence[Float[Array, "lanes n_conditions n_nodes"]],
        right: Sequence[Float[Array, "lanes n_conditions n_nodes"]],
    ) -> Float[Array, "lanes n_nodes n_nodes"]:
        # One product of all, which reads and writes the sum once.
        one, other = jnp.concatenate(left, axis=1), jnp.concatenate(right, axis=1)
        return matrix + _product(jnp.swapaxes(other, 1, 2), one)

    def apart(self, function: Callable[..., Array], *arguments: Array) -> Array:
        # Products in the library are not fused with anything.
        return function(self, *arguments)

    def worst(self, error: Float[Array, "lanes n_conditions n_nodes"]) -> PerLane:
        return jnp.sqrt(jnp.max(jnp.mean(error**2, axis=2), axis=1))


def _product(
    left: Float[Array, "lanes rows terms"], right: Float[Array, "lanes terms columns"]
) -> Float[Array, "lanes rows columns"]:
    # GPUs would round the factors to ten bits, which is more than a step may err.
    return jnp.matmul(left, right, precision=lax.Precision.HIGHEST)


_LANES_LAST, _LANES_FIRST = LanesLast(), LanesFirst()


def layout_for(n_nodes: int) -> Layout:
    """The layout that is faster for networks of this size."""
    return _LANES_LAST if n_nodes <= LARGEST_LANES_LAST else _LANES_FIRST


def _written_out(
    left: Float[Array, "rows terms lanes"], right: Float[Array, "terms columns lanes"]
) -> Float[Array, "rows columns lanes"]:
    """Σ over terms of left · right, lane by lane, as additions and multiplications."""

    def sum_of(
        left: Float[Array, "rows block lanes"], right: Float[Array, "block columns lanes"]
    ) -> Float[Array, "rows columns lanes"]:
        total = left[:, 0, None] * right[0]
        for term in range(1, len(right)):
            total = total + left[:, term, None] * right[term]
        return total

    n_blocks, n_rest = divmod(len(right), _BLOCK)
    if n_blocks <= 1:
        return sum_of(left, right)

    def add_block(
        block: Int[Array, ""], total: Float[Array, "rows columns lanes"]
    ) -> Float[Array, "rows columns lanes"]:
        begin = n_rest + block * _BLOCK
        return total + sum_of(
            lax.dynamic_slice_in_dim(left, begin, _BLOCK, axis=1),
            lax.dynamic_slice_in_dim(right, begin, _BLOCK, axis=0),
        )

    shape = (len(left), *right.shape[1:])
    begin = sum_of(left[:, :n_rest], right[:n_rest]) if n_rest else jnp.zeros(shape, right.dtype)
    return lax.fori_loop(0, n_blocks, add_block, begin)


def _add_outer(
    layout: Layout,
    matrix: Float[Array, "n_nodes n_nodes lanes"],
    left: Float[Array, "n_nodes n_conditions lanes"],
    right: Float[Array, "n_nodes n_conditions lanes"],
) -> Float[Array, "n_nodes n_nodes lanes"]:
    return matrix + _written_out(left, jnp.swapaxes(right, 0, 1))


@partial(jax.jit, static_argnums=(0, 1))
def _in_a_branch(function: Callable[..., Array], layout: Layout, *arguments: Array) -> Array:
    """`function(layout, *arguments)`, in a branch that is always taken.

    A sum that is written out reads each operand many times. XLA for CPU would compute the operand
    anew for each of them, where it does not look expensive; it never looks into a branch.
    """
    shape = jax.eval_shape(partial(function, layout), *arguments)
    return lax.cond(
        # A condition that always holds, and that the compiler cannot see through.
        lax.optimization_barrier(jnp.asarray(True)),
        partial(function, layout),
        lambda *_: jnp.zeros(shape.shape, shape.dtype),
        *arguments,
    )
