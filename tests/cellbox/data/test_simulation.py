"""Pseudo-experiments: exact responses, the noise that was asked for, splits without leaks."""

import numpy as np
import pytest

from cellbox.data.flaws import Flaws
from cellbox.data.simulation import equal_times, simulate, simulate_system
from cellbox.errors import InputError
from cellbox.networks.known_systems import system
from cellbox.networks.network import Network
from tests.cellbox.small import LOOP, scipy_response


@pytest.fixture(scope="module")
def data():
    return simulate(LOOP, n_conditions=40, n_times=5, noise=0.01, seed=0)


def test_noise_free_responses_agree_with_scipy(data):
    for row in (0, 17, 49):
        expected = scipy_response(LOOP, data.perturbations[row], data.times)
        np.testing.assert_allclose(data.noise_free[row], expected, atol=1e-8)


def test_noise_has_the_level_that_was_asked_for_and_no_bias(data):
    noise = data.measurements - data.noise_free
    assert noise.std() == pytest.approx(0.01, rel=0.1)
    assert abs(noise.mean()) < 0.002


def test_no_noise_leaves_the_exact_response():
    exact = simulate(LOOP, n_conditions=40, n_times=5, noise=0.0)
    np.testing.assert_array_equal(exact.measurements, exact.noise_free)


def test_times_are_equally_spaced_up_to_the_horizon(data):
    np.testing.assert_allclose(data.times, [4.0, 8.0, 12.0, 16.0, 20.0])
    np.testing.assert_allclose(equal_times(4, 10.0), [2.5, 5.0, 7.5, 10.0])


def test_the_split_has_every_condition_once(data):
    split = data.split
    assert (len(split.training), len(split.validation), len(split.test)) == (40, 5, 5)
    together = np.concatenate([split.training, split.validation, split.test])
    np.testing.assert_array_equal(np.sort(together), np.arange(data.n_rows))
    assert data.n_conditions == data.n_rows == 50


def test_replicates_share_a_condition_and_a_part_but_not_their_noise():
    data = simulate(LOOP, n_conditions=4, n_times=5, n_held_out=2, n_replicates=3)
    assert (data.n_rows, data.n_conditions) == (24, 8)
    parts = [data.split.training, data.split.validation, data.split.test]
    assert [len(part) for part in parts] == [12, 6, 6]
    seen = [set(data.condition_of_row[part]) for part in parts]
    assert sum(map(len, seen)) == len(set.union(*seen)) == 8
    np.testing.assert_array_equal(data.noise_free[0], data.noise_free[2])
    assert not np.array_equal(data.measurements[0], data.measurements[2])
    assert len(set(data.row_names)) == 24


def test_replicates_do_not_change_the_conditions(data):
    more = simulate(LOOP, n_conditions=40, n_times=5, n_replicates=2, seed=0)
    np.testing.assert_array_equal(more.perturbations[::2], data.perturbations)


def test_a_seed_decides_design_and_noise(data):
    again = simulate(LOOP, n_conditions=40, n_times=5, seed=0)
    other = simulate(LOOP, n_conditions=40, n_times=5, seed=1)
    np.testing.assert_array_equal(again.measurements, data.measurements)
    assert not np.array_equal(other.perturbations, data.perturbations)


def test_a_system_is_simulated_at_the_papers_budget_unless_changed():
    mcad = system("mCAD")
    paper = simulate_system(mcad)
    assert paper.n_conditions == 30
    assert (paper.measurements - paper.noise_free).std() == pytest.approx(0.001, rel=0.15)
    np.testing.assert_array_equal((paper.perturbations != 0).sum(axis=1), 2)
    assert paper.truth is mcad.network
    changed = simulate_system(mcad, n_conditions=20, n_perturbed=3, noise=0.1)
    np.testing.assert_array_equal((changed.perturbations != 0).sum(axis=1), 3)
    assert (changed.measurements - changed.noise_free).std() == pytest.approx(0.1, rel=0.15)


def test_replicates_of_a_rounding_sensitive_condition_are_all_marked():
    once = simulate_system(system("BF"), n_conditions=10)
    twice = simulate_system(system("BF"), n_conditions=10, n_replicates=2)
    assert once.rounding_sensitive.any()
    np.testing.assert_array_equal(twice.rounding_sensitive, np.repeat(once.rounding_sensitive, 2))


