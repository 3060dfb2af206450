"""Which conditions together tell most: greedy, then exchange, averaged over an ensemble.

A condition is taken that adds most to what is already chosen, then the next. Bayesian D-optimality
is monotone and submodular, so that this reaches at least 63 % of the best (Nemhauser, Wolsey &
Fisher 1978), and a gain from earlier is a bound by which most candidates need not be looked at
again (Minoux 1978). Then each choice is asked whether another candidate would do better in its
place (Fedorov 1972), until none would.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from cellbox.identifiability.row_information import (
    Derivatives,
    Factors,
    gains,
    updated,
)

# So many of the best candidates are asked at once, and in an exchange.
_ASKED_AT_ONCE, _ASKED_IN_EXCHANGE = 64, 96
_MOST_SWEEPS = 2

# An exchange that gains less than this share is not worth a pipette.
_WORTH_A_CHANGE = 1e-3


# What each condition is worth to each member (nats), given what is known.
Criterion = Callable[[Derivatives, Factors], Float[np.ndarray, "n_members n_conditions"]]


@dataclass(frozen=True, eq=False)
class Candidates:
    """What may be chosen, and how the response to it changes with every row of W.

    perturbations: doses by node of each condition; or the time itself, where times are chosen.
    """

    perturbations: Float[np.ndarray, "n_candidates n_coordinates"]
    derivatives: Derivatives

    def __len__(self) -> int:
        return len(self.perturbations)


def all_edges(noise: float) -> Criterion:
    """Everything about W and α: Bayesian D-optimality."""

    def worth(derivatives: Derivatives, factors: Factors) -> np.ndarray:
        return gains(derivatives, factors, noise).sum(axis=1)

    return worth


def named_edges(places: Sequence[tuple[int, int]], noise: float) -> Criterion:
    """How much smaller the standard errors of some edges become: the sum of their log ratios.

    places: (target, source) of each edge. For one edge this is c-optimality.
    """
    by_row: dict[int, list[int]] = {}
    for target, source in places:
        by_row.setdefault(target, []).append(source)

    def worth(derivatives: Derivatives, factors: Factors) -> np.ndarray:
        n_members, _, n_conditions, n_times, width = derivatives.shape
        total = np.zeros((n_members, n_conditions))
        unit = np.eye(n_times)
        for row, sources in by_row.items():
            scaled = derivatives[:, row].reshape(n_members, -1, width) @ factors[:, row] / noise
            edges = factors[:, row, sources]
            variances = (edges**2).sum(axis=2)
            common = (scaled @ np.swapaxes(edges, 1, 2)).reshape(
                n_members, n_conditions, n_times, -1
            )
            scaled = scaled.reshape(n_members, n_conditions, n_times, width)
            inner = unit + scaled @ np.swapaxes(scaled, 2, 3)
            told = (common * np.linalg.solve(inner, common)).sum(axis=2)
            left = 1 - told / np.maximum(variances, 1e-300)[:, None]
            total -= np.log(np.maximum(left, 1e-12)).sum(axis=2) / 2
        return np.where(np.isfinite(total), total, 0.0)

    return worth


@dataclass(frozen=True, eq=False)
class Choice:
    """The conditions that were chosen.

    which: their candidates, in the order in which they were chosen. factors: what is known of each
    row with all of them. gained: what the criterion gained with each more, by member. likely: the
    best candidates.
    """

    which: tuple[int, ...]
    factors: Factors
    gained: Float[np.ndarray, "n_chosen n_members"]
    likely: Int[np.ndarray, " n_likely"]


def choose(
    candidates: Candidates,
    factors: Factors,
    n_chosen: int,
    criterion: Criterion,
    noise: float,
    *,
    exchange: bool = True,
    repeat: bool = True,
    on_progress: Callable[[int], None] = lambda done: None,
) -> Choice:
    """Choose conditions, each as often as it is worth it.

    factors: what is known before. repeat: whether one may be chosen more than once. on_progress:
    told how many are chosen.
    """
    bounds = np.full(len(candidates), np.inf)
    chosen: list[int] = []
    known = factors
    for done in range(n_chosen):
        on_progress(done)
        barred = [] if repeat else chosen
        chosen.append(_best(candidates, known, criterion, bounds, barred))
        known = _with(candidates, known, chosen[-1], noise)
    if exchange and n_chosen > 1:
        chosen, _ = _exchange(candidates, known, chosen, criterion, noise, bounds)
    on_progress(n_chosen)
    likely = np.argsort(-bounds, kind="stable")[:_ASKED_IN_EXCHANGE]
    return _in_order(candidates, factors, chosen, criterion, noise, likely)


def _best(
    candidates: Candidates,
    factors: Factors,
    criterion: Criterion,
    bounds: Float[np.ndarray, " n_candidates"],
    barred: Sequence[int],
) -> int:
    """The candidate with the largest mean gain; bounds are lowered to what is found."""
    bounds[list(barred)] = -np.inf
    fresh = np.isneginf(bounds)
    while True:
        order = np.argsort(-bounds, kind="stable")
        if fresh[order[0]]:
            return int(order[0])
        asked = order[~fresh[order]]
        # At first nothing is known of any.
        asked = asked if np.isinf(bounds[order[0]]) else asked[:_ASKED_AT_ONCE]
        worth = criterion(candidates.derivatives[:, :, asked], factors)
        bounds[asked] = worth.mean(axis=0)
        fresh[asked] = True


def _with(
    candidates: Candidates, factors: Factors, which: int, noise: float, *, take_away: bool = False
) -> Factors:
    return updated(factors, candidates.derivatives[:, :, which], noise, take_away=take_away)


def _exchange(
    candidates: Candidates,
    known: Factors,
    chosen: list[int],
    criterion: Criterion,
    noise: float,
    bounds: Float[np.ndarray, " n_candidates"],
) -> tuple[list[int], Factors]:
    """Replace choices by candidates that do better in their place, until none does."""
    likely = np.argsort(-bounds, kind="stable")[:_ASKED_IN_EXCHANGE]
    derivatives = candidates.derivatives[:, :, likely]
    for _ in range(_MOST_SWEEPS):
        changed = False
        for place, old in enumerate(chosen):
            without = _with(candidates, known, old, noise, take_away=True)
            worth = criterion(derivatives, without).mean(axis=0)
            own = criterion(candidates.derivatives[:, :, [old]], without).mean(axis=0)[0]
            best = int(np.argmax(worth))
            if worth[best] > (1 + _WORTH_A_CHANGE) * own:
                chosen[place], changed = int(likely[best]), True
                known = _with(candidates, without, chosen[place], noise)
        if not changed:
            break
    return chosen, known


def _in_order(
    candidates: Candidates,
    factors: Factors,
    chosen: list[int],
    criterion: Criterion,
    noise: float,
    likely: Int[np.ndarray, " n_likely"],
) -> Choice:
    """The chosen ones, those first that tell most after those before them."""
    left, ordered, gained = list(chosen), [], []
    while left:
        worth = criterion(candidates.derivatives[:, :, left], factors)
        best = int(np.argmax(worth.mean(axis=0)))
        gained.append(worth[:, best])
        ordered.append(left.pop(best))
        factors = _with(candidates, factors, ordered[-1], noise)
    return Choice(tuple(ordered), factors, np.array(gained), likely)
