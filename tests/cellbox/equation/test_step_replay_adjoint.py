"""`cellbox.StepReplay` gives diffrax's own gradients, for any explicit solver and equation."""

from typing import Any

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import cellbox
from cellbox.equation.solver_settings import precision_context
from cellbox.errors import InputError

MOST = 32
ADAPTIVE = diffrax.PIDController(rtol=1e-2, atol=1e-3)
CONSTANT = diffrax.ConstantStepSize()
DIRECT = diffrax.DirectAdjoint()
# With a checkpoint for each step, which diffrax 0.7.2 needs where it saves several times.
CHECKPOINTED = diffrax.RecursiveCheckpointAdjoint(checkpoints=MOST)
# The first at the beginning, two within a step, one of them twice, the last at the end.
TIMES = np.array([0.0, 0.31, 0.31, 0.32, 1.1, 2.0])


def pendulum(time, state, arguments) -> dict[str, Any]:
    """No Eq. 1: a driven pendulum of two rods, with a state and arguments of several parts."""
    rates, stiffness = arguments["rates"], arguments["stiffness"]
    pull = -stiffness * jnp.sin(state["angle"]) - rates * state["speed"]
    return {"angle": state["speed"], "speed": pull + jnp.cos(3 * time)}


def start(dtype) -> tuple[dict, dict]:
    number = lambda values: jnp.asarray(values, dtype)  # noqa: E731
    state = {"angle": number([0.3, -1.0]), "speed": number([0.0, 0.5])}
    return state, {"rates": number([0.2, 0.5]), "stiffness": number(1.5), "name": "pendulum"}


def solve(adjoint, state, arguments, *, solver, controller, saveat, times=(0.0, 2.0)):
    step = None if controller is ADAPTIVE else 0.2 * np.sign(times[1] - times[0])
    return diffrax.diffeqsolve(
        diffrax.ODETerm(pendulum), solver, *times, step, state, arguments,
        saveat=saveat, stepsize_controller=controller, adjoint=adjoint, max_steps=MOST,
    )  # fmt: skip


def weighted(values) -> jax.Array:
    """A smooth function that weighs every saved value differently; unused places are infinite."""
    total = 0.0
    for leaf in jax.tree.leaves(values):
        used = jnp.where(jnp.isfinite(leaf), leaf, 0.0)
        total += jnp.sum(jnp.sin(used) * (1.0 + jnp.arange(leaf.size).reshape(leaf.shape)))
    return total


def gradient(adjoint, precision: str, **problem) -> np.ndarray:
    with precision_context(precision):
        state, arguments = start(precision)
        name = arguments.pop("name")

        def total(state, arguments):
            return weighted(solve(adjoint, state, {**arguments, "name": name}, **problem).ys)

        found = jax.jit(jax.grad(total, (0, 1)))(state, arguments)
        return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(found)])


def moment(time, state, arguments):
    return {"moment": time * arguments["rates"] * state["speed"], "none": jnp.asarray(1)}


SEVERAL = {
    "often": diffrax.SubSaveAt(ts=TIMES[1:4], steps=2, t0=True, fn=moment),
    "end": diffrax.SubSaveAt(t1=True),
}
PROBLEMS = {
    "tsit5, times": (diffrax.Tsit5(), ADAPTIVE, {"t0": True, "t1": True, "ts": TIMES}, DIRECT),
    "dopri5, end": (diffrax.Dopri5(), ADAPTIVE, {"t1": True}, DIRECT),
    "bosh3, every third step": (diffrax.Bosh3(), ADAPTIVE, {"t1": True, "steps": 3}, CHECKPOINTED),
    "heun, steps": (diffrax.Heun(), CONSTANT, {"t0": True, "steps": True}, CHECKPOINTED),
    "dopri8, times": (diffrax.Dopri8(), CONSTANT, {"ts": TIMES}, CHECKPOINTED),
    "euler, functions": (diffrax.Euler(), CONSTANT, {"subs": SEVERAL}, CHECKPOINTED),
    "leapfrog, times": (diffrax.LeapfrogMidpoint(), CONSTANT, {"ts": TIMES}, CHECKPOINTED),
}


@pytest.mark.parametrize(("solver", "controller", "saved", "reference"), PROBLEMS.values(),
                         ids=PROBLEMS.keys())  # fmt: skip
def test_gradients_are_those_of_diffrax_to_rounding(solver, controller, saved, reference):
    with precision_context("float64"):
        problem = {"solver": solver, "controller": controller, "saveat": diffrax.SaveAt(**saved)}
    expected = gradient(reference, "float64", **problem)
    np.testing.assert_allclose(
        gradient(cellbox.StepReplay(), "float64", **problem), expected, rtol=1e-12, atol=1e-13
    )


