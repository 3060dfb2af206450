"""Whether a fit leaves more of the data unexplained than noise would.

How large the noise is, replicates tell. Where there are none, a fit that leaves next to nothing
explains the data, and so does one that leaves little and to which unlike starts have led: where a
network is not the right one, a tenth and more of the mean square is left as a rule, and other
starts lead to other networks.
"""

from __future__ import annotations

import numpy as np

from cellbox.refinement.multiple_shooting import MultipleShooting

# Shares of the mean square of the measurements that are next to nothing, and little.
NEXT_TO_NOTHING, LITTLE = 0.01, 0.1

# What is left may be so many times the variance of replicates, which is itself an estimate.
_ABOVE_REPLICATES = 2.0

# Two fits whose noise differs by less than this share have explained the same.
_SAME_NOISE = 0.05


def share_left(problem: MultipleShooting, noise: float) -> float:
    """The variance of what a fit leaves, as a share of the mean square of the measurements.

    noise: standard deviation of what is left (log ratio).
    """
    return noise**2 / max(problem.mean_square, 1e-300)


def replicate_variance(problem: MultipleShooting) -> float | None:
    """The variance of measurements of the same condition, None where none was repeated.

    A row that is given twice is no replicate. Where errors are known it is that of a value with the
    typical one.
    """
    flat = problem.measurements.reshape(len(problem.measurements), -1)
    # Infinite instead of NaN, which would not be equal to itself.
    conditions = problem.conditions
    both = np.concatenate([conditions, np.where(np.isnan(flat), np.inf, flat)], axis=1)
    rows = np.unique(both, axis=0, return_index=True)[1]
    _, condition = np.unique(conditions[rows], axis=0, return_inverse=True)
    roots = np.broadcast_to(problem.root_precision, problem.measurements.shape)
    roots = roots.reshape(flat.shape)[rows]
    total, spare = 0.0, 0
    for each in range(int(condition.max()) + 1):
        values, root = flat[rows][condition.ravel() == each], roots[condition.ravel() == each]
        counted = np.isfinite(values).sum(axis=0)
        repeated, root = values[:, counted > 1], root[:, counted > 1]
        if repeated.size:
            shares = np.where(np.isfinite(repeated), root**2, 0.0)
            mean = np.nansum(shares * repeated, axis=0) / shares.sum(axis=0)
            total += float(np.nansum((root * (repeated - mean)) ** 2))
            spare += int((counted[counted > 1] - 1).sum())
    return total / spare if spare else None


def is_explained(problem: MultipleShooting, noise: float) -> bool:
    """Whether a fit that leaves this much (standard deviation, log ratio) explains the data.

    Without replicates, all but a tenth of the mean square counts as explained.
    """
    if _is_noise(problem, noise):
        return True
    enough = LITTLE if replicate_variance(problem) is None else NEXT_TO_NOTHING
    return share_left(problem, noise) <= enough


def needs_other_starts(
    problem: MultipleShooting, best: float | None, all_fits: list[float]
) -> bool:
    """Whether another start might lead to a better fit than those that there are.

    best: what the fit leaves that would be taken (standard deviation, log ratio), None where it
    cannot be solved. all_fits: the same of what each start so far has led to.
    """
    if best is None or not is_explained(problem, best):
        return True
    if share_left(problem, best) <= NEXT_TO_NOTHING or _is_noise(problem, best):
        return False
    return max(all_fits, default=best) > (1 + _SAME_NOISE) * best


def _is_noise(problem: MultipleShooting, noise: float) -> bool:
    """Whether replicates differ as much."""
    variance = replicate_variance(problem)
    return variance is not None and noise**2 <= _ABOVE_REPLICATES * variance
