"""What drives hidden nodes in each row, fitted to that row where the network is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from cellbox.networks.network import Network
from cellbox.refinement.damped_steps import NEAR, least_squares
from cellbox.refinement.linearised import Iterate
from cellbox.refinement.multiple_shooting import MultipleShooting

# The noise's variance as a share of the responses' mean square, for a drive that nothing tells to
# stay where it is.
_NOISE = 1e-4


def point_with_drives(problem: MultipleShooting, network: Network) -> Iterate:
    """The point of a network, with drives of its hidden nodes that explain each row best."""
    point = problem.point(network)
    if problem.hidden is None:
        return point
    n_drives = problem.hidden.n_drives
    free = np.zeros(problem.n_parameters, bool)
    free[len(free) - n_drives :] = True
    free &= problem.free(np.zeros((problem.n_nodes, problem.n_nodes), bool))
    penalty = np.full(len(free), _NOISE * problem.mean_square)
    expected = np.zeros(len(free))
    fitted, _ = least_squares(
        problem, point, free, expected=expected, penalty=penalty, damping=NEAR, tolerance=1e-4
    )
    return fitted


def led_with_drives(problem: MultipleShooting, network: Network) -> Iterate:
    """Where a network leads in each row with the drives that this row asks for.

    The states of measured nodes are first.
    """
    nothing = np.full(problem.measurements.shape, np.nan)
    parameters = point_with_drives(problem, network).parameters
    return replace(problem, measurements=nothing).led(parameters)
