"""The network behind knock-outs of raw expression, with the evidence for each edge.

The model is Eq. 1 read through its inputs: with y = W x − u, dx/dt = tanh(y) − x gives
dy/dt = W tanh(y) − u − y, with the same W (Miller & Fumarola 2012, Neural Comput 24:25). Raw
expression is such an input: it may rise without bound where a repressor is lost, while what a gene
does to its targets is bounded. For gene i, with wild type m_i and decay r,

    dx_i/dt = r (Σ_j w_ij a_j + b_i d_i − (x_i − m_i)),    a_j = c tanh((x_j − m_j) / (c m_j)),

d_i its drive. A gene that is knocked out leaves its own equation: x_i = 0, and its a_i is −1.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np

from cellbox.arrays import EdgeValues, NodeValues
from cellbox.errors import refuse
from cellbox.knockouts.experiments import Expression, KnockoutExperiments, WildType, wild_type
from cellbox.knockouts.regressions import (
    Observations,
    course_moments,
    normal_equations,
    steady_states,
    together,
)
from cellbox.knockouts.single_effects import SourcePosterior, single_effects
from cellbox.storage.installed import pandas_for
from cellbox.threads import in_one_thread

if TYPE_CHECKING:
    from pandas import DataFrame

# The wild type of a gene that is hardly expressed counts as this much, lest noise be a large
# relative change.
_LEAST_SCALE = 0.02
_LEAST_SIZE = 0.05


@dataclass(frozen=True)
class KnockoutSettings:
    """What is assumed of networks; chosen on simulated ones and DREAM4's size10_1 and size100_1.

    saturation: c, the relative change past which a gene's effect on its targets levels off.
    rate: r, the decay of expression, per unit of the time courses' times.
    effect_size: standard deviation of the effect of losing a source, over its target's wild type.
    regulators: how many sources a gene has, on average, before the data are seen.
    regulator_strength: with how many genes' worth of data that is believed of each source; then a
        source that has many targets is expected to have more.
    effects: the most sources of a gene. rounds: of regressions and model errors in turn.
    course_variance: by how much the variance of a moment of a time course is raised.
    slope_error, course_slope_error: how far effects differ between experiments, as a share.
    drive_size: standard deviation of the effect of a drive of 1, in units of expression.

    Raises InputError for a number that is not positive.
    """

    saturation: float = 0.7
    rate: float = 0.01
    effect_size: float = 1.0
    regulators: float = 2.0
    regulator_strength: float = 0.5
    effects: int = 4
    rounds: int = 5
    course_variance: float = 5.0
    slope_error: float = 0.6
    course_slope_error: float = 1.3
    drive_size: float = 1.0

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not (np.isfinite(value) and value > 0):
                where = f"setting {field.name}"
                raise refuse(where, f"expected a positive number, found {value!r}", "Raise it")


@dataclass(frozen=True, eq=False)
class KnockoutNetwork:
    """What knock-outs and their companions tell of a network.

    weights: posterior mean of W, in expression per activity. inclusion: the probability of each
    edge. evidence: its log-odds, by which edges are ranked; −inf on the diagonal. All are
    [target, source]. drive_effects: b. base: the wild type and its noise. scales: m of `a`.
    ceiling: the largest expression that was measured.
    """

    genes: tuple[str, ...]
    weights: EdgeValues
    inclusion: EdgeValues
    evidence: EdgeValues
    drive_effects: NodeValues
    base: WildType
    scales: NodeValues
    ceiling: float
    settings: KnockoutSettings

    def to_frame(self) -> DataFrame:
        """All ordered pairs of different genes, the surest edge first."""
        pandas = pandas_for("table of edges")

        targets, sources = np.nonzero(~np.eye(len(self.genes), dtype=bool))
        order = np.argsort(-self.evidence[targets, sources], kind="stable")
        targets, sources = targets[order], sources[order]
        names = np.array(self.genes, dtype=object)
        return pandas.DataFrame(
            {
                "source": names[sources],
                "target": names[targets],
                "probability": self.inclusion[targets, sources],
                "evidence": self.evidence[targets, sources],
                "weight": self.weights[targets, sources],
            }
        )


@in_one_thread
def infer_network(
    experiments: KnockoutExperiments, settings: KnockoutSettings | None = None
) -> KnockoutNetwork:
    """Find the network of raw expression after knock-outs; takes seconds for 100 genes.

    Every row of W is a regression on few sources (`single_effects`), on knock-outs, knock-downs
    and driven time courses together. Effects are not the same in every experiment, since real
    ones are not the model's: what other genes' changes explain of a value adds to its variance.
    So regressions alternate with these variances, and with each source's share of targets.

    Example:
        >>> import numpy as np
        >>> from cellbox.knockouts.experiments import KnockoutExperiments
        >>> from cellbox.knockouts.inference import infer_network
        >>> # a makes b, b makes c; each row lacks one of a to d
        >>> chain = np.array([[0, 0.1, 0.2, 0.5], [0.8, 0, 0.1, 0.5], [0.8, 0.7, 0, 0.5],
        ...                   [0.8, 0.7, 0.6, 0]])
        >>> wild = np.array([0.8, 0.7, 0.6, 0.5]) + 0.01 * np.array([[1], [-1], [2], [-2]])
        >>> found = infer_network(KnockoutExperiments(tuple("abcd"), chain, replicates=wild))
        >>> bool(found.inclusion[1, 0] > 0.9), bool(found.inclusion[2, 1] > 0.9)
        (True, True)
    """
    settings = settings or KnockoutSettings()
    base = wild_type(experiments)
    scales = np.maximum(base.levels, _LEAST_SCALE)
    seen = _observations(experiments, base, scales, settings)
    n = experiments.n_genes
    sizes = settings.effect_size * np.maximum(base.levels, _LEAST_SIZE)
    prior_variances = np.broadcast_to((sizes**2)[:, None], (n, n))
    usual_share = min(settings.regulators / n, 0.5)
    shares = np.full(n, usual_share)
    model_errors = np.zeros_like(seen.responses)
    for _ in range(settings.rounds):
        curvatures, projections, drives = normal_equations(
            seen, seen.variances + model_errors, settings.drive_size**2
        )
        found = single_effects(
            curvatures, projections, _prior_log_odds(shares), prior_variances, settings.effects
        )
        effects = drives.drive_effects(found.weights)
        model_errors = _model_errors(seen, found.weights, effects)
        shares = _shares_of_targets(found, usual_share, settings.regulator_strength)
    evidence = found.log_odds.copy()
    np.fill_diagonal(evidence, -np.inf)
    return KnockoutNetwork(
        genes=experiments.genes,
        weights=found.weights,
        inclusion=found.inclusion,
        evidence=evidence,
        drive_effects=effects,
        base=base,
        scales=scales,
        ceiling=experiments.ceiling,
        settings=settings,
    )


def _observations(
    experiments: KnockoutExperiments,
    base: WildType,
    scales: NodeValues,
    settings: KnockoutSettings,
) -> Observations:
    """Everything that was measured, as rows of regressions."""
    steady = {"saturation": settings.saturation, "slope_error": settings.slope_error}
    parts = [steady_states(experiments.knockouts, base, scales, remaining=0.0, **steady)]
    if experiments.knockdowns is not None:
        parts.append(steady_states(experiments.knockdowns, base, scales, remaining=0.5, **steady))
    if experiments.courses is not None:
        parts.append(
            course_moments(
                experiments.courses,
                base,
                scales,
                rate=settings.rate,
                saturation=settings.saturation,
                variance_factor=settings.course_variance,
                slope_error=settings.course_slope_error,
            )
        )
    return together(parts)


def _prior_log_odds(shares: NodeValues) -> EdgeValues:
    """Of each edge, by its source; none of a gene on itself."""
    odds = np.tile(np.log(shares / (1 - shares)), (len(shares), 1))
    np.fill_diagonal(odds, -50.0)
    return odds


def _model_errors(seen: Observations, weights: EdgeValues, drive_effects: NodeValues) -> Expression:
    """Variance that comes from effects being others in other experiments."""
    passed_on = np.where(seen.known, 0.0, seen.activities) ** 2 @ (weights**2).T
    driven = (seen.drives * drive_effects) ** 2
    return seen.slope_errors[:, None] ** 2 * (passed_on + driven)


def _shares_of_targets(found: SourcePosterior, usual: float, strength: float) -> NodeValues:
    """With what probability each source acts on a gene, shrunk to the usual one."""
    n = len(found.inclusion)
    targets = found.inclusion.sum(axis=0) - np.diag(found.inclusion)
    return np.minimum((targets + strength) / (n + strength / usual), 0.5)
