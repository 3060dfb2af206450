"""Damped Gauss-Newton steps that minimise the sum of squares of multiple shooting."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float

from cellbox.refinement.linearised import Iterate
from cellbox.refinement.multiple_shooting import MultipleShooting

# What damping a search begins with: near its goal, and far from it, where a long step may end in
# another valley.
NEAR, FAR = 1e-2, 100.0


def least_squares(
    problem: MultipleShooting,
    point: Iterate,
    free: Bool[np.ndarray, " n_parameters"],
    *,
    expected: Float[np.ndarray, " n_parameters"] | None = None,
    penalty: Float[np.ndarray, " n_parameters"] | float = 0.0,
    damping: float = FAR,
    most_steps: int = 30,
    tolerance: float = 1e-6,
) -> tuple[Iterate, int]:
    """Minimise the sum of squares + Σ penalty · (free parameter − expected)², and the states too.

    penalty: of each parameter, or of all. expected: where it draws them to; by default to where
    they are.
    damping: of the first step; it falls as steps succeed.

    Damped Gauss-Newton steps (Levenberg 1944, Marquardt 1963) until one gains less than
    `tolerance` of the sum. Returns the best point, and how many steps were taken. Every step
    lowers the sum, so the answer is never worse than the start.
    """
    expected = point.parameters if expected is None else expected
    penalties = np.broadcast_to(penalty, free.shape)[free]

    def objective(at: Iterate) -> float:
        apart = (at.parameters - expected)[free]
        return problem.sum_of_squares(at) + float(penalties @ apart**2)

    value = objective(point)
    for taken in range(most_steps):
        if not np.isfinite(value):
            return point, taken
        quadratic = problem.linearise(point, free)
        curvature = quadratic.curvature + np.diag(penalties)
        gradient = quadratic.gradient + penalties * (point.parameters - expected)[free]
        scale = np.diag(np.diag(curvature) + 1e-12)
        while True:
            step = -np.linalg.solve(curvature + damping * scale, gradient)
            moved = quadratic.moved(point, free, step)
            reached = objective(moved)
            if reached < value:
                break
            damping *= 8
            if damping > 1e8:
                return point, taken
        gain, point, value = (value - reached) / value, moved, reached
        damping = max(damping / 8, 1e-10)
        if gain < tolerance:
            return point, taken + 1
    return point, most_steps
