"""Every solver follows Eq. 1 within its tolerance, and impossible settings are refused at once."""

from dataclasses import replace
from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cellbox.equation.integrate import integrate, integrate_each
from cellbox.equation.solver_settings import (
    ADJOINTS,
    IMPLICIT_SOLVERS,
    SolverSettings,
    precision_context,
)
from cellbox.equation.solvers import SOLVERS
from cellbox.errors import InputError
from tests.cellbox.small import LOOP, parameters_of, scipy_response

TIMES = np.array([0.5, 1.5, 4.0])
PERTURBATIONS = np.random.default_rng(0).uniform(-1, 1, (4, 3))


@pytest.fixture(scope="module")
def exact() -> np.ndarray:
    return np.stack([scipy_response(LOOP, row, TIMES) for row in PERTURBATIONS])


def solve(settings: SolverSettings) -> tuple[np.ndarray, bool]:
    """The responses to all perturbations, as (n_rows, n_times, n_nodes)."""
    with precision_context(settings.precision):
        u = jnp.asarray(PERTURBATIONS.T, settings.dtype)
        clock = jnp.asarray(TIMES, settings.dtype)
        parameters = parameters_of(LOOP, settings.precision)
        run = jax.jit(lambda p, u, t: integrate(p, u, jnp.zeros_like(u), t, settings))
        states, reached = run(parameters, u, clock)
        assert states.dtype == settings.dtype
        return np.asarray(states).transpose(2, 0, 1), bool(reached)


def integrate_rows(perturbations, settings: SolverSettings):
    run = jax.jit(lambda u, t: integrate_each(parameters_of(LOOP), u, t, settings))
    return run(jnp.asarray(perturbations), jnp.asarray(TIMES))


@cache
def solve_adaptively(solver: str) -> tuple[np.ndarray, bool]:
    return solve(SolverSettings(solver=solver, rtol=1e-4, max_steps=4096))


@pytest.mark.parametrize("solver", [name for name in SOLVERS if name != "euler"])
def test_adaptive_steps_keep_within_the_tolerance(solver, exact):
    states, reached = solve_adaptively(solver)
    assert reached
    np.testing.assert_allclose(states, exact, atol=1e-3)


@pytest.mark.parametrize("solver", sorted({*SOLVERS} - {*IMPLICIT_SOLVERS}))
def test_fixed_steps_converge_to_the_response(solver, exact):
    states, reached = solve(SolverSettings(solver=solver, step=0.02, max_steps=256))
    assert reached
    np.testing.assert_allclose(states, exact, atol=1e-2 if solver == "euler" else 1e-4)


def test_float64_at_a_tight_tolerance_agrees_with_scipy_far_beyond_float32(exact):
    tight = SolverSettings(solver="dopri8", rtol=1e-10, atol=1e-12, precision="float64")
    states, reached = solve(replace(tight, max_steps=4096))
    assert reached
    # Between steps, dopri8 interpolates less exactly than it steps.
    np.testing.assert_allclose(states, exact, atol=1e-8)


@pytest.mark.parametrize("adjoint", ADJOINTS)
def test_the_adjoint_does_not_change_the_solution(adjoint, exact):
    states, _ = solve(SolverSettings(adjoint=adjoint, rtol=1e-4, max_steps=64))
    np.testing.assert_allclose(states, exact, atol=1e-3)


@pytest.mark.parametrize("solver", ["tsit5", "kvaerno5"])
def test_a_row_integrated_by_itself_agrees_within_tolerance_with_all_together(solver, exact):
    together, _ = solve_adaptively(solver)
    each, reached = integrate_rows(PERTURBATIONS, SolverSettings(solver=solver, rtol=1e-4))
    assert reached.all()
    np.testing.assert_allclose(each, together, atol=1e-3)
    np.testing.assert_allclose(each, exact, atol=1e-3)


def test_a_row_integrated_by_itself_does_not_depend_on_the_rows_beside_it():
    loud = np.vstack([PERTURBATIONS[:1], 50 * PERTURBATIONS[1:]])
    (quiet_one, *_), _ = integrate_rows(PERTURBATIONS, SolverSettings())
    (same_one, *_), _ = integrate_rows(loud, SolverSettings())
    np.testing.assert_array_equal(quiet_one, same_one)


@pytest.mark.parametrize(
    ("adjoint", "step"),
    [("recursive_checkpoint", None), ("recursive_checkpoint", 0.1), ("backsolve", None)],
)
def test_an_interval_of_no_length_returns_the_start_and_a_finite_gradient(adjoint, step):
    settings = SolverSettings(adjoint=adjoint, step=step)
    start = np.random.default_rng(1).normal(size=(3, 4)).astype(np.float32)

    def total(parameters):
        u, x = jnp.asarray(PERTURBATIONS.T, jnp.float32), jnp.asarray(start)
        states, reached = integrate(parameters, u, x, jnp.zeros(1), settings)
        return jnp.sum(states), (states, reached)

    gradient, (states, reached) = jax.jit(jax.grad(total, has_aux=True))(parameters_of(LOOP))
    assert reached
    np.testing.assert_array_equal(states[0], start)
    np.testing.assert_array_equal(gradient.weights, np.zeros((3, 3)))
    np.testing.assert_array_equal(gradient.log_amplitudes, np.zeros(3))


def test_where_nothing_happens_the_gradient_is_zero_and_not_nan():
    # Without any perturbation the error estimate is exactly 0, where a norm has no derivative.
    def total(parameters):
        nothing = jnp.zeros((3, 2))
        return jnp.sum(integrate(parameters, nothing, nothing, jnp.ones(1), SolverSettings())[0])

    gradient = jax.jit(jax.grad(total))(parameters_of(LOOP))
    np.testing.assert_array_equal(gradient.weights, np.zeros((3, 3)))


def test_a_solve_that_needs_more_steps_than_allowed_says_so():
    _, reached = solve(SolverSettings(max_steps=2))
    assert not reached


@pytest.mark.wrong_types
def test_impossible_settings_are_refused_all_at_once_with_what_was_found():
    with pytest.raises(InputError) as refused:
        SolverSettings(
            solver="rk4",
            adjoint="forward",
            precision="float16",
            rtol=0.0,
            atol="small",
            step=-0.1,
            max_steps=0,
        )
    problems = refused.value.problems
    assert {problem.where.removeprefix("solver setting ") for problem in problems} == {
        *("solver", "adjoint", "precision", "rtol", "atol", "step", "max_steps")
    }
    assert all(found in str(refused.value) for found in ("'rk4'", "'small'", "-0.1", "tsit5"))


@pytest.mark.wrong_types
@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("rtol", float("nan")),
        ("step", float("inf")),
        ("step", True),
        ("max_steps", 10.5),
        ("max_steps", None),
        ("solver", None),
        ("solver", ["tsit5"]),
    ],
)
def test_a_value_of_the_wrong_kind_is_refused_by_name(setting, value):
    with pytest.raises(InputError, match=f"solver setting {setting}"):
        SolverSettings(**{setting: value})


@pytest.mark.parametrize("solver", ["kvaerno3", "kvaerno5"])
def test_implicit_solvers_take_no_fixed_step(solver):
    with pytest.raises(InputError, match=f"adaptive steps beside {solver}"):
        SolverSettings(solver=solver, step=0.1)


def test_euler_asks_for_a_fixed_step():
    with pytest.raises(InputError, match="fixed step"):
        SolverSettings(solver="euler")
    assert SolverSettings(solver="euler", step=0.05).step == 0.05
