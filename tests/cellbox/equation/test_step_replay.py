"""Gradients by replayed steps are those of diffrax along the same steps."""

from dataclasses import replace

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cellbox.equation import lane_layouts as layouts
from cellbox.equation.dynamics import Parameters, velocity
from cellbox.equation.integrate import integrate
from cellbox.equation.shooting import shoot
from cellbox.equation.solver_settings import (
    IMPLICIT_SOLVERS,
    SolverSettings,
    precision_context,
)
from cellbox.equation.solvers import SOLVERS
from cellbox.equation.step_replay import accepted_steps, follow
from cellbox.training.objective import Minibatch, loss, mean_absolute_error
from tests.cellbox.small import LOOP, parameters_of

EXPLICIT = sorted({*SOLVERS} - {*IMPLICIT_SOLVERS})
ALLOWED = {"float32": 1e-5, "float64": 1e-10}
# Multiples of the fixed step below, so that diffrax takes the same; the last interval is empty.
TIMES = np.array([0.6, 1.5, 3.9, 3.9])
RANDOM = np.random.default_rng(3)
PERTURBATIONS = RANDOM.uniform(-1, 1, (3, 4))
MEASUREMENTS = RANDOM.normal(0, 0.5, (4, 3, 4))
MEASUREMENTS[RANDOM.random(MEASUREMENTS.shape) < 0.2] = np.nan


def difference(found: Parameters, expected: Parameters) -> float:
    """Relative, of all parameters together."""
    one, other = (
        np.concatenate([np.ravel(x) for x in jax.tree.leaves(p)]) for p in (found, expected)
    )
    return float(np.linalg.norm(one - other) / np.linalg.norm(other))


def gradients_of_loss(settings: SolverSettings, states_of=shoot) -> dict[str, Parameters]:
    """Over the whole horizon, and in interval shooting, from one compiled program."""
    with precision_context(settings.precision):
        number = lambda values: jnp.asarray(values, settings.dtype)  # noqa: E731
        u, times, measured = number(PERTURBATIONS), number(TIMES), number(MEASUREMENTS)
        counted = jnp.ones(measured.shape, bool)

        @jax.jit
        @jax.grad
        def gradient(parameters: Parameters, restart):
            states, _ = states_of(parameters, u, times, measured, restart, settings)
            return mean_absolute_error(states, measured, counted)

        parameters = parameters_of(LOOP, settings.precision)
        ways = {"whole horizon": False, "interval shooting": True}
        return {way: gradient(parameters, jnp.asarray(restart)) for way, restart in ways.items()}


def shoot_by_diffrax(parameters, perturbations, times, measured, restart, settings):
    """`shoot` with fixed steps made by diffrax, which JAX differentiates as they stand."""
    solver, term = SOLVERS[settings.solver](), diffrax.ODETerm(velocity)
    if isinstance(solver, diffrax.AbstractRungeKutta):
        solver = eqx.tree_at(lambda s: s.scan_kind, solver, "bounded", is_leaf=lambda x: x is None)
    arguments = (parameters, perturbations)
    places = np.round(TIMES / settings.step).astype(int)
    given = jnp.full((places[-1] + 1, *perturbations.shape), jnp.nan, perturbations.dtype)
    given = given.at[places[:-1]].set(jnp.where(restart, measured[:-1], jnp.nan))

    def step(state, restarted):
        memory = solver.init(term, 0.0, settings.step, state, arguments)
        end, *_ = solver.step(term, 0.0, settings.step, state, arguments, memory, False)
        begin = jnp.where(jnp.isfinite(restarted), restarted, end)
        return begin, (end, begin)

    _, (ends, begins) = jax.lax.scan(step, jnp.zeros_like(perturbations), given[1:])
    # In the interval of no length nothing happens to the state it begins with.
    return jnp.concatenate([ends[places[:-1] - 1], begins[-1:]]), True


# All solvers in the precision that shows most, and the default in float32 too.
@pytest.mark.parametrize(
    ("solver", "precision"), [*((name, "float64") for name in EXPLICIT), ("tsit5", "float32")]
)
def test_the_gradient_is_that_of_the_same_steps_made_by_diffrax(solver, precision):
    settings = SolverSettings(solver=solver, step=0.3, precision=precision)
    expected = gradients_of_loss(settings, shoot_by_diffrax)
    for way, found in gradients_of_loss(settings).items():
        assert difference(found, expected[way]) <= ALLOWED[precision], way


def test_adaptive_steps_of_one_interval_give_the_gradient_of_the_direct_adjoint():
    def gradient(settings: SolverSettings) -> Parameters:
        with precision_context(settings.precision):
            u = jnp.asarray(PERTURBATIONS, settings.dtype)
            end = jnp.asarray([3.0], settings.dtype)
            total = lambda p: jnp.sum(integrate(p, u, 0 * u, end, settings)[0] ** 2)  # noqa: E731
            return jax.jit(jax.grad(total))(parameters_of(LOOP, settings.precision))

    settings = SolverSettings(precision="float64", max_steps=16)
    expected = gradient(replace(settings, adjoint="direct"))
    assert difference(gradient(settings), expected) <= 1e-10


