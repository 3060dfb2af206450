"""The cheapest design, its interval, the cost front and what more buys."""

import numpy as np

from cellbox.budgets.answers import Economy, design_in_words
from cellbox.budgets.choosing import Taken, spread_out, where_unsure
from cellbox.budgets.grid import BudgetGrid
from cellbox.budgets.surfaces import Surface

GRID = BudgetGrid({"conditions": (2, 4, 8, 16)})
COSTS = np.array([2.0, 4.0, 8.0, 16.0])


def economy(samples, affordable=(True,) * 4):
    return Economy(GRID, Surface(np.array(samples)), COSTS, np.array(affordable), share=0.9)


def test_the_cheapest_is_that_which_is_probably_good_and_its_interval_holds_the_others():
    sure, later = [0.1, 0.5, 0.95, 0.99], [0.1, 0.5, 0.8, 0.95]
    found = economy([sure] * 80 + [later] * 20).cheapest()
    assert (found.cell, found.cost, found.low, found.high) == (2, 8.0, 8.0, 16.0)
    assert found.sure == 0.8
    assert found.width() == 1.0


def test_where_no_design_may_be_good_the_interval_is_open():
    found = economy([[0.1, 0.5, 0.95, 0.99]] * 80 + [[0.1, 0.2, 0.3, 0.4]] * 20).cheapest()
    assert found.cell == 2
    assert found.high is None
    assert found.width() == float("inf")


def test_what_cannot_be_paid_is_no_answer_but_the_nearest_is_told():
    poor = economy([[0.1, 0.5, 0.95, 0.99]] * 10, affordable=(True, True, False, False))
    assert poor.cheapest().cell is None
    assert poor.nearest() == 1
    assert economy([[0.5] * 4], affordable=(False,) * 4).nearest() is None


def test_the_front_leaves_out_what_is_dearer_and_no_better():
    assert economy([[0.1, 0.6, 0.6, 0.9]] * 3).front().tolist() == [0, 1, 3]


def test_gains_are_of_one_step_and_by_cost():
    [gain] = economy([[0.1, 0.5, 0.7, 0.9]] * 4).gains(1)
    assert (gain["axis"], gain["from"], gain["to"], gain["cost"]) == ("conditions", 4, 8, 4.0)
    assert abs(gain["per_cost"] - 0.05) < 1e-9


def test_designs_are_told_as_people_say_them():
    cell = {"conditions": 14, "perturbed_nodes": 2, "time_points": 3, "spacing": "even",
            "replicates": 1, "noise": 0.01}  # fmt: skip
    assert design_in_words(cell) == "14 conditions of 2 nodes at 3 times"
    assert design_in_words({"conditions": 1, "perturbed_nodes": 1}) == "1 condition of 1 node"
    told = design_in_words({**cell, "spacing": "early", "replicates": 2}, ("noise",))
    assert told == "14 conditions of 2 nodes at 3 early times, 2 replicates, noise 0.01"


def test_first_experiments_are_spread_out():
    assert [spread_out(GRID, number) for number in range(4)] in ([1, 3, 0, 2], [2, 0, 3, 1])


def test_the_next_experiment_is_where_the_answer_hangs_and_never_where_all_draws_are_used():
    unsure = economy([[0.1, 0.5, 0.95, 0.99]] * 50 + [[0.1, 0.5, 0.8, 0.99]] * 50)
    taken = Taken(np.array([5, 5, 5, 5]), np.zeros(4, int), most=20)
    assert where_unsure(unsure, taken, 0) == 2
    full = Taken(np.array([5, 5, 20, 5]), np.zeros(4, int), most=20)
    assert where_unsure(unsure, full, 0) != 2
    nothing = Taken(np.full(4, 20), np.zeros(4, int), most=20)
    assert where_unsure(unsure, nothing, 0) is None