def test_every_impossible_part_of_a_budget_is_refused_at_once():
    with pytest.raises(InputError) as refused:
        simulate(
            LOOP,
            n_conditions=0,
            n_times=-1,
            horizon=float("inf"),
            noise=-0.1,
            n_held_out=0,
            n_replicates=0,
        )
    assert len(refused.value.problems) == 6


@pytest.mark.wrong_types
@pytest.mark.parametrize("seed", [-1, 2**32, 0.5])
def test_a_seed_that_is_none_is_refused(seed):
    with pytest.raises(InputError, match="seed"):
        simulate(LOOP, n_conditions=3, seed=seed)


def test_more_perturbed_nodes_than_there_are_is_refused():
    with pytest.raises(InputError, match="perturbed nodes"):
        simulate(LOOP, n_conditions=3, n_perturbed=4)


def test_a_network_too_stiff_to_solve_exactly_is_refused_by_name():
    stiff = Network(("a", "b"), np.array([[-1e9, 1e9], [1e9, -1e9]]), np.array([1e3, 1e3]))
    with pytest.raises(InputError, match="simulation of wild"):
        simulate(stiff, n_conditions=1, n_times=1, n_held_out=1, name="wild")


def test_times_may_be_unequal_and_have_to_ascend():
    data = simulate(LOOP, n_conditions=3, times=[0.5, 1, 8], n_held_out=1)
    np.testing.assert_array_equal(data.times, [0.5, 1, 8])
    expected = scipy_response(LOOP, data.perturbations[0], data.times)
    np.testing.assert_allclose(data.noise_free[0], expected, atol=1e-8)
    with pytest.raises(InputError, match="ascending times above 0"):
        simulate(LOOP, n_conditions=3, times=[1.0, 1.0])


def test_gaps_and_wild_values_come_on_top_of_the_same_draw(data):
    flaws = Flaws(missing=0.1, outliers=0.05, outlier_size=8)
    flawed = simulate(LOOP, n_conditions=40, n_times=5, noise=0.01, seed=0, flaws=flaws)
    gaps = np.isnan(flawed.measurements)
    assert gaps.mean() == pytest.approx(0.1, abs=0.03)
    off = np.abs(flawed.measurements - data.measurements)[~gaps]
    assert (off > 0).mean() == pytest.approx(0.05, abs=0.02)
    assert off[off > 0].min() > 3 * np.sqrt(np.mean(data.noise_free**2))
    np.testing.assert_array_equal(flawed.noise_free, data.noise_free)


def test_hidden_nodes_act_and_are_neither_perturbed_nor_named():
    chain = system("LI").network
    data = simulate(chain, n_conditions=10, n_times=2, flaws=Flaws(hidden=2), seed=3)
    assert data.n_nodes == data.truth.n_nodes == 5
    np.testing.assert_array_equal((data.perturbations != 0).sum(axis=1), 2)
    place = [chain.nodes.index(node) for node in data.nodes]
    whole = np.zeros(7)
    whole[place] = data.perturbations[0]
    expected = scipy_response(chain, whole, data.times)[:, place]
    np.testing.assert_allclose(data.noise_free[0], expected, atol=1e-8)
    with pytest.raises(InputError, match="Leave at least two"):
        simulate(LOOP, n_conditions=3, flaws=Flaws(hidden=2))


def test_hill_kinetics_rest_at_zero_and_answer_with_the_signs_of_the_network():
    chain = Network(("a", "b", "c"), np.array([[0, 0, 0], [1.0, 0, 0], [0, -1, 0]]), np.ones(3))
    data = simulate(chain, n_conditions=12, n_perturbed=1, noise=0.0, kinetics="hill", n_times=2)
    assert data.rounding_sensitive is None
    down = data.perturbations[:, 0] > 0
    rest = data.noise_free[down, -1]
    # A level that is made at exp(-u) of its rate comes to exp(-u).
    np.testing.assert_allclose(rest[:, 0], -data.perturbations[down, 0] / np.log(2), atol=1e-4)
    assert (rest[:, 1] < 0).all()
    assert (rest[:, 2] > 0).all()
    np.testing.assert_allclose(data.noise_free[data.perturbations[:, 2] > 0][..., :2], 0, atol=1e-9)


def test_impossible_flaws_are_refused_at_once():
    with pytest.raises(InputError) as refused:
        Flaws(missing=1.0, outliers=-0.1, outlier_size=0.0, hidden=-1)
    assert len(refused.value.problems) == 4
