"""What was measured of raw expression, and what its replicates tell: wild type and noise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from cellbox.arrays import NodeValues
from cellbox.storage.problems import Problems

#: A value of each gene (column) in each experiment.
Expression = Float[np.ndarray, "n_experiments n_genes"]

# Values within so many standard deviations of the wild type are taken for the wild type's own.
_NEAR = 2.0
_NEAR_ROUNDS = 5
# Noise variance of a gene that is never expressed, in squared units of expression.
_LEAST_VARIANCE = 1e-6
_LEAST_LEVEL = 1e-3
# From so many replicates on their variance is used, and otherwise the spread over knock-outs.
_ENOUGH_REPLICATES = 4
# Median absolute deviation to standard deviation of a normal distribution.
_FROM_MEDIAN = 1.4826


@dataclass(frozen=True, eq=False)
class TimeCourses:
    """Series of raw expression, driven from time 0 to `drive_ends` and left alone after.

    times: ascending and evenly spaced, from 0, in any unit. values: the first of each series is
    the wild type. drives: the relative change of each gene's basal transcription in each series.
    """

    times: Float[np.ndarray, " n_times"]
    values: Float[np.ndarray, "n_series n_times n_genes"]
    drives: Float[np.ndarray, "n_series n_genes"]
    drive_ends: float


@dataclass(frozen=True, eq=False)
class KnockoutExperiments:
    """Steady states of raw expression (not log ratios, not negative), and time courses beside them.

    knockouts, knockdowns: row k is the steady state with gene k knocked out (its own value is 0),
        or with its transcription halved.
    replicates: of the wild type; may have no rows.

    Raises InputError for shapes that do not belong together, and for values that are not finite or
    negative.

    Example:
        >>> import numpy as np
        >>> from cellbox.knockouts.experiments import KnockoutExperiments
        >>> KnockoutExperiments(("a", "b"), np.array([[0.0, 0.2], [0.5, 0.0]])).n_genes
        2
    """

    genes: tuple[str, ...]
    knockouts: Float[np.ndarray, "n_knockouts n_genes"]
    knockdowns: Float[np.ndarray, "n_knockdowns n_genes"] | None = None
    replicates: Float[np.ndarray, "n_replicates n_genes"] | None = None
    courses: TimeCourses | None = None

    def __post_init__(self) -> None:
        problems = Problems()
        n = len(self.genes)
        square = {"knockouts": self.knockouts, "knockdowns": self.knockdowns}
        for name, values in square.items():
            if values is not None and values.shape != (n, n):
                found = f"expected {n} rows and columns, one for each gene, found {values.shape}"
                problems.add(name, found, "Give each gene a row and a column, in one order")
        parts = {**square, "replicates": self.replicates}
        if self.courses is not None:
            parts["time courses"] = self.courses.values
        for name, values in parts.items():
            if values is not None and not (np.isfinite(values).all() and (values >= 0).all()):
                found = "expected finite values from 0 up, found others"
                problems.add(name, found, "Give raw expression, not log ratios")
        problems.raise_any()

    @property
    def n_genes(self) -> int:
        """How many genes were measured."""
        return len(self.genes)

    @property
    def ceiling(self) -> float:
        """The largest value that was measured of any gene."""
        parts = [self.knockouts, self.knockdowns, self.replicates]
        parts += [] if self.courses is None else [self.courses.values]
        return max(float(part.max()) for part in parts if part is not None and part.size)


def check_pairs(pairs: Int[np.ndarray, "n_pairs n_knocked"], n_genes: int, where: str) -> None:
    """Refuse places of genes that there are not. Raises InputError."""
    if pairs.size and (pairs.min() < 0 or pairs.max() >= n_genes):
        problems = Problems()
        found = f"expected places of {n_genes} genes, found {pairs.min()} to {pairs.max()}"
        problems.add(where, found, "Count the genes in the order of their columns")
        problems.raise_any()


@dataclass(frozen=True, eq=False)
class WildType:
    """Expression of each gene with nothing knocked out, and how noise grows with expression.

    law: coefficients of the variance of a value, on its level, its square, and none.
    """

    levels: NodeValues
    law: Float[np.ndarray, " 3"]

    @property
    def noise(self) -> NodeValues:
        """Standard deviation of a value of each gene in the wild type."""
        return _deviation(self.levels, self.law)

    def noise_of(self, values: Float[np.ndarray, "*shape n_genes"]) -> np.ndarray:
        """Standard deviation of measured values, each at its own level.

        At least the wild type's: a low value may be low by its noise.
        """
        return _deviation(np.maximum(values, self.levels), self.law)


def wild_type(experiments: KnockoutExperiments) -> WildType:
    """The wild type and its noise, by replicates and by all that knock-outs leave as it is.

    Most knock-outs leave most genes alone, so every value near the wild type is one of its
    replicates. Noise has the variance a·level + b·level², the same for all genes, from the
    replicates; with fewer than four of these a gene's own spread over the knock-outs.
    """
    given = experiments.replicates
    enough = given is not None and len(given) >= _ENOUGH_REPLICATES
    steady = [part for part in (experiments.knockouts, experiments.knockdowns) if part is not None]
    values = np.concatenate([*steady, *([] if given is None else [given])])
    if enough:
        assert given is not None
        levels, variances = given.mean(axis=0), given.var(axis=0, ddof=1)
    else:
        levels = np.median(values, axis=0)
        variances = (_FROM_MEDIAN * np.median(np.abs(values - levels), axis=0)) ** 2
    law = _variance_law(levels, variances)
    for _ in range(_NEAR_ROUNDS):
        near = np.abs(values - levels) < _NEAR * _deviation(levels, law)
        counts = near.sum(axis=0)
        levels = np.where(counts > 0, (values * near).sum(axis=0) / np.maximum(counts, 1), levels)
    return WildType(levels, law)


def _variance_law(levels: NodeValues, variances: NodeValues) -> Float[np.ndarray, " 3"]:
    """The coefficients, none negative, that best give the variances from the levels."""
    from scipy.optimize import nnls

    # A variance's own error grows with it, so that relative errors are what is alike.
    weights = 1 / np.maximum(levels, 0.01)
    coefficients, _ = nnls(_terms(levels, 0.0) * weights[:, None], variances * weights)
    return np.asarray(coefficients)


def _deviation(
    levels: Float[np.ndarray, "*shape n_genes"], law: Float[np.ndarray, " 3"]
) -> Float[np.ndarray, "*shape n_genes"]:
    return np.sqrt(np.maximum(_terms(levels, _LEAST_LEVEL) @ law, _LEAST_VARIANCE))


def _terms(
    levels: Float[np.ndarray, "*shape n_genes"], least: float
) -> Float[np.ndarray, "*shape n_genes 3"]:
    levels = np.maximum(levels, least)
    return np.stack([levels, levels**2, np.full_like(levels, 1e-4)], axis=-1)
