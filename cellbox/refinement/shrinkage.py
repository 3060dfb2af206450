"""More unknowns than data: weights are drawn to zero, as strongly as cross-validation says.

Where there are fewer measured values than weights, many networks explain them all, and most
predict badly. The network taken here minimises

    Σ residual² + Σ λ_ij W_ij² + 10 λ Σ (log α_i − expected_i)²,

which is the most probable one if entries of W come from a normal distribution around 0 (ridge
regression of a nonlinear model, Hoerl & Kennard 1970). What is not known beforehand is chosen by
what predicts best when some of the conditions are left out of the fit in turn (Stone 1974):

- the strength λ, on a path from strong to weak in which each fit begins where the last one ended;
- what amplitudes are expected: a little above a node's largest response, far above it (so that
  responses hardly saturate), or the same for all nodes;
- whether the weights of perturbed nodes, whose effects the experiment set out to measure, are
  drawn to zero as strongly as the others or a tenth of that;
- whether small weights are drawn to zero more strongly than large ones, λ_ij = λ δ² / (W_ij² + δ²)
  with W_ij where it stands, which leaves few edges (adaptive ridge, Frommlet & Nuel 2016);
- where some edges are said to exist (`EdgePrior`), how much less these are drawn to zero, if that
  predicts better: 1, exp(-1.5) or exp(-3) times as strongly, or as strongly as asked;
- whether large residuals count by their size rather than their square, by weights
  (1 + residual² / scale²)^(−1/2) from the step before (iteratively reweighted least squares; the
  pseudo-Huber loss of Charbonnier et al. 1997).

Of one prior's strengths the strongest is taken whose error is not clearly larger than the least: by
no more than one standard error of their difference over conditions (Breiman et al. 1984, for
trees). Without that, chance decides among errors that are much the same, for fits that go on from
stronger ones in few steps; fitted in full, the weakest of them predict far worse.

Every fit is Gauss-Newton through whole courses (`cellbox.refinement.whole_courses`), in coarse
steps and single precision until all is chosen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from cellbox.arrays import EdgeMask, EdgeValues, NodeMask, RowNumbers
from cellbox.equation.dynamics import Parameters
from cellbox.equation.solver_settings import precision_context
from cellbox.networks.network import Network, possible_edges
from cellbox.networks.prior import AUTO, EdgePrior
from cellbox.refinement.left_out import is_as_good, left_out_together
from cellbox.refinement.multiple_shooting import MultipleShooting
from cellbox.refinement.penalised_fit import PenalisedFit, Prior

# Strengths, as multiples of how sharply a weight is determined by the data on average: first far
# apart, from strong to weak, then between the best of these and its neighbours. The penalty for few
# edges, which large weights escape, has strengths of its own.
_STRENGTHS = (10.0, 1.0, 0.1, 0.01, 0.001)
_BETWEEN = 10**0.5
_SPARSE_STRENGTHS = (3.0, 1.0, 0.3)

# How much less edges are drawn to zero that are said to exist: the logarithm of the ratio.
_KNOWN = (1.5, 3.0)

# Steps of a first fit, and of one that goes on from the strength before.
_FIRST_STEPS, _STEPS = 6, 3

# Errors that differ by less than this share say nothing: another prior has to be better by more,
# and what is worse by less predicts nearly as well.
_NOTHING = 0.02


@dataclass(frozen=True)
class Choice:
    """A prior and its strength λ (squared log ratio).

    error: mean absolute error in conditions that were left out in turn (log ratio).
    """

    prior: Prior
    strength: float
    error: float


@dataclass(frozen=True, eq=False)
class Shrunken:
    """A network whose weights were drawn to zero.

    noise: root mean square of its residuals (log ratio). choice: how they were drawn.
    choices: that, or what it was taken from, the best first; then those of other amplitudes that
    predict nearly as well, so that an ensemble may know better than each.
    """

    network: Network
    noise: float
    choice: Choice
    choices: tuple[Choice, ...]
    n_conditions: int
    n_steps: int

    @property
    def sentence(self) -> str:
        """What was done, for people."""
        prior = self.choice.prior
        how = [
            "the smaller the more" if prior.sparse else "all alike",
            *(["those of perturbed nodes less"] if prior.freedom < 1 else []),
            *([f"edges of the prior {np.exp(prior.known):.2g} times less"] if prior.known else []),
            *(["with large residuals counted less"] if prior.robust else []),
        ]
        return (
            f"More unknowns than data: weights drawn to zero ({', '.join(how)}), strength "
            f"{self.choice.strength:.2g} chosen by cross-validation over {self.n_conditions} "
            f"conditions (mean absolute error {self.choice.error:.3g})."
        )


def shrink(
    problem: MultipleShooting,
    nodes: tuple[str, ...],
    *,
    allowed_edges: EdgeMask | None = None,
    scored: NodeMask | None = None,
    may_be_sparse: bool = True,
    like: Choice | None = None,
    known: Known | None = None,
) -> Shrunken | None:
    """Learn a network from fewer data than it has weights.

    allowed_edges: which entries of W may differ from zero; all by default. scored: the nodes whose
    errors choose; all by default. may_be_sparse: whether few edges are an option. like: a choice
    for much the same data, which is taken over instead of made. known: edges that are said to
    exist.

    None where there is nothing to cross-validate (a single condition), or no fit can be solved.
    The same data give the same network. Memory is that of a few gradients.
    """
    n_conditions = len(np.unique(problem.perturbations, axis=0))
    if n_conditions < 2:
        return None
    allowed = possible_edges(problem.n_nodes, allowed_edges)
    judged = np.ones(problem.n_nodes, bool) if scored is None else scored
    with precision_context("float32"), np.errstate(all="ignore"):
        coarse = (
            _chosen(problem, allowed, judged, may_be_sparse, known)
            if like is None
            else _followed(problem, allowed, like, known)
        )
    choice = coarse.choices[0]
    if not np.isfinite(choice.error):
        return None
    with precision_context("float64"), np.errstate(all="ignore"):
        fit = PenalisedFit(problem, allowed, choice.prior, None, _confidence(known))
        found, noise = fit.finely(coarse.parameters, choice.strength)
    if not np.isfinite(noise):
        return None
    network = Network(nodes, np.asarray(found.weights), np.exp(np.asarray(found.log_amplitudes)))
    return Shrunken(
        network=network,
        noise=noise,
        choice=choice,
        choices=coarse.choices,
        n_conditions=n_conditions,
        n_steps=coarse.n_steps + fit.n_steps,
    )


class Known(NamedTuple):
    """Edges that are said to exist, and how much less they may be drawn to zero.

    confidence: in each edge, 0 where none is listed. strengths: of which each is tried; see
    `Prior.known`.
    """

    confidence: EdgeValues
    strengths: tuple[float, ...]

    @classmethod
    def of(cls, prior: EdgePrior | None, strength: float | str) -> Known | None:
        """What is known by a prior of a strength, or of the one that the data ask for."""
        if prior is None or strength == 0:
            return None
        tried = _KNOWN if strength == AUTO else (float(strength),)
        return cls(prior.confidence, tried)


def _confidence(known: Known | None) -> EdgeValues | None:
    return None if known is None else known.confidence


class _Coarse(NamedTuple):
    """A fit to all rows in coarse steps, and what chose it; see `Shrunken`."""

    parameters: Parameters
    choices: tuple[Choice, ...]
    n_steps: int


def _chosen(
    problem: MultipleShooting,
    allowed: EdgeMask,
    scored: NodeMask,
    may_be_sparse: bool,
    known: Known | None,
) -> _Coarse:
    """The fit with the prior and strength that predict conditions left out best."""
    choice = _Choice(problem, allowed, scored, known)
    best = choice.best(may_be_sparse)
    fit = PenalisedFit(problem, allowed, best.prior, None, _confidence(known))
    parameters = fit.descend(best.fits[0], best.strength, _FIRST_STEPS)
    return _Coarse(parameters, choice.choices(best), choice.n_steps + fit.n_steps)


def _followed(
    problem: MultipleShooting, allowed: EdgeMask, like: Choice, known: Known | None
) -> _Coarse:
    """The fit with the prior and strength that were chosen before."""
    without = replace(like.prior, sparse=False, robust=False)
    plain = PenalisedFit(problem, allowed, without, None, _confidence(known))
    first = _STRENGTHS[-1] * plain.scale if like.prior.sparse else like.strength
    start = plain.descend(plain.start, first, _FIRST_STEPS)
    fit = PenalisedFit(problem, allowed, like.prior, None, _confidence(known))
    parameters = fit.descend(start, like.strength, _FIRST_STEPS)
    return _Coarse(parameters, (like,), plain.n_steps + fit.n_steps)


@dataclass(frozen=True, eq=False)
class _Candidate:
    """A prior and a strength, the cross-validated errors, and the fit without each part.

    share: the strength as a multiple of how sharply a weight is determined. errors: of each row.
    """

    prior: Prior
    share: float
    strength: float
    errors: Float[np.ndarray, " n_scored_rows"]
    fits: tuple[Parameters, ...]

    @property
    def error(self) -> float:
        """The mean absolute error."""
        return float(self.errors.mean())


class _Choice:
    """The search for the prior and the strength that predict conditions left out best."""

    def __init__(
        self,
        problem: MultipleShooting,
        allowed: EdgeMask,
        scored: NodeMask,
        known: Known | None = None,
    ):
        self._problem, self._allowed, self._known = problem, allowed, known
        self._parts = left_out_together(problem.perturbations)
        self._counted = problem.measured & scored
        perturbed = (problem.perturbations != 0).any(axis=0)
        self._has_levers = bool(perturbed.any() and not perturbed.all())
        _, condition = np.unique(problem.perturbations, axis=0, return_inverse=True)
        scored_rows = condition.reshape(-1)[self._counted.any(axis=(1, 2))]
        # Without gaps: a condition whose rows were not measured at all has no error.
        self._condition_of_error = np.unique(scored_rows, return_inverse=True)[1].reshape(-1)
        self._tried: list[_Candidate] = []
        self.n_steps = 0

    def best(self, may_be_sparse: bool) -> _Candidate:
        """One property of the prior after the other, each at the best strength so far."""
        first = Prior(freedom=0.1 if self._has_levers else 1.0)
        path = self._path(first, _STRENGTHS)
        best = min(path, key=_error)
        for headroom in (1.3, None):
            prior = replace(first, headroom=headroom)
            best = self._better(best, prior, _STRENGTHS[1:-1])
        if self._has_levers:
            best = self._better(best, replace(best.prior, freedom=1.0), [best.share])
        if self._known is not None:
            for strength in self._known.strengths:
                best = self._better(best, replace(best.prior, known=strength), [best.share])
        for share in (best.share * _BETWEEN, best.share / _BETWEEN):
            best = self._better(best, best.prior, [share], best.fits)
        if may_be_sparse:
            # From a network with many edges: from none, few would ever come to be.
            prior = replace(best.prior, sparse=True)
            best = self._better(best, prior, _SPARSE_STRENGTHS, path[-1].fits)
        best = self._strongest(best.prior)
        # Here a small gain is one, since the network is much the same.
        robust = self._path(replace(best.prior, robust=True), [best.share], best.fits)
        return min(best, *robust, key=_error)

    def choices(self, best: _Candidate) -> tuple[Choice, ...]:
        """The best, then those of other expected amplitudes that predict nearly as well.

        They differ from it in amplitudes and strength alone: other strengths of the same
        amplitudes, which explain less or predict worse when fitted in full, add nothing to these.
        """
        plain = replace(best.prior, robust=False)
        alike = dict.fromkeys(
            each.prior
            for each in self._tried
            if each.prior == replace(plain, headroom=each.prior.headroom)
        )
        least = min(each.error for each in self._tried if each.prior in alike)
        others = [self._strongest(prior) for prior in alike if prior != plain]
        near = sorted((one for one in others if one.error <= (1 + _NOTHING) * least), key=_error)
        return tuple(_choice(each, best.prior.robust) for each in (best, *near))

    def _strongest(self, prior: Prior) -> _Candidate:
        """What draws weights to zero most of what predicts as well as this prior's best."""
        tried = [each for each in self._tried if each.prior == prior]
        best = min(tried, key=_error)
        of_rows = self._condition_of_error
        as_good = [each for each in tried if is_as_good(each.errors, best.errors, of_rows)]
        return max((best, *as_good), key=lambda each: each.strength)

    def _better(
        self,
        best: _Candidate,
        prior: Prior,
        shares: Sequence[float],
        starts: tuple[Parameters, ...] | None = None,
    ) -> _Candidate:
        """The best, or another prior where that predicts clearly better."""
        other = min(self._path(prior, shares, starts), key=_error)
        return other if other.error < (1 - _NOTHING) * best.error else best

    def _path(
        self,
        prior: Prior,
        shares: Sequence[float],
        starts: tuple[Parameters, ...] | None = None,
    ) -> list[_Candidate]:
        """A candidate for each strength, each beginning where the one before ended."""
        fits = [self._fit(prior, part) for part in self._parts]
        points = starts or tuple(fit.start for fit in fits)
        steps = _FIRST_STEPS if starts is None else _STEPS
        candidates = []
        for share in shares:
            strength = share * fits[0].scale
            points = tuple(
                fit.descend(point, strength, steps) for fit, point in zip(fits, points, strict=True)
            )
            steps = _STEPS
            errors = self._errors(fits, points)
            candidates.append(_Candidate(prior, share, strength, errors, points))
        self.n_steps += sum(fit.n_steps for fit in fits)
        self._tried += candidates
        return candidates

    def _fit(self, prior: Prior, left_out: RowNumbers | None) -> PenalisedFit:
        confidence = _confidence(self._known)
        return PenalisedFit(self._problem, self._allowed, prior, left_out, confidence)

    def _errors(
        self, fits: Sequence[PenalisedFit], points: Sequence[Parameters]
    ) -> Float[np.ndarray, " n_scored_rows"]:
        """Mean absolute error of each row, predicted by the fit that left it out."""
        apart = np.empty(self._counted.shape)
        for part, fit, point in zip(self._parts, fits, points, strict=True):
            apart[part] = np.abs(fit.residuals(point))[part]
        apart = np.where(np.isfinite(apart), apart, np.inf)
        counted = self._counted.sum(axis=(1, 2))
        total = np.where(self._counted, apart, 0.0).sum(axis=(1, 2))
        return total[counted > 0] / counted[counted > 0]


def _choice(candidate: _Candidate, robust: bool) -> Choice:
    return Choice(replace(candidate.prior, robust=robust), candidate.strength, candidate.error)


def _error(candidate: _Candidate) -> float:
    return candidate.error