def test_float32_gradients_are_those_of_diffrax_in_float32():
    problem = {
        "solver": diffrax.Tsit5(),
        "controller": ADAPTIVE,
        "saveat": diffrax.SaveAt(ts=jnp.asarray(TIMES, jnp.float32)),
    }
    found, expected = (
        gradient(adjoint, "float32", **problem) for adjoint in (cellbox.StepReplay(), CHECKPOINTED)
    )
    assert np.linalg.norm(found - expected) / np.linalg.norm(expected) < 1e-5


@pytest.mark.parametrize("times", [(0.0, -1.0), (0.5, 0.5)], ids=["backwards", "empty"])
def test_time_may_run_backwards_or_stand_still(times):
    with precision_context("float64"):
        saveat = diffrax.SaveAt(ts=np.linspace(*times, 3), t1=True)
    problem = {"solver": diffrax.Heun(), "controller": CONSTANT, "saveat": saveat, "times": times}
    np.testing.assert_allclose(
        gradient(cellbox.StepReplay(), "float64", **problem),
        gradient(CHECKPOINTED, "float64", **problem),
        rtol=1e-12,
    )


def test_models_side_by_side_have_the_gradients_of_each_alone():
    with precision_context("float64"):
        saveat = diffrax.SaveAt(ts=jnp.asarray(TIMES))
        state, arguments = start("float64")

        def total(stiffness):
            given = {**arguments, "stiffness": stiffness}
            solution = solve(
                cellbox.StepReplay(), state, given,
                solver=diffrax.Tsit5(), controller=ADAPTIVE, saveat=saveat,
            )  # fmt: skip
            return weighted(solution.ys), solution.stats["num_accepted_steps"]

        one_by_one = jax.jit(jax.grad(total, has_aux=True))
        stiffness = jnp.asarray([0.1, 2.0, 20.0])
        together, n_steps = jax.jit(jax.vmap(jax.grad(total, has_aux=True)))(stiffness)
        assert len(set(n_steps.tolist())) > 1
        for own, found in zip(stiffness, together, strict=True):
            np.testing.assert_allclose(found, one_by_one(own)[0], rtol=1e-12)


def test_what_a_vector_field_closes_over_has_a_gradient():
    def end(adjoint):
        def total(rate):
            term = diffrax.ODETerm(lambda time, state, _: -rate * state)
            return diffrax.diffeqsolve(
                term, diffrax.Heun(), 0.0, 1.0, 0.1, jnp.ones(2), adjoint=adjoint, max_steps=16
            ).ys.sum()

        return jax.grad(total)(jnp.asarray(2.0))

    assert end(cellbox.StepReplay()) == pytest.approx(float(end(CHECKPOINTED)), rel=1e-6)


def decay(adjoint=None, *, solver=None, term=None, y0=1.0, t1=1.0, max_steps=16, **options):
    return diffrax.diffeqsolve(
        diffrax.ODETerm(lambda time, state, _: -state) if term is None else term,
        diffrax.Heun() if solver is None else solver,
        0.0, t1, 0.1, jnp.asarray(y0), adjoint=adjoint or cellbox.StepReplay(),
        max_steps=max_steps, **options,
    )  # fmt: skip


def noisy() -> diffrax.MultiTerm:
    path = diffrax.VirtualBrownianTree(0.0, 1.0, 0.05, (), jax.random.key(0))
    return diffrax.MultiTerm(
        diffrax.ODETerm(lambda time, state, _: -state),
        diffrax.ControlTerm(lambda time, state, _: 0.1, path),
    )


IMPLICIT = {
    "solver": diffrax.Kvaerno3(),
    "stepsize_controller": diffrax.PIDController(rtol=1e-3, atol=1e-6),
}
EVENT = diffrax.Event(lambda time, state, args, **_: state < 0.5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"event": EVENT}, r"expected no event.*RecursiveCheckpointAdjoint"),
        (IMPLICIT, "expected explicit steps, found Kvaerno3"),
        ({"term": noisy}, "found a stochastic one"),
        ({"max_steps": None}, "max_steps.*found None"),
        ({"saveat": diffrax.SaveAt(dense=True)}, "found dense=True"),
    ],
    ids=["event", "implicit solver", "stochastic equation", "no step limit", "dense output"],
)
def test_what_it_cannot_do_is_refused_with_what_to_do(options, message):
    if "term" in options:
        options = {"term": options["term"]()}
    with pytest.raises(InputError, match=message):
        decay(**options)


def test_a_derivative_by_the_end_of_time_is_refused_and_not_zero():
    with pytest.raises(RuntimeError, match=r"adjoint=StepReplay\(\).*not y0, args or terms"):
        jax.grad(lambda t1: decay(t1=t1).ys[0])(1.0)


def test_a_solve_that_runs_out_of_steps_says_so_and_leaves_a_finite_gradient():
    def end(y0):
        solution = decay(y0=y0, max_steps=4, throw=False)
        return solution.ys[0], solution.result == diffrax.RESULTS.max_steps_reached

    gradient, failed = jax.grad(end, has_aux=True)(1.0)
    assert failed
    assert np.isfinite(gradient)
