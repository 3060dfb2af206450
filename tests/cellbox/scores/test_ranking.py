import numpy as np
import pytest

from cellbox.errors import InputError
from cellbox.scores.ranking import ranking_score


def of(true, evidence):
    """A ranking of the six pairs of three nodes."""
    places = ~np.eye(3, dtype=bool)
    is_edge, strength = np.zeros((3, 3), bool), np.zeros((3, 3))
    is_edge[places], strength[places] = np.array(true, bool), evidence
    return ranking_score(is_edge, strength)


def test_the_area_is_that_of_the_challenge():
    # Hits at the ranks 1 and 3: 1 + (1 − 1 · ln(3/2)), over two edges.
    score = of([1, 0, 1, 0, 0, 0], [6, 5, 4, 3, 2, 1])
    assert score.aupr == pytest.approx((2 - np.log(1.5)) / 2)
    # Of 8 pairs of an edge and another, 7 are in the right order.
    assert score.auroc == pytest.approx(7 / 8)


def test_a_perfect_ranking_has_both_areas_1_and_the_worst_no_roc():
    assert of([1, 1, 0, 0, 0, 0], [6, 5, 4, 3, 2, 1]).aupr == pytest.approx(1)
    assert of([0, 0, 0, 0, 0, 1], [6, 5, 4, 3, 2, 1]).auroc == 0


def test_ties_count_as_if_shuffled():
    score = of([1, 1, 0, 0, 0, 0], [1, 1, 1, 1, 1, 1])
    assert score.aupr == pytest.approx(score.density) == pytest.approx(1 / 3)
    assert score.auroc == pytest.approx(0.5)
    assert len(score.recall) == 1


def test_ties_do_not_depend_on_the_order_of_pairs():
    one = of([1, 0, 1, 0, 0, 0], [3, 3, 2, 2, 1, 1])
    other = of([0, 1, 0, 1, 0, 0], [3, 3, 2, 2, 1, 1])
    assert one.aupr == pytest.approx(other.aupr)


def test_the_diagonal_does_not_count():
    truth = np.array([[True, True], [False, True]])
    assert ranking_score(truth, np.array([[np.inf, 1.0], [0.0, np.nan]])).aupr == 1


@pytest.mark.parametrize(
    ("true", "evidence", "said"),
    [
        ([0] * 6, [1] * 6, "expected true edges and other pairs, found 0"),
        ([1] * 6, [1] * 6, "found 6 edges of 6"),
        ([1, 0, 0, 0, 0, 0], [np.nan, 1, 1, 1, 1, 1], "expected finite numbers"),
    ],
)
def test_what_cannot_be_judged_is_refused(true, evidence, said):
    with pytest.raises(InputError, match=said):
        of(true, evidence)
