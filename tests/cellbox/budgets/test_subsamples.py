"""Parts of measured data: nested, with the same conditions held out, beside simpler models."""

import numpy as np
import pytest

from cellbox.budgets.grid import BudgetGrid
from cellbox.budgets.subsamples import MODELS, Subsamples, fewest_nodes, largest_part
from cellbox.data.simulation import simulate
from cellbox.networks.random_networks import random_network

NETWORK = random_network(4, density=0.4, seed=2)
AXES = {"conditions": (4, 10), "time_points": (1, 2), "nodes": (4,)}


@pytest.fixture(scope="module")
def parts():
    data = simulate(NETWORK, n_conditions=10, n_times=2, horizon=4.0, n_held_out=2, seed=1)
    return Subsamples(BudgetGrid(AXES), data, seed=3)


def test_parts_are_nested_and_hold_out_the_same(parts):
    small, large = (
        parts._part({"conditions": n, "time_points": 2, "nodes": 4}, 0)[1] for n in (4, 10)
    )
    assert set(small.training) < set(large.training)
    np.testing.assert_array_equal(small.test, large.test)
    assert not set(large.training) & set(large.test)
    other = parts._part({"conditions": 10, "time_points": 2, "nodes": 4}, 1)[1]
    assert set(other.test) != set(large.test)


def test_times_that_a_part_lacks_are_not_learned_from_but_predicted(parts):
    data, split, slots, _ = parts._part({"conditions": 10, "time_points": 1, "nodes": 4}, 0)
    assert slots.tolist() == [1]
    assert np.isnan(data.measurements[split.training, 0]).all()
    assert np.isfinite(data.measurements[split.test]).all()


def test_all_models_are_judged_on_the_same_values(parts):
    outcome = parts.run({"conditions": 10, "time_points": 2, "nodes": 4}, 0)
    assert outcome["status"] == "learned"
    assert set(MODELS) <= set(outcome)
    assert outcome["CellBox"] < outcome["ridge"] < outcome["mean"]
    # No single responses were measured.
    assert outcome["additive"] is None


def test_every_panel_keeps_the_nodes_that_are_perturbed(parts):
    assert fewest_nodes(parts.dataset) == 4
    assert largest_part(parts.dataset) == 10
