"""Refinement reaches what the data can tell, and says where it cannot be done."""

from dataclasses import replace

import numpy as np
import pytest

from cellbox.data.simulation import simulate, simulate_system
from cellbox.networks.known_systems import system
from cellbox.networks.network import Network
from cellbox.refinement.multiple_shooting import MultipleShooting
from cellbox.refinement.refine import (
    LARGEST_WITH_FREE_STATES,
    explain,
    obstacle,
    refine,
)
from cellbox.refinement.regression_start import regression_start
from cellbox.scores.metrics import pearson_correlation


def experiment(name, noise=0.01, seed=1, **changes):
    data = simulate_system(system(name), seed=seed, noise=noise, design="balanced", **changes)
    rows = data.split.training
    return data, MultipleShooting.of(data, rows)


def near(truth, by=0.1):
    random = np.random.default_rng(0)
    weights = truth.weights + by * random.normal(size=truth.weights.shape)
    return Network(truth.nodes, weights, truth.amplitudes * 1.1)


def test_it_finds_the_true_edges_and_no_others():
    data, problem = experiment("LI")
    refined = refine(problem, near(data.truth))
    assert ((refined.network.weights != 0) == (data.truth.weights != 0)).all()
    assert refined.n_edges == (data.truth.weights != 0).sum()
    assert pearson_correlation(refined.network.weights, data.truth.weights) > 0.9999
    assert refined.noise == pytest.approx(0.01, rel=0.1)


def test_a_start_that_leads_to_where_another_has_been_ends_there_to_the_bit():
    _, problem = experiment("LI")
    truth = system("LI").network
    known = refine(problem, near(truth), leave_landmarks=True)
    other = near(truth, by=0.02)
    alone, found = refine(problem, other), refine(problem, other, known=known)
    assert (found.network.weights == known.network.weights).all()
    assert found.n_steps < alone.n_steps
    np.testing.assert_allclose(found.network.weights, alone.network.weights, atol=1e-9)


def test_a_start_that_leads_elsewhere_goes_its_own_way():
    _, problem = experiment("LI")
    truth = system("LI").network
    known = refine(problem, near(truth), leave_landmarks=True)
    shifted = [mark._replace(parameters=mark.parameters + 0.1) for mark in known.landmarks]
    elsewhere = replace(known, landmarks=tuple(shifted))
    alone, found = (
        refine(problem, near(truth, by=0.02), known=known) for known in (None, elsewhere)
    )
    assert found.n_steps == alone.n_steps
    assert (found.network.weights == alone.network.weights).all()


def test_without_selection_every_allowed_edge_stays_and_no_other_comes():
    data, problem = experiment("mCAD")
    allowed = np.ones((5, 5), bool)
    allowed[0, 1] = False
    refined = refine(problem, near(data.truth), allowed_edges=allowed, select_edges=False)
    assert ((refined.network.weights != 0) == allowed).all()


def test_selection_brings_it_nearer_to_the_truth_where_noise_is_large():
    data, problem = experiment("VSC")
    r = [
        pearson_correlation(
            refine(problem, near(data.truth), select_edges=select).network.weights,
            data.truth.weights,
        )
        for select in (False, True)
    ]
    assert r[1] > r[0] + 0.02


def test_responses_on_an_unstable_ridge_do_not_lead_it_astray():
    data, problem = experiment("BF")
    assert data.rounding_sensitive[data.split.training].mean() > 0.2
    refined = refine(problem, near(data.truth))
    assert pearson_correlation(refined.network.weights, data.truth.weights) > 0.999


def test_steady_states_are_enough():
    data, problem = experiment("LI", noise=0.001, n_times=1, n_conditions=40)
    refined = refine(problem, near(data.truth))
    assert pearson_correlation(refined.network.weights, data.truth.weights) > 0.999


def test_the_criterion_prefers_the_selected_network():
    data, problem = experiment("VSC")
    selected = refine(problem, near(data.truth))
    every = refine(problem, near(data.truth), select_edges=False)
    assert selected.penalised_noise < every.penalised_noise
    assert selected.penalised_noise < explain(problem, near(data.truth)).penalised_noise


def test_explaining_leaves_the_network_as_it_is():
    data, problem = experiment("mCAD")
    explained = explain(problem, data.truth)
    np.testing.assert_array_equal(explained.network.weights, data.truth.weights)
    assert explained.noise == pytest.approx(0.01, rel=0.15)


