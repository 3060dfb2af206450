"""Tests of whether residuals ask for something that a model has not, by linear regression.

All are about residuals from which everything that W and α could explain has been projected out
(`Residuals.of`), so that it does not matter which edges a network has.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from cellbox.arrays import NodeValues, RowNumbers
from cellbox.criticism.linear_theory import LinearTheory

# Directions of a design that are shorter than this share of the longest are rounding.
_ROUNDING = 1e-4

_FEWEST_SPARE = 5

# Of one time, what is asked for has to move values by so much of itself (decay times from now, a
# start is forgotten), and so large a share of that W and α have to leave (decay is an amplitude).
_LEAST_EFFECT, _LEAST_SHARE = 0.2, 0.05


# Of many columns so many are chosen at most.
_MOST_CHOSEN = 12


class Outcome(NamedTuple):
    """Of one test: its p value, and the variance that would be left, as a share of what is left.

    n_columns: how many numbers would be free.
    """

    p_value: float
    left: float
    n_columns: float


@dataclass(frozen=True, eq=False)
class Residuals:
    """Residuals without what W and α could explain, and a basis of what they could.

    values, basis: row by row. n_values: how many were measured.
    """

    values: Float[np.ndarray, "n_rows n_values"]
    basis: Float[np.ndarray, "n_rows n_values n_free"]
    n_values: int

    @classmethod
    def of(cls, theory: LinearTheory) -> Residuals:
        """Those of a linear theory."""
        n_rows, n_values, n_free = theory.by_parameters.shape
        design = theory.by_parameters.reshape(-1, n_free)
        scale = np.sqrt((design**2).sum(axis=0))
        basis = np.linalg.qr(design[:, scale > 0] / scale[scale > 0])[0]
        values = theory.residuals.ravel()
        values = values - basis @ (basis.T @ values)
        return cls(
            values.reshape(n_rows, n_values),
            basis.reshape(n_rows, n_values, -1),
            int(theory.measured.sum()),
        )

    @property
    def sum_of_squares(self) -> float:
        """Of all values."""
        return float((self.values**2).sum())

    @property
    def spare(self) -> int:
        """Degrees of freedom that are left."""
        return self.n_values - self.basis.shape[2]

    @property
    def variance(self) -> float:
        """What the noise would be, did Eq. 1 explain the data."""
        return self.sum_of_squares / self.spare

    def asked_for(self, columns: Float[np.ndarray, "n_rows n_values n_columns"]) -> Outcome | None:
        """Whether the residuals ask for these columns (an F test); None where it cannot be told."""
        return self._outcome(*self._taken(columns))

    def asked_for_singly(
        self, columns: Float[np.ndarray, "n_rows n_values n_columns"]
    ) -> tuple[Outcome, list[int]] | None:
        """Whether the residuals ask for a few of many columns, and for which, the first first.

        The p value is that of the first, times how many there are. Each has to lower the
        information criterion by twice the logarithm of that more than a column that is not chosen
        (Chen and Chen 2008). Columns that W and α nearly make up for are not asked. None where
        none can be asked.
        """
        design = self._beside_parameters(columns)
        gram, pulls = design.T @ design, design.T @ self.values.ravel()
        asked = np.diag(gram) >= _LEAST_SHARE**2
        n_asked, total = int(asked.sum()), self.sum_of_squares
        if not n_asked or self.spare - _MOST_CHOSEN < _FEWEST_SPARE:
            return None
        price = math.log(self.n_values) + 2 * math.log(n_asked)
        chosen: list[int] = []
        p_value, left = 1.0, total
        while len(chosen) < _MOST_CHOSEN:
            among = gram[chosen]
            solved = np.linalg.solve(among[:, chosen], among)
            rest = np.diag(gram) - np.einsum("ka,ka->a", among, solved)
            open_ = asked & (rest > 0.5 * _LEAST_SHARE**2)
            open_[chosen] = False
            if not open_.any():
                break
            slopes = pulls - solved.T @ pulls[chosen]
            gains = np.where(open_, slopes**2 / np.where(open_, rest, 1.0), 0.0)
            best = int(np.argmax(gains))
            after = max(left - gains[best], 1e-300)
            spare = self.spare - len(chosen) - 1
            if not chosen:
                p_value = min(1.0, n_asked * upper_f(gains[best] / (after / spare), 1, spare))
            if chosen and self.n_values * math.log(left / after) < price:
                break
            chosen.append(best)
            left = after
        if not chosen:
            return None
        of_each = left / (self.spare - len(chosen))
        # What is chosen among many costs more than a column, in units of columns.
        n_columns = len(chosen) * price / math.log(self.n_values)
        return Outcome(p_value, of_each / self.variance, n_columns), chosen

    def can_tell(self, columns: Float[np.ndarray, "n_rows n_values n_columns"]) -> bool:
        """Whether values of one time tell these columns from W and α, or hardly depend on them.

        Without a course, a start that has decayed and a decay that an amplitude makes up for would
        be asked for as far as noise and the curvature of Eq. 1 resemble them, many times too large.
        """
        n_rows = max(1, int((self.values != 0).any(axis=1).sum()))
        sizes = np.sqrt((columns**2).sum(axis=(0, 1)) / n_rows)
        beside = np.sqrt((self._beside_parameters(columns) ** 2).sum(axis=0))
        return bool((sizes >= _LEAST_EFFECT).any() and (beside >= _LEAST_SHARE).any())

    def taken_by_node(self, columns: Float[np.ndarray, "n_rows n_values n_nodes"]) -> NodeValues:
        """By how much each column alone would lower the sum of squares."""
        design = self._beside_parameters(columns)
        squares = (design**2).sum(axis=0)
        pulls = design.T @ self.values.ravel()
        told = squares > _ROUNDING**2 * max(squares.max(), 1e-300)
        return np.where(told, pulls**2 / np.where(told, squares, 1.0), 0.0)

    def rows_asked_for(
        self, by_drive: Float[np.ndarray, "n_rows n_values n_nodes"]
    ) -> Outcome | None:
        """Whether each row asks for drives of its own: what is left agrees over a row's times."""
        basis = np.linalg.qr(by_drive)[0]
        taken = np.einsum("rvk,rv->rk", basis, self.values)
        shared = np.einsum("rvk,rvp->rkp", basis, self.basis)
        n_columns = float(basis.shape[0] * basis.shape[2] - (shared**2).sum())
        return self._outcome(float((taken**2).sum()), n_columns)

    def autocorrelated(self, n_times: int) -> float:
        """p value of residuals that resemble those of the time before."""
        shape = (len(self.values), n_times, -1)
        values = self.values.reshape(shape)
        basis = self.basis.reshape(*values.shape, -1)
        products = values[:, 1:] * values[:, :-1]
        # Projecting makes them resemble one another by this much.
        expected = -self.variance * float((basis[:, 1:] * basis[:, :-1]).sum())
        spread = math.sqrt(float((products**2).sum()))
        return _upper_normal((float(products.sum()) - expected) / max(spread, 1e-300))

    def _outcome(self, taken: float, n_columns: float) -> Outcome | None:
        spare = self.spare - n_columns
        if n_columns < 0.5 or spare < _FEWEST_SPARE:
            return None
        left = max(self.sum_of_squares - taken, 1e-300) / spare
        return Outcome(
            upper_f(taken / n_columns / left, n_columns, spare), left / self.variance, n_columns
        )

    def _taken(
        self, columns: Float[np.ndarray, "n_rows n_values n_columns"]
    ) -> tuple[float, float]:
        """By how much columns lower the sum of squares, and how many they are beside W and α."""
        design = self._beside_parameters(columns)
        own, sizes, _ = np.linalg.svd(design, full_matrices=False)
        own = own[:, sizes > _ROUNDING * max(sizes.max(), 1e-300)]
        return float(((own.T @ self.values.ravel()) ** 2).sum()), float(own.shape[1])

    def _beside_parameters(
        self, columns: Float[np.ndarray, "n_rows n_values n_columns"]
    ) -> Float[np.ndarray, "n_all n_columns"]:
        design = columns.reshape(-1, columns.shape[2])
        scale = np.sqrt((design**2).sum(axis=0))
        design = design / np.where(scale > 0, scale, 1.0)
        basis = self.basis.reshape(len(design), -1)
        return design - basis @ (basis.T @ design)


