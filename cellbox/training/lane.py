"""One training in progress, as data.

A *lane* holds everything that one training is: its parameters, its optimiser's state, the best
parameters so far, its random key, and its hyperparameters and data budget. All of that is
traced, so that lanes with different hyperparameters run in one compiled program. The functions
here are written for one lane; `cellbox.training.pack` maps them over many.
"""

from __future__ import annotations

from dataclasses import replace
from enum import IntEnum
from typing import Any, NamedTuple, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Bool, Float, Int, Integer, Key

from cellbox.equation.dynamics import Parameters, initial_parameters
from cellbox.equation.integrate import integrate
from cellbox.equation.solver_settings import SolverSettings
from cellbox.equation.traced_arrays import Flag, Scalar
from cellbox.training.objective import Minibatch, loss, mean_absolute_error
from cellbox.training.schedules import Schedule, Traced

_BETA1, _BETA2 = 0.9, 0.99

_Tree = TypeVar("_Tree", bound=Any)


class Status(IntEnum):
    """What became of a lane."""

    EMPTY = 0
    RUNNING = 1
    COMPLETED = 2
    STOPPED_EARLY = 3
    NOT_FINITE = 4
    STEP_LIMIT = 5

    @property
    def diverged(self) -> bool:
        """Whether training ended because its numbers could not be trusted any more."""
        return self in (Status.NOT_FINITE, Status.STEP_LIMIT)

    @property
    def sentence(self) -> str:
        """The status in words."""
        return _SENTENCES[self]


_SENTENCES = {
    Status.EMPTY: "No training here.",
    Status.RUNNING: "Training is under way.",
    Status.COMPLETED: "Training ran to its last step.",
    Status.STOPPED_EARLY: "Training stopped early: validation had not improved for too long.",
    Status.NOT_FINITE: (
        "Training diverged: the loss or its gradient was no longer a finite number; "
        "the best parameters before that are kept."
    ),
    Status.STEP_LIMIT: (
        "Training diverged: the network became too stiff for the solver's step limit; "
        "the best parameters before that are kept."
    ),
}


class Hyperparameters(eqx.Module):
    """What may differ from lane to lane: training settings and data budget.

    interval_steps: steps of interval shooting before whole-horizon training begins.
    batch_rows, batch_times: minibatch sizes, at most those of the program's shape.
    rows, times: indices into the pool that this lane may train on, padded at the end.
    """

    schedule: Schedule
    weight_decay: Float[Traced, ""]
    l1: Float[Traced, ""]
    gradient_clip: Float[Traced, ""]
    n_steps: Int[Traced, ""]
    interval_steps: Int[Traced, ""]
    patience: Int[Traced, ""]
    batch_rows: Int[Traced, ""]
    batch_times: Int[Traced, ""]
    rows: Int[Traced, " max_rows"]
    n_rows: Int[Traced, ""]
    times: Int[Traced, " max_times"]
    n_times: Int[Traced, ""]


class Lane(eqx.Module):
    """One training in progress."""

    parameters: Parameters
    optimiser: optax.OptState
    best: Parameters
    best_validation: Float[Array, ""]
    validations_since_best: Int[Array, ""]
    step: Int[Array, ""]
    status: Int[Array, ""]
    key: Key[Array, ""]
    hyperparameters: Hyperparameters


class Pool(eqx.Module):
    """The data that all lanes share; each lane's budget is a set of indices into it.

    precisions: the typical error over that of each value, None where the data tell no errors.
    """

    perturbations: Float[Array, "n_rows n_nodes"]
    measurements: Float[Array, "n_rows n_times n_nodes"]
    times: Float[Array, " n_times"]
    allowed_edges: Float[Array, "n_nodes n_nodes"]
    validation_perturbations: Float[Array, "n_validation_rows n_nodes"]
    validation_measurements: Float[Array, "n_validation_rows n_validation_times n_nodes"]
    validation_times: Float[Array, " n_validation_times"]
    validation_nodes: Bool[Array, " n_nodes"]
    precisions: Float[Array, "n_rows n_times n_nodes"] | None = None
    validation_precisions: Float[Array, "n_validation_rows n_validation_times n_nodes"] | None = (
        None
    )


