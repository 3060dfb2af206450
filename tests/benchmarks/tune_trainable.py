"""CellBox training as someone would write it with diffrax and optax, for Ray Tune.

One ODE for each condition under `vmap`, adaptive Tsit5, diffrax's own adjoint, AdamW with optax's
schedules, full batches, and fifty steps in one compiled scan between two validations. It knows
nothing of this project, but for the data it is given.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

STEPS = 3000
STEPS_BETWEEN_REPORTS = 50

_core: tuple[int, Any] | None = None


def keep_to_one_core(locks: str) -> None:
    """Pin this thread, and those XLA will start, to a core that no other trial has.

    XLA in each of several processes would otherwise start threads for all cores.
    locks: a folder for the files that say which core is taken.
    """
    global _core
    os.environ["JAX_PLATFORMS"] = "cpu"
    if not hasattr(os, "sched_setaffinity"):
        return
    while _core is None:
        _core = _free_core(Path(locks))
        time.sleep(0 if _core else 0.05)
    os.sched_setaffinity(0, {_core[0]})


def _free_core(locks: Path) -> tuple[int, Any] | None:
    """A core with the lock that makes it this process's own, until the process ends."""
    for core in sorted(os.sched_getaffinity(0)):
        handle = open(locks / f"core-{core}.lock", "w")  # noqa: SIM115
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return core, handle
        except OSError:
            handle.close()
    return None


def train(config: dict[str, Any], data: dict[str, Any], seed: int, locks: str) -> None:
    """One trial: train with these settings, and report the validation error on the way."""
    keep_to_one_core(locks)
    import jax
    from ray import tune

    # Imports are paid once for each process, and so are no part of the rate.
    advance, state = _training(config, data, seed)
    began, best = time.time(), np.inf
    for _ in range(STEPS // STEPS_BETWEEN_REPORTS):
        state, training_loss, validation_mae = jax.block_until_ready(advance(state))
        best = min(best, float(validation_mae))
        tune.report(
            {
                "validation_mae": best,
                "training_loss": float(training_loss),
                "began": began,
                "finished": time.time(),
            }
        )


def _training(
    config: dict[str, Any], data: dict[str, Any], seed: int
) -> tuple[Callable[..., Any], Any]:
    """The compiled function that trains for a while, and the state it begins with."""
    import jax
    import jax.numpy as jnp
    import optax

    optimiser = _optimiser(config)
    predict = _model(jnp.asarray(data["times"]))
    arrays = {name: jnp.asarray(value) for name, value in data.items()}

    def mean_absolute_error(parameters: Any, perturbations: Any, measurements: Any) -> Any:
        predicted = jax.vmap(predict, (None, 0))(parameters, perturbations)
        return jnp.mean(jnp.abs(predicted - measurements))

    def loss(parameters: Any) -> Any:
        error = mean_absolute_error(parameters, arrays["perturbations"], arrays["measurements"])
        return error + config["l1"] * jnp.sum(jnp.abs(parameters["weights"]))

    def step(state: Any, _: None) -> Any:
        parameters, memory = state
        value, gradient = jax.value_and_grad(loss)(parameters)
        updates, memory = optimiser.update(gradient, memory, parameters)
        return (optax.apply_updates(parameters, updates), memory), value

    @jax.jit
    def advance(state: Any) -> Any:
        state, losses = jax.lax.scan(step, state, length=STEPS_BETWEEN_REPORTS)
        held_out = arrays["validation_perturbations"], arrays["validation_measurements"]
        return state, losses[-1], mean_absolute_error(state[0], *held_out)

    parameters = _start(seed, arrays["perturbations"].shape[1])
    return advance, (parameters, optimiser.init(parameters))


def _start(seed: int, n_nodes: int) -> dict[str, Any]:
    """The paper's starting point."""
    import jax
    import jax.numpy as jnp

    first, second = jax.random.split(jax.random.key(np.uint32(seed)))
    amplitudes = 0.5 + jax.random.uniform(second, (n_nodes,), maxval=0.01)
    return {
        "weights": jax.random.uniform(first, (n_nodes, n_nodes), maxval=0.01),
        "log_amplitudes": jnp.log(amplitudes),
    }


def _model(times: Any) -> Callable[[Any, Any], Any]:
    """The response to one perturbation at all times."""
    import diffrax
    import jax.numpy as jnp

    from tests.benchmarks.diffrax_gradients import solve

    def velocity(time: Any, state: Any, arguments: Any) -> Any:
        parameters, perturbation = arguments
        drive = jnp.tanh(parameters["weights"] @ state - perturbation)
        return jnp.exp(parameters["log_amplitudes"]) * drive - state

    def predict(parameters: Any, perturbation: Any) -> Any:
        controller = diffrax.PIDController(rtol=1e-3, atol=1e-6)
        return solve(velocity, parameters, perturbation, times, controller)

    return predict


def _optimiser(config: dict[str, Any]) -> Any:
    """AdamW as ours is: the second momentum, clipping, and a decay of W alone."""
    import optax

    return optax.chain(
        optax.clip_by_global_norm(1.0),
        optax.adamw(
            _schedule(config),
            b2=0.99,
            weight_decay=config["weight_decay"],
            mask={"weights": True, "log_amplitudes": False},
        ),
    )


def _schedule(config: dict[str, Any]) -> Any:
    import optax

    peak = config["peak_rate"]
    last = peak * config.get("final_share", 1.0)
    match config["schedule"]:
        case "cosine":
            return optax.cosine_decay_schedule(peak, STEPS, alpha=config["final_share"])
        case "warmup_cosine":
            rising = round(STEPS * config["warmup_share"])
            return optax.warmup_cosine_decay_schedule(0.0, peak, rising, STEPS, last)
        case "exponential":
            return optax.exponential_decay(peak, STEPS, config["final_share"])
        case _:
            return peak