def test_adaptive_steps_over_several_times_give_the_gradient_along_those_steps():
    settings = SolverSettings(solver="bosh3", precision="float64", max_steps=64)
    with precision_context("float64"):
        parameters, u = parameters_of(LOOP, "float64"), jnp.asarray(PERTURBATIONS)
        times = jnp.asarray(TIMES)
        lengths, ends, reached = accepted_steps(parameters, u, times, settings)
        assert reached
        taken = np.asarray(lengths[: ends[-1]])
        clock = np.concatenate([[0.0], np.cumsum(taken[taken > 0])])
        assert np.isclose(clock[:, None], TIMES).any(axis=0).all()

        def along_steps(parameters: Parameters):
            return diffrax.diffeqsolve(
                diffrax.ODETerm(velocity), diffrax.Bosh3(), 0.0, clock[-1], None,
                jnp.zeros_like(u), (parameters, u), saveat=diffrax.SaveAt(steps=True),
                stepsize_controller=diffrax.StepTo(jnp.asarray(clock)),
                adjoint=diffrax.DirectAdjoint(), max_steps=len(clock) - 1,
            ).ys[np.abs(clock[1:, None] - TIMES).argmin(axis=0)]  # fmt: skip

        def replayed(parameters: Parameters):
            return integrate(parameters, u, jnp.zeros_like(u), times, settings)[0]

        weights = jnp.asarray(RANDOM.normal(size=(4, 3, 4)))
        found, expected = (
            jax.jit(jax.grad(lambda p, states=states: jnp.sum(weights * states(p))))(parameters)
            for states in (replayed, along_steps)
        )
    assert difference(found, expected) <= 1e-10


def test_adaptive_float32_gradients_lie_near_those_of_float64():
    exact = gradients_of_loss(SolverSettings(precision="float64"))
    for way, found in gradients_of_loss(SolverSettings()).items():
        assert difference(found, exact[way]) <= 1e-3, way


def test_the_start_and_the_restarts_have_gradients_too():
    settings = SolverSettings(step=0.25, precision="float64")
    with precision_context("float64"):
        parameters, u = parameters_of(LOOP, "float64"), jnp.asarray(PERTURBATIONS)
        start, restarts = jnp.asarray(RANDOM.normal(size=u.shape)), jnp.asarray(MEASUREMENTS)

        @jax.jit
        def total(start, restarts):
            states, _ = follow(parameters, u, start, jnp.asarray(TIMES), restarts, settings)
            return jnp.sum(states**2)

        by_start, by_restarts = jax.grad(total, (0, 1))(start, restarts)
        # Where nothing replaces a state there is nothing to change.
        np.testing.assert_array_equal(by_restarts[jnp.isnan(restarts)], 0.0)
        np.testing.assert_array_equal(by_restarts[-1], 0.0)
        for place in [(0, 0), (2, 3)]:
            step = 1e-6
            up, down = (total(start.at[place].add(s), restarts) for s in (step, -step))
            assert by_start[place] == pytest.approx(float(up - down) / (2 * step), rel=1e-6)
            there = (0, *place) if jnp.isfinite(restarts[(0, *place)]) else (1, *place)
            up, down = (total(start, restarts.at[there].add(s)) for s in (step, -step))
            assert by_restarts[there] == pytest.approx(float(up - down) / (2 * step), rel=1e-6)


def both_ways(monkeypatch, largest: int) -> tuple[np.ndarray, Parameters]:
    """Losses and gradients of four lanes with parameters and times of their own."""
    monkeypatch.setattr(layouts, "LARGEST_LANES_LAST", largest)
    settings = SolverSettings(
        solver="heun", rtol=1e-3 if largest else 1.0001e-3
    )  # each its own compiled program
    u, y = jnp.asarray(PERTURBATIONS, jnp.float32), jnp.asarray(MEASUREMENTS, jnp.float32)
    scales = jnp.asarray([0.5, 1.0, 1.5, 3.0])
    lanes = jax.vmap(lambda s: jax.tree.map(lambda leaf: leaf * s, parameters_of(LOOP)))(scales)
    counted = jnp.ones(y.shape, bool)

    def one(parameters, scale, restart):
        times = jnp.asarray(TIMES, jnp.float32) * scale
        return loss(parameters, Minibatch(u, times, y, counted), restart, jnp.float32(0), settings)

    restarts = jnp.asarray([True, False, True, False])
    both = jax.vmap(jax.value_and_grad(one, has_aux=True))
    (values, _), gradients = jax.jit(both)(lanes, scales, restarts)
    alone = jax.jit(jax.value_and_grad(one, has_aux=True))
    for lane in range(4):
        (value, _), gradient = alone(
            jax.tree.map(lambda leaf, lane=lane: leaf[lane], lanes), scales[lane], restarts[lane]
        )
        own = jax.tree.map(lambda leaf, lane=lane: leaf[lane], gradients)
        assert values[lane] == pytest.approx(float(value), rel=1e-5)
        assert difference(own, gradient) < 1e-4
    return values, gradients


def test_lanes_side_by_side_agree_with_each_by_itself_in_both_layouts(monkeypatch):
    values, gradients = both_ways(monkeypatch, 32)
    first_values, first_gradients = both_ways(monkeypatch, 0)
    np.testing.assert_allclose(values, first_values, rtol=1e-4)
    assert difference(gradients, first_gradients) < 1e-3


@pytest.mark.parametrize("terms", [1, 16, 17, 31, 32, 33, 50])
def test_a_product_that_is_written_out_is_the_product(terms):
    layout = layouts.LanesLast()
    weights, states = RANDOM.normal(size=(2, terms, terms)), RANDOM.normal(size=(2, terms, 3))
    product = layout.drive(
        jnp.asarray(np.moveaxis(weights, 0, -1)), jnp.asarray(np.moveaxis(states, 0, -1))
    )
    np.testing.assert_allclose(
        np.moveaxis(np.asarray(product), -1, 0), weights @ states, rtol=1e-4, atol=1e-5
    )
