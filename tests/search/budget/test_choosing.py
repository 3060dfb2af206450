"""Which experiment comes next follows from those before, and finds the cheapest design."""

import numpy as np
import pytest
from scipy.special import expit

from cellbox.budgets.grid import BudgetGrid
from search.budget.choosing import Chooser, Planned, Verdicts
from search.study.budget_folder import ExperimentRecord
from tests.search.budget.small import spec

GRID = BudgetGrid({"conditions": (4, 6, 8, 12), "time_points": (1, 2)})
# Of 8 conditions at one time 95 of 100 experiments succeed, of 6 one half.
CHANCES = expit(np.array([-9.0, -9.0, 0.0, 0.5, 3.5, 3.7, 7.0, 7.0]))


def record(number, planned):
    luck = np.random.default_rng([planned.cell, planned.draw]).random()
    r = 0.95 if luck < CHANCES[planned.cell] else 0.5
    outcome = {"status": "learned", "pearson": r, "seconds": 1.0}
    return ExperimentRecord(number, GRID.cells[planned.cell], planned.draw, outcome, 0.0, 1.0)


def played(asked, n, *, told_late=False):
    """The first n experiments; told_late: whether more than needed is known when one is chosen."""
    chooser = Chooser(asked, GRID)
    planned, told = [], []
    while len(planned) < n:
        number = len(planned)
        while len(told) < (number if told_late else chooser.seen_by(number)):
            told.append(record(len(told), planned[len(told)]))
        found = chooser.choose(number, planned, told)
        if found is None:
            break
        planned.append(found)
    while len(told) < len(planned):
        told.append(record(len(told), planned[len(told)]))
    return chooser, planned, told


def asked(**choosing):
    return spec(draws=20, choosing={"in_flight": 4, **choosing})


def test_the_choice_does_not_hang_on_how_many_are_told_early():
    _, first, _ = played(asked(), 24)
    _, again, _ = played(asked(), 24, told_late=True)
    assert first == again


def test_no_budget_sees_a_draw_twice():
    _, planned, _ = played(asked(), 40)
    assert len(set(planned)) == 40


def test_experiments_go_where_the_answer_is_and_find_it():
    _, planned, told = played(asked(), 48)
    counts = np.bincount([one.cell for one in planned], minlength=8)
    assert counts[[2, 4]].sum() > 2 * counts[[0, 7]].sum()
    cheapest = Verdicts(asked(), GRID).economy(told).cheapest()
    assert cheapest.cell in (4, 6)
    assert cheapest.low <= 8.0 <= cheapest.high


@pytest.mark.parametrize("name", ["grid", "random"])
def test_other_ways_to_choose_are_there_to_compare(name):
    _, planned, _ = played(asked(name=name), 200)
    # All budgets with all draws, and no more.
    assert len(planned) == len(set(planned)) == 160
    if name == "grid":
        assert planned[:9] == [*(Planned(cell, 0) for cell in range(8)), Planned(0, 1)]


def test_a_study_is_over_when_the_cost_is_known_as_precisely_as_asked():
    told = played(asked(name="grid"), 80)[2]
    chooser = Chooser(asked(interval=2.0, fewest=20), GRID)
    assert chooser.enough(told[:16]) is None
    assert "known to within 200 %" in chooser.enough(told)
    assert Chooser(asked(interval=0.0), GRID).enough(told) is None


def test_experiments_on_truths_that_cannot_be_solved_say_nothing():
    _, _, told = played(asked(), 20)
    outcome = {"status": "unsolved", "pearson": None}
    unsolved = ExperimentRecord(20, GRID.cells[0], 19, outcome, 0.0, 1.0)
    verdicts = Verdicts(asked(), GRID)
    assert len(verdicts.tried([*told, unsolved]).cells) == 20
