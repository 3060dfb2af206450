"""What a reproduction is asked to do."""

import pytest

from cellbox.errors import InputError
from cellbox.networks.known_systems import SYSTEM_NAMES, system
from search.reproduction.recipe import FULL, QUICK, RECIPES, Recipe
from search.reproduction.running import reproduce
from search.reproduction.task import make_tasks


def test_all_ten_systems_come_at_the_papers_own_noise():
    tasks = make_tasks(None, None, 1, 0, "balanced")
    assert [task.system for task in tasks] == list(SYSTEM_NAMES)
    assert all(task.sigma == system(task.system).noise for task in tasks)


def test_every_system_is_done_at_every_noise_with_every_seed():
    tasks = make_tasks(["bf", "LI", "LI"], [0.01, 0.001], 2, 7, "paper")
    found = [(task.system, task.sigma, task.seed) for task in tasks]
    wanted = [(s, n, k) for s in ("LI", "BF") for n in (0.01, 0.001) for k in (7, 8)]
    assert sorted(found) == sorted(wanted)
    assert {task.design for task in tasks} == {"paper"}


def test_one_name_and_one_noise_may_stand_for_themselves():
    assert [(t.system, t.sigma) for t in make_tasks("LI", 0.1, 1, 0, "paper")] == [("LI", 0.1)]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"systems": ["LJ"]}, ["system", "'LJ'", "LI, CY"]),
        ({"systems": []}, ["systems", "none"]),
        ({"sigma": 0.0}, ["sigma", "above 0"]),
        ({"sigma": [0.01, float("nan")]}, ["sigma", "nan"]),
        ({"seeds": 0}, ["seeds", "found 0"]),
        ({"first_seed": -1}, ["first seed", "-1"]),
        ({"first_seed": 2**32 - 1, "seeds": 2}, ["smaller first seed"]),
        ({"design": "random"}, ["design", "'random'"]),
        ({"workers": 0}, ["workers", "found 0"]),
    ],
)
def test_what_cannot_be_done_is_refused_before_anything_is_made(tmp_path, arguments, words):
    out = tmp_path / "out"
    with pytest.raises(InputError) as refusal:
        reproduce(**arguments, out=out)
    assert all(word in str(refusal.value) for word in words)
    assert not out.exists()


def test_all_problems_are_told_at_once():
    with pytest.raises(InputError) as refusal:
        make_tasks(["LJ"], -1.0, 0, 0, "random")
    assert len(refusal.value.problems) == 4


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=lambda recipe: recipe.name)
def test_a_recipe_survives_being_written_down(recipe):
    assert Recipe.from_dict(recipe.as_dict()) == recipe


def test_a_quick_recipe_tries_less_than_the_full_one():
    assert len(QUICK.settings) < len(FULL.settings)
    assert QUICK.settings[0].steps < FULL.settings[0].steps
    assert QUICK.refined_of(19) < FULL.refined_of(19) < FULL.refined_of(5)
