"""A solve by diffrax whose steps are recorded forward, and replayed backward.

The part of `cellbox.equation.step_replay_adjoint` that runs the loops: see there for the method.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import diffrax
import equinox as eqx
import equinox.internal as eqxi
import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int, PyTree

_while_loop = partial(eqxi.while_loop, kind="lax")


def subs_of(saveat: diffrax.SaveAt) -> list[diffrax.SubSaveAt]:
    """All that is to be saved, in the order of `by_sub`."""
    return jax.tree.leaves(saveat.subs, is_leaf=_is_sub)


def by_sub(saveat: diffrax.SaveAt, save_state: Any) -> list[Any]:
    """What diffrax keeps for each `SubSaveAt`: its times, its values, and how many there are."""
    kept: list[Any] = []
    jax.tree.map(lambda _, one: kept.append(one), saveat.subs, save_state, is_leaf=_is_sub)
    return kept


def _is_sub(node: Any) -> bool:
    return isinstance(node, diffrax.SubSaveAt)


def _inexact(tree: Any) -> Any:
    """The arrays that have a derivative; None in all other places."""
    return eqx.filter(tree, eqx.is_inexact_array)


class _Saved(NamedTuple):
    """How far a `SubSaveAt` had come: values saved in all, and of these by its `ts`."""

    values: Int[Array, "..."]
    at_times: Int[Array, "..."]


class _Step(NamedTuple):
    """What a step began with, or what every step did, one row each; and the time it ended at."""

    state: PyTree
    memory: PyTree
    began: Float[Array, "..."]
    ended: Float[Array, "..."]
    jumped: Bool[Array, "..."]
    saved: list[_Saved]


class _Record(NamedTuple):
    """All accepted steps, and where the loop ended (which began no step).

    times, values: of everything that was saved, for each `SubSaveAt`.
    """

    steps: _Step
    end: _Step
    n_steps: Int[Array, ""]
    times: list[Float[Array, " n_saved"]]
    values: list[PyTree]


def _before_step(saveat: diffrax.SaveAt, state: Any) -> _Step:
    saved = [
        _Saved(one.save_index, one.saveat_ts_index) for one in by_sub(saveat, state.save_state)
    ]
    step = _Step(state.y, state.solver_state, state.tprev, state.tnext, state.made_jump, saved)
    return jax.tree.map(jnp.asarray, step)


@eqx.filter_custom_vjp
def solve(start: Any, *, loop: Callable, problem: dict[str, Any]) -> Any:
    """The last state of diffrax's loop from this state, memory of the solver, args and terms."""
    return _run(start, loop, problem, _while_loop)


def _run(start: Any, loop: Callable, problem: dict[str, Any], outer_while_loop: Callable) -> Any:
    state, memory, args, terms = start
    begin = eqx.tree_at(
        lambda s: (s.y, s.solver_state),
        problem["init_state"],
        (state, memory),
        is_leaf=lambda leaf: leaf is None,
    )
    return loop(
        **{**problem, "init_state": begin},
        args=args,
        terms=terms,
        inner_while_loop=_while_loop,
        outer_while_loop=outer_while_loop,
    )


@solve.def_fwd
def _solve_forward(
    perturbed: Any, start: Any, *, loop: Callable, problem: dict[str, Any]
) -> tuple[Any, _Record]:
    del perturbed
    saveat = problem["saveat"]
    ended = []

    def recording_loop(
        condition: Callable, body: Callable, begin: Any, *, max_steps: int, buffers: Callable
    ) -> Any:
        """diffrax's loop; a rejected step is written over by the next attempt."""
        steps = jax.tree.map(
            lambda leaf: jnp.zeros((max_steps, *leaf.shape), leaf.dtype),
            _before_step(saveat, begin),
        )

        def step(carry: Any) -> Any:
            state, steps = carry
            place = state.num_accepted_steps
            steps = jax.tree.map(
                lambda leaf, all_steps: all_steps.at[place].set(leaf),
                _before_step(saveat, state),
                steps,
            )
            return body(state), steps

        state, steps = _while_loop(
            lambda carry: condition(carry[0]),
            step,
            (begin, steps),
            max_steps=max_steps,
            buffers=lambda carry: (*buffers(carry[0]), carry[1]),
        )
        ended.append((steps, _before_step(saveat, state), state.num_accepted_steps))
        return state

    final_state, statistics = _run(start, loop, problem, recording_loop)
    saved = by_sub(saveat, final_state.save_state)
    record = _Record(*ended[0], [one.ts for one in saved], [one.ys for one in saved])
    return (final_state, statistics), record


@solve.def_bwd
def _solve_backward(
    record: _Record,
    by_output: Any,
    perturbed: Any,
    start: Any,
    *,
    loop: Callable,
    problem: dict[str, Any],
) -> Any:
    del loop
    state, _, args, terms = start
    saveat = problem["saveat"]
    by_saved = [one.ys for one in by_sub(saveat, by_output[0].save_state)]
    by_values = [
        jax.tree.map(
            lambda leaf, by: jnp.zeros_like(leaf) if by is None else by,
            _inexact(values),
            by,
        )
        for values, by in zip(record.values, by_saved, strict=True)
    ]
    free, fixed = eqx.partition((args, terms), perturbed[2:])
    backward = _Backward(problem["solver"], subs_of(saveat), fixed, free, record, by_values)
    by_state, by_free = backward.end(problem["t0"] == problem["t1"])
    by_memory = jax.tree.map(jnp.zeros_like, _inexact(record.end.memory))
    by_state, by_memory, by_free = backward.steps(by_state, by_memory, by_free)
    by_state, by_free = backward.beginning(state, by_state, by_free)
    return (by_state, by_memory, *by_free)


