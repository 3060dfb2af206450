"""One gradient of the training loss, against diffrax and PyTorch as people use them.

    python -m tests.benchmarks.gradient [--json FILE] [--repeats 9] [--quick]

LI with 20 conditions and 5 time points: our 64 lanes against one model with an ODE for each
condition (`speedup_over_idiomatic`), and against 64 models with one ODE each
(`speedup_over_best_diffrax`), per model. A network of 99 nodes, 4 conditions, horizon 10, 5 time
points: against a PyTorch loop of 100 Heun steps, with the same 100 steps on our side and with
adaptive Tsit5 (`speedup_over_torch`). All on one core, in float32, taking turns; compile time
apart. The gradients agree, and errors are against float64 at rtol 1e-10.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from tests.benchmarks.measuring import (
    arguments,
    bars,
    environment,
    interleaved,
    keep_no_programs,
    table,
    use_one_core,
    write,
)

N_LANES = 64
N_HEUN_STEPS = 100


@dataclass(frozen=True, eq=False)
class Problem:
    """A loss to differentiate: networks by lane, and the data they are compared with."""

    weights: np.ndarray  # (n_lanes, n_nodes, n_nodes)
    log_amplitudes: np.ndarray  # (n_lanes, n_nodes)
    perturbations: np.ndarray  # (n_nodes, n_conditions)
    times: np.ndarray  # (n_times,)
    measured: np.ndarray  # (n_times, n_nodes, n_conditions)


def li_problem(n_lanes: int) -> Problem:
    """LI at the paper's budget, and networks as they are on the way to it."""
    from cellbox.data.simulation import simulate_system
    from cellbox.networks.known_systems import system

    data = simulate_system(system("LI"))
    assert data.split is not None
    assert data.truth is not None
    training = data.split.training
    random = np.random.default_rng(0)
    n_nodes = data.n_nodes
    return Problem(
        0.8 * data.truth.weights + random.normal(0, 0.1, (n_lanes, n_nodes, n_nodes)),
        np.log(data.truth.amplitudes) + random.normal(0, 0.1, (n_lanes, n_nodes)),
        data.perturbations[training].T,
        data.times,
        data.measurements[training].transpose(1, 2, 0),
    )


def large_problem(n_nodes: int) -> Problem:
    """A random network with as many nodes as SK-MEL-133 has."""
    random = np.random.default_rng(0)
    n_conditions = 4
    times = np.linspace(0, 10, 6)[1:]
    return Problem(
        random.normal(0, 1 / np.sqrt(n_nodes), (1, n_nodes, n_nodes)),
        random.normal(0, 0.1, (1, n_nodes)),
        random.uniform(-1, 1, (n_nodes, n_conditions)),
        times,
        random.normal(0, 0.5, (len(times), n_nodes, n_conditions)),
    )


@dataclass(frozen=True, eq=False)
class Compiled:
    """A side that is ready: one call computes gradients by W of its lanes."""

    call: Callable[[], Any]
    compile_seconds: float
    n_lanes: int

    def gradient(self) -> np.ndarray:
        """The gradient by W of the first lane."""
        return np.asarray(self.call()[0], np.float64).reshape(-1)


def _compile(
    gradient: Callable[..., Any], n_lanes: int, *given: Any, compiler: Callable | None = None
) -> Compiled:
    import jax

    began = time.perf_counter()
    lowered = jax.jit(gradient).lower(*given)
    program = lowered.compile() if compiler is None else compiler(lowered)
    seconds = time.perf_counter() - began

    def call() -> Any:
        return jax.block_until_ready(program(*given))

    return Compiled(call, seconds, n_lanes)


