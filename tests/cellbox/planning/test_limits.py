"""Candidates keep to what can be done."""

from dataclasses import replace

import numpy as np
import pytest

from cellbox.errors import InputError
from cellbox.planning.limits import (
    Limits,
    balanced_conditions,
    candidate_conditions,
    note_limits,
    usual_limits,
)
from cellbox.storage.problems import Problems

NODES = ("a", "b", "c", "d", "e")
ALL = Limits(NODES, (0.5, 1.0), 2)


def test_every_condition_within_small_limits_is_a_candidate_once():
    u = candidate_conditions(ALL, NODES)
    assert len(u) == ALL.n_conditions == 5 * 2 + 10 * 4
    assert len(np.unique(u, axis=0)) == len(u)
    assert set(u[u != 0]) == {0.5, 1.0}


def test_of_many_conditions_some_are_drawn_with_each_node_about_equally_often():
    nodes = tuple(f"g{k}" for k in range(40))
    u = candidate_conditions(Limits(nodes, (0.25, 0.5, 1.0), 3), nodes, most=600)
    assert u.shape == (600, 40)
    assert len(np.unique(u, axis=0)) == 600
    assert (u != 0).sum(axis=1).max() == 3
    often = (u != 0).sum(axis=0)
    assert often.max() < 1.3 * often.min()


def test_limits_are_kept():
    limits = replace(ALL, nodes=("a", "c", "e"), forbidden=(("c", "a"),), doses=(-1.0,))
    u = candidate_conditions(limits, NODES)
    assert not u[:, [1, 3]].any()
    assert not (u[:, 0] * u[:, 2]).any()
    assert (u[:, 0] * u[:, 4]).any()
    spread = balanced_conditions(limits, NODES, 9)
    assert not (spread[:, 0] * spread[:, 2]).any()
    assert set(np.unique(spread)) == {-1.0, 0.0}


def test_balanced_conditions_perturb_each_node_about_equally_often():
    often = (balanced_conditions(ALL, NODES, 10) != 0).sum(axis=0)
    assert often.max() - often.min() <= 1


def test_usual_limits_are_those_of_the_data(data):
    limits = usual_limits(data)
    assert limits.nodes == data.nodes
    assert limits.most_nodes == 2
    largest = np.abs(data.perturbations).max()
    assert max(limits.doses) == pytest.approx(largest, rel=0.05)
    assert min(limits.doses) == pytest.approx(largest / 4, rel=0.05)
    drugs = replace(data, activity_nodes=np.array([True, True, False, False]))
    assert "g4" not in usual_limits(drugs).nodes


def test_everything_that_is_wrong_is_told_at_once():
    wrong = Limits(("a", "x"), (0.0,), 0, (("a", "y"), ("b", "b")))
    problems = Problems()
    note_limits(wrong, NODES, problems)
    with pytest.raises(InputError) as refused:
        problems.raise_any()
    said = str(refused.value)
    for part in ("'x'", "'y'", "forbidden pair", "doses", "most nodes"):
        assert part in said
    nothing = Limits(("a", "b"), (1.0,), 2, (("a", "b"),))
    assert len(candidate_conditions(nothing, NODES)) == 2
