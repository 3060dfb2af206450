"""How finely predictions are solved."""

from __future__ import annotations

from dataclasses import replace

from cellbox.equation.solver_settings import SolverSettings
from cellbox.settings import Settings


def prediction_solver(settings: Settings) -> SolverSettings:
    """The model's solver with steps so fine that they no longer show in a prediction."""
    solver = settings.solver
    adaptive = "dopri8" if solver.step is not None else solver.solver
    return replace(
        solver,
        solver=adaptive,
        step=None,
        rtol=min(solver.rtol, 1e-7),
        atol=min(solver.atol, 1e-9),
        max_steps=20_000,
        # Nothing is differentiated, and the direct adjoint would unroll all those steps.
        adjoint="auto",
        precision="float64",
    )
