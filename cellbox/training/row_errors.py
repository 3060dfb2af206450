"""Mean absolute errors of validation rows, and what they say: that it is worse, or is noise."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from cellbox.arrays import Responses
from cellbox.data.dataset import Dataset
from cellbox.equation.network_responses import responses
from cellbox.equation.solver_settings import SolverSettings
from cellbox.networks.network import Network
from cellbox.networks.whole_network import n_hidden_of
from cellbox.refinement.hidden_drives import led_with_drives
from cellbox.refinement.multiple_shooting import MultipleShooting

# Mean errors that are noise, in its standard deviations: 0.8 is expected, of all rows and of each.
_ENOUGH, _ENOUGH_IN_A_ROW = 1.25, 2.0


def errors_in_rows(
    network: Network, held_out: Dataset, solver: SolverSettings, typical_error: float
) -> tuple[Float[np.ndarray, " n_rows"], float]:
    """Mean |predicted - measured| of each row, without activity nodes; infinite if unsolved.

    Where errors of values are known, each counts by the typical one over its own. Also the mean
    over rows, in which all values count alike.

    Rows of a network with hidden nodes have the drives that they ask for, which no prediction can
    know; in the mean they have none.
    """
    predicted = responses(
        network,
        held_out.perturbations,
        held_out.times,
        solver,
        lines=held_out.lines,
        interventions=held_out.interventions,
    )
    errors, mean = _of_predictions(predicted, held_out, typical_error)
    if n_hidden_of(network):
        problem = MultipleShooting.of(held_out, np.arange(held_out.n_rows)).of_form(network)
        led = led_with_drives(problem, network).states[..., : network.n_nodes]
        errors, _ = _of_predictions(led, held_out, typical_error)
    return errors, mean


def _of_predictions(
    predicted: Responses, held_out: Dataset, typical_error: float
) -> tuple[Float[np.ndarray, " n_rows"], float]:
    """Those of these predictions."""
    nodes = held_out.measured_nodes
    apart = np.abs(predicted - held_out.measurements)[..., nodes]
    measured = np.isfinite(held_out.measurements)[..., nodes]
    apart = np.where(measured, np.where(np.isfinite(apart), apart, np.inf), 0.0)
    counted = measured.sum(axis=(1, 2))
    alike = apart.sum(axis=(1, 2))[counted > 0] / counted[counted > 0]
    if held_out.errors is None:
        return alike, float(alike.mean())
    of_values = typical_error / held_out.errors[..., nodes]
    by_errors = np.where(measured, apart * of_values, 0.0).sum(axis=(1, 2))
    return by_errors[counted > 0] / counted[counted > 0], float(alike.mean())


def are_noise(errors: Float[np.ndarray, " n_rows"], noise: float) -> bool:
    """Whether rows are predicted as well as noise lets them be.

    noise: standard deviation of a measurement (log ratio).
    """
    worst = float(errors.max(initial=0.0))
    return bool(errors.mean() <= _ENOUGH * noise and worst <= _ENOUGH_IN_A_ROW * noise)


def is_worse(
    before: Float[np.ndarray, " n_rows"], after: Float[np.ndarray, " n_rows"], noise: float
) -> bool:
    """Whether the mean absolute errors of some rows have become worse beyond noise.

    noise: standard deviation of a measurement (log ratio).

    That is, on average by more than a quarter of the noise; or at all on average, and by more than
    the noise in some row, as where that comes to another steady state; or if a row cannot be solved
    any more.
    """
    if not np.isfinite(after).all():
        return True
    if not np.isfinite(before).all():
        return False
    difference = after - before
    allowed = 0.0 if (difference > noise).any() else noise / 4
    return bool(difference.mean() > allowed)