def predicted_worse(every: Residuals, trained: Residuals, n_own: int = 0) -> Outcome | None:
    """Whether rows that a fit has not seen leave more than those that it has (Chow 1960).

    every: of all rows. trained: of the rows that it was fitted to, a part of them. n_own: numbers
    that were fitted to the other rows alone.
    """
    n_more = every.n_values - trained.n_values - n_own
    if n_more < 1 or trained.spare < _FEWEST_SPARE:
        return None
    more = max(every.sum_of_squares - trained.sum_of_squares, 0.0) / n_more
    p_value = upper_f(more / trained.variance, n_more, trained.spare)
    return Outcome(p_value, trained.variance / every.variance, n_more)


def lack_of_fit(
    residuals: Float[np.ndarray, "n_rows n_values"],
    measured: Bool[np.ndarray, "n_rows n_values"],
    conditions: RowNumbers,
    n_free: int,
) -> Outcome | None:
    """Whether what is left differs between conditions more than between their replicates.

    residuals: measured minus predicted. n_free: parameters that were fitted. None without
    replicates.
    """
    within, n_within = 0.0, 0
    for each in np.unique(conditions):
        known = measured[conditions == each]
        values = np.where(known, residuals[conditions == each], 0.0)
        counts = known.sum(axis=0)
        means = values.sum(axis=0) / np.maximum(counts, 1)
        within += float((known * (values - means) ** 2).sum())
        n_within += int(np.maximum(counts - 1, 0).sum())
    total, n_values = float((residuals[measured] ** 2).sum()), int(measured.sum())
    n_between = n_values - n_within - n_free
    if n_within < _FEWEST_SPARE or n_between < 1 or not within > 0:
        return None
    noise = within / n_within
    p_value = upper_f((total - within) / n_between / noise, n_between, n_within)
    return Outcome(p_value, min(1.0, noise / (total / (n_values - n_free))), n_between)


def upper_f(statistic: float, above: float, below: float) -> float:
    """The chance of an F statistic as large or larger, with these degrees of freedom."""
    # Here, since the package promises an import that loads nothing heavy.
    from scipy.special import fdtrc

    return float(fdtrc(above, below, max(statistic, 0.0)))


def _upper_normal(statistic: float) -> float:
    from scipy.special import ndtr

    return float(ndtr(-statistic))
