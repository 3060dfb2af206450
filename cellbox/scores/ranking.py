"""How well a ranking of possible edges finds the true ones, as the DREAM challenges judge it.

Every pair is ranked, so nothing has to be said of pairs that a list leaves out. Pairs with equal
evidence count as if shuffled.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from cellbox.arrays import EdgeMask, EdgeValues
from cellbox.errors import refuse


@dataclass(frozen=True, eq=False)
class RankingScore:
    """What a ranking is worth.

    aupr, auroc: areas under precision over recall and under true over false positive rate.
    recall, precision: the curve, a point for each distinct evidence, the strongest first.
    density: share of true edges among all pairs, the AUPR of a random ranking.
    """

    aupr: float
    auroc: float
    recall: Float[np.ndarray, " n_points"]
    precision: Float[np.ndarray, " n_points"]
    density: float


def ranking_score(is_edge: EdgeMask, evidence: EdgeValues) -> RankingScore:
    """Judge evidence for edges, larger for surer ones, over all ordered pairs of different nodes.

    Both [target, source]; the diagonals do not count. The area under precision over recall is that
    of the DREAM challenges (Stolovitzky, Prill & Califano 2009, Ann N Y Acad Sci 1158:159): between
    two true edges the false ones found so far stay and precision is t / (t + false), t the true
    ones found. Pairs of equal evidence bring theirs in proportion, as Davis & Goadrich (ICML 2006)
    have it, which is the same where nothing ties.

    Raises InputError for evidence that is not finite, and a truth with no edge or nothing else.

    Example:
        >>> import numpy as np
        >>> from cellbox.scores.ranking import ranking_score
        >>> truth = np.array([[False, True], [False, False]])
        >>> ranking_score(truth, np.array([[0.0, 2.0], [1.0, 0.0]])).aupr
        1.0
    """
    off_diagonal = ~np.eye(len(is_edge), dtype=bool)
    true, strength = is_edge[off_diagonal], evidence[off_diagonal]
    if not np.isfinite(strength).all():
        raise refuse(
            "evidence", "expected finite numbers, found others", "Give every pair a number"
        )
    if true.all() or not true.any():
        said = f"expected true edges and other pairs, found {true.sum()} edges of {true.size} pairs"
        raise refuse("true network", said, "Give the network that is to be found")
    hits, others = _tied_counts(true, strength)
    n_true, n_false = hits.sum(), others.sum()
    found, wrong = np.cumsum(hits), np.cumsum(others)
    aupr = _areas(found - hits, wrong - others, hits, others).sum() / n_true
    below = (n_false - wrong) + others / 2
    return RankingScore(
        aupr=float(aupr),
        auroc=float(hits @ below / (n_true * n_false)),
        recall=found / n_true,
        precision=found / (found + wrong),
        density=float(n_true / true.size),
    )


def _tied_counts(
    true: Bool[np.ndarray, " n_pairs"], strength: Float[np.ndarray, " n_pairs"]
) -> tuple[Float[np.ndarray, " n_points"], Float[np.ndarray, " n_points"]]:
    """How many true and other pairs there are of each distinct strength, the strongest first."""
    _, tie = np.unique(-strength, return_inverse=True)
    hits = np.bincount(tie, weights=true)
    return hits, np.bincount(tie) - hits


def _areas(
    found: Float[np.ndarray, " n_points"],
    wrong: Float[np.ndarray, " n_points"],
    hits: Float[np.ndarray, " n_points"],
    others: Float[np.ndarray, " n_points"],
) -> Float[np.ndarray, " n_points"]:
    """Area of each group of ties: ∫ (T + t) / (T + F + (1 + f/h) t) dt over t from 0 to h."""
    some = hits > 0
    slope = 1 + np.divide(others, hits, out=np.zeros_like(hits), where=some)
    first = np.where(found + wrong > 0, found + wrong, 1.0)
    growth = np.log1p(slope * hits / first)
    curved = hits / slope + (found - first / slope) / slope * growth
    return np.where(some, np.where(found + wrong > 0, curved, hits / slope), 0.0)
