"""Measured series, and what a network that is to explain them may have beside Eq. 1.

The numbers of a form (`cellbox.networks.form`) are parameters behind W and log α, and behind them
what drives its hidden nodes (`cellbox.refinement.hidden_shooting`), or what differs between cell
lines (`cellbox.refinement.line_shooting`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from jaxtyping import Bool, Float, Int

from cellbox.arrays import EdgeMask, Perturbations, RowMask, RowNumbers
from cellbox.data.dataset import Dataset
from cellbox.networks.form import EQ_1, Form
from cellbox.networks.interventions import rows_of
from cellbox.networks.network import Network
from cellbox.networks.off_targets import OFF_TARGET
from cellbox.refinement.edge_prices import EdgePrices
from cellbox.refinement.hidden_shooting import (
    Hidden,
    padded_edges,
    padded_nodes,
    padded_prices,
    shown_prices,
)
from cellbox.refinement.line_shooting import Lines
from cellbox.refinement.measured_series import MeasuredSeries

_Series = TypeVar("_Series", bound="FormedSeries")


@dataclass(frozen=True, eq=False)
class FormedSeries(MeasuredSeries):
    """The measured series that a network is to explain, and how it may.

    form: what the network may have beside Eq. 1.
    prices: what edges cost in the information criterion beside log(n_values); None for nothing.
    hidden: which nodes, the last ones, are hidden, with their drives; None where none are.
    lines: the cell line of each row; None where they are of one.
    off_targets: what doses may do to other nodes, where the form has it; None for all that these
    doses can tell.
    """

    form: Form = EQ_1
    prices: EdgePrices | None = None
    hidden: Hidden | None = None
    lines: Lines | None = None
    off_targets: EdgeMask | None = None

    @classmethod
    def of(cls: type[_Series], data: Dataset, rows: RowNumbers) -> _Series:
        """The problem of some rows of a data set; a row may be given more than once."""
        problem = cls(data.perturbations[rows], data.measurements[rows], data.times)
        if data.lines is not None:
            problem = replace(problem, lines=Lines.of(data, rows))
        if data.interventions is not None:
            problem = replace(problem, interventions=data.interventions_of(rows))
        if data.errors is None:
            return problem
        # Of all rows, so that every part of the data has the same unit.
        typical = data.typical_error
        return replace(problem, errors=data.errors[rows], typical_error=typical)

    def rows(self: _Series, rows: RowMask | Int[np.ndarray, " n_chosen"]) -> _Series:
        """The problem of these rows alone."""
        return replace(
            self,
            perturbations=self.perturbations[rows],
            measurements=self.measurements[rows],
            weights=None if self.weights is None else self.weights[rows],
            errors=None if self.errors is None else self.errors[rows],
            hidden=None if self.hidden is None else self.hidden._replace(row=self.hidden.row[rows]),
            lines=None if self.lines is None else self.lines.of_rows(rows),
            interventions=rows_of(self.interventions, rows),
        )

    @property
    def plain(self: _Series) -> _Series | None:
        """The rows in which all doses last and no node is held; None where there are none."""
        if self.interventions is None:
            return self
        ordinary = ~self.interventions.affected
        return self.rows(ordinary) if self.measured[ordinary].any() else None

    def of_form(self: _Series, network: Network) -> _Series:
        """The same with the parts that a network has beside Eq. 1."""
        if network.form is None:
            return self
        problem = self.with_form(network.form.form)
        if OFF_TARGET in problem.form.parts:
            problem = replace(problem, off_targets=network.form.values[OFF_TARGET] != 0)
        lines = problem.differing
        if lines is None:
            return problem
        return replace(problem, lines=lines.told_by(network.form.lines))

    def with_form(self: _Series, form: Form) -> _Series:
        """The same with a form. Hidden nodes stand behind the others, and have no values."""
        more = form.n_hidden
        if form.lines and self.lines is not None:
            lines = self.lines._replace(form=form, told=None)
            return replace(self, form=lines.inner, lines=lines)
        form = replace(form, lines=False) if form.lines else form
        if self.differing is not None:
            self = replace(self, lines=self.differing._replace(form=EQ_1))
        if self.hidden is not None:
            # They are there already, of which a network may have fewer.
            known = self.hidden._replace(form=replace(form, n_hidden=self.hidden.n_hidden))
            return replace(self, form=known.inner, hidden=known)
        if not more:
            return replace(self, form=form)
        n_rows = len(self.perturbations)
        hidden = Hidden(form, self.n_nodes + more, np.arange(n_rows), n_rows)
        return replace(
            self,
            perturbations=padded_nodes(self.perturbations, more, 0.0),
            measurements=padded_nodes(self.measurements, more, np.nan),
            weights=None if self.weights is None else padded_nodes(self.weights, more, 0.0),
            errors=None if self.errors is None else padded_nodes(self.errors, more, np.nan),
            form=hidden.inner,
            prices=padded_prices(self.prices, more),
            hidden=hidden,
        )

    def without_hidden(self: _Series) -> _Series:
        """The problem of the nodes that are not hidden, by Eq. 1; itself where all are such."""
        if self.hidden is None:
            return self
        shown = np.s_[..., : self.n_shown]
        return replace(
            self,
            perturbations=self.perturbations[shown],
            measurements=self.measurements[shown],
            weights=None if self.weights is None else self.weights[shown],
            errors=None if self.errors is None else self.errors[shown],
            form=EQ_1,
            prices=shown_prices(self.prices, self.n_shown),
            hidden=None,
        )

    def without_differences(self: _Series) -> _Series:
        """The same where all lines are taken as one."""
        return self.with_form(replace(self.fitted_form, lines=False))

    @property
    def differing(self) -> Lines | None:
        """The cell lines, where these may differ; None where all rows are taken as of one."""
        return self.lines if self.lines is not None and self.lines.differ else None

    @property
    def fitted_form(self) -> Form:
        """What is fitted beside Eq. 1."""
        if self.differing is not None:
            return self.differing.form
        return self.form if self.hidden is None else self.hidden.form

    @property
    def n_shown(self) -> int:
        """How many nodes are not hidden."""
        return self.n_nodes if self.hidden is None else self.hidden.n_shown

    @property
    def n_parameters(self) -> int:
        """Entries of W, amplitudes, numbers of the form, and what is behind them.

        That is drives of hidden nodes, or differences between lines.
        """
        n_drives = 0 if self.hidden is None else self.hidden.n_drives
        n_drives += 0 if self.lines is None else self.lines.n_numbers(self.n_nodes)
        return self.n_nodes**2 + self.n_nodes + self.form.n_numbers(self.n_nodes) + n_drives

    def free(self, edges: EdgeMask) -> Bool[np.ndarray, " n_parameters"]:
        """The parameters that may differ from Eq. 1 without edges, with these edges.

        edges: of all nodes, or of those that are not hidden, and then of hidden ones all.
        """
        edges = padded_edges(edges, self.n_nodes)
        amplitudes = np.full(self.n_nodes, self.form.has_amplitudes)
        of_form = self.form.told(self.perturbations)
        if OFF_TARGET in self.form.parts and self.off_targets is not None:
            of_form[self.form.place(OFF_TARGET, self.n_nodes)] &= self.off_targets.T.ravel()
        free = np.concatenate([edges.ravel(), amplitudes, of_form])
        if self.differing is not None:
            return self.differing.free(free, edges)
        return free if self.hidden is None else self.hidden.free(free)

    @property
    def off_target_places(self) -> Int[np.ndarray, "n_nodes n_nodes"]:
        """Where each entry of O, target by source, stands among the parameters."""
        n = self.n_nodes
        begin = n**2 + n + self.form.place(OFF_TARGET, n).start
        return begin + np.arange(n**2).reshape(n, n).T

    def _split(
        self, parameters: Float[np.ndarray, " n_parameters"]
    ) -> tuple[np.ndarray, np.ndarray]:
        """W and α."""
        n_weights = self.n_nodes**2
        weights = parameters[:n_weights].reshape(self.n_nodes, self.n_nodes)
        with np.errstate(over="ignore"):
            return weights, np.exp(parameters[n_weights : n_weights + self.n_nodes])

    def _numbers(self, parameters: Float[np.ndarray, " n_parameters"]) -> np.ndarray:
        """Those of the form."""
        begin = self.n_nodes**2 + self.n_nodes
        return parameters[begin : begin + self.form.n_numbers(self.n_nodes)]

    def _acting(self, parameters: Float[np.ndarray, " n_parameters"]) -> Perturbations:
        """Perturbations, with what drives hidden nodes."""
        if self.hidden is None:
            return self.perturbations
        return self.hidden.acting(parameters, self.perturbations)
