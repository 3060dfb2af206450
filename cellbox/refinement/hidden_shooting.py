"""Hidden nodes in multiple shooting: nodes without values, behind the measured ones.

Their amplitudes are 1 by convention (`cellbox.networks.hidden_nodes`), and each may have a drive of
its own in each row, which is a parameter as an entry of W is. Drives stand behind all other
parameters, row by row.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from cellbox.arrays import Perturbations, Responses, RowNumbers
from cellbox.equation.interval_flow import Flow
from cellbox.networks.form import Form
from cellbox.refinement.edge_prices import EdgePrices


class Hidden(NamedTuple):
    """How many nodes are hidden, and which drives belong to each row.

    form: what is fitted. n_nodes: all of them. row: of each row, its place among those that the
    drives were made for. n_rows: how many these were.
    """

    form: Form
    n_nodes: int
    row: RowNumbers
    n_rows: int

    @property
    def n_hidden(self) -> int:
        """How many are hidden."""
        return self.form.n_hidden

    @property
    def n_shown(self) -> int:
        """How many are not."""
        return self.n_nodes - self.n_hidden

    @property
    def n_drives(self) -> int:
        """Numbers behind those of the form."""
        return self.n_rows * self.n_hidden

    def drives(
        self, parameters: Float[np.ndarray, " n_parameters"]
    ) -> Float[np.ndarray, "n_rows n_hidden"]:
        """What acts on each hidden node in each row, with the sign of perturbations."""
        table = parameters[len(parameters) - self.n_drives :].reshape(self.n_rows, self.n_hidden)
        return table[self.row]

    def driven(self, parameters: Float[np.ndarray, " n_parameters"]) -> tuple[int, ...]:
        """In how many rows each hidden node has a drive of its own."""
        return tuple(int(count) for count in (self.drives(parameters) != 0).sum(axis=0))

    def acting(
        self, parameters: Float[np.ndarray, " n_parameters"], perturbations: Perturbations
    ) -> Perturbations:
        """Perturbations of all nodes."""
        every = perturbations.copy()
        every[:, self.n_shown :] += self.drives(parameters)
        return every

    def with_drives(self, there: Flow) -> Flow:
        """Derivatives by the drives behind those that the form gives.

        there: of a form with a constant drive of each node, whose derivatives these are.
        """
        n_times = len(there.ends) // len(self.row)
        inner = self.inner
        begin = self.n_nodes**2 + self.n_nodes + inner.place("drive", self.n_nodes).start
        of_hidden = there.by_parameters[..., begin + self.n_shown : begin + self.n_nodes]
        by_drives = np.zeros((*there.by_parameters.shape[:2], self.n_rows, self.n_hidden))
        intervals = np.arange(len(there.ends))
        by_drives[intervals, :, np.repeat(self.row, n_times)] = -of_hidden
        flat = by_drives.reshape(*there.by_parameters.shape[:2], self.n_drives)
        return there._replace(by_parameters=np.concatenate([there.by_parameters, flat], axis=2))

    @property
    def inner(self) -> Form:
        """The form that rates have: a drive of each node, which gives the derivatives by drives."""
        return with_drive(self.form)

    def free(self, free: Bool[np.ndarray, " n_others"]) -> Bool[np.ndarray, " n_parameters"]:
        """Parameters that may differ from 0, of those before the drives and of these.

        Hidden nodes have their amplitudes by convention, and no numbers of the form.
        """
        n, inner = self.n_nodes, self.inner
        free = free.copy()
        free[n**2 + self.n_shown : n**2 + n] = False
        for part in inner.parts:
            begin = n**2 + n + inner.place(part, n).start
            if part not in self.form.parts:
                free[begin : begin + n] = False
            elif part != "time_scale":
                free[begin + self.n_shown : begin + n] = False
        present = np.isin(np.arange(self.n_rows), self.row)
        return np.concatenate([free, np.repeat(present, self.n_hidden)])


def with_drive(form: Form) -> Form:
    """The form with a constant drive of each node."""
    return form if "drive" in form.parts else form.with_part("drive") or form


def padded_nodes(values: Responses | Perturbations, more: int, fill: float) -> np.ndarray:
    """The same with more nodes, which are last."""
    widths = [(0, 0)] * (values.ndim - 1) + [(0, more)]
    return np.pad(values, widths, constant_values=fill)


def padded_edges(
    edges: Bool[np.ndarray, "n_known n_known"], n_nodes: int
) -> Bool[np.ndarray, "n_all n_all"]:
    """Allowed edges with those of hidden nodes, which may all be."""
    more = n_nodes - len(edges)
    return np.pad(edges, (0, more), constant_values=True) if more else edges


def padded_prices(prices: EdgePrices | None, more: int) -> EdgePrices | None:
    """What edges cost, where those of hidden nodes cost nothing beside."""
    if prices is None:
        return None
    positive, negative = (np.pad(each, (0, more)) for each in (prices.positive, prices.negative))
    return replace(prices, positive=positive, negative=negative)


def shown_prices(prices: EdgePrices | None, n_shown: int) -> EdgePrices | None:
    """What edges of the nodes cost that are not hidden."""
    if prices is None:
        return None
    shown = np.s_[:n_shown, :n_shown]
    return replace(prices, positive=prices.positive[shown], negative=prices.negative[shown])
