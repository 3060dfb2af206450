from dataclasses import fields, replace
from itertools import chain, combinations

import numpy as np
import pytest

from cellbox.refinement.edge_prices import Surcharges
from cellbox.refinement.row_subsets import RowQuadratic

N_EDGES, AMPLITUDE = 7, 7


def row_of(seed: int, n_values: int = 40, noise: float = 0.3) -> tuple[RowQuadratic, np.ndarray]:
    """A linear regression on correlated regressors, of which three matter."""
    random = np.random.default_rng(seed)
    mixed = random.standard_normal((N_EDGES + 1, N_EDGES + 1))
    regressors = random.standard_normal((n_values, N_EDGES + 1)) @ mixed
    true = np.zeros(N_EDGES + 1)
    true[[1, 4, 6]] = 1.0, -0.8, 0.5
    true[AMPLITUDE] = 0.7
    values = regressors @ true + noise * random.standard_normal(n_values)
    row = RowQuadratic(
        curvature=regressors.T @ regressors,
        wanted=regressors.T @ values,
        nothing=float(values @ values),
        allowed=np.arange(N_EDGES + 1) < N_EDGES,
        stays=(AMPLITUDE,),
        n_values=n_values,
        most=n_values // 2,
        price=np.log(n_values),
    )
    return row, true


def all_subsets(places):
    return chain.from_iterable(combinations(places, size) for size in range(len(places) + 1))


@pytest.mark.parametrize("seed", range(8))
def test_exchanges_end_where_no_single_change_is_better(seed):
    row, _ = row_of(seed)
    found = row.exchanged(row.grown())
    edges, lowest = set(found[1:]), row.criterion(found)
    assert found[0] == AMPLITUDE
    assert lowest <= row.criterion(row.grown())
    for other in map(set, all_subsets(range(N_EDGES))):
        if len(edges - other) <= 1 and len(other - edges) <= 1:
            assert row.criterion([AMPLITUDE, *sorted(other)]) >= lowest - 1e-6


def test_the_better_of_two_beginnings_is_nearly_always_the_best_of_all_subsets():
    best = 0
    for seed in range(20):
        row, _ = row_of(seed)
        begun = ([AMPLITUDE, *range(N_EDGES)], row.grown())
        lowest = min(row.criterion(row.exchanged(one)) for one in begun)
        of_all = min(row.criterion([AMPLITUDE, *one]) for one in all_subsets(range(N_EDGES)))
        best += lowest < of_all + 1e-6
    assert best >= 18


def test_an_exchange_takes_one_edge_for_several_that_stand_in_for_it():
    random = np.random.default_rng(0)
    true = random.standard_normal(60)
    stand_ins = true[:, None] * [0.5, 0.5] + [[0.0, 0.0]]
    # Each of the two stands in for half of the true one, and their errors cancel.
    error = 0.5 * random.standard_normal(60)
    stand_ins += np.stack([error, -error], axis=1)
    regressors = np.column_stack([true, stand_ins])
    values = true + 0.01 * random.standard_normal(60)
    row = RowQuadratic(
        curvature=regressors.T @ regressors + 1e-9 * np.eye(3),
        wanted=regressors.T @ values,
        nothing=float(values @ values),
        allowed=np.ones(3, bool),
        stays=(),
        n_values=60,
        most=30,
        price=np.log(60),
    )
    assert row.exchanged([1, 2]) == [0]


def test_edges_that_are_not_allowed_or_too_many_stay_out():
    row, _ = row_of(3)
    allowed = row.allowed.copy()
    allowed[1] = False
    assert 1 not in replace(row, allowed=allowed).exchanged([AMPLITUDE, 4])
    assert len(replace(row, most=2).exchanged([AMPLITUDE])) <= 2


def test_a_surcharge_keeps_the_edge_of_one_sign_out_and_lets_the_other_in():
    row, true = row_of(5, noise=0.01)
    found = row.exchanged(row.grown())
    assert {1, 4, 6} <= set(found)
    dear = np.zeros(N_EDGES + 1)
    dear[1] = 1e4
    for sign, kept in ((1, False), (-1, True)):
        of_sign = (dear, 0 * dear) if sign == np.sign(true[1]) else (0 * dear, dear)
        priced = replace(row, surcharges=Surcharges(*of_sign))
        assert (1 in priced.exchanged(priced.grown())) is kept


def test_values_are_those_of_least_squares():
    row, true = row_of(0, noise=0.0)
    np.testing.assert_allclose(row.values([AMPLITUDE, 1, 4, 6]), true, atol=1e-8)


def test_growth_ends_where_what_pays_beforehand_does_not_afterwards():
    # As rounding may have it where courses run off to 1e12.
    class Rounded(RowQuadratic):
        def _without_needless(self, chosen):
            return chosen[: len(self.stays)]

    row, _ = row_of(0)
    rounded = Rounded(**{field.name: getattr(row, field.name) for field in fields(row)})
    assert rounded.grown() == [AMPLITUDE]