def test_few_data_are_refined_without_falling_apart():
    data, problem = experiment("VSC", n_conditions=4, n_times=2)
    refined = refine(problem, near(data.truth))
    assert np.isfinite(refined.network.weights).all()
    assert refined.n_edges + 8 <= problem.n_values // 2


def test_the_same_start_gives_the_same_network_to_the_bit():
    data, problem = experiment("mCAD")
    first, second = (refine(problem, near(data.truth)) for _ in range(2))
    np.testing.assert_array_equal(first.network.weights, second.network.weights)


def test_what_cannot_be_refined_is_said():
    _, problem = experiment("mCAD")
    assert obstacle(problem) is None
    n_nodes = LARGEST_WITH_FREE_STATES + 1
    large = MultipleShooting(np.zeros((80, n_nodes)), np.zeros((80, 1, n_nodes)), np.ones(1))
    assert f"too few for {n_nodes**2 + n_nodes} weights" in obstacle(large)
    assert obstacle(large, np.eye(n_nodes, dtype=bool)) is None
    small = MultipleShooting(np.zeros((1, 5)), np.zeros((1, 1, 5)), np.ones(1))
    assert "5 measured values" in obstacle(small)


def test_what_is_explained_pays_for_every_entry_it_has():
    data, problem = experiment("VSC", n_conditions=4, n_times=2)
    dense, n_values = near(data.truth), problem.n_values
    explained = explain(problem, dense)
    assert explained.n_edges == 64
    assert explained.n_edges + 8 > n_values // 2
    selected = refine(problem, dense)
    assert selected.information < explained.information


def test_self_regulation_is_told_from_amplitude_where_amplitudes_are_alike():
    data, problem = experiment("TF", seed=300)
    refined = refine(problem, near(data.truth))
    itself = np.eye(data.n_nodes, dtype=bool)
    assert (refined.network.weights != 0)[itself & (data.truth.weights != 0)].all()
    assert pearson_correlation(refined.network.weights, data.truth.weights) > 0.985
    np.testing.assert_allclose(refined.network.amplitudes, 0.2, atol=0.01)


def test_amplitudes_that_differ_are_not_drawn_together():
    random = np.random.default_rng(5)
    known = system("LI").network
    amplitudes = np.exp(0.5 * random.standard_normal(known.n_nodes))
    unequal = Network(known.nodes, known.weights, amplitudes)
    data = simulate(unequal, n_conditions=20, design="balanced", noise=0.01, seed=3)
    refined = refine(MultipleShooting.of(data, data.split.training), near(unequal))
    np.testing.assert_allclose(refined.network.amplitudes, amplitudes, rtol=0.03)


def saturating_levels(seed=0):
    """Levels after three stimuli that nobody measured: another equation, which edges help all the
    same."""
    random, n = np.random.default_rng(seed), 9
    weights = np.zeros((n, n))
    for target in range(3, n):
        for source in random.choice(n, 2, replace=False):
            if source != target:
                weights[target, source] = random.choice([1.5, 2.5, -2])
    perturbations = np.zeros((21, n))
    perturbations[np.arange(21), np.repeat(np.arange(3), 7)] = -1
    for row in range(21):
        perturbations[row, 2 + row % 7] += row % 7 > 0
    state, levels, times = np.zeros((21, n)), [], np.array([1.0, 5.0, 10.0, 15.0])
    for step in range(1, 301):
        inputs = state @ weights.T - 2 * perturbations
        inputs[:, :3] = -3 * perturbations[:, :3]
        up = np.maximum(inputs, 0)
        state = state + 0.05 * (up / (1 + up) - state)
        if step in (20, 100, 200, 300):
            levels.append(state + 0.03 * random.normal(size=state.shape))
    measured = np.clip(np.stack(levels, axis=1), 0, 1)
    measured[..., :3] = np.nan
    return MultipleShooting(perturbations, measured, times)


def test_a_selection_that_ends_without_edges_goes_back_to_the_best_on_its_way():
    # The quadratic praises networks here whose fit is worse, the last of them without any edge.
    problem = saturating_levels()
    names = tuple(f"p{node}" for node in range(9))
    empty = explain(problem, Network(names, np.zeros((9, 9)), np.ones(9)))
    found = refine(problem, regression_start(problem, names, None))
    assert found.n_edges > 0
    assert found.noise < 0.5 * empty.noise
    assert found.information < empty.information - 100
