"""The data of a study: one pool for all trials, and the same validation and test for each.

A trial's budget is a set of indices into the pool. Within a repeat, subsets are nested: a
smaller number of conditions, of perturbed nodes or (for files) of time points is part of any
larger one, so that two budgets differ by what was added and by nothing else.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int

from cellbox.arrays import RowNumbers, Times
from cellbox.data.dataset import Dataset, Split, validation_rows
from cellbox.errors import DataWarning
from search.study.budget import Budget


@dataclass(frozen=True, eq=False)
class StudyData:
    """What every worker holds: the training pool, and one data set to judge all trials on.

    pool_rows: for each repeat and number of perturbed nodes, indices of the pool's rows,
        condition by condition, in the order in which a growing budget takes them.
    pool_times: for each number of time points, ascending indices into `times`.
    evaluation: validation and test rows; split: which of them are which.
    own: the budget that a trial has unless it searches another.
    rounding_sensitive: the pool's rows whose response rounding decides; None where not known. They
        are trained on like the others.
    warnings: what speaks against taking the data as they are; see `cellbox.data_warnings`.
    errors: standard errors of the pool's measurements; None where the data tell none.
    lines: the cell line of each of the pool's rows; None where the data tell none.
    """

    perturbations: Float[np.ndarray, "n_pool_rows n_nodes"]
    measurements: Float[np.ndarray, "n_pool_rows n_times n_nodes"]
    noise_free: Float[np.ndarray, "n_pool_rows n_times n_nodes"] | None
    times: Times
    pool_rows: dict[tuple[int, int | None], tuple[RowNumbers, ...]]
    pool_times: dict[int, Int[np.ndarray, " n_chosen"]]
    evaluation: Dataset
    split: Split
    own: Budget
    rounding_sensitive: Bool[np.ndarray, " n_pool_rows"] | None = None
    warnings: tuple[DataWarning, ...] = ()
    errors: Float[np.ndarray, "n_pool_rows n_times n_nodes"] | None = None
    lines: tuple[str, ...] | None = None

    @property
    def several_times(self) -> bool:
        """Whether responses were measured at more than one time."""
        return len(self.times) > 1

    def indices(
        self, budget: Budget, repeat: int
    ) -> tuple[RowNumbers, Int[np.ndarray, " n_times"]]:
        """The pool's rows and times that a budget opens in a repeat."""
        conditions = self.pool_rows[repeat, budget.perturbed_nodes][: budget.conditions]
        return np.concatenate(conditions), self.pool_times[budget.time_points]

    def fingerprint(self) -> str:
        """Tells whether files have changed: of measurements, or of the network simulated.

        Simulated measurements do not count: another machine may round them otherwise.
        """
        truth, held_out = self.evaluation.truth, self.evaluation
        arrays = (
            (self.perturbations, self.measurements, held_out.measurements)
            if self.noise_free is None or truth is None
            else (truth.weights, truth.amplitudes)
        )
        digest = hashlib.sha256()
        prior = held_out.prior
        listed = [] if prior is None else [prior.confidence, prior.signs]
        for values in (*arrays, *([] if self.errors is None else [self.errors]), *listed):
            digest.update(np.ascontiguousarray(values, float).tobytes())
        for names in (self.lines, held_out.lines):
            digest.update("\n".join(names or ()).encode())
        return digest.hexdigest()

    def _lines_of(self, rows: RowNumbers) -> tuple[str, ...] | None:
        """The cell line of some rows of the pool."""
        return None if self.lines is None else tuple(self.lines[row] for row in rows)

    def training_set(
        self, rows: RowNumbers, times: Int[np.ndarray, " n_times"]
    ) -> tuple[Dataset, Split]:
        """What a trial saw together with what it is judged on, as one data set, and its split.

        Training measurements stand at the evaluation's times, NaN where the trial saw none.
        """
        held_out = self.evaluation
        split = replace(self.split, training=held_out.n_rows + np.arange(len(rows)))
        noise_free = held_out.noise_free
        if noise_free is not None and self.noise_free is not None:
            exact = self._at_evaluation_times(self.noise_free, rows, np.arange(len(self.times)))
            noise_free = np.concatenate([noise_free, exact])
        errors = held_out.errors
        if errors is not None and self.errors is not None:
            known_errors = self._at_evaluation_times(self.errors, rows, times)
            errors = np.concatenate([errors, known_errors])
        sensitive = None
        if held_out.rounding_sensitive is not None and self.rounding_sensitive is not None:
            known = (held_out.rounding_sensitive, self.rounding_sensitive[rows])
            sensitive = np.concatenate(known)
        whole = replace(
            held_out,
            perturbations=np.concatenate([held_out.perturbations, self.perturbations[rows]]),
            measurements=np.concatenate(
                [
                    held_out.measurements,
                    self._at_evaluation_times(self.measurements, rows, times),
                ]
            ),
            row_names=held_out.row_names + tuple(f"training {row + 1}" for row in rows),
            noise_free=noise_free,
            errors=errors,
            rounding_sensitive=sensitive,
            split=split,
            lines=None
            if held_out.lines is None
            else (*held_out.lines, *(self._lines_of(rows) or ())),
        )
        return whole, split

    @property
    def validation(self) -> Dataset:
        """The validation rows that choose between models."""
        return self.evaluation.rows(validation_rows(self.evaluation, self.split))

    @property
    def pool(self) -> Dataset:
        """All rows and times that some trial may be trained on."""
        return self.trained_on(np.arange(len(self.perturbations)), np.arange(len(self.times)))

    def trained_on(self, rows: RowNumbers, times: Int[np.ndarray, " n_times"]) -> Dataset:
        """What a trial was trained on, and nothing else, at the times that it saw."""
        sensitive = self.rounding_sensitive
        return replace(
            self.evaluation,
            times=self.times[times],
            perturbations=self.perturbations[rows],
            measurements=self.measurements[rows][:, times],
            row_names=tuple(f"training {row + 1}" for row in rows),
            noise_free=None,
            errors=None if self.errors is None else self.errors[rows][:, times],
            rounding_sensitive=None if sensitive is None else sensitive[rows],
            lines=self._lines_of(rows),
        )

    def _at_evaluation_times(
        self,
        values: Float[np.ndarray, "n_pool_rows n_times n_nodes"],
        rows: RowNumbers,
        times: Int[np.ndarray, " n_times"],
    ) -> Float[np.ndarray, "n_rows n_evaluation_times n_nodes"]:
        """Values of some rows and times of the pool, at the evaluation's times or NaN."""
        wanted = self.evaluation.times
        found = np.full((len(rows), len(wanted), values.shape[2]), np.nan)
        for time in times:
            found[:, np.isclose(wanted, self.times[time])] = values[rows, time][:, None]
        return found