class Shape(NamedTuple):
    """What is fixed when a program is compiled, beside the pool's sizes and the lane count.

    draws_rows, draws_times: whether steps draw minibatches, rather than use all a lane may see.
    """

    rows_per_step: int
    times_per_step: int
    validate_every: int
    solver: SolverSettings
    draws_rows: bool = True
    draws_times: bool = True


class LaneReport(NamedTuple):
    """What one validation interval of a lane reports."""

    status: Int[Array, ""]
    step: Int[Array, ""]
    training_error: Float[Array, ""]
    validation_error: Float[Array, ""]
    best_validation: Float[Array, ""]


def _optimiser(hyperparameters: Hyperparameters, rate: Scalar) -> optax.GradientTransformation:
    """AdamW with the lane's own numbers; decay acts on W alone."""
    return optax.chain(
        optax.clip_by_global_norm(hyperparameters.gradient_clip),
        optax.scale_by_adam(_BETA1, _BETA2),
        optax.add_decayed_weights(hyperparameters.weight_decay, mask=_only_weights),
        optax.scale_by_learning_rate(rate),
    )


def _only_weights(parameters: Parameters) -> Parameters:
    """The same structure with True for W and False for α."""
    return eqx.tree_at(
        lambda tree: (tree.weights, tree.log_amplitudes), parameters, replace=(True, False)
    )


def start_lane(seed: Integer[Traced, ""], hyperparameters: Hyperparameters, pool: Pool) -> Lane:
    """A lane before its first step; every random number in it follows from `seed`."""
    key = jax.random.key(seed)
    for_start, for_batches = jax.random.split(key)
    dtype = pool.perturbations.dtype
    parameters = initial_parameters(for_start, pool.perturbations.shape[1], dtype)
    parameters = _keep_allowed(parameters, pool)
    return Lane(
        parameters=parameters,
        optimiser=_optimiser(hyperparameters, jnp.zeros((), dtype)).init(parameters),
        best=parameters,
        best_validation=jnp.asarray(jnp.inf, dtype),
        validations_since_best=jnp.zeros((), jnp.int32),
        step=jnp.zeros((), jnp.int32),
        status=jnp.asarray(Status.RUNNING, jnp.int32),
        key=for_batches,
        hyperparameters=hyperparameters,
    )


def _keep_allowed(parameters: Parameters, pool: Pool) -> Parameters:
    """Parameters, or a gradient, with zeros in W where no edge may be."""
    return Parameters(parameters.weights * pool.allowed_edges, parameters.log_amplitudes)


class _Drawn(NamedTuple):
    """Indices in a fixed number of places, and which of the places are in use."""

    indices: Int[Array, " places"]
    used: Bool[Array, " places"]


def _first(
    candidates: Int[Traced, " max_candidates"], n_candidates: Int[Traced, ""], places: int
) -> _Drawn:
    """The first `n_candidates` in a fixed number of places."""
    order = np.minimum(np.arange(places), len(candidates) - 1)
    return _Drawn(jnp.asarray(candidates)[order], jnp.arange(places) < n_candidates)


def _sample(
    key: Key[Array, ""],
    candidates: Int[Traced, " max_candidates"],
    n_candidates: Int[Traced, ""] | int,
    wanted: Int[Traced, ""] | int,
    places: int,
) -> _Drawn:
    """Draw `wanted` of the first `n_candidates`, without repeats, into a fixed number of places.

    They keep the order they have in `candidates`.
    """
    positions = jnp.arange(len(candidates))
    luck = jnp.where(positions < n_candidates, jax.random.uniform(key, candidates.shape), jnp.inf)
    rank = jnp.argsort(jnp.argsort(luck))
    n_drawn = jnp.minimum(wanted, n_candidates)
    order = jnp.argsort(jnp.where(rank < n_drawn, positions, len(candidates)))[:places]
    # Fewer candidates than places: the missing places repeat the first and stay unused.
    order = jnp.pad(order, (0, places - len(order)))
    return _Drawn(jnp.asarray(candidates)[order], jnp.arange(places) < n_drawn)


