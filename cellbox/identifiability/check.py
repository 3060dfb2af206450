"""What an experiment can determine of a network, before anything is trained, and afterwards.

Nodes are judged by the design alone (`cellbox.identifiability.design_findings`). Edges and
amplitudes are judged one by one at a guess of the network, by the least standard error that their
Fisher information leaves (`cellbox.identifiability.least_errors`); that is as good as the guess,
and holds for unbiased estimators. A network that was not found by least squares is no such
estimate, and nothing is said of its own errors.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Int

from cellbox.arrays import EdgeMask, Perturbations, Times
from cellbox.criticism.criticism import Criticism
from cellbox.data.dataset import Dataset
from cellbox.errors import refuse
from cellbox.identifiability.design_findings import (
    NodeFinding,
    node_findings,
    training_rows,
)
from cellbox.identifiability.design_report import (
    DETERMINED_BELOW,
    OF_WEIGHT,
    OF_WEIGHT_GIVEN_AMPLITUDE,
    SCALE_CONFOUNDED,
    AmplitudeJudgement,
    DesignReport,
    EdgeJudgement,
)
from cellbox.identifiability.least_errors import LeastErrors, least_errors
from cellbox.networks.network import Network, in_order_of
from cellbox.threads import in_one_thread

GUESSED_AMPLITUDE = 0.5


@in_one_thread
def check_design(
    data: Dataset,
    *,
    guess: Network | None = None,
    noise: float | None = None,
    rows: Int[np.ndarray, " n_training_rows"] | None = None,
    guess_name: str = "the guess that was given",
    refined: bool | None = None,
    criticism: Criticism | None = None,
) -> DesignReport:
    """Tell what these data can determine: which nodes are not covered, and how sure each edge is.

    guess: a network of the same nodes, to judge edges at; by default W = 0 and α = 0.5; guess_name:
    what sentences call it. noise: standard deviation of a measured value (log ratio); by default
    the typical error that the data tell of their values, or else 1.4826 times the median |residual|
    of the guess, which takes for noise what that does not explain; of a network that was learned
    always the latter. Values with errors count by them. rows: that train, by default of the data's
    split, or else all. refined, criticism: of a network learned from these data, whether least
    squares found it, and whether it explains them (`cellbox.criticise`); where not, it is not said
    that edges are determined.

    Raises InputError for a guess of other nodes, and for a noise that is not positive.

    Example:
        >>> import cellbox
        >>> network = cellbox.random_network(3, density=0.5, seed=0)
        >>> data = cellbox.simulate(network, n_conditions=6, n_times=2, n_held_out=2)
        >>> report = cellbox.check_design(data, guess=network, noise=0.01)
        >>> report.sentences()[0]
        'Every node is perturbed, measured, and measured often enough.'
    """
    _check_noise(noise)
    if guess is None:
        guess, guess_name = _no_network(data), f"the guess W = 0, α = {GUESSED_AMPLITUDE}"
    guess = in_order_of(guess, data.nodes)
    rows = training_rows(data) if rows is None else rows
    rows = rows[~np.isnan(data.measurements[rows]).all(axis=(1, 2))]
    found = node_findings(data, rows)
    confounded = {finding.node for finding in found if finding.scale_is_open}
    given = np.array([node in confounded for node in data.nodes])
    told = noise is None and refined is None and data.errors is not None
    errors = least_errors(data, rows, guess, data.typical_error if told else noise, given)
    if told:
        errors = replace(errors, noise_from="the typical error that the data tell")
    report = DesignReport(
        data=data.name,
        n_rows=len(rows),
        guess=guess,
        guess_name=guess_name,
        nodes=found,
        edges=(),
        amplitudes=(),
        noise=errors.noise,
        noise_from=errors.noise_from,
        by_blocks=errors.by_blocks,
        refined=refined,
        not_judged=errors.reason,
        criticism=criticism,
    )
    withheld = report.withheld
    return replace(
        report,
        edges=tuple(_judge_edges(guess, data.possible_edges, errors, found, withheld)),
        amplitudes=tuple(_judge_amplitudes(guess, errors, found, withheld)),
    )


def _check_noise(noise: float | None) -> None:
    if noise is not None and not 0 < noise < np.inf:
        fix = "Give the standard deviation of a measured value, such as 0.01"
        raise refuse("noise", f"expected a number above 0, found {noise}", fix)


def _no_network(data: Dataset) -> Network:
    """What is assumed where nothing is known."""
    n = data.n_nodes
    return Network(data.nodes, np.zeros((n, n)), np.full(n, GUESSED_AMPLITUDE))


def check_result(
    network: Network,
    data: Dataset,
    rows: Int[np.ndarray, " n_training_rows"],
    *,
    refined: bool,
    criticism: Criticism | None = None,
) -> DesignReport:
    """`check_design` at a network that was learned from these rows; noise from its residuals.

    refined: whether least squares found it (`cellbox.models.training_record.Training.refined`).
    criticism: whether it explains the data.
    """
    name = "the learned network"
    return check_design(
        data, guess=network, rows=rows, guess_name=name, refined=refined, criticism=criticism
    )


@in_one_thread
def check_plan(
    perturbations: Perturbations,
    times: Times | Sequence[float],
    noise: float,
    *,
    nodes: Sequence[str] | None = None,
    allowed_edges: EdgeMask | None = None,
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


def _judge_edges(
    guess: Network,
    allowed: EdgeMask,
    errors: LeastErrors,
    found: Sequence[NodeFinding],
    withheld: str,
) -> Iterator[EdgeJudgement]:
    into = {finding.node: _why(finding) for finding in found}
    unseen = {finding.node for finding in found if "never_measured" in finding.kinds}
    for place in zip(*np.nonzero(allowed), strict=True):
        target, source = (guess.nodes[node] for node in place)
        why = into.get(target, "source never measured" if source in unseen else "")
        of = OF_WEIGHT_GIVEN_AMPLITUDE if why == SCALE_CONFOUNDED else OF_WEIGHT
        error, determined, why = _judged(float(errors.of_weights[place]), why, withheld)
        yield EdgeJudgement(
            source,
            target,
            _finite(guess.weights[place]),
            error,
            "" if error is None else of,
            determined,
            why,
        )


def _judge_amplitudes(
    guess: Network, errors: LeastErrors, found: Sequence[NodeFinding], withheld: str
) -> Iterator[AmplitudeJudgement]:
    reasons = {finding.node: _why(finding) for finding in found}
    for node, value, error in zip(guess.nodes, guess.amplitudes, errors.of_amplitudes, strict=True):
        least, determined, why = _judged(float(error), reasons.get(node, ""), withheld)
        # With the row's scale open, so is the amplitude: a number for it would say otherwise.
        least = None if why == SCALE_CONFOUNDED else least
        yield AmplitudeJudgement(node, _finite(value), least, determined, why)


def _why(finding: NodeFinding) -> str:
    """A node's first reason, in the few words that stand beside each of its edges."""
    words = {
        "never_perturbed": SCALE_CONFOUNDED,
        "only_held": SCALE_CONFOUNDED,
        "never_measured": "never measured",
        "too_few_values": "too few values",
    }
    return words[finding.kinds[0]]


def _judged(error: float, why: str, withheld: str) -> tuple[float | None, bool | None, str]:
    """Least standard error, whether it is determined, and why not. A node's reason comes first."""
    known = _finite(error)
    if why:
        return known, False, why
    if np.isnan(error):
        return None, None, "not judged"
    if error >= DETERMINED_BELOW:
        return known, False, "not told by the data" if known is None else "uncertain"
    if withheld:
        return known, None, withheld
    return known, True, ""


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