def ours(problem: Problem, n_lanes: int, **solver: Any) -> Compiled:
    """Our gradient of several lanes, in the way that training computes it."""
    import jax
    import jax.numpy as jnp

    from cellbox.equation.dynamics import Parameters
    from cellbox.equation.solver_settings import SolverSettings
    from cellbox.storage.compilation import compile_program
    from cellbox.training.objective import Minibatch, loss

    settings = SolverSettings(**solver)
    number = lambda values: jnp.asarray(values, jnp.float32)  # noqa: E731
    u, times, measured = map(number, (problem.perturbations, problem.times, problem.measured))
    counted = jnp.ones(measured.shape, bool)

    def gradient(parameters: Parameters, u: Any, times: Any, measured: Any) -> Any:
        single = jnp.asarray(False)
        whole = jax.grad(loss, has_aux=True)
        batch = Minibatch(u, times, measured, counted)
        return whole(parameters, batch, single, number(0.0), settings)[0]

    parameters = Parameters(
        number(problem.weights[:n_lanes]), number(problem.log_amplitudes[:n_lanes])
    )
    by_lane = jax.vmap(gradient, (0, None, None, None))
    side = _compile(by_lane, n_lanes, parameters, u, times, measured, compiler=compile_program)
    return Compiled(lambda: side.call().weights, side.compile_seconds, n_lanes)


def diffrax_side(problem: Problem, n_lanes: int, form: str) -> Compiled:
    """The idiomatic form of one model, or the best form of several."""
    import jax
    import jax.numpy as jnp

    from tests.benchmarks.diffrax_gradients import best_loss, idiomatic_loss

    loss = {"idiomatic": idiomatic_loss, "best": best_loss}[form]
    number = lambda values: jnp.asarray(values, jnp.float32)  # noqa: E731
    data = (
        number(problem.perturbations.T),
        number(problem.times),
        number(problem.measured.transpose(2, 0, 1)),
    )
    gradient = jax.grad(loss)
    parameters: Any = (number(problem.weights[:n_lanes]), number(problem.log_amplitudes[:n_lanes]))
    if n_lanes == 1:
        parameters = tuple(leaf[0] for leaf in parameters)
        side = _compile(gradient, 1, parameters, *data)
        return Compiled(lambda: side.call()[0][None], side.compile_seconds, 1)
    side = _compile(jax.vmap(gradient, (0, None, None, None)), n_lanes, parameters, *data)
    return Compiled(lambda: side.call()[0], side.compile_seconds, n_lanes)


def difference(one: np.ndarray, other: np.ndarray) -> float:
    """Relative difference of two gradients."""
    return float(np.linalg.norm(one - other) / np.linalg.norm(other))


def compare_li(repeats: int, n_lanes: int) -> dict[str, Any]:
    """Our lanes against both forms of diffrax, per model."""
    problem = li_problem(n_lanes)
    sides = {
        "ours": ours(problem, n_lanes),
        "idiomatic diffrax": diffrax_side(problem, 1, "idiomatic"),
        "best diffrax": diffrax_side(problem, n_lanes, "best"),
    }
    seconds = interleaved({name: side.call for name, side in sides.items()}, repeats=repeats)
    # With tolerances this small all step sizes give one gradient.
    exact = ours(problem, n_lanes, rtol=1e-6, atol=1e-8, max_steps=512).gradient()
    rows = {
        name: {
            "milliseconds_per_model": 1000 * seconds[name] / side.n_lanes,
            "models_at_once": side.n_lanes,
            "compile_seconds": side.compile_seconds,
            "difference_from_tight_tolerances": difference(side.gradient(), exact),
        }
        for name, side in sides.items()
    }
    own = rows["ours"]["milliseconds_per_model"]
    compiling = rows["ours"]["compile_seconds"]
    return {
        "speedup_over_idiomatic": rows["idiomatic diffrax"]["milliseconds_per_model"] / own,
        "speedup_over_best_diffrax": rows["best diffrax"]["milliseconds_per_model"] / own,
        "compile_speedup": rows["idiomatic diffrax"]["compile_seconds"] / compiling,
        "compile_speedup_over_best_diffrax": rows["best diffrax"]["compile_seconds"] / compiling,
        "sides": rows,
    }


