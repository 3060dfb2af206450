"""A search where nodes are hidden: what a selection does more carefully, and tries besides."""

from __future__ import annotations

import numpy as np

from cellbox.refinement.edge_selection import information_criterion
from cellbox.refinement.search import SHARE_LEFT_OUT, Search
from cellbox.refinement.shared_edges import taken_over
from cellbox.refinement.swaps import best_swaps

# Exchanges of one parameter for another that are tried where there are hidden nodes, and what one
# has to lower the criterion by.
_MOST_SWAPS, _LEAST_GAIN = 3, 0.5


class HiddenSearch(Search):
    """A search with hidden nodes, whose weights and drives make products."""

    def _choose_rows_anew(self) -> bool:
        """Not with hidden nodes: rows of measured nodes alone do not know what drives these."""
        return False

    def _let_in(self) -> bool:
        return self._add() or self._exchange() or self._take_over()

    def _leave_out(self) -> bool:
        """Leave out what the quadratic says, as far as the fit without it is better indeed.

        What hidden nodes do is a product, of weights to and from them and of drives, and the
        quadratic may take either factor for the one to leave out. Fewer are tried where the fit is
        worse, and one alone that makes it worse is not asked again.
        """
        most = max(1, int(SHARE_LEFT_OUT * self._free.sum()))
        while True:
            before, criterion = self._state, self._penalised_criterion
            if not self._drop(most):
                return False
            if self._penalised_criterion <= criterion:
                return True
            gone = before.free & ~self._free
            self._state = before
            n_gone = int(gone.sum())
            if n_gone == 1:
                self._needed |= gone
            most = max(1, n_gone // 3)

    def _exchange(self) -> bool:
        """Let one parameter in for another, if that lowers what is left; whether one was."""
        allowed, before, criterion = self._allowed, self._state, self._penalised_criterion
        quadratic = self._penalised(allowed)
        swaps = best_swaps(
            quadratic.curvature,
            quadratic.gradient,
            self._point.parameters[allowed],
            self._free[allowed],
            ~self._is_amplitude[allowed],
            _MOST_SWAPS,
        )
        places = np.flatnonzero(allowed)
        for swap in swaps:
            self._free = before.free.copy()
            self._free[places[swap.comes]], self._free[places[swap.goes]] = True, False
            parameters = self._point.parameters * self._free
            self._point = self._point._replace(parameters=parameters)
            self.fit()
            if self._penalised_criterion < criterion - _LEAST_GAIN:
                return True
            self._state = before
        return False

    def _take_over(self) -> bool:
        """Let hidden nodes stand for edges of sources, if that pays; whether they do.

        Their drives and the weights to them are all free again, since drives may have stood for
        what the sources do.
        """
        problem, n_nodes = self._problem, self._problem.n_nodes
        n_drives = 0 if problem.hidden is None else problem.hidden.n_drives
        n_weights, before, criterion = n_nodes**2, self._state, self._penalised_criterion
        weights = self._point.parameters[:n_weights].reshape(n_nodes, n_nodes)
        for moved in taken_over(weights, problem.n_shown, _MOST_SWAPS):
            is_edge = moved != 0
            is_edge[problem.n_shown :] = True
            parameters, free = self._point.parameters.copy(), self._free.copy()
            parameters[:n_weights], free[:n_weights] = moved.ravel(), is_edge.ravel()
            free[len(free) - n_drives :] = True
            self._free = free & self._allowed
            self._point = self._point._replace(parameters=np.where(self._free, parameters, 0.0))
            self.fit()
            while self._leave_out():
                pass
            if self._penalised_criterion < criterion - _LEAST_GAIN:
                return True
            self._state = before
        return False

    @property
    def _penalised_criterion(self) -> float:
        """What a selection lowers; the likelihood is that of the penalised fit."""
        n_values = self._problem.n_values
        return information_criterion(self._penalised_sum(), n_values, float(self._free.sum()))
