import numpy as np
import pytest

from cellbox import infer_network
from cellbox.errors import InputError
from cellbox.knockouts.doubles import (
    additive_doubles,
    judged,
    predict_doubles,
    steady_expression,
)
from tests.cellbox.knockouts.small import N_GENES, experiments, steady

PAIRS = np.array([(0, 3), (1, 4), (0, 5), (3, 5), (2, 7)])


@pytest.fixture(scope="module")
def found():
    return infer_network(experiments())


def test_a_knocked_out_gene_is_0_and_nothing_else_is_below(found):
    expression = steady_expression(found, PAIRS)
    assert not judged(PAIRS, N_GENES)[expression == 0].all()
    assert (np.take_along_axis(expression, PAIRS, axis=1) == 0).all()
    assert (expression >= 0).all()
    assert (expression <= found.ceiling).all()


def test_with_nothing_knocked_out_it_is_the_wild_type(found):
    nothing = np.zeros((1, 0), dtype=int)
    assert steady_expression(found, nothing)[0] == pytest.approx(found.base.levels)


def test_doubles_are_predicted_better_than_by_the_additive_rule(found):
    knockouts = experiments().knockouts
    exact = np.array([steady(list(pair)) for pair in PAIRS])
    counted = judged(PAIRS, N_GENES)
    mine = predict_doubles(found, knockouts, PAIRS) - exact
    additive = additive_doubles(found.base.levels, knockouts, PAIRS) - exact
    assert (mine[counted] ** 2).mean() < (additive[counted] ** 2).mean()


def test_what_the_first_gene_does_through_the_second_counts_once(found):
    # 5 needs 3, and 0 needs 5: losing 5 as well as 3 is no more than losing 5.
    both, lone = steady([3, 5])[0], steady([5])[0]
    assert both == pytest.approx(lone)
    predicted = predict_doubles(found, experiments().knockouts, np.array([(3, 5)]))[0, 0]
    additive = additive_doubles(found.base.levels, experiments().knockouts, np.array([(3, 5)]))
    assert abs(predicted - both) < abs(additive[0, 0] - both)


@pytest.mark.parametrize("pair", [(0, N_GENES), (-1, 2)])
def test_genes_that_there_are_not_are_refused(found, pair):
    with pytest.raises(InputError, match=f"expected places of {N_GENES} genes"):
        predict_doubles(found, experiments().knockouts, np.array([pair]))
