"""The step-replay gradient for any equation that diffrax solves by explicit steps.

    diffrax.diffeqsolve(terms, diffrax.Tsit5(), ..., adjoint=cellbox.StepReplay())

Forward, diffrax's own loop runs, and what each accepted step began with is written down: its state,
its times, and the solver's memory. Backward, a loop from the last step to the first makes each step
once more, takes it apart with `jax.vjp`, and adds the derivatives by what was saved in it. The
gradient is that of the steps taken, as from diffrax's RecursiveCheckpointAdjoint and DirectAdjoint;
no tree of checkpoints is kept, and the lengths of steps are not differentiated.

Training does not use this: `cellbox.equation.step_replay` is the same method for many models of
Eq. 1 side by side.
"""

from __future__ import annotations

from typing import Any

import diffrax
import equinox as eqx
import equinox.internal as eqxi
import jax
from jax import lax
from jaxtyping import PyTree

from cellbox.equation.replayed_solve import by_sub, solve, subs_of
from cellbox.equation.traced_arrays import Scalar
from cellbox.errors import InputError, Problem


class StepReplay(diffrax.AbstractAdjoint):
    """Differentiate `diffrax.diffeqsolve` by replaying its steps from the last to the first.

    Exact for the steps taken, like diffrax's RecursiveCheckpointAdjoint, and a little faster.
    Gradients go by `y0`, `args` and `terms`, and by what a vector field closes over. Works with any
    explicit solver, fixed or adaptive steps, and any `SaveAt` but dense output, under `jax.jit` and
    `jax.vmap`; not in forward mode. Memory: for each of `max_steps` steps a state, and what the
    solver remembers between two of them.

    Raises InputError for implicit solvers, events, stochastic equations, dense output, and
    `max_steps=None`.

    >>> import cellbox, diffrax, jax
    >>> def end(rate):
    ...     term = diffrax.ODETerm(lambda time, state, rate: -rate * state)
    ...     adjoint = cellbox.StepReplay()
    ...     solution = diffrax.diffeqsolve(
    ...         term, diffrax.Tsit5(), 0.0, 1.0, 0.1, 1.0, rate, adjoint=adjoint, max_steps=16
    ...     )
    ...     return solution.ys[0]
    >>> print(f"{jax.grad(end)(2.0):.3f}")
    -0.135
    """

    def loop(
        self,
        *,
        args: PyTree,
        terms: PyTree[diffrax.AbstractTerm],
        solver: diffrax.AbstractSolver,
        stepsize_controller: diffrax.AbstractStepSizeController,
        event: diffrax.Event | None,
        saveat: diffrax.SaveAt,
        max_steps: int | None,
        init_state: Any,
        passed_controller_state: bool,
        t0: Scalar,
        t1: Scalar,
        dt0: Scalar | None,
        progress_meter: diffrax.AbstractProgressMeter,
        throw: bool,
        passed_solver_state: bool,
    ) -> Any:
        """What `diffrax.diffeqsolve` calls with everything it was given, made ready."""
        del throw, passed_solver_state
        problems = _problems(terms, solver, event, saveat, max_steps)
        if problems:
            raise InputError(problems)
        t0, t1, dt0, saveat, stepsize_controller = eqxi.nondifferentiable(
            (t0, t1, dt0, saveat, stepsize_controller),
            name="With adjoint=StepReplay(), what is not y0, args or terms",
        )
        example = (init_state.tprev, init_state.y, args)
        terms, saveat = _closed_terms(terms, *example), _closed_saveat(saveat, *example)
        start = (init_state.y, init_state.solver_state, args, terms)
        free = lambda s: (s.tnext, s.controller_state)  # noqa: E731
        held = eqxi.nondifferentiable if passed_controller_state else _constant
        init_state = eqx.tree_at(
            lambda s: (s.y, s.solver_state, *free(s)),
            init_state,
            (None, None, _constant(init_state.tnext), held(init_state.controller_state)),
            is_leaf=lambda leaf: leaf is None,
        )
        problem = {
            "solver": solver,
            "stepsize_controller": stepsize_controller,
            "event": None,
            "saveat": saveat,
            "t0": t0,
            "t1": t1,
            "dt0": dt0,
            "max_steps": max_steps,
            "init_state": init_state,
            "progress_meter": progress_meter,
        }
        final_state, statistics = solve(start, loop=self._loop, problem=problem)
        return _only_saved_values(final_state, saveat), statistics


def _problems(
    terms: Any, solver: Any, event: Any, saveat: diffrax.SaveAt, max_steps: int | None
) -> list[Problem]:
    """Why steps that are replayed are not enough here."""
    implicit = _contains(solver, diffrax.AbstractImplicitSolver)
    elsewhere = "Use adjoint=diffrax.RecursiveCheckpointAdjoint()"
    refusals = (
        (implicit, "solver", f"explicit steps, found {type(solver).__name__}", elsewhere),
        (event is not None, "event", "no event, found one", elsewhere),
        (
            _contains(terms, diffrax.AbstractBrownianPath),
            "terms",
            "an ordinary differential equation, found a stochastic one",
            elsewhere,
        ),
        (saveat.dense, "saveat", "times or steps to save, found dense=True", "Use SaveAt(ts=...)"),
        (
            max_steps is None,
            "max_steps",
            "a number of steps to have room for, found None",
            "Give diffeqsolve the most steps it may take, such as max_steps=4096",
        ),
    )
    return [
        Problem(f"adjoint StepReplay, {where}", f"expected {found}", fix)
        for wrong, where, found, fix in refusals
        if wrong
    ]


def _contains(tree: Any, kind: type) -> bool:
    leaves = jax.tree.leaves(tree, is_leaf=lambda node: isinstance(node, kind))
    return any(isinstance(leaf, kind) for leaf in leaves)


def _constant(tree: Any) -> Any:
    arrays, rest = eqx.partition(tree, eqx.is_array)
    return eqx.combine(lax.stop_gradient(arrays), rest)


def _closed_terms(terms: Any, *example: Any) -> Any:
    """The terms with what their vector fields close over as leaves, which have derivatives."""

    def closed(term: Any) -> Any:
        if not isinstance(term, diffrax.ODETerm):
            return term
        return diffrax.ODETerm(eqx.filter_closure_convert(term.vector_field, *example))

    if not isinstance(terms, diffrax.AbstractTerm):
        # Each term sees a part of the state only, known to its solver.
        return terms
    return jax.tree.map(closed, terms, is_leaf=lambda node: isinstance(node, diffrax.ODETerm))


def _closed_saveat(saveat: diffrax.SaveAt, *example: Any) -> diffrax.SaveAt:
    """The same for functions of what is saved; diffrax itself closes them over a direction."""
    functions = lambda tree: [sub.fn for sub in subs_of(tree)]  # noqa: E731
    closed = [eqx.filter_closure_convert(function, *example) for function in functions(saveat)]
    return eqx.tree_at(functions, saveat, closed)


def _only_saved_values(final_state: Any, saveat: diffrax.SaveAt) -> Any:
    """The state of diffrax's loop, of which only the saved values can be differentiated."""
    saved_values = lambda s: [one.ys for one in by_sub(saveat, s.save_state)]  # noqa: E731
    held = eqxi.nondifferentiable_backward(
        final_state, name="With adjoint=StepReplay(), what is not in ys", symbolic=False
    )
    return eqx.tree_at(saved_values, held, saved_values(final_state))
