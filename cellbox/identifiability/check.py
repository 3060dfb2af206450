"""What an experiment can determine of a network, before anything is trained, and afterwards.

Nodes are judged by the design alone (`cellbox.identifiability.design_findings`). Edges and
amplitudes are judged one by one at a guess of the network, by the least standard error that their
Fisher information leaves (`cellbox.identifiability.fisher`); that is as good as the guess, and
holds for unbiased estimators.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int

from cellbox.data.dataset import Dataset
from cellbox.errors import refuse
from cellbox.identifiability.design_findings import (
    NodeFinding,
    node_findings,
    training_rows,
)
from cellbox.identifiability.design_report import (
    DETERMINED_BELOW,
    SCALE_CONFOUNDED,
    AmplitudeJudgement,
    DesignReport,
    EdgeJudgement,
)
from cellbox.identifiability.fisher import standard_errors, states_and_information
from cellbox.networks.network import Network, in_order_of

#: Networks with more entries of W and amplitudes are judged by the design alone.
MOST_PARAMETERS = 2_000

GUESSED_AMPLITUDE = 0.5


def check_design(
    data: Dataset,
    *,
    guess: Network | None = None,
    noise: float | None = None,
    rows: Int[np.ndarray, " n_training_rows"] | None = None,
    guess_name: str = "the guess that was given",
) -> DesignReport:
    """Tell what these data can determine: which nodes are not covered, and how sure each edge is.

    guess: a network of the same nodes, to judge edges at; by default W = 0 and α = 0.5. noise:
    standard deviation of a measured value (log ratio); by default 1.4826 times the median
    |residual| of the guess, which takes for noise what the guess does not explain. rows: the rows
    that train, by default those of the split that came with the data, or else all. guess_name:
    what the guess is called in sentences.

    Raises InputError for a guess of other nodes, and for a noise that is not positive.

    Example:
        >>> import cellbox
        >>> network = cellbox.random_network(3, density=0.5, seed=0)
        >>> data = cellbox.simulate(network, n_conditions=6, n_times=2, n_held_out=2)
        >>> report = cellbox.check_design(data, guess=network, noise=0.01)
        >>> report.sentences()[0]
        'Every node is perturbed, measured, and measured often enough.'
    """
    if noise is not None and not 0 < noise < np.inf:
        fix = "Give the standard deviation of a measured value, such as 0.01"
        raise refuse("noise", f"expected a number above 0, found {noise}", fix)
    if guess is None:
        n = data.n_nodes
        guess = Network(data.nodes, np.zeros((n, n)), np.full(n, GUESSED_AMPLITUDE))
        guess_name = f"the guess W = 0, α = {GUESSED_AMPLITUDE}"
    guess = in_order_of(guess, data.nodes)
    rows = training_rows(data) if rows is None else rows
    rows = rows[~np.isnan(data.measurements[rows]).all(axis=(1, 2))]
    found = node_findings(data, rows)
    errors = _errors(data, rows, guess, noise)
    allowed = data.possible_edges
    return DesignReport(
        data=data.name,
        n_rows=len(rows),
        guess=guess,
        guess_name=guess_name,
        nodes=found,
        edges=tuple(_judge_edges(guess, allowed, errors, found)),
        amplitudes=tuple(_judge_amplitudes(guess, errors, found)),
        noise=errors.noise,
        noise_from=errors.noise_from,
        not_judged=errors.reason,
    )


def check_result(
    network: Network, data: Dataset, rows: Int[np.ndarray, " n_training_rows"]
) -> DesignReport:
    """`check_design` at a network that was learned from these rows; noise from its residuals."""
    return check_design(data, guess=network, rows=rows, guess_name="the learned network")


def check_plan(
    perturbations: Float[np.ndarray, "n_rows n_nodes"],
    times: Float[np.ndarray, " n_times"] | Sequence[float],
    noise: float,
    *,
    nodes: Sequence[str] | None = None,
    allowed_edges: Bool[np.ndarray, "n_nodes n_nodes"] | None = None,
    guess: Network | None = None,
) -> DesignReport:
    """`check_design` of an experiment that is only planned: every value is to be measured.

    nodes: names, by default the guess's, or else g1, g2, ... Raises InputError as there.

    Example:
        >>> import numpy as np
        >>> import cellbox
        >>> planned = 0.5 * np.eye(3)[[0, 1, 0, 1, 0, 1]]
        >>> cellbox.check_plan(planned, [10.0, 20.0], noise=0.01).confounded_nodes
        ('g3',)
    """
    n_rows, n_nodes = np.shape(perturbations)
    if nodes is None:
        nodes = guess.nodes if guess is not None else [f"g{k + 1}" for k in range(n_nodes)]
    planned = Dataset(
        nodes=tuple(nodes),
        times=np.asarray(times, float),
        perturbations=np.asarray(perturbations, float),
        measurements=np.zeros((n_rows, len(times), n_nodes)),
        row_names=tuple(f"c{row + 1}" for row in range(n_rows)),
        activity_nodes=np.zeros(n_nodes, bool),
        allowed_edges=allowed_edges,
        name="plan",
    )
    return check_design(planned, guess=guess, noise=noise)


@dataclass(frozen=True, eq=False)
class _Errors:
    """Standard errors at a guess, infinite where the data do not tell; NaN if not computed."""

    of_weights: Float[np.ndarray, "n_nodes n_nodes"]
    of_amplitudes: Float[np.ndarray, " n_nodes"]
    noise: float | None
    noise_from: str | None
    reason: str | None


def _errors(
    data: Dataset, rows: Int[np.ndarray, " n_rows"], guess: Network, noise: float | None
) -> _Errors:
    """The standard errors of W and α that these rows leave at a guess."""
    n = data.n_nodes
    blank = _Errors(np.full((n, n), np.nan), np.full(n, np.nan), noise, "as given", None)
    if noise is None:
        blank = replace(blank, noise_from=None)
    # What rounding decides is no matter of small changes of W, which is all that is looked at.
    rows = rows[data.judged[rows]]
    reason = _no_errors(data, rows, guess)
    if reason is not None:
        return replace(blank, reason=reason)
    values = data.measurements[rows]
    states, matrix = states_and_information(
        guess, data.perturbations[rows], data.times, ~np.isnan(values)
    )
    if not np.isfinite(matrix).all():
        return replace(
            blank,
            reason="Edges have no standard errors: the equations could not be solved at this "
            "network for all conditions.",
        )
    if noise is None:
        noise = float(1.4826 * np.nanmedian(np.abs(states - values)))
        blank = replace(blank, noise=noise, noise_from="1.4826 times the median |residual|")
    if noise == 0:
        reason = "Edges have no standard errors: half of the residuals are 0. Give the noise."
        return replace(blank, reason=reason)
    chosen = np.append(data.possible_edges.ravel(), np.ones(n, bool))
    errors = np.full(len(chosen), np.nan)
    errors[chosen] = standard_errors(matrix[np.ix_(chosen, chosen)] / noise**2)
    return replace(blank, of_weights=errors[: n * n].reshape(n, n), of_amplitudes=errors[n * n :])


def _no_errors(data: Dataset, rows: Int[np.ndarray, " n_rows"], guess: Network) -> str | None:
    """Why there can be no standard errors, or None where there can."""
    n_parameters = data.n_nodes * (data.n_nodes + 1)
    if n_parameters > MOST_PARAMETERS:
        return (
            f"Edges have no standard errors: with {n_parameters:,} entries of W and amplitudes "
            f"(more than {MOST_PARAMETERS:,}), rows of W are judged by the design alone."
        )
    if not (np.isfinite(guess.weights).all() and np.isfinite(guess.amplitudes).all()):
        return "Edges have no standard errors: the network holds numbers that are not finite."
    if not len(rows):
        return "Edges have no standard errors: no training row has a measured value to count on."
    return None


def _judge_edges(
    guess: Network,
    allowed: Bool[np.ndarray, "n_nodes n_nodes"],
    errors: _Errors,
    found: Sequence[NodeFinding],
) -> Iterator[EdgeJudgement]:
    into = {finding.node: _why(finding) for finding in found}
    unseen = {finding.node for finding in found if "never_measured" in finding.kinds}
    for place in zip(*np.nonzero(allowed), strict=True):
        target, source = (guess.nodes[node] for node in place)
        why = into.get(target, "source never measured" if source in unseen else "")
        judged = _judged(float(errors.of_weights[place]), why)
        yield EdgeJudgement(source, target, _finite(guess.weights[place]), *judged)


def _judge_amplitudes(
    guess: Network, errors: _Errors, found: Sequence[NodeFinding]
) -> Iterator[AmplitudeJudgement]:
    why = {finding.node: _why(finding) for finding in found}
    for node, value, error in zip(guess.nodes, guess.amplitudes, errors.of_amplitudes, strict=True):
        yield AmplitudeJudgement(node, _finite(value), *_judged(float(error), why.get(node, "")))


def _why(finding: NodeFinding) -> str:
    """A node's first reason, in the few words that stand beside each of its edges."""
    words = {
        "never_perturbed": SCALE_CONFOUNDED,
        "never_measured": "never measured",
        "too_few_values": "too few values",
    }
    return words[finding.kinds[0]]


def _judged(error: float, why: str) -> tuple[float | None, bool | None, str]:
    """Standard error, whether it is determined, and why not. A node's reason comes first."""
    known = _finite(error)
    if why:
        return known, False, why
    if np.isnan(error):
        return None, None, "not judged"
    if error < DETERMINED_BELOW:
        return known, True, ""
    return known, False, "not told by the data" if known is None else "uncertain"


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