class _Backward(NamedTuple):
    """The way back through one solve.

    free, fixed: `(args, terms)`, each with None where the other has a leaf; by `free` there are
        derivatives.
    by_values: the loss by all values saved, for each `SubSaveAt`.
    """

    solver: diffrax.AbstractSolver
    subs: list[diffrax.SubSaveAt]
    fixed: PyTree
    free: PyTree
    record: _Record
    by_values: list[PyTree]

    def through_saving(self, index: int, place: Any, state: PyTree, saved: Any) -> tuple[Any, Any]:
        """The loss by a state and by `free`, through the value of the state that was saved here.

        saved: whether anything was saved here, after all.
        """
        return self._through(index, place, saved, lambda state: state, state)

    def _through(
        self, index: int, place: Any, saved: Any, state_of: Callable, inner: PyTree
    ) -> tuple[Any, Any]:
        # Where nothing was saved there is no time, and no function need be finite.
        time = jnp.where(saved, self.record.times[index][place], self.record.end.began)

        def value(inner: Any, free: Any) -> Any:
            args, _ = eqx.combine(free, self.fixed)
            return _inexact(self.subs[index].fn(time, state_of(inner), args))

        _, pull = jax.vjp(value, inner, self.free)
        return pull(jax.tree.map(lambda by: jnp.where(saved, by[place], 0), self.by_values[index]))

    def end(self, empty: Any) -> tuple[Any, Any]:
        """Through the values that are saved after the last step.

        empty: whether the solve was from a time to the same time: without steps, all `ts` are
            saved then.
        """
        end = self.record.end
        total = _zeros((end.state, self.free))
        for index, sub in enumerate(self.subs):
            place = end.saved[index].values
            if sub.ts is not None:

                def add(place: Any, total: Any, index: int = index) -> Any:
                    return _sum(total, self.through_saving(index, place, end.state, True))

                first, place = place, place + jnp.where(empty, len(sub.ts), 0)
                total = lax.fori_loop(first, place, add, total)
            if sub.t1 and sub.steps != 1:
                # Saved as a step already, where that is so.
                saved = True if not sub.steps else self.record.n_steps % sub.steps != 0
                total = _sum(total, self.through_saving(index, place, end.state, saved))
        return total

    def beginning(self, state: PyTree, by_state: PyTree, by_free: PyTree) -> tuple[Any, Any]:
        """Through the values that are saved before the first step."""
        total = (by_state, by_free)
        for index, sub in enumerate(self.subs):
            if sub.t0:
                total = _sum(total, self.through_saving(index, 0, state, True))
        return total

    def steps(self, by_state: PyTree, by_memory: PyTree, by_free: PyTree) -> tuple[Any, Any, Any]:
        """Through all steps, the last one first."""

        def back(taken: Any, carry: Any) -> Any:
            saved_after, by_new, by_free = carry
            place = self.record.n_steps - 1 - taken
            step = jax.tree.map(lambda leaf: leaf[place], self.record.steps)
            by_old, by_own = self._step(step, saved_after, by_new)
            return step.saved, by_old, _sum(by_free, by_own)

        carry = (self.record.end.saved, (by_state, by_memory), by_free)
        _, (by_state, by_memory), by_free = lax.fori_loop(0, self.record.n_steps, back, carry)
        return by_state, by_memory, by_free

    def _step(self, step: _Step, saved_after: list[_Saved], by_new: Any) -> tuple[Any, Any]:
        """The loss by the state and memory before a step, and by `free`, from those after it."""

        def make(state: Any, memory: Any, free: Any) -> Any:
            args, terms = eqx.combine(free, self.fixed)
            memory = eqx.combine(memory, step.memory)
            new, _, inside, new_memory, _ = self.solver.step(
                terms, step.began, step.ended, state, args, memory, step.jumped
            )
            return (new, _inexact(new_memory), _inexact(inside))

        (new, _, inside), pull = jax.vjp(make, step.state, _inexact(step.memory), self.free)
        by_state, by_memory = by_new
        by_inside, by_free = _zeros((inside, self.free))
        for index, (sub, before, after) in enumerate(
            zip(self.subs, step.saved, saved_after, strict=True)
        ):
            if sub.ts is not None:
                by_inside, by_free = self._times_within(
                    index, step, inside, before, after, (by_inside, by_free)
                )
            if sub.steps:
                saved_itself = after.values - before.values > after.at_times - before.at_times
                by_own, by_more = self.through_saving(index, after.values - 1, new, saved_itself)
                by_state, by_free = _sum((by_state, by_free), (by_own, by_more))
        by_state, by_memory, by_more = pull((by_state, by_memory, by_inside))
        return (by_state, by_memory), _sum(by_free, by_more)

    def _times_within(
        self, index: int, step: _Step, inside: Any, before: _Saved, after: _Saved, total: Any
    ) -> Any:
        """Through the values that were interpolated within a step."""

        def add(place: Any, total: Any) -> Any:
            time = self.record.times[index][place]

            def state_of(inside: Any) -> Any:
                interpolation = self.solver.interpolation_cls(
                    t0=step.began, t1=step.ended, **inside
                )
                return interpolation.evaluate(time)

            return _sum(total, self._through(index, place, True, state_of, inside))

        n_times = after.at_times - before.at_times
        return lax.fori_loop(before.values, before.values + n_times, add, total)


def _zeros(tree: Any) -> Any:
    return jax.tree.map(jnp.zeros_like, tree)


def _sum(one: Any, other: Any) -> Any:
    return jax.tree.map(jnp.add, one, other)
