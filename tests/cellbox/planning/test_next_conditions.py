"""What is proposed is worth measuring, and says why."""

from dataclasses import replace

import numpy as np
import pytest

from cellbox.errors import InputError
from cellbox.planning.limits import Limits, usual_limits
from cellbox.planning.next_conditions import first_conditions, next_conditions
from cellbox.planning.precision import Prospect
from tests.cellbox.planning.conftest import NETWORK, random_conditions
from tests.cellbox.planning.model_of import model_of


def test_the_node_that_was_never_perturbed_is_perturbed(proposal):
    assert (proposal.perturbations[:, 3] != 0).any()
    said = "\n".join(proposal.sentences())
    assert "No condition learned from perturbs g4" in said
    for words in ("standard errors of W", "Decided are", "balanced", "sign"):
        assert words in said


def test_conditions_tell_more_of_the_truth_than_random_ones(proposal):
    prospect = Prospect(proposal.belief, NETWORK)
    own = prospect.precision(proposal.perturbations).log_volume
    others = [prospect.precision(random_conditions(4, seed)).log_volume for seed in range(8)]
    assert own > np.median(others)
    assert proposal.better_in == 6


def test_every_condition_has_a_reason_and_its_part_of_the_ensemble(proposal):
    assert len(proposal.conditions) == 4
    for condition in proposal.conditions:
        assert condition.reason
        assert 0 <= condition.good_in <= 6
    assert any("sharpens" in condition.reason for condition in proposal.conditions)
    assert len({condition.name for condition in proposal.conditions}) == 4


def test_the_same_seed_proposes_the_same(data, proposal):
    again = next_conditions(data, conditions=4, members=6, noise=0.02)
    assert (again.perturbations == proposal.perturbations).all()
    assert again.sentences() == proposal.sentences()


def test_errors_fall_and_more_edges_are_decided(proposal):
    figures = proposal.figures()
    assert figures["after"]["error"] < figures["now"]["error"]
    assert figures["after"]["decided"] > figures["now"]["decided"]
    edges = proposal.outlook()
    assert len(edges) == 16
    assert all(edge.error_after <= edge.error_now + 1e-9 for edge in edges)
    assert proposal.to_frame()["condition"].nunique() == 4
    assert "conditions to measure" in proposal._repr_html_()


def test_limits_forbidden_pairs_and_times_are_kept(data):
    limits = replace(usual_limits(data), nodes=("g1", "g2", "g4"), forbidden=(("g1", "g4"),))
    found = next_conditions(
        data, conditions=3, limits=limits, times=[1, 3, 9, 20], choose_times=2, members=3
    )
    u = found.perturbations
    assert not u[:, 2].any()
    assert not (u[:, 0] * u[:, 3]).any()
    assert len(found.times) == 2
    assert set(found.times) <= {1, 3, 9, 20}


def test_named_edges_are_served_first(data, proposal):
    found = next_conditions(data, conditions=4, members=6, noise=0.02, edges=[("g1", "g2")])
    errors = [
        {(edge.source, edge.target): edge for edge in each.outlook()}["g1", "g2"].error_after
        for each in (found, proposal)
    ]
    assert errors[0] < errors[1]
    assert "Of the edges that matter" in "\n".join(found.sentences())


def test_undecided_edges_can_be_asked_for(data):
    found = next_conditions(data, conditions=2, members=3, noise=0.02, undecided=True)
    assert found.edges
    with pytest.raises(InputError, match="all are decided"):
        next_conditions(data, model_of(NETWORK), members=3, noise=1e-4, undecided=True,
                        limits=usual_limits(data), times=[5.0])  # fmt: skip


def test_a_model_that_was_not_refined_is_only_where_least_squares_begin(data):
    rough = replace(NETWORK, weights=NETWORK.weights + 0.1)
    found = next_conditions(data, model_of(rough, refined=False), conditions=1, members=3)
    assert any("began from it" in sentence for sentence in found.sentences())
    assert not (found.belief.estimate.weights == rough.weights).all()
    given = next_conditions(data, model_of(rough), conditions=1, members=3)
    assert (given.belief.estimate.weights == rough.weights).all()


def test_all_mistakes_are_told_at_once(data):
    with pytest.raises(InputError) as refused:
        next_conditions(
            data,
            limits=Limits(("g1", "g9"), (1.0,), 2, (("g1", "gg"),)),
            edges=[("g1", "h")],
            members=1,
            noise=-1.0,
        )
    said = str(refused.value)
    for part in ("'g9'", "'gg'", "edge g1:h", "members", "noise"):
        assert part in said
    with pytest.raises(InputError, match="times to choose"):
        next_conditions(data, choose_times=7, members=3)
    with pytest.raises(InputError, match="conditions"):
        next_conditions(data, conditions=0, members=3)


def test_first_conditions_need_no_data_and_screening_no_network():
    chosen, spread = (
        first_conditions(
            ["a", "b", "c"], [2, 6], noise=0.05, conditions=6, members=4, screening=screening
        )
        for screening in (False, True)
    )
    assert "random networks" in chosen.sentences()[0]
    assert spread.is_balanced
    often = (spread.perturbations != 0).sum(axis=0)
    assert often.tolist() == [4, 4, 4]
    assert "as asked" in "\n".join(spread.sentences())
    assert chosen.figures()["after"]["error"] <= spread.figures()["after"]["error"]
