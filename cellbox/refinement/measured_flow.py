"""What a form does to intervals beside their rate: where the first begins, and what is measured.

States that are free are as they would be measured, with the offset of their row. It is taken off
where an interval begins, but for the first, which begins at x(0), and added where it ends.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from cellbox.arrays import Perturbations, Responses
from cellbox.equation.interval_flow import Flow
from cellbox.networks.form import Form, treated_rows


def begun(
    form: Form, numbers: Float[np.ndarray, " n_numbers"], states: Responses, offsets: Perturbations
) -> Responses:
    """Where the intervals of each row begin, without the offset."""
    n_nodes = states.shape[2]
    first = np.zeros((len(states), 1, n_nodes))
    if "start" in form.parts:
        first = first + numbers[form.place("start", n_nodes)]
    return np.concatenate([first, states[:, :-1] - offsets[:, None]], axis=1)


def offsets_of(
    form: Form, numbers: Float[np.ndarray, " n_numbers"], perturbations: Perturbations
) -> Perturbations:
    """What is measured beside the states of each row."""
    if "offset" not in form.parts:
        return np.zeros(perturbations.shape)
    offset = numbers[form.place("offset", perturbations.shape[1])]
    return treated_rows(perturbations)[:, None] * offset


def as_measured(
    form: Form, there: Flow, perturbations: Perturbations, offsets: Perturbations
) -> Flow:
    """Where intervals lead as it is measured, with the derivatives by x(0) and the offset."""
    n_rows, n_nodes = perturbations.shape
    n_times = len(there.ends) // n_rows
    first = (np.arange(len(there.ends)) % n_times == 0)[:, None, None]
    by_parameters = there.by_parameters.copy()
    of_form = by_parameters[..., n_nodes**2 + n_nodes :]
    if "start" in form.parts:
        of_form[..., form.place("start", n_nodes)] = np.where(first, there.by_start, 0.0)
    if "offset" in form.parts:
        treated = np.repeat(treated_rows(perturbations), n_times)[:, None, None]
        columns = np.eye(n_nodes) - np.where(first, 0.0, there.by_start)
        of_form[..., form.place("offset", n_nodes)] = treated * columns
    ends = there.ends + np.repeat(offsets, n_times, axis=0)
    return there._replace(ends=ends, by_parameters=by_parameters)
