"""Forms: which parts there are, what excludes what, and how they are kept."""

import json
from dataclasses import replace

import numpy as np
import pytest

from cellbox.errors import InputError
from cellbox.networks.fitted_form import FittedForm, fitted_form_of, mean_form, states_at_the_start
from cellbox.networks.form import EQ_1, Form, check_form, form_of
from cellbox.networks.network import in_order_of, is_same
from cellbox.networks.whole_network import measured_part, whole
from tests.cellbox.formed import NETWORK, formed, with_hidden


def test_parts_are_named_in_any_order_and_none_is_eq_1():
    assert form_of("start, drive") == form_of(["drive", "start"]) == Form(("drive", "start"))
    assert form_of("none") == EQ_1
    assert not EQ_1
    assert str(form_of("hill,start")) == "start,hill"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("dirve", "The nearest is drive"),
        ("decay,time_scale", "expected one of decay and time_scale"),
        ("drive,drive", "drive twice"),
        ("hill,decay", "hill has no part decay"),
        ("linear,clip", "expected one of linear and clip"),
        ("hidden,hidden2", "expected one of hidden and hidden2"),
        ("hidden,hill", "hidden and hill exclude each other"),
    ],
)
def test_what_cannot_be_a_form_is_refused(text, said):
    (problem, *_) = check_form(text, "setting form")
    assert said in str(problem)


def test_a_form_of_a_wrong_type_is_a_problem():
    assert "found 3" in str(check_form(3, "setting form")[0])
    assert check_form("search", "setting form") == []


def test_numbers_that_are_0_are_eq_1_and_parts_without_any_are_dropped():
    fitted = FittedForm.of(form_of("decay,start"), np.array([0.0] * 4 + [0, 0, 0.2, 0]), 4)
    assert fitted.kept().form == form_of("decay")
    np.testing.assert_allclose(fitted.kept().values["decay"], [1, 1, np.exp(0.2), 1])
    assert FittedForm.of(form_of("drive"), np.zeros(4), 4).kept() is None
    assert "c 1.22" in fitted.kept().sentence(NETWORK.nodes)


def test_one_time_scale_is_one_number():
    form = form_of("time_scale,start")
    assert form.n_numbers(4) == 5
    fitted = FittedForm.of(form, np.array([0.1, 0.2, 0.3, 0.4, 0.5]), 4)
    np.testing.assert_allclose(fitted.values["time_scale"], np.exp(0.5))
    np.testing.assert_allclose(fitted.numbers(form, 4), [0.1, 0.2, 0.3, 0.4, 0.5])


def test_it_comes_back_from_plain_values():
    fitted = formed("hill", start=[0, 0.1, 0, 0], dose_scale=[1, 2, 1, 1]).form
    again = fitted_form_of(json.loads(json.dumps(fitted.to_dict())), 4, "here", "Mend it")
    assert again.form == fitted.form
    assert (again.table(4) == fitted.table(4)).all()
    assert fitted_form_of(None, 4, "here", "Mend it") is None


@pytest.mark.parametrize(
    "content",
    [
        {"curve": "tanh"},
        {"curve": "round", "values": {}},
        {"curve": "tanh", "values": {"drive": [0.0, 1.0]}},
        {"curve": "tanh", "values": {"decay": [1.0, 1.0, 1.0, -1.0]}},
        {"curve": "tanh", "values": {"start": [1.0, 1.0, 1.0, "x"]}},
        [],
    ],
)
def test_damaged_values_are_refused(content):
    with pytest.raises(InputError, match="here"):
        fitted_form_of(content, 4, "here", "Mend it")


def test_a_form_follows_its_nodes_into_another_order():
    network = formed(start=[0.1, 0.2, 0.3, 0.4])
    turned = in_order_of(network, ("d", "c", "b", "a"))
    np.testing.assert_allclose(turned.form.values["start"], [0.4, 0.3, 0.2, 0.1])
    assert is_same(in_order_of(turned, network.nodes), network)
    assert not is_same(network, NETWORK)


def test_the_mean_of_forms_has_the_parts_of_all():
    one, other = formed(start=[0.2, 0, 0, 0]).form, formed(drive=[0, 0.4, 0, 0]).form
    mean = mean_form([one, other, None, None], 4)
    np.testing.assert_allclose(mean.values["start"], [0.05, 0, 0, 0])
    np.testing.assert_allclose(mean.values["drive"], [0, 0.1, 0, 0])
    assert mean_form([None, None], 4) is None


def test_treated_rows_begin_at_their_offset():
    form = formed(start=[0.1, 0, 0, 0], offset=[0, 0.2, 0, 0]).form
    found = states_at_the_start(form, np.array([[0, 0, 0, 0], [0, 0, 1.0, 0]]))
    np.testing.assert_allclose(found, [[0.1, 0, 0, 0], [0.1, 0.2, 0, 0]])


def test_hidden_nodes_are_a_part_that_is_let_in_one_by_one():
    two = form_of("drive").with_part("hidden").with_part("hidden")
    assert two == form_of("drive,hidden2")
    assert two.with_part("hidden").with_part("hidden") is None
    assert form_of("hill").with_part("hidden") is None


def test_hidden_nodes_come_back_from_plain_values_and_in_another_order():
    fitted = with_hidden().form
    again = fitted_form_of(json.loads(json.dumps(fitted.to_dict())), 4, "here", "Mend it")
    assert again.form == form_of("hidden")
    assert (again.hidden.sources == fitted.hidden.sources).all()
    turned = in_order_of(with_hidden(), ("d", "c", "b", "a")).form.hidden
    assert turned.targets[:, 0].tolist() == fitted.hidden.targets[::-1, 0].tolist()
    assert turned.sources[0].tolist() == [0, 0.9, 0, 0, 0]
    broken = fitted.to_dict() | {"hidden": {"sources": [[1.0]], "targets": [], "n_driven": [0]}}
    with pytest.raises(InputError, match="hidden nodes of the shapes"):
        fitted_form_of(broken, 4, "here", "Mend it")


def test_a_hidden_node_and_its_mirror_image_are_one():
    network = with_hidden()
    hidden = network.form.hidden
    mirrored = hidden.turned([0], np.array([-1.0]))
    again = measured_part(
        whole(replace(network, form=replace(network.form, hidden=mirrored))), 1, (0,)
    )
    assert is_same(network, again)
    mean = mean_form([network.form, replace(network.form, hidden=mirrored)], 4)
    np.testing.assert_allclose(mean.hidden.targets, hidden.targets)
    idle = replace(network.form, hidden=replace(hidden, targets=np.zeros((4, 1))))
    assert measured_part(whole(replace(network, form=idle)), 1, (0,)).form is None
