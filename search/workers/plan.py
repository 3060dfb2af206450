"""How many models a device trains side by side, measured on the device itself.

More lanes use a device better, up to a point; then they only wait for each other, or leave the
cache. So the gradient of a training step is timed with a few lanes, with four times as many, and
so on, as long as that brings enough and fits into memory.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from cellbox.equation.dynamics import Parameters
from cellbox.equation.solver_settings import precision_context
from cellbox.equation.step_replay import lanes_go_one_by_one
from cellbox.storage.cache import remembered
from cellbox.storage.compilation import compile_program, keep_compiled_programs, machine_type
from cellbox.training.lane import Shape
from cellbox.training.objective import Minibatch, loss

FEWEST_LANES = 16
# Of networks that a CPU trains one after another, where more lanes only make each wait.
LANES_ONE_BY_ONE = 4
MOST_LANES = 4096
_STEP_UP = 4
# Lanes of an unfinished pack cost as much as busy ones, so more of them must bring something.
_WORTH_IT = 1.25
# The rest is for the data, optimisers, and the programs themselves.
_SHARE_OF_MEMORY = 0.5
_SECONDS = 0.2


@dataclass(frozen=True)
class DevicePlan:
    """How a kind of worker trains, and what that was decided from.

    kind: of the device, its processor, and the cores it may use.
    lanes: models side by side. gradients_per_second: for each number of lanes that was tried.
    cores_used: processor time per second of the last try; None on a GPU.
    """

    kind: str
    lanes: int
    gradients_per_second: dict[str, float]
    cores_used: float | None

    @property
    def sentence(self) -> str:
        """The plan in words."""
        tried = ", ".join(
            f"{rate:,.0f} with {n_lanes}" for n_lanes, rate in self.gradients_per_second.items()
        )
        why = f"measured: gradients per second, {tried}" if tried else "as asked for"
        models = f"{self.lanes} models side by side" if self.lanes > 1 else "one model at a time"
        return f"each worker trains {models} ({why})"

    def as_dict(self) -> dict[str, Any]:
        """The plan as plain values."""
        return asdict(self)


def device_kind() -> str:
    """What has to be equal for workers to be as fast as each other and to round alike."""
    found = jax.devices()[0].memory_stats()
    # A share of a GPU is another device.
    memory = f" {found['bytes_limit'] >> 30} GiB" if found and "bytes_limit" in found else ""
    return f"{machine_type()} {usable_cores()} cores{memory}"


def usable_cores() -> int:
    """Cores this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def device_plan(shape: Shape, n_nodes: int, most_lanes: int) -> DevicePlan:
    """The plan for training networks of this size in this shape, on this process's device.

    most_lanes: more could never be busy. What was measured once is remembered in the user's
    cache folder, so that a study started again is trained in the same shape.
    """
    keep_compiled_programs()
    kind = device_kind()
    tried = lanes_to_try(most_lanes, one_by_one=lanes_go_one_by_one(n_nodes))
    content = tuple(item.name for item in fields(DevicePlan))
    key = repr((kind, shape, n_nodes, tried, content, jax.__version__, platform.python_version()))
    found = remembered("device_plans.json", key, lambda: _measure(kind, shape, n_nodes, tried))
    return DevicePlan(**found)


def lanes_to_try(most_lanes: int, *, one_by_one: bool) -> tuple[int, ...]:
    """Numbers of lanes that are worth a try where at most so many can be busy.

    one_by_one: whether networks are trained one after another all the same.
    """
    tried = [min(LANES_ONE_BY_ONE if one_by_one else FEWEST_LANES, most_lanes)]
    # A pack that is never more than a quarter full is none.
    while not one_by_one and tried[-1] * _STEP_UP <= min(MOST_LANES, most_lanes):
        tried.append(tried[-1] * _STEP_UP)
    return tuple(tried)


