"""Experiments at a budget: nested in one another, drawn afresh, judged by the truth alone."""

import numpy as np
import pytest

from cellbox.budgets.experiments import Family, SimulatedExperiments, measured_times
from cellbox.budgets.grid import BudgetGrid

AXES = {
    "conditions": (3, 6), "perturbed_nodes": (1, 2), "time_points": (1, 2), "spacing": ("even",),
    "horizon": (4.0,), "replicates": (1, 2), "dose_levels": (0, 2), "noise": (0.0, 0.01),
}  # fmt: skip
LEAST = {name: values[0] for name, values in AXES.items()}
FAMILY = Family(nodes=3, density=0.5)


@pytest.fixture(scope="module")
def experiments():
    return SimulatedExperiments(BudgetGrid(AXES), FAMILY, seed=1)


def test_a_larger_budget_holds_the_smaller_one(experiments):
    small = experiments.data({**LEAST, "noise": 0.01}, 0)
    large = experiments.data(
        {**LEAST, "conditions": 6, "replicates": 2, "time_points": 2, "noise": 0.01}, 0
    )
    np.testing.assert_array_equal(large.perturbations[::2][:3], small.perturbations)
    # The same noise on the values that both measure.
    np.testing.assert_array_equal(large.measurements[::2][:3, -1], small.measurements[:, -1])
    assert large.n_rows == 12
    assert large.n_conditions == 6


def test_replicates_have_the_same_response_and_noise_of_their_own(experiments):
    exact = experiments.data({**LEAST, "replicates": 2}, 0)
    np.testing.assert_array_equal(exact.measurements[0], exact.measurements[1])
    noisy = experiments.data({**LEAST, "replicates": 2, "noise": 0.01}, 0)
    assert (noisy.measurements[0] != noisy.measurements[1]).all()


def test_draws_differ_in_truth_design_and_noise(experiments):
    first, second = (experiments.data(LEAST, draw) for draw in (0, 1))
    assert (experiments.truth(0).weights != experiments.truth(1).weights).any()
    assert (first.perturbations != second.perturbations).any()
    again = SimulatedExperiments(BudgetGrid(AXES), FAMILY, seed=1).data(LEAST, 1)
    np.testing.assert_array_equal(again.measurements, second.measurements)


def test_doses_come_in_equal_steps_where_levels_are_asked_for(experiments):
    doses = experiments.data({**LEAST, "dose_levels": 2, "conditions": 6}, 0).perturbations
    assert set(np.unique(doses)) <= {0.0, 0.5, 1.0}
    assert ((doses != 0).sum(axis=1) == 1).all()


def test_stand_ins_come_up_in_turn():
    networks = tuple(FAMILY.network((seed,)) for seed in range(3))
    several = SimulatedExperiments(BudgetGrid(AXES), networks)
    assert several.truth(4) is networks[1]


def test_a_panel_is_all_that_is_perturbed_measured_and_asked_for(experiments):
    seen = SimulatedExperiments(BudgetGrid(AXES), FAMILY, panel=("g3", "g1"), seed=1)
    data = seen.data({**LEAST, "conditions": 6}, 0)
    assert data.nodes == ("g3", "g1")
    assert data.truth.weights.shape == (2, 2)
    # The others answer all the same: their effects are in the data.
    whole = experiments.truth(0)
    assert data.truth.weights[0, 1] == whole.weights[2, 0]


def test_times_end_at_the_horizon_and_ascend():
    for spacing in ("even", "early", "geometric"):
        for count in (1, 2, 5):
            times = measured_times(count, 10.0, spacing)
            assert len(times) == count
            assert times[-1] == 10.0
            assert (np.diff(times, prepend=0.0) > 0).all()


def test_enough_exact_data_recover_the_network(experiments):
    cell = {**LEAST, "conditions": 6, "time_points": 2, "replicates": 1, "perturbed_nodes": 2}
    outcome = experiments.run({**cell, "noise": 0.0}, 0)
    assert outcome["status"] == "learned"
    assert outcome["pearson"] > 0.99
    assert outcome["prediction_error"] < 1e-3
    assert outcome["named_signs"] is None


def test_named_edges_are_asked_for_their_signs():
    truth = FAMILY.network((0,))
    target, source = np.argwhere(truth.weights != 0)[0]
    edge = truth.nodes[source], truth.nodes[target]
    several = SimulatedExperiments(BudgetGrid(AXES), (truth,), edges=(edge,))
    cell = {**LEAST, "conditions": 6, "time_points": 2, "perturbed_nodes": 2}
    assert several.run(cell, 0)["named_signs"] == 1.0
