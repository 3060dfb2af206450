"""Budgets as a grid: cells, coordinates, and surfaces made monotone."""

import numpy as np

from cellbox.budgets.grid import BudgetGrid

GRID = BudgetGrid({"conditions": (4, 8, 16), "spacing": ("even", "early"), "noise": (0.01, 0.1)})


def test_cells_are_all_combinations_and_know_their_numbers():
    assert len(GRID.cells) == 12
    assert GRID.cells[1] == {"conditions": 4, "spacing": "even", "noise": 0.1}
    assert [GRID.index(cell) for cell in GRID.cells] == list(range(12))


def test_coordinates_are_doublings_and_axes_of_one_value_have_none():
    alone = BudgetGrid({"conditions": (4, 8, 16), "horizon": (20.0,)})
    np.testing.assert_allclose(alone.coordinates[:, 0], [-1, 0, 1])
    assert alone.coordinates.shape == (3, 1)
    assert GRID.coordinates.shape == (12, 4)
    assert GRID.is_conditions.tolist() == [True, False, False, False]


def test_no_noise_at_all_has_a_place_below_the_least_noise():
    places = BudgetGrid({"noise": (0.0, 0.01)}).coordinates[:, 0]
    assert places[0] < places[1]


def test_rearranged_surfaces_rise_with_conditions_and_fall_with_noise_alone():
    random = np.random.default_rng(0).normal(size=(5, 12))
    shaped = GRID.rearranged(random).reshape(5, 3, 2, 2)
    assert (np.diff(shaped, axis=1) >= 0).all()
    assert (np.diff(shaped, axis=3) <= 0).all()
    assert (np.diff(shaped, axis=2) < 0).any()
    # Nothing is lost or made up.
    np.testing.assert_allclose(np.sort(shaped.ravel()), np.sort(random.ravel()))


def test_a_step_further_is_more_conditions_or_less_noise():
    further = dict(GRID.neighbours(GRID.index({"conditions": 4, "spacing": "even", "noise": 0.1})))
    assert GRID.cells[further["conditions"]]["conditions"] == 8
    assert GRID.cells[further["noise"]]["noise"] == 0.01
    assert "spacing" not in further