def _measure(kind: str, shape: Shape, n_nodes: int, tried: tuple[int, ...]) -> dict[str, Any]:
    def measured(n_lanes: int) -> tuple[float, float]:
        return gradients_per_second(shape, n_nodes, n_lanes)

    def fits(n_lanes: int) -> bool:
        return _bytes(shape, n_nodes, n_lanes) <= _SHARE_OF_MEMORY * _memory()

    lanes, rates, cores = choose_lanes(tried, measured, fits)
    on_cpu = jax.default_backend() == "cpu"
    shown = {str(n_lanes): round(rate, 1) for n_lanes, rate in rates.items()}
    return DevicePlan(kind, lanes, shown, round(cores, 2) if on_cpu else None).as_dict()


def choose_lanes(
    tried: Sequence[int],
    measured: Callable[[int], tuple[float, float]],
    fits: Callable[[int], bool],
) -> tuple[int, dict[int, float], float]:
    """The number of lanes after which more bring little, with the rates that were measured.

    tried: ascending. measured: gradients and processor seconds per second with so many lanes.
    fits: whether so many fit into memory; where not even the first do, fewer are taken.
    """
    first = tried[0]
    while first > 1 and not fits(first):
        first //= 2
    tried = tried if first == tried[0] else (first,)
    best, cores = first, 0.0
    rates: dict[int, float] = {}
    for n_lanes in tried:
        if rates and not fits(n_lanes):
            break
        try:
            rates[n_lanes], cores = measured(n_lanes)
        except jax.errors.JaxRuntimeError as error:
            # The estimate was too low; what fitted before is still right.
            if "RESOURCE_EXHAUSTED" not in str(error) or not rates:
                raise
            break
        if rates[n_lanes] < _WORTH_IT * rates[best] and n_lanes != best:
            break
        best = n_lanes
    return best, rates, cores


def gradients_per_second(shape: Shape, n_nodes: int, n_lanes: int) -> tuple[float, float]:
    """Gradients, and seconds of processor time, in a second of one device."""
    solver = shape.solver
    n_conditions, n_times = shape.rows_per_step, shape.times_per_step
    random = np.random.default_rng(0)

    def number(values: Any) -> Any:
        return jnp.asarray(values, solver.precision)

    def gradient(parameters: Parameters) -> Parameters:
        return jax.grad(loss, has_aux=True)(parameters, batch, no_restart, number(0.0), solver)[0]

    with precision_context(solver.precision):
        # Long enough for the responses to settle.
        size = (n_times, n_nodes, n_conditions)
        batch = Minibatch(
            perturbations=number(random.uniform(0, 1, size[1:])),
            times=number(np.linspace(0, 20, n_times + 1)[1:]),
            measurements=number(np.zeros(size)),
            counted=jnp.ones(size, bool),
        )
        no_restart = jnp.asarray(False)
        weights = random.normal(0, 0.5 / np.sqrt(n_nodes), (n_lanes, n_nodes, n_nodes))
        parameters = Parameters(number(weights), number(np.zeros((n_lanes, n_nodes))))
        program = compile_program(jax.jit(jax.vmap(gradient)).lower(parameters))
        jax.block_until_ready(program(parameters))
        fastest, calls = np.inf, 0
        begin, begin_cores = time.perf_counter(), time.process_time()
        while calls < 3 or time.perf_counter() - begin < _SECONDS:
            started = time.perf_counter()
            jax.block_until_ready(program(parameters))
            # Whatever else the machine does only ever makes it slower.
            fastest, calls = min(fastest, time.perf_counter() - started), calls + 1
        cores = (time.process_time() - begin_cores) / (time.perf_counter() - begin)
    return n_lanes / fastest, cores


def _bytes(shape: Shape, n_nodes: int, n_lanes: int) -> float:
    """Memory that the gradients of a pack need at once: the record of steps, and derivatives."""
    size = np.dtype(shape.solver.precision).itemsize
    state = n_nodes * shape.rows_per_step
    steps = shape.times_per_step * shape.solver.max_steps
    # Forward and backward each hold the record once; W with its moments, best and gradient.
    return n_lanes * size * (2 * steps * state + 8 * n_nodes**2 + 40 * state)


def _memory() -> float:
    """Memory of the device; on a CPU its part of the machine's."""
    found = jax.devices()[0].memory_stats()
    if found and "bytes_limit" in found:
        return found["bytes_limit"]
    whole = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return whole * usable_cores() / (os.cpu_count() or 1)
