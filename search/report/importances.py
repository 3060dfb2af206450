"""Which settings decided how well trials did: each one's share beyond those that decide more.

The first is the setting whose groups of values explain most of the variance of the trials' ranks.
What it explains is taken away, and the rest is asked again, until nothing is beyond chance.
So a setting that came along with another gets no credit for it; a setting that applies to some
trials only (the length of a warm-up) is judged among those, and counts as far as they matter.

Shares are ε² of a one-way analysis of variance (Kelley 1935), which is 0 on average where a setting
means nothing; ranks are used since objectives may spread over magnitudes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy.stats import rankdata

from search.spec.space import Value

#: With fewer trials shares would be noise.
FEWEST_TRIALS = 8

_FEWEST_IN_GROUP = 3
_MOST_GROUPS = 4
_SHUFFLES = 400
_CHANCE = 0.05


@dataclass(frozen=True)
class Importance:
    """What a setting explains.

    share: of the variance of ranks, beyond the settings named before it; 0 where that is no more
    than chance. n_trials: to how many trials it applies.
    """

    name: str
    share: float
    n_trials: int


def importances(
    trials: Sequence[Mapping[str, Value]], objective: Sequence[float], *, seed: int = 0
) -> list[Importance]:
    """What each setting explains, the most first; nothing where trials are too few.

    trials: settings of each trial, without those that did not apply. objective: what was
    minimised, one for each. seed: of the shuffles that tell chance.
    """
    if len(trials) < FEWEST_TRIALS:
        return []
    groups = {name: _groups([trial.get(name) for trial in trials]) for name in _names(trials)}
    waiting = {name: group for name, group in groups.items() if len(set(group[group >= 0])) > 1}
    ranks = rankdata(objective)
    left = ranks - ranks.mean()
    total = float((left**2).sum())
    random = np.random.default_rng(seed)
    found: list[Importance] = []
    while waiting and total > 0:
        shares = {name: _share(left, group, total) for name, group in waiting.items()}
        name = max(shares, key=lambda each: shares[each])
        if shares[name] <= 0 or not _beyond_chance(left, waiting, shares[name], total, random):
            break
        group = waiting.pop(name)
        found.append(Importance(name, shares[name], int((group >= 0).sum())))
        left = left - _means(left, group)
    named = {importance.name for importance in found}
    rest = [name for name in groups if name not in named]
    return found + [Importance(name, 0.0, int((groups[name] >= 0).sum())) for name in rest]


def _names(trials: Sequence[Mapping[str, Value]]) -> list[str]:
    """Settings with several values."""
    seen: dict[str, set[Value]] = {}
    for trial in trials:
        for name, value in trial.items():
            seen.setdefault(name, set()).add(value)
    return [name for name, values in seen.items() if len(values) > 1]


def _groups(values: Sequence[Value | None]) -> Int[np.ndarray, " n_trials"]:
    """The group of each trial: its choice, or its part of the range; -1 where it does not apply."""
    group = np.full(len(values), -1)
    known = [place for place, value in enumerate(values) if value is not None]
    chosen = [values[place] for place in known]
    numeric = all(isinstance(v, int | float) and not isinstance(v, bool) for v in chosen)
    if numeric and len(set(chosen)) > _MOST_GROUPS:
        n_groups = int(np.clip(len(known) // (2 * _FEWEST_IN_GROUP), 2, _MOST_GROUPS))
        numbers = np.array(chosen, float)
        edges = np.quantile(numbers, np.linspace(0, 1, n_groups + 1)[1:-1])
        group[known] = np.searchsorted(edges, numbers)
    else:
        kinds = sorted(set(map(str, chosen)))
        group[known] = [kinds.index(str(value)) for value in chosen]
    # Too few to tell anything of: they stay out, as if the setting did not apply.
    for each in set(group.tolist()) - {-1}:
        if (group == each).sum() < _FEWEST_IN_GROUP:
            group[group == each] = -1
    return group


def _means(left: Float[np.ndarray, " n_trials"], group: np.ndarray) -> np.ndarray:
    """The mean of each trial's group, 0 where the setting does not apply."""
    means = np.zeros(len(left))
    # Against the mean of those it applies to: that it applies at all is another setting's doing.
    own = group >= 0
    middle = left[own].mean() if own.any() else 0.0
    for each in set(group[own].tolist()):
        means[group == each] = left[group == each].mean() - middle
    return means


def _share(left: Float[np.ndarray, " n_trials"], group: np.ndarray, total: float) -> float:
    """ε² among the trials that a setting applies to, as a share of the variance of all."""
    own = group >= 0
    n, n_groups = int(own.sum()), len(set(group[own].tolist()))
    if n_groups < 2 or n <= n_groups:
        return 0.0
    values = left[own] - left[own].mean()
    whole = float((values**2).sum())
    within = whole - float((_means(left, group)[own] ** 2).sum())
    return (whole - within - (n_groups - 1) * within / (n - n_groups)) / total


def _beyond_chance(
    left: np.ndarray,
    waiting: Mapping[str, np.ndarray],
    share: float,
    total: float,
    random: np.random.Generator,
) -> bool:
    """Whether the largest share would be rare if no setting mattered."""
    chance = [
        max(_share(shuffled, group, total) for group in waiting.values())
        for shuffled in (random.permutation(left) for _ in range(_SHUFFLES))
    ]
    return float(np.mean(np.array(chance) >= share)) < _CHANCE
