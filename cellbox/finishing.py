"""What becomes of a training when its gradient descent ends: refinement, and what it is judged by.

Refinement must not ruin what descent had found (on a network with several steady states a fit of
all training data may end in the wrong one). So the two are compared on the validation conditions,
which refinement has not seen, condition by condition. Descent was stopped where it does best on
them, so that a small lead says nothing: the refined network is given up only where it is worse
beyond noise (see `is_worse`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from cellbox.dataset import Dataset
from cellbox.model import prediction_solver
from cellbox.multiple_shooting import MultipleShooting
from cellbox.networks import Network
from cellbox.pack import Harvest
from cellbox.refinement import Refined, explain, obstacle, refine
from cellbox.responses import responses
from cellbox.settings import Settings


@dataclass(frozen=True, eq=False)
class Outcome:
    """The network that a training ends with.

    validation_mae: mean |predicted - measured| over the validation conditions (log ratio).
    selection_error: what settings are chosen by: the information criterion of the network on its
        training data as an error (`Refined.penalised_noise`), or the validation error where data
        are too few or the network too large for it; infinite where training diverged.
    refinement: what refinement did, as a sentence. noise: the standard deviation of the
        measurements as it estimated it, None where it did not.
    """

    network: Network
    validation_mae: float
    selection_error: float
    refinement: str
    noise: float | None


def finish(
    harvest: Harvest,
    settings: Settings,
    training: MultipleShooting,
    validation: Dataset,
) -> Outcome:
    """Refine what a descent left behind, as its settings say, and judge it.

    validation: the validation conditions alone.
    """
    network = Network(validation.nodes, harvest.weights, harvest.amplitudes)

    def as_it_was(refinement: str, selection_error: float, noise: float | None = None) -> Outcome:
        return Outcome(network, harvest.validation_mae, selection_error, refinement, noise)

    problem = obstacle(training)
    if problem is not None:
        return as_it_was(f"Not refined: {problem}.", harvest.validation_mae)
    if harvest.status.diverged:
        return as_it_was("Not refined: training diverged.", np.inf)
    try:
        before = explain(training, network)
        if settings.refinement == "none":
            return as_it_was("Not refined, as asked.", before.penalised_noise, _noise(before))
        refined = refine(
            training,
            network,
            allowed_edges=validation.allowed_edges,
            select_edges=settings.refinement == "select_edges",
        )
    except np.linalg.LinAlgError as failure:
        # Not the validation error, which is another measure and would look better than it is.
        told = f"Refinement failed: its equations could not be solved ({failure})."
        return as_it_was(told, np.inf)
    errors = [_errors(each, settings, validation) for each in (network, refined.network)]
    if is_worse(*errors, refined.noise):
        told = f"{errors[1].mean():.3g} instead of {errors[0].mean():.3g}"
        sentence = f"Refinement was not kept: validation error {told}."
        return as_it_was(sentence, before.penalised_noise, _noise(before))
    sentence = (
        f"Refined by {refined.n_steps} Gauss-Newton steps: {refined.n_edges} edges, "
        f"noise {refined.noise:.3g}."
    )
    error = float(errors[1].mean())
    return Outcome(refined.network, error, refined.penalised_noise, sentence, refined.noise)


def _noise(explained: Refined) -> float | None:
    return explained.noise if np.isfinite(explained.noise) else None


def _errors(
    network: Network, settings: Settings, validation: Dataset
) -> Float[np.ndarray, " n_rows"]:
    """Mean |predicted - measured| of each row, without activity nodes; infinite where unsolved."""
    predicted = responses(
        network, validation.perturbations, validation.times, prediction_solver(settings)
    )
    nodes = validation.measured_nodes
    apart = np.abs(predicted - validation.measurements)[..., nodes]
    measured = np.isfinite(validation.measurements)[..., nodes]
    apart = np.where(measured, np.where(np.isfinite(apart), apart, np.inf), 0.0)
    counted = measured.sum(axis=(1, 2))
    return apart.sum(axis=(1, 2))[counted > 0] / counted[counted > 0]


def is_worse(
    before: Float[np.ndarray, " n_rows"], after: Float[np.ndarray, " n_rows"], noise: float
) -> bool:
    """Whether the mean absolute errors of some rows have become worse beyond noise.

    noise: standard deviation of a measurement (log ratio).

    That is, by more than the noise in some row, as where it comes to another steady state, or by
    more than a quarter of it on average; or if a row cannot be solved any more.
    """
    if not np.isfinite(after).all():
        return True
    if not np.isfinite(before).all():
        return False
    difference = after - before
    return bool((difference > noise).any() or difference.mean() > noise / 4)
