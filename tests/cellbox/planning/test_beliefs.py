"""An ensemble shows what the data leave open."""

from dataclasses import replace

import numpy as np
import pytest

from cellbox.errors import InputError
from cellbox.identifiability.row_information import RowDerivatives
from cellbox.networks.network import Network
from cellbox.planning.beliefs import belief_from_data, belief_of_family
from cellbox.planning.limits import usual_limits
from cellbox.planning.precision import Prospect
from cellbox.planning.question import Question
from tests.cellbox.planning.conftest import NETWORK, random_conditions

MORE = random_conditions(3, seed=8)


def test_members_lie_around_the_estimate_as_far_as_the_data_leave_open(belief):
    assert len(belief.members) == 6
    weights = np.array([member.weights for member in belief.members])
    # g4 is never perturbed: the scale of its row is open.
    spread = weights.std(axis=0)
    assert spread[3].max() > 2 * np.median(spread[:3])
    apart = np.abs(np.median(weights, axis=0) - belief.estimate.weights)[:3]
    assert np.median(apart) < 0.2


def test_many_edges_of_members_are_exactly_zero(belief):
    zeros = np.mean([(member.weights == 0).mean() for member in belief.members])
    assert zeros > 0.3


def test_members_of_an_ensemble_are_taken_as_they_are(data, belief):
    nine = [*belief.members, *belief.members[:3]]
    again = belief_from_data(data, nine)
    assert len(again.members) == 9
    assert (again.members[2].weights == nine[2].weights).all()
    assert "9 networks of the ensemble" in again.sentences[0]
    assert len(belief_from_data(data, nine[:2], n_members=5).members) == 5


def test_values_count_by_their_errors_and_further_ones_of_a_node_as_those_before(data, belief):
    errors = np.full_like(data.measurements, 0.02)
    alike = belief_from_data(replace(data, errors=errors), n_members=6, noise=0.02)
    for prospects in (
        [Prospect(one, NETWORK).precision(MORE) for one in (belief, alike)],
        [Prospect(one, NETWORK).precision() for one in (belief, alike)],
    ):
        np.testing.assert_allclose(prospects[1].errors, prospects[0].errors)
    np.testing.assert_allclose(alike.estimate.weights, belief.estimate.weights, rtol=1e-4)
    assert any("typically 0.02" in sentence for sentence in alike.sentences)
    assert not any("by their errors" in sentence for sentence in belief.sentences)

    errors[:, :, 1] = 0.2
    unlike = belief_from_data(replace(data, errors=errors), n_members=6, noise=0.02 * 10**0.25)
    np.testing.assert_allclose(unlike.expected / unlike.expected[0], [1, 0.1, 1, 1])
    loose, tight = (Prospect(one, NETWORK).precision(MORE).errors for one in (unlike, belief))
    assert (loose[1] > 1.1 * tight[1]).all()
    np.testing.assert_allclose(loose[0], tight[0], rtol=0.1)
    # What a condition is worth to rows of W, before it is measured.
    found = Question(unlike, usual_limits(data), unlike.times).derivatives(MORE)
    plain = RowDerivatives(unlike.members, unlike.times)(MORE)
    np.testing.assert_allclose(found[:, 1], plain[:, 1] * unlike.expected[1], rtol=1e-5)


def test_data_that_are_too_few_are_said_to_be(data):
    few = replace(data.rows(np.arange(1)), truth=None)
    found = belief_from_data(few, n_members=3)
    assert any("hardly known yet" in sentence for sentence in found.sentences)
    assert len(found.members) == 3
    nothing = replace(data, measurements=np.full_like(data.measurements, np.nan))
    with pytest.raises(InputError, match="design first"):
        belief_from_data(nothing)


def test_noise_that_no_network_explains_is_said(data):
    random = np.random.default_rng(0)
    noisy = replace(data, measurements=random.standard_normal(data.measurements.shape))
    found = belief_from_data(noisy, [NETWORK], n_members=3)
    assert any("unexplained" in sentence for sentence in found.sentences)


def test_networks_of_other_nodes_are_refused(data):
    other = Network(("a", "b", "c", "d"), NETWORK.weights, NETWORK.amplitudes)
    with pytest.raises(InputError, match="missing: g1"):
        belief_from_data(data, [other])


@pytest.mark.parametrize("n", [2, 3, 7])
def test_a_family_is_random_networks_of_the_nodes(n):
    nodes = [f"n{k}" for k in range(n)]
    family = belief_of_family(nodes, np.array([1.0, 5.0]), 0.1, n_members=3)
    assert family.family
    assert family.nodes == tuple(nodes)
    assert not len(family.perturbations)
    assert len({member.weights.tobytes() for member in family.members}) == 3
