"""What is chosen together tells most, or nearly so."""

from itertools import combinations_with_replacement

import numpy as np
import pytest

from cellbox.identifiability.row_information import RowDerivatives, updated
from cellbox.planning.selection import Candidates, all_edges, choose, named_edges
from tests.cellbox.planning.conftest import random_conditions

NOISE = 0.05


@pytest.fixture(scope="module")
def candidates(belief):
    u = random_conditions(12, seed=4)
    return Candidates(u, RowDerivatives(belief.members, belief.times)(u))


@pytest.fixture(scope="module")
def known(belief):
    return belief.factors(belief.members)


def total(candidates, known, which):
    gained = 0.0
    for one in which:
        worth = all_edges(NOISE)(candidates.derivatives[:, :, [one]], known)
        gained += worth.mean()
        known = updated(known, candidates.derivatives[:, :, one], NOISE)
    return gained


def test_two_conditions_are_the_best_pair_of_all(candidates, known):
    choice = choose(candidates, known, 2, all_edges(NOISE), NOISE)
    pairs = combinations_with_replacement(range(12), 2)
    best = max(total(candidates, known, pair) for pair in pairs)
    assert choice.gained.mean(axis=1).sum() == pytest.approx(best, rel=1e-3)


def test_exchange_never_loses_and_gains_fall(candidates, known):
    greedy, exchanged = (
        choose(candidates, known, 5, all_edges(NOISE), NOISE, exchange=exchange)
        for exchange in (False, True)
    )
    gained = exchanged.gained.mean(axis=1)
    assert gained.sum() >= greedy.gained.mean(axis=1).sum() - 1e-6
    assert (np.diff(gained) < 1e-6).all()


def test_nothing_is_chosen_twice_where_it_may_not_be(candidates, known):
    choice = choose(candidates, known, 12, all_edges(NOISE), NOISE, exchange=False, repeat=False)
    assert sorted(choice.which) == list(range(12))


def test_named_edges_count_by_how_much_their_errors_fall(candidates, known):
    place = (1, 2)
    worth = named_edges([place], NOISE)(candidates.derivatives, known)
    after = updated(known, candidates.derivatives[:, :, 3], NOISE)
    before, then = (np.sqrt((each[:, 1, 2] ** 2).sum(axis=1)) for each in (known, after))
    assert worth[:, 3] == pytest.approx(np.log(before / then), abs=1e-4)
