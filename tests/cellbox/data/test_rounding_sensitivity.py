"""Conditions that rounding decides are found, and no others."""

import numpy as np
import pytest

from cellbox.data.rounding_sensitivity import DISPLACEMENT, rounding_sensitive_conditions
from cellbox.data.simulation import simulate_system
from cellbox.equation.network_responses import responses
from cellbox.equation.solver_settings import SolverSettings
from cellbox.networks.known_systems import system
from cellbox.networks.network import Network

# Two nodes that push each other down: perturbed alike, they stay between two steady states.
TOGGLE = Network(("a", "b"), np.array([[0.0, -3.0], [-3.0, 0.0]]), np.ones(2))
TIMES = np.array([4.0, 20.0])
ALIKE_AND_NOT = np.array([[0.5, 0.5], [0.5, 0.0], [0.0, 0.0], [0.2, 0.6]])


@pytest.fixture(scope="module")
def bifurcating():
    return simulate_system(system("BF"), seed=0)


def rounding_sensitive(perturbations, noise, times=TIMES):
    exact = responses(TOGGLE, perturbations, times)
    return rounding_sensitive_conditions(TOGGLE, perturbations, times, exact, noise).tolist()


def test_a_toggle_is_rounding_sensitive_exactly_where_both_sides_are_treated_alike():
    assert rounding_sensitive(ALIKE_AND_NOT, 0.01) == [True, False, True, False]


def test_before_the_responses_part_every_condition_is_determined():
    assert rounding_sensitive(ALIKE_AND_NOT, 0.01, times=np.array([0.5, 1.0])) == [False] * 4


def test_noise_larger_than_any_response_leaves_nothing_rounding_sensitive():
    assert rounding_sensitive(ALIKE_AND_NOT, 3.0) == [False] * 4


def test_without_noise_what_is_determined_stays_so():
    assert rounding_sensitive(ALIKE_AND_NOT, 0.0) == [True, False, True, False]


def test_a_row_that_was_not_solved_is_rounding_sensitive():
    exact = responses(TOGGLE, ALIKE_AND_NOT, TIMES)
    exact[1] = np.nan
    found = rounding_sensitive_conditions(TOGGLE, ALIKE_AND_NOT, TIMES, exact, 0.01)
    assert found.tolist() == [True, True, True, False]


def test_a_condition_is_judged_the_same_whatever_stands_beside_it():
    alone = [rounding_sensitive(row[None], 0.01)[0] for row in ALIKE_AND_NOT]
    assert alone == rounding_sensitive(ALIKE_AND_NOT, 0.01)


def test_about_half_of_the_conditions_of_bf_are_rounding_sensitive(bifurcating):
    assert 0.3 < bifurcating.rounding_sensitive.mean() < 0.6


def test_the_rows_found_are_those_that_moving_one_node_changes(bifurcating):
    data = bifurcating
    change = [
        np.abs(
            responses(
                data.truth,
                data.perturbations,
                data.times,
                start=np.tile(DISPLACEMENT * node, (data.n_rows, 1)),
            )
            - data.noise_free
        ).max(axis=(1, 2))
        for node in np.eye(data.n_nodes)
    ]
    np.testing.assert_array_equal(data.rounding_sensitive, np.max(change, axis=0) > 0.01)


def test_float32_and_float64_disagree_about_rounding_sensitive_conditions_alone(bifurcating):
    data = bifurcating
    single = SolverSettings(rtol=1e-6, max_steps=1000)
    difference = np.abs(
        responses(data.truth, data.perturbations, data.times, single) - data.noise_free
    ).max(axis=(1, 2))
    assert (difference[~data.rounding_sensitive] < 0.01).all()
    assert (difference[data.rounding_sensitive] > 0.01).any()


@pytest.mark.parametrize("name", ["TF", "LI"])
def test_a_network_with_one_steady_state_has_no_rounding_sensitive_condition(name):
    assert not simulate_system(system(name), seed=0).rounding_sensitive.any()
