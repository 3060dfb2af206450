"""Designs perturb exactly as many nodes as asked, and smaller ones are part of larger ones."""

import numpy as np
import pytest
from scipy.stats import qmc

from cellbox.data.design import DESIGNS, check_perturbed, draw_design
from cellbox.errors import InputError


def design(seed=0, n_conditions=40, n_nodes=6, kind="paper"):
    return draw_design(n_conditions, n_nodes, np.random.default_rng(seed), kind=kind)


def test_levels_are_those_of_the_latin_hypercube_that_studies_were_begun_with():
    for seed in range(5):
        random = np.random.default_rng(seed)
        drawn = draw_design(7 + seed, 3 + seed, random)
        known = np.random.default_rng(seed)
        wanted = 1.0 - qmc.LatinHypercube(3 + seed, rng=known).random(7 + seed)
        np.testing.assert_array_equal(drawn.levels, wanted)


@pytest.mark.parametrize("kind", DESIGNS)
@pytest.mark.parametrize("n_perturbed", range(1, 7))
def test_each_condition_perturbs_exactly_as_many_nodes_as_asked(n_perturbed, kind):
    u = design(kind=kind).perturbations(n_perturbed)
    np.testing.assert_array_equal((u != 0).sum(axis=1), n_perturbed)
    assert (u >= 0).all()
    assert (u <= 1).all()


@pytest.mark.parametrize("kind", DESIGNS)
def test_a_design_with_fewer_perturbed_nodes_is_part_of_one_with_more(kind):
    drawn = design(kind=kind)
    for n_perturbed in range(1, 6):
        fewer, more = drawn.perturbations(n_perturbed), drawn.perturbations(n_perturbed + 1)
        np.testing.assert_array_equal(more[fewer != 0], fewer[fewer != 0])


def test_levels_are_a_latin_hypercube_each_node_has_one_level_in_every_stratum():
    levels = design(n_conditions=25).levels
    strata = np.ceil(levels * 25).astype(int)
    for node in range(levels.shape[1]):
        np.testing.assert_array_equal(np.sort(strata[:, node]), np.arange(1, 26))


@pytest.mark.parametrize("n_perturbed", [1, 2, 3])
@pytest.mark.parametrize("n_conditions", [3, 7, 20, 41])
@pytest.mark.parametrize("n_nodes", [5, 8, 19])
def test_a_balanced_design_perturbs_all_nodes_equally_often(n_nodes, n_conditions, n_perturbed):
    drawn = design(n_conditions=60, n_nodes=n_nodes, kind="balanced")
    counts = (drawn.perturbations(n_perturbed)[:n_conditions] != 0).sum(axis=0)
    assert counts.max() - counts.min() <= (1 if n_perturbed == 1 else 2)
    if n_conditions * n_perturbed >= 2 * n_nodes:
        assert counts.min() >= 1


def test_another_kind_of_design_is_refused():
    with pytest.raises(InputError, match="expected paper or balanced, found 'random'"):
        design(kind="random")


def test_all_nodes_are_perturbed_about_equally_often():
    counts = (design(n_conditions=600).perturbations(2) != 0).sum(axis=0)
    assert (np.abs(counts - 200) < 50).all()


def test_the_same_seed_draws_the_same_design_and_another_seed_another():
    first, again, other = (design(seed).perturbations(2) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("n_perturbed", [0, -1, 4])
def test_a_number_of_perturbed_nodes_that_cannot_be_is_refused(n_perturbed):
    with pytest.raises(InputError, match=f"1 to 3.*found {n_perturbed}"):
        check_perturbed(n_perturbed, 3)