def _batch(lane: Lane, pool: Pool, shape: Shape) -> Minibatch:
    """The minibatch of this step."""
    settings = lane.hyperparameters
    for_rows, for_times = jax.random.split(jax.random.fold_in(lane.key, lane.step))
    rows, row_used = (
        _sample(for_rows, settings.rows, settings.n_rows, settings.batch_rows, shape.rows_per_step)
        if shape.draws_rows
        else _first(settings.rows, settings.n_rows, shape.rows_per_step)
    )
    times, time_used = (
        _sample(
            for_times, settings.times, settings.n_times, settings.batch_times, shape.times_per_step
        )
        if shape.draws_times
        else _first(settings.times, settings.n_times, shape.times_per_step)
    )
    measurements = pool.measurements[rows][:, times].transpose(1, 2, 0)
    counted = jnp.broadcast_to(
        row_used[None, None, :] & time_used[:, None, None], measurements.shape
    )
    # Unused places make empty intervals at the end, and so do all places of an idle lane.
    clock = jnp.where(time_used, pool.times[times], 0.0)
    clock = jnp.where(lane.status == Status.RUNNING, jax.lax.cummax(clock), 0.0)
    # An unused row must not hold up the shared step size: nothing happens in it.
    perturbations = jnp.where(row_used, pool.perturbations[rows].T, 0.0)
    measured = jnp.where(counted, measurements, jnp.nan)
    precisions = pool.precisions
    if precisions is not None:
        precisions = precisions[rows][:, times].transpose(1, 2, 0)
    return Minibatch(perturbations, clock, measured, counted, precisions)


def train_step(lane: Lane, pool: Pool, shape: Shape) -> tuple[Lane, Scalar]:
    """One step of gradient descent; a lane that is not running comes back as it was.

    Also returns the mean |residual| of the step's minibatch, NaN where no step was taken.
    """
    gradient, error, reached = _gradient(lane, pool, shape)
    parameters, optimiser = _descend(lane, gradient)
    finite = jnp.isfinite(error + optax.tree.norm(gradient)) & _is_finite(parameters)
    running = lane.status == Status.RUNNING
    good = running & reached & finite
    # Numbers that overflowed also exhaust the solver's steps; that is not a matter of stiffness.
    failure = jnp.where(finite, Status.STEP_LIMIT, Status.NOT_FINITE)
    status = jnp.where(running & ~good, failure, lane.status).astype(jnp.int32)
    lane = eqx.tree_at(
        lambda old: (old.parameters, old.optimiser, old.step, old.status),
        lane,
        (
            _choose(good, parameters, lane.parameters),
            _choose(good, optimiser, lane.optimiser),
            lane.step + good,
            status,
        ),
    )
    return lane, jnp.where(good, error, jnp.nan)


def _gradient(lane: Lane, pool: Pool, shape: Shape) -> tuple[Parameters, Scalar, Flag]:
    """The gradient of the loss on this step's minibatch, its error, and whether it was solved."""
    settings = lane.hyperparameters
    restart = lane.step < settings.interval_steps
    (_, (error, reached)), gradient = jax.value_and_grad(loss, has_aux=True)(
        lane.parameters, _batch(lane, pool, shape), restart, settings.l1, shape.solver
    )
    # Edges that may not be must not count in the gradient's norm either.
    return _keep_allowed(gradient, pool), error, reached


