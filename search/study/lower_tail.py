"""How likely more trials are to beat the best by a share, from the smallest errors so far.

The smallest errors above an end point that nobody knows follow a generalised Pareto distribution,
whatever the law of all (Balkema and de Haan 1974; Pickands 1975). Its shape and scale are averaged
over, each as it is likely, so that few trials leave much possible. A study is looked at again and
again and stops at the first look that says so, and a sampler that learns gets better: as a margin
for both, each trial to come counts as two.

A sampler that learns does not draw from one law either. What it found while it knew little says
little of what comes, so that its latest trials are asked as well as all of them, and the largest
answer counts; and where it still got on, it is taken to get on.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

# Of each part, the smallest errors that are fitted: their share, and the fewest that tell anything.
_SHARE, _FEWEST = 0.2, 10
# Shapes from the uniform law's, where errors end at once, to the exponential's, where they do not.
_SHAPES = np.linspace(-1.0, 0.0, 11)[:, None]
# Scales around the one that has the mean of what is seen.
_SCALES = np.geomspace(0.3, 6.0, 30)[None, :]
# As how many a trial to come counts.
_MARGIN = 2
_PARTS_OF_LEARNERS = (1.0, 0.5, 0.25)
# The least chance of what it has just brought about once.
_AGAIN = 0.5
# How often a study has a region of its own of better points, which nobody has hit upon yet.
_UNSEEN = 0.15


def chance_of_gain(
    errors: Float[np.ndarray, " trials"], further: int, improvement: float, *, learns: bool
) -> float:
    """The most that it may be likely that `further` trials improve on the best by a share.

    errors: of the finished trials in their order, infinite for those without one. improvement: the
    share of the best error's size. learns: whether the sampler learns from trials, and its latest
    ones are not like its first.

    It is calibrated by replays (tests/benchmarks/expected_gain.py). Of trials that are all alike,
    the best of N and m more is among these m with chance m/(N + m); some of that always remains.

    Example:
        >>> import numpy as np
        >>> errors = 1 + np.random.default_rng(0).random(400)
        >>> few, many = (chance_of_gain(errors[:n], 50, 0.02, learns=False) for n in (40, 400))
        >>> few > 0.2, many < 0.05
        (True, True)
    """
    found = np.isfinite(errors)
    if not found.any():
        return 1.0
    n, best = len(errors), float(errors[found].min())
    sought = best - improvement * abs(best)
    unseen = _UNSEEN * further / (n + further)
    tries = _MARGIN * further
    if not learns:
        return max(unseen, _chance_by_tail(errors, tries, sought))
    by_tail = (
        _chance_by_tail(errors[n - round(n * part) :], tries, sought) for part in _PARTS_OF_LEARNERS
    )
    before = float(errors[: max(0, n - tries)].min(initial=np.inf))
    got_on = not np.isfinite(before) or before - improvement * abs(before) > best
    return max(unseen, _AGAIN * got_on, *by_tail)


def _chance_by_tail(errors: Float[np.ndarray, " trials"], tries: int, sought: float) -> float:
    """The chance that any of so many tries is below `sought`, by the tail of these errors."""
    in_order = np.sort(errors[np.isfinite(errors)])
    k = max(_FEWEST, int(_SHARE * len(errors)))
    if len(in_order) <= k:
        return 1.0
    threshold = in_order[k]
    below, needed = threshold - in_order[:k], threshold - sought
    if not below.any():
        # They are all one optimum, of which no smaller one follows.
        return 0.0
    # The mean of the distribution is scale / (1 - shape).
    scales = below.mean() * _SCALES * (1 - _SHAPES)
    with np.errstate(divide="ignore", invalid="ignore"):
        weights = _log_likelihood(below, scales)
        weights = np.exp(weights - weights.max())
        beyond = _survival(needed, scales)
    any_of_them = 1 - (1 - k / len(errors) * beyond) ** tries
    return float((weights * any_of_them).sum() / weights.sum())


def _log_likelihood(
    excesses: Float[np.ndarray, " k"], scales: Float[np.ndarray, "shapes scales"]
) -> Float[np.ndarray, "shapes scales"]:
    """Of the generalised Pareto distribution, by shape and scale; -inf beyond its end."""
    left = 1 + _SHAPES[..., None] * excesses / scales[..., None]
    with_end = (-(1 + 1 / _SHAPES[:-1, :, None]) * np.log(left[:-1])).sum(-1)
    without = -excesses.sum() / scales[-1:]
    density = np.concatenate([with_end, without]) - len(excesses) * np.log(scales)
    # At shape -1 the density is even, and what lies beyond the end cancels out of it.
    return np.where((left > 0).all(-1), density, -np.inf)


def _survival(
    excess: float, scales: Float[np.ndarray, "shapes scales"]
) -> Float[np.ndarray, "shapes scales"]:
    """The probability of more than an excess, by shape and scale."""
    left = np.maximum(1 + _SHAPES * excess / scales, 0.0)
    return np.concatenate([left[:-1] ** (-1 / _SHAPES[:-1]), np.exp(-excess / scales[-1:])])
