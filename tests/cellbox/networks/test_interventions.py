"""What was done beside doses that last: nodes that are held, doses that begin and end."""

import numpy as np
import pytest

from cellbox.errors import InputError
from cellbox.networks.interventions import (
    Interventions,
    check_doses,
    held_nodes,
    no_interventions,
    refuse_interventions,
    unknown_beside,
)
from tests.cellbox.intervened import interventions_of
from tests.refusals import refusal

NODES = ("a", "b", "c")
DONE = interventions_of(3, 3, {(0, 1): -2.0}, {(1, 0): (1.0, 4.0), (1, 2): (0.0, 3.0)})


def test_rows_in_which_something_was_done_are_known():
    assert DONE.affected.tolist() == [True, True, False]
    assert DONE.rows(np.array([2])) is None
    assert DONE.rows(np.array([2, 0])).affected.tolist() == [False, True]


def test_doses_act_between_their_switches():
    u = np.ones((3, 3))
    assert DONE.switches(8.0).tolist() == [1.0, 3.0, 4.0]
    assert DONE.switches(3.5).tolist() == [1.0, 3.0]
    assert DONE.acting(u, 0.0)[1].tolist() == [0.0, 1.0, 1.0]
    assert DONE.acting(u, 1.0)[1].tolist() == [1.0, 1.0, 1.0]
    assert DONE.acting(u, 3.0)[1].tolist() == [1.0, 1.0, 0.0]
    assert (DONE.acting(u, 2.0)[2] == 1).all()


def test_spans_without_a_dose_and_ends_after_the_last_time_do_not_show():
    u = np.array([[1.0, 0, 0], [1, 0, 0], [1, 0, 1]])
    spans = {(0, 0): (0.0, 8.0), (1, 1): (2.0, 3.0), (2, 0): (0.0, 8.0), (2, 2): (1.0, 9.0)}
    done = interventions_of(3, 3, {}, spans)
    seen = done.seen_until(u, 8.0)
    assert seen.affected.tolist() == [False, False, True]
    assert (seen.begins[2].tolist(), np.isinf(seen.ends).all()) == ([0, 0, 1], True)
    assert done.seen_until(u, 8.5).ends[2].tolist() == [8, np.inf, np.inf]
    assert done.seen_until(u, np.inf).affected.tolist() == [True, False, True]


def test_models_without_time_see_shares_of_time_and_levels():
    inputs = DONE.inputs(np.ones((3, 3)), 8.0)
    np.testing.assert_allclose(inputs[1], [3 / 8, 1, 3 / 8, 0, 0, 0])
    assert inputs[0].tolist() == [1, 1, 1, 0, -2, 0]


def test_rows_are_told_apart_by_what_was_done():
    keys = DONE.keys()
    assert len(np.unique(keys, axis=0)) == 3
    assert not keys[2].any()
    # A node that is held at 0 is held all the same.
    at_zero = interventions_of(2, 3, {(0, 1): 0.0}, {}).keys()
    assert (at_zero[0] != at_zero[1]).any()


def test_what_was_done_is_said():
    assert DONE.words(0, NODES) == "b held at -2"
    assert DONE.words(1, NODES) == "dose of a from 1 until 4, dose of c from 0 until 3"
    assert DONE.sentences(NODES, np.array([0, 1, 2])) == [
        "1 condition holds node b at -2.",
        "1 condition has doses that begin later or end.",
    ]


def test_levels_are_given_by_name_for_all_rows_or_each():
    assert held_nodes({"b": -3}, NODES, 2).held[:, 1].tolist() == [-3.0, -3.0]
    each = held_nodes([{}, {"c": "0.5"}], NODES)
    assert each.free.tolist() == [[True] * 3, [True, True, False]]
    for wrong in ({"d": 1}, {"a": "much"}, [{"a": 1}]):
        with pytest.raises(InputError):
            held_nodes(wrong, NODES, 2)


def test_a_node_with_a_dose_cannot_be_held():
    check_doses(DONE, np.zeros((3, 3)), NODES, "here")
    doses = np.ones((3, 3))
    with pytest.raises(InputError, match="either held or with a dose, found both"):
        check_doses(DONE, doses, NODES, "here")
    backwards = interventions_of(1, 3, {}, {(0, 0): (4.0, 2.0)})
    with pytest.raises(InputError, match="ends after that"):
        check_doses(backwards, doses[:1], NODES, "here")


@pytest.mark.wrong_types
@pytest.mark.parametrize("levels", [[-3.0], -3.0, "a"])
def test_levels_without_names_are_refused(levels):
    with pytest.raises(InputError, match="expected levels by the names of nodes"):
        held_nodes(levels, NODES, 1)


@pytest.mark.wrong_types
def test_levels_and_times_are_told_of_each_row_and_node():
    wrong = Interventions(DONE.held, DONE.begins[:1], DONE.ends[:, :2])
    with pytest.raises(InputError) as caught:
        check_doses(wrong, np.zeros((3, 3)), NODES, "here")
    said = str(caught.value)
    assert "here, interventions, begins: expected shape (3, 3) (rows, nodes), found (1, 3)" in said
    assert "here, interventions, ends: expected shape (3, 3) (rows, nodes), found (3, 2)" in said


def test_what_knows_neither_refuses_both():
    refuse_interventions(None, "export")
    refuse_interventions(no_interventions(2, 3), "export")
    said = refusal(refuse_interventions, DONE, "export")
    assert "1 row (row 1) with held nodes and 1 row (row 2) with doses that begin later" in said
    many = held_nodes({"a": -3}, NODES, 5)
    said = refusal(refuse_interventions, many, "export", "", ["k1", "k2", "k3", "k4", "k5"])
    assert "found 5 rows (k1, k2, k3 and 2 more) with held nodes." in said


def test_forms_about_treated_rows_are_unknown_where_doses_end():
    parts = ("offset", "decay", "hidden")
    assert unknown_beside(parts, DONE) == ["offset", "hidden"]
    assert unknown_beside(parts, DONE.rows(np.array([0]))) == ["hidden"]
    assert unknown_beside(parts, None) == []
