"""What doses do to other nodes: what can be told of it, and how it is kept."""

import json
from dataclasses import replace

import numpy as np
import pytest

from cellbox.errors import InputError
from cellbox.networks.fitted_form import FittedForm, fitted_form_of, mean_form
from cellbox.networks.form import check_form, form_of
from cellbox.networks.network import in_order_of, is_same
from cellbox.networks.off_targets import tellable_off_targets
from cellbox.networks.random_lines import with_lines
from cellbox.networks.random_off_targets import with_off_targets
from tests.cellbox.formed import NETWORK, formed

EFFECTS = np.zeros((4, 4))
EFFECTS[1, 0], EFFECTS[0, 3] = 0.6, -0.9


def test_a_dose_may_act_on_all_nodes_but_its_own():
    doses = np.array([[1.0, 0, 0, 0], [0, 0.5, 0, 0], [0.2, 0.7, 0, 0]])
    told = tellable_off_targets(doses)
    assert told[:, :2].sum(axis=0).tolist() == [3, 3]
    assert not told[:, 2:].any()
    assert not np.diag(told).any()


def test_nodes_whose_doses_are_in_proportion_are_one_drug():
    doses = np.array([[1.0, 0, -2.0, 0], [0.5, 0, -1.0, 0.3], [0, 0.4, 0, 0]])
    told = tellable_off_targets(doses)
    # Of a and c the first stands for both, and acts on neither of them besides.
    assert told[:, 0].tolist() == [False, True, False, True]
    assert not told[:, 2].any()
    assert told[:, 1].tolist() == [True, False, True, True]


def test_they_come_back_from_plain_values_and_follow_their_nodes():
    network = formed(off_target=EFFECTS, start=[0.1, 0, 0, 0])
    again = fitted_form_of(json.loads(json.dumps(network.form.to_dict())), 4, "here", "Mend it")
    assert again.form == form_of("off_target,start")
    assert (again.values["off_target"] == EFFECTS).all()
    turned = in_order_of(network, ("d", "c", "b", "a"))
    np.testing.assert_allclose(turned.form.values["off_target"][2, 3], 0.6)
    assert is_same(in_order_of(turned, network.nodes), network)
    assert not is_same(network, formed(off_target=0.9 * EFFECTS, start=[0.1, 0, 0, 0]))
    broken = network.form.to_dict()["values"] | {"off_target": [0.1, 0, 0, 0]}
    with pytest.raises(InputError, match="4 by 4"):
        fitted_form_of({"curve": "tanh", "values": broken}, 4, "here", "Mend it")


def test_numbers_and_values_are_the_same_whatever_stands_beside_them():
    fitted = formed(off_target=EFFECTS, time_scale=[2.0] * 4).form
    numbers = fitted.numbers(form_of("time_scale,drive,off_target"), 4)
    again = FittedForm.of(form_of("time_scale,drive,off_target"), numbers, 4).kept()
    assert again.form == fitted.form
    np.testing.assert_allclose(again.values["off_target"], EFFECTS)
    assert FittedForm.of(form_of("off_target"), np.zeros(16), 4).kept() is None


def test_they_are_said_with_the_drug_and_the_node():
    said = formed(off_target=EFFECTS).form.sentence(NETWORK.nodes)
    assert said == "Form beside Eq. 1: off_target (O: d on a -0.9, a on b 0.6)."


def test_members_of_an_ensemble_have_their_mean():
    mean = mean_form([formed(off_target=EFFECTS).form, None], 4)
    np.testing.assert_allclose(mean.values["off_target"], EFFECTS / 2)


@pytest.mark.parametrize("other", ["hidden", "lines"])
def test_what_may_look_like_them_is_refused_beside_them(other):
    (problem, *_) = check_form(f"off_target,{other}", "setting form")
    assert "exclude each other" in str(problem)
    assert form_of("off_target").with_part(other) is None


def test_hill_kinetics_may_have_them():
    assert str(form_of("hill,off_target")) == "off_target,hill"


def test_a_node_more_has_none():
    fitted = replace(formed(off_target=EFFECTS)).form.with_more_nodes(1)
    assert fitted.values["off_target"].shape == (5, 5)
    assert (fitted.values["off_target"][:4, :4] == EFFECTS).all()


def test_drawn_effects_are_as_many_as_asked_for_and_other_nodes_than_their_own():
    effects = with_off_targets(NETWORK, 4, seed=1).form.values["off_target"]
    assert ((effects != 0).sum(axis=0) == 1).all()
    assert not np.diag(effects).any()
    assert (np.abs(effects[effects != 0]) >= 0.5).all()
    with pytest.raises(InputError, match="expected 1 to 4 effects, found 5"):
        with_off_targets(NETWORK, 5)
    with pytest.raises(InputError, match="exclude each other"):
        with_off_targets(with_lines(NETWORK, 2, 1), 1)
