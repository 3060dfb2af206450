"""The least standard errors that data leave to W and α at a guess of the network.

Up to `MOST_PARAMETERS` they come from the Fisher information of all entries of W and amplitudes
together (`cellbox.identifiability.fisher`). Beyond, that matrix is too large, and each row of W
with its amplitude is judged by its row block (`cellbox.refinement.whole_courses`), as if the states
of all nodes were known: exact where nothing acts on anything, and too small by what errors of the
sources add where something does.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float

from cellbox.arrays import EdgeValues, NodeMask, NodeValues, Responses, RowNumbers
from cellbox.data.dataset import Dataset
from cellbox.equation.dynamics import Parameters
from cellbox.equation.network_responses import responses
from cellbox.equation.solver_settings import precision_context
from cellbox.identifiability.fisher import standard_errors, states_and_information
from cellbox.networks.network import Network
from cellbox.refinement.hidden_drives import led_with_drives
from cellbox.refinement.multiple_shooting import MultipleShooting
from cellbox.refinement.whole_courses import Series, row_blocks

#: Networks with more entries of W and amplitudes are judged row by row.
MOST_PARAMETERS = 2_000

_UNSOLVED = (
    "Edges have no standard errors: the equations could not be solved at this network for all "
    "conditions."
)


@dataclass(frozen=True, eq=False)
class LeastErrors:
    """Standard errors at a guess, infinite where the data do not tell; NaN if not computed.

    of_weights: of entries whose amplitude is given (`given`) as if that were known, else with the
    amplitude free. noise: of a measured value; noise_from: how it is known. by_blocks: whether each
    row was judged by itself. reason: why there are none, in a sentence; None where there are.
    """

    of_weights: EdgeValues
    of_amplitudes: NodeValues
    noise: float | None
    noise_from: str | None
    by_blocks: bool = False
    reason: str | None = None


def least_errors(
    data: Dataset, rows: RowNumbers, guess: Network, noise: float | None, given: NodeMask
) -> LeastErrors:
    """The standard errors of W and α that these rows leave at a guess.

    noise: standard deviation of a measured value, a typical one where the data tell errors of
        values, which then count by them; by default from the residuals of the guess.
    given: nodes whose rows of W are judged with their amplitudes known.
    """
    n = data.n_nodes
    found = LeastErrors(
        np.full((n, n), np.nan), np.full(n, np.nan), noise, "as given" if noise else None
    )
    # What rounding decides is no matter of small changes of W, which is all that is looked at.
    rows = rows[data.judged[rows]]
    if not (np.isfinite(guess.weights).all() and np.isfinite(guess.amplitudes).all()):
        why = "Edges have no standard errors: the network holds numbers that are not finite."
        return replace(found, reason=why)
    if not len(rows):
        why = "Edges have no standard errors: no training row has a measured value to count on."
        return replace(found, reason=why)
    by_blocks = n * (n + 1) > MOST_PARAMETERS
    errors_of = _by_blocks if by_blocks else _together
    if guess.form is not None or data.interventions_of(rows) is not None:
        by_blocks, errors_of = False, _with_form
    states, of_weights, of_amplitudes = errors_of(data, rows, guess, given)
    if not np.isfinite(states).all():
        return replace(found, reason=_UNSOLVED)
    if noise is None:
        apart = np.abs(states - data.measurements[rows])
        noise = float(1.4826 * np.nanmedian(apart * MultipleShooting.of(data, rows).root_precision))
        found = replace(found, noise=noise, noise_from="1.4826 times the median |residual|")
    if noise == 0:
        why = "Edges have no standard errors: half of the residuals are 0. Give the noise."
        return replace(found, reason=why)
    return replace(
        found,
        of_weights=noise * of_weights,
        of_amplitudes=noise * of_amplitudes,
        by_blocks=by_blocks,
    )


# Of both ways: the states, and standard errors of W and α for noise of standard deviation 1.
_Found = tuple[
    Responses,
    EdgeValues,
    NodeValues,
]


def _together(data: Dataset, rows: RowNumbers, guess: Network, given: NodeMask) -> _Found:
    """From the information of all parameters."""
    n = data.n_nodes
    problem = MultipleShooting.of(data, rows)
    counted = problem.measured
    if data.errors is not None:
        counted = problem.measured * problem.root_precision**2
    states, matrix = states_and_information(guess, data.perturbations[rows], data.times, counted)
    if not np.isfinite(matrix).all():
        states = np.full(states.shape, np.nan)
        return states, np.full((n, n), np.nan), np.full(n, np.nan)

    free = np.append(data.possible_edges.ravel(), np.ones(n, bool))
    return states, *_errors_of(matrix, free, given)


def _errors_of(
    information: Float[np.ndarray, "n_parameters n_parameters"],
    free: Bool[np.ndarray, " n_parameters"],
    given: NodeMask,
) -> tuple[EdgeValues, NodeValues]:
    """Standard errors of W and of the amplitudes, in whichever way these are parameters.

    free: what is unknown of W (row by row), amplitudes, and numbers of a form. given: see
    `least_errors`.
    """
    n = len(given)
    amplitudes = np.s_[n * n : n * n + n]

    def errors(known: NodeMask) -> Float[np.ndarray, " n_parameters"]:
        chosen = free.copy()
        chosen[amplitudes] &= ~known
        found = np.full(len(chosen), np.nan)
        found[chosen] = standard_errors(information[np.ix_(chosen, chosen)])
        return found

    every = errors(np.zeros(n, bool))
    of_weights = every[: n * n].reshape(n, n)
    if given.any():
        of_weights[given] = errors(given)[: n * n].reshape(n, n)[given]
    return of_weights, every[amplitudes]


def _with_form(data: Dataset, rows: RowNumbers, guess: Network, given: NodeMask) -> _Found:
    """From the curvature of least squares, the numbers of the form unknown as well."""
    n = data.n_nodes
    problem = MultipleShooting.of(data, rows).of_form(guess)
    states = responses(
        guess,
        data.perturbations[rows],
        data.times,
        lines=data.lines_of(rows),
        interventions=data.interventions_of(rows),
    )
    of_weights, of_amplitudes = np.full((n, n), np.nan), np.full(n, np.nan)
    if not np.isfinite(states).all():
        return states, of_weights, of_amplitudes
    # Where the network leads, so that ties are those of its own courses.
    if problem.hidden is None:
        there = replace(problem, measurements=np.full(states.shape, np.nan)).point(guess)
    else:
        # In rows with drives of their own states are other than what is predicted.
        there = led_with_drives(problem, guess)
        states = there.states[..., :n]
    curvature = problem.linearise(there).curvature
    given = np.append(given, np.zeros(problem.n_nodes - n, bool))
    found = _errors_of(curvature, problem.free(data.possible_edges), given)
    of_weights, of_amplitudes = found[0][:n, :n], found[1][:n]
    # These are about log α.
    return states, of_weights, guess.amplitudes * of_amplitudes


def _by_blocks(data: Dataset, rows: RowNumbers, guess: Network, given: NodeMask) -> _Found:
    """From each row of W and its amplitude by itself."""
    n = data.n_nodes
    of_weights, of_amplitudes = np.full((n, n), np.nan), np.full(n, np.nan)
    states = responses(guess, data.perturbations[rows], data.times, lines=data.lines_of(rows))
    with precision_context("float64"):
        parameters = Parameters(jnp.asarray(guess.weights), jnp.log(jnp.asarray(guess.amplitudes)))
        series = Series.of(MultipleShooting.of(data, rows))
        blocks = np.asarray(row_blocks(parameters, series, jnp.zeros(())).curvature)
    if not np.isfinite(blocks).all():
        return np.full(states.shape, np.nan), of_weights, of_amplitudes
    for node, allowed in enumerate(data.possible_edges):
        sources = np.flatnonzero(allowed)
        free = standard_errors(blocks[node][np.ix_(*[np.append(sources, n)] * 2)])
        # Blocks are about log α.
        of_amplitudes[node] = guess.amplitudes[node] * free[-1]
        of_weights[node, sources] = (
            standard_errors(blocks[node][np.ix_(sources, sources)]) if given[node] else free[:-1]
        )
    return states, of_weights, of_amplitudes
