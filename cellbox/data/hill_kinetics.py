"""A network that is not one of Eq. 1: genes with Hill kinetics, to try the method on.

The level y of a gene is made at a rate that each regulator multiplies, and decays in unit time,

    dy_i/dt = exp(−u_i) · Π_j f(y_j; W_ij) − y_i,    f(y; w) = 2 y^(2w) / (1 + y^(2w))

so that a positive weight is an activation with Hill coefficient 2 w, a negative one a repression,
and every level is 1 without a perturbation. The response is log2 y. Amplitudes have no part in it.
Products of Hill functions are how GeneNetWeaver and BEELINE make expression data (Schaffter et al.
2011, Pratapa et al. 2020).
"""

from __future__ import annotations

import numpy as np

from cellbox.arrays import Perturbations, Responses, Times
from cellbox.errors import refuse
from cellbox.networks.network import Network


def hill_responses(network: Network, perturbations: Perturbations, times: Times) -> Responses:
    """log2 of the levels at `times` (decay times) under each perturbation, from 1 at time 0.

    Raises InputError for a network too stiff to solve.

    Example:
        >>> import cellbox, numpy
        >>> u = numpy.array([[1.0, 0, 0, 0, 0, 0, 0]])
        >>> hill_responses(cellbox.system("LI").network, u, numpy.array([20.0])).shape
        (1, 1, 7)
    """
    # Takes longer to load than many a solution.
    from scipy.integrate import solve_ivp

    coefficients = 2 * network.weights
    present = coefficients != 0

    def rate(_: float, logarithms: np.ndarray, u: np.ndarray) -> np.ndarray:
        # In logarithms a level cannot become negative, and f is a softplus.
        made = np.where(present, np.log(2) - np.logaddexp(0, -coefficients * logarithms), 0.0)
        return np.exp(made.sum(axis=1) - u - logarithms) - 1

    answers = []
    for row, u in enumerate(perturbations):
        solved = solve_ivp(
            rate,
            (0.0, float(times[-1])),
            np.zeros(network.n_nodes),
            method="LSODA",
            t_eval=times,
            args=(u,),
            rtol=1e-8,
            atol=1e-10,
        )
        if not solved.success:
            found = f"the response of condition {row + 1} cannot be solved: {solved.message}"
            raise refuse("Hill kinetics", found, "Use smaller weights or doses")
        answers.append(solved.y.T / np.log(2))
    return np.array(answers)