def _descend(lane: Lane, gradient: Parameters) -> tuple[Parameters, optax.OptState]:
    """Parameters and optimiser state after a step along `gradient`."""
    settings = lane.hyperparameters
    rate = settings.schedule.rate(lane.step, settings.n_steps)
    updates, optimiser = _optimiser(settings, rate).update(
        gradient, lane.optimiser, lane.parameters
    )
    return optax.apply_updates(lane.parameters, updates), optimiser


def _is_finite(parameters: Parameters) -> Flag:
    """Whether W and α are finite; α may overflow where its logarithm does not."""
    return jnp.isfinite(jnp.sum(parameters.weights) + jnp.sum(parameters.amplitudes))


def _choose(condition: Flag, this: _Tree, that: _Tree) -> _Tree:
    """`this` where the condition holds, else `that`, leaf by leaf."""
    return jax.tree.map(lambda new, old: jnp.where(condition, new, old), this, that)


def validate(lane: Lane, pool: Pool, shape: Shape) -> tuple[Lane, Scalar]:
    """Measure the whole-horizon error on the validation rows, keep the best, end what is over.

    Also returns that error: infinite where the solver failed, NaN for a lane not running.
    """
    running = lane.status == Status.RUNNING
    error = _validation_error(lane, pool, shape)
    better = running & (error < lane.best_validation)
    since_best = jnp.where(better, 0, lane.validations_since_best + 1)
    exhausted = since_best >= lane.hyperparameters.patience
    done = lane.step >= lane.hyperparameters.n_steps
    ending = jnp.where(exhausted, Status.STOPPED_EARLY, Status.RUNNING)
    ending = jnp.where(done, Status.COMPLETED, ending)
    lane = eqx.tree_at(
        lambda old: (old.best, old.best_validation, old.validations_since_best, old.status),
        lane,
        (
            _choose(better, lane.parameters, lane.best),
            jnp.where(better, error, lane.best_validation),
            jnp.where(running, since_best, lane.validations_since_best),
            jnp.where(running, ending, lane.status).astype(jnp.int32),
        ),
    )
    return lane, jnp.where(running, error, jnp.nan)


def _validation_error(lane: Lane, pool: Pool, shape: Shape) -> Scalar:
    """Mean |residual| from x(0) over the validation rows; infinite where it was not solved."""
    perturbations = pool.validation_perturbations.T
    # The limit is one for each interval; diffrax solves all of them in one piece.
    n_pieces = 1 if shape.solver.replays else len(pool.validation_times)
    most = shape.solver.max_steps * n_pieces
    predicted, reached = integrate(
        lane.parameters,
        perturbations,
        jnp.zeros_like(perturbations),
        # A lane that is not running must not hold up the others.
        jnp.where(lane.status == Status.RUNNING, pool.validation_times, 0.0),
        replace(shape.solver, max_steps=most),
    )
    measurements = pool.validation_measurements.transpose(1, 2, 0)
    counted = jnp.broadcast_to(pool.validation_nodes[None, :, None], measurements.shape)
    precisions = pool.validation_precisions
    if precisions is not None:
        precisions = precisions.transpose(1, 2, 0)
    error = mean_absolute_error(predicted, measurements, counted, precisions)
    return jnp.where(reached & jnp.isfinite(error), error, jnp.inf)


def train_interval(lane: Lane, pool: Pool, shape: Shape) -> tuple[Lane, LaneReport]:
    """Train for one validation interval, then validate.

    The training error is the mean over the interval's steps, NaN where one was not taken.
    """

    def one_step(lane: Lane, _: None) -> tuple[Lane, Scalar]:
        return train_step(lane, pool, shape)

    lane, training_errors = jax.lax.scan(one_step, lane, None, length=shape.validate_every)
    lane, validation_error = validate(lane, pool, shape)
    return lane, LaneReport(
        status=lane.status,
        step=lane.step,
        training_error=jnp.mean(training_errors),
        validation_error=validation_error,
        best_validation=lane.best_validation,
    )