def compare_torch(repeats: int, n_nodes: int) -> dict[str, Any]:
    """Our two ways against the PyTorch loop."""
    from tests.benchmarks.torch_heun import heun_gradient

    problem = large_problem(n_nodes)
    horizon = float(problem.times[-1])
    torch_gradient, torch_states = heun_gradient(
        problem.weights[0],
        problem.log_amplitudes[0],
        problem.perturbations,
        problem.measured,
        horizon=horizon,
        n_steps=N_HEUN_STEPS,
    )
    heun = {"solver": "heun", "step": horizon / N_HEUN_STEPS, "max_steps": N_HEUN_STEPS}
    # The loosest tolerance whose error is still smaller than that of the 100 Heun steps.
    adaptive = {"rtol": 3e-3, "atol": 3e-6}
    sides = {"heun": ours(problem, 1, **heun), "tsit5_adaptive": ours(problem, 1, **adaptive)}
    calls = {"torch": torch_gradient, **{name: side.call for name, side in sides.items()}}
    seconds = interleaved(calls, repeats=repeats)
    exact = _states(problem, solver="dopri8", rtol=1e-10, atol=1e-12, precision="float64")
    reference = torch_gradient().reshape(-1).astype(float)
    rows = {
        "torch": {
            "milliseconds": 1000 * seconds["torch"],
            "error": float(np.abs(torch_states() - exact).max()),
            "gradient_difference_from_torch": 0.0,
            "compile_seconds": None,
        }
    }
    for (name, side), solver in zip(sides.items(), (heun, adaptive), strict=True):
        rows[name] = {
            "milliseconds": 1000 * seconds[name],
            "error": float(np.abs(_states(problem, **solver) - exact).max()),
            "gradient_difference_from_torch": difference(side.gradient(), reference),
            "compile_seconds": side.compile_seconds,
        }
    speedups = {name: seconds["torch"] / seconds[name] for name in sides}
    return {"speedup_over_torch": speedups, "sides": rows, "n_nodes": n_nodes}


def _states(problem: Problem, **solver: Any) -> np.ndarray:
    """States at the measured times of the first lane, (n_times, n_nodes, n_conditions)."""
    import jax
    import jax.numpy as jnp

    from cellbox.equation.dynamics import Parameters
    from cellbox.equation.integrate import integrate
    from cellbox.equation.solver_settings import SolverSettings, precision_context

    settings = SolverSettings(**{"max_steps": 4096, **solver})
    with precision_context(settings.precision):
        number = lambda values: jnp.asarray(values, settings.dtype)  # noqa: E731
        parameters = Parameters(number(problem.weights[0]), number(problem.log_amplitudes[0]))
        u = number(problem.perturbations)
        run = jax.jit(lambda p, u, t: integrate(p, u, jnp.zeros_like(u), t, settings)[0])
        return np.asarray(run(parameters, u, number(problem.times)), float)


def main() -> None:
    parser = arguments(__doc__, repeats=9)
    given = parser.parse_args()
    core = use_one_core()
    keep_no_programs()
    li = compare_li(given.repeats, 8 if given.quick else N_LANES)
    torch = compare_torch(given.repeats, 40 if given.quick else 99)
    result = {
        **{key: value for key, value in li.items() if key != "sides"},
        "speedup_over_torch": torch["speedup_over_torch"],
        "li": li["sides"],
        "large": {"n_nodes": torch["n_nodes"], **torch["sides"]},
        "core": core,
        **environment(),
    }
    print("LI, 20 conditions, 5 time points")
    print(table([{"side": name, **row} for name, row in li["sides"].items()]))
    print(f"\n{torch['n_nodes']} nodes, 4 conditions, horizon 10, 5 time points")
    print(table([{"side": name, **row} for name, row in torch["sides"].items()]), "\n")
    for name in ("speedup_over_idiomatic", "speedup_over_best_diffrax", "compile_speedup"):
        print(f"{name}: {result[name]:.3g}")
    for name, speedup in torch["speedup_over_torch"].items():
        print(f"speedup_over_torch, {name}: {speedup:.3g}")
    names = {
        "torch": "PyTorch, 100 Heun steps",
        "heun": "ours, the same steps",
        "tsit5_adaptive": "ours, adaptive Tsit5",
    }
    shown = {
        **{f"LI: {name}": row["milliseconds_per_model"] for name, row in li["sides"].items()},
        **{
            f"{torch['n_nodes']} nodes: {names[name]}": row["milliseconds"]
            for name, row in torch["sides"].items()
        },
    }
    write(result, given.json, lambda ax: bars(ax, shown, "milliseconds for one model's gradient"))


if __name__ == "__main__":
    main()
