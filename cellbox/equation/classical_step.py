"""The classical Runge-Kutta step (Kutta 1901), for grids that are fixed beforehand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from jaxtyping import Array, Float


def classical_step(
    velocity: Callable[[Any, Float[Array, "*state"]], Float[Array, "*state"]],
    state: Float[Array, "*state"],
    length: Float[Array, "*#state"],
    moments: Sequence[Any] = (None, None, None),
) -> Float[Array, "*state"]:
    """The state after one step, of order four in its length.

    velocity: of a moment and a state. moments: what stands for the beginning, the middle and the
    end of the step, where the velocity depends on more than the state.
    """
    begin, middle, end = moments
    first = velocity(begin, state)
    second = velocity(middle, state + length / 2 * first)
    third = velocity(middle, state + length / 2 * second)
    fourth = velocity(end, state + length * third)
    return state + length / 6 * (first + 2 * second + 2 * third + fourth)
