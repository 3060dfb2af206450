"""Explicit Runge–Kutta methods as plain coefficients, read from diffrax's tableaus."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import diffrax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from cellbox.equation.solvers import SOLVERS


@dataclass(frozen=True, eq=False)
class Method:
    """An explicit Runge–Kutta method, from its Butcher tableau.

    rows: row i has the coefficients of k_0 to k_i in the next stage; the last row is b.
    error: coefficients of the local error; one more than stages where it uses the new slope.
    """

    rows: Float[np.ndarray, "n_stages n_stages"]
    error: Float[np.ndarray, " n_coefficients"]
    order: int


@cache
def method_of(name: str) -> Method:
    """The method of one of the explicit `SOLVERS`."""
    solver = SOLVERS[name]
    if solver is diffrax.Euler:
        return Method(np.ones((1, 1)), np.zeros(1), 1)
    tableau = solver.tableau  # type: ignore[attr-defined]
    # The last stage of an FSAL method is the first of the next step.
    n_stages = tableau.num_stages - tableau.fsal
    rows = np.zeros((n_stages, n_stages))
    for row, coefficients in zip(rows, tableau.a_lower, strict=False):
        row[: len(coefficients)] = coefficients
    rows[-1] = tableau.b_sol[:n_stages]
    return Method(rows, np.asarray(tableau.b_error), solver().order(None))  # type: ignore[arg-type]


def combine(
    coefficients: Float[np.ndarray, " n_coefficients"], arrays: Sequence[Float[Array, "*state"]]
) -> Float[Array, "*state"]:
    """Σ coefficient · array over as many as there are of both, without the terms that are zero."""
    terms = [
        float(coefficient) * array
        for coefficient, array in zip(coefficients, arrays, strict=False)
        if coefficient
    ]
    return sum(terms[1:], terms[0]) if terms else jnp.zeros_like(arrays[0])
