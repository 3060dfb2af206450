"""What the data cannot determine is named with its reason, and nothing else is."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest

from cellbox.data.dataset import Dataset, Split
from cellbox.data.readers import read_data
from cellbox.data.simulation import simulate, simulate_system
from cellbox.equation.forward_sensitivity import sensitivities
from cellbox.errors import InputError
from cellbox.identifiability import least_errors
from cellbox.identifiability.check import check_design, check_plan, check_result
from cellbox.identifiability.design_findings import node_findings
from cellbox.identifiability.design_report import DETERMINED_BELOW, write_design_report
from cellbox.identifiability.least_errors import MOST_PARAMETERS
from cellbox.networks.interventions import no_interventions
from cellbox.networks.known_systems import system
from cellbox.networks.network import Network
from cellbox.networks.random_networks import random_network

NETWORK = random_network(5, density=0.3, amplitude=0.6, seed=1)


@pytest.fixture(scope="module")
def data() -> Dataset:
    """An experiment that determines everything."""
    return simulate(NETWORK, n_conditions=15, n_times=3, noise=0.005, design="balanced", seed=0)


def left_alone(data: Dataset, *nodes: str, rows=None) -> Dataset:
    """The design with every perturbation of these nodes taken out, in all rows or in some."""
    perturbations = data.perturbations.copy()
    rows = np.arange(data.n_rows) if rows is None else rows
    perturbations[np.ix_(rows, [data.nodes.index(node) for node in nodes])] = 0
    return replace(data, perturbations=perturbations)


def unmeasured(data: Dataset, *nodes: str) -> Dataset:
    measurements = data.measurements.copy()
    measurements[:, :, [data.nodes.index(node) for node in nodes]] = np.nan
    return replace(data, measurements=measurements)


def named(data: Dataset, **options) -> dict[str, tuple[str, ...]]:
    return {finding.node: finding.kinds for finding in node_findings(data, **options)}


# Nodes, by the design alone.


def test_a_design_that_covers_every_node_names_none(data):
    assert named(data) == {}


@pytest.mark.parametrize("damaged", [["g1"], ["g2", "g5"], ["g1", "g3", "g4"]])
def test_exactly_the_nodes_that_are_never_perturbed_are_named(data, damaged):
    assert named(left_alone(data, *damaged)) == dict.fromkeys(damaged, ("never_perturbed",))


@pytest.mark.parametrize("name", ["LI", "VSC", "GSD"])
def test_damage_to_a_known_system_names_the_damaged_nodes_and_why(name):
    data = simulate_system(system(name), design="balanced")
    damaged = list(data.nodes[1:4])
    found = node_findings(left_alone(data, *damaged))
    assert [finding.node for finding in found] == damaged
    assert found[0].sentence == (
        f"{damaged[0]} is never perturbed: its amplitude and its row of W are confounded."
    )


def test_exactly_the_nodes_that_are_never_measured_are_named(data):
    assert named(unmeasured(data, "g2", "g3")) == dict.fromkeys(["g2", "g3"], ("never_measured",))


def test_several_reasons_of_a_node_are_one_finding(data):
    [finding] = node_findings(unmeasured(left_alone(data, "g4"), "g4"))
    assert finding.kinds == ("never_perturbed", "never_measured")
    assert "g4 is never perturbed" in finding.sentence
    assert "It is never measured" in finding.sentence


def test_a_node_that_is_held_and_never_dosed_moves_and_has_a_reason_of_its_own(data):
    held = no_interventions(data.n_rows, data.n_nodes)
    alone = left_alone(data, "g4")
    first = alone.condition_of_row[alone.split.training[0]]
    held.held[alone.condition_of_row == first, 3] = -2.0
    [finding] = node_findings(replace(alone, interventions=held))
    assert (finding.kinds, finding.scale_is_open) == (("only_held",), True)
    assert finding.sentence == (
        "g4 is held in 1 condition and never has a dose: its amplitude and its row of W are "
        "confounded."
    )
    no_sources = np.ones((data.n_nodes, data.n_nodes), bool)
    no_sources[3] = False
    found = node_findings(replace(alone, interventions=held, allowed_edges=no_sources))
    [said] = [finding.sentence for finding in found if finding.node == "g4"]
    assert "its amplitude is not determined" in said
    assert "never moves" not in said


def test_only_training_rows_count(data):
    elsewhere = left_alone(data, "g1", rows=data.split.training)
    assert named(elsewhere) == {"g1": ("never_perturbed",)}
    assert named(replace(elsewhere, split=None)) == {}
    assert named(elsewhere, rows=np.arange(data.n_rows)) == {}


def test_a_perturbation_in_a_row_without_measurements_does_not_count(data):
    rows = np.flatnonzero(data.perturbations[:, 0] != 0)
    measurements = data.measurements.copy()
    measurements[rows] = np.nan
    assert named(replace(data, measurements=measurements)) == {"g1": ("never_perturbed",)}


def few_values(data: Dataset, n_conditions: int, **changes) -> Dataset:
    """g1 is measured once, at the last time, in so many perturbed conditions."""
    measurements = data.measurements.copy()
    measurements[n_conditions:, :, 0] = np.nan
    measurements[:, :-1, 0] = np.nan
    split = Split(np.arange(15), np.arange(15, 20), np.arange(20, 25))
    return replace(data, measurements=measurements, split=split, **changes)


def test_fewer_values_than_unknowns_are_told_with_both_numbers(data):
    assert named(few_values(data, 6)) == {}
    [finding] = node_findings(few_values(data, 5))
    assert finding.node == "g1"
    assert finding.kinds == ("too_few_values",)
    assert "5 measured values under perturbation for the 6 unknowns" in finding.sentence


def test_forbidden_edges_are_no_unknowns(data):
    allowed = np.ones((5, 5), bool)
    allowed[0, :2] = False
    assert named(few_values(data, 5, allowed_edges=allowed)) == {}


def test_replicates_and_controls_add_no_values(data):
    replicated = few_values(data, 5)
    again = np.concatenate([np.arange(25), np.arange(5)])
    replicated = replace(
        replicated.rows(again),
        row_names=(*map(str, again[:25]), *"abcde"),
        split=Split(np.append(np.arange(15), np.arange(25, 30)), np.arange(15, 20), np.arange(0)),
    )
    assert named(replicated) == {"g1": ("too_few_values",)}
    control = few_values(data, 6)
    perturbations = control.perturbations.copy()
    perturbations[0] = 0
    assert "g1" in named(replace(control, perturbations=perturbations))


def test_a_node_that_nothing_can_move_is_told_so(data):
    allowed = np.ones((5, 5), bool)
    allowed[0] = False
    [finding] = node_findings(replace(left_alone(data, "g1"), allowed_edges=allowed))
    assert "never moves" in finding.sentence


def test_melanoma_data_leave_the_scale_of_every_row_open_that_is_no_drugs(skmel133):
    for structural_zeros in (False, True):
        data = read_data(skmel133, structural_zeros=structural_zeros)
        report = check_design(data)
        measured = [n for n, drug in zip(data.nodes, data.activity_nodes, strict=True) if not drug]
        assert list(report.confounded_nodes) == measured
        assert [finding.node for finding in report.nodes] == measured
        assert len(measured) == 87
        assert len(report.sentences()) < 10
        assert "87 of 99 nodes are never perturbed" in str(report)
        assert "by row blocks" in str(report)
        into = {edge.target for edge in report.edges if edge.why == "scale confounded"}
        assert into == set(measured)
        assert len(report.to_dict()["nodes"]) == 87


# Edges, at a guess.


def test_standard_errors_are_those_of_the_inverse_information(data):
    report = check_design(data, guess=NETWORK, noise=0.01)
    rows = data.split.training
    _, jacobian = sensitivities(NETWORK, data.perturbations[rows], data.times)
    flat = jacobian.reshape(-1, 30)
    errors = np.sqrt(np.diag(np.linalg.inv(flat.T @ flat))) * 0.01
    assert [edge.least_error for edge in report.edges] == pytest.approx(errors[:25], rel=1e-3)
    assert [a.least_error for a in report.amplitudes] == pytest.approx(errors[25:], rel=1e-3)
    assert report.edges[1].source == "g2"
    assert report.edges[1].target == "g1"


def test_edges_are_determined_where_their_error_is_below_the_limit(data):
    for noise in (0.01, 1.0):
        report = check_design(data, guess=NETWORK, noise=noise)
        for edge in (*report.edges, *report.amplitudes):
            assert edge.determined == (edge.least_error < DETERMINED_BELOW)
            assert (edge.why == "") == edge.determined


def test_edges_into_a_node_that_is_never_perturbed_are_scale_confounded(data):
    report = check_design(left_alone(data, "g3"), guess=NETWORK, noise=0.01)
    for edge in report.edges:
        assert (edge.why == "scale confounded") == (edge.target == "g3")
    assert all(edge.determined is False for edge in report.edges if edge.target == "g3")
    assert report.amplitudes[2].why == "scale confounded"
    assert report.amplitudes[2].least_error is None


def test_an_error_beside_a_confounded_scale_is_of_the_edge_with_its_amplitude_known(data):
    alone = left_alone(data, "g3")
    report = check_design(alone, guess=NETWORK, noise=0.01)
    rows = data.split.training
    _, jacobian = sensitivities(NETWORK, alone.perturbations[rows], data.times)
    flat = np.delete(jacobian.reshape(-1, 30), 25 + 2, axis=1)
    errors = np.sqrt(np.diag(np.linalg.inv(flat.T @ flat))) * 0.01
    into = [edge for edge in report.edges if edge.target == "g3"]
    assert [edge.least_error for edge in into] == pytest.approx(errors[10:15], rel=1e-3)
    assert {edge.error_of for edge in into} == {"weight given amplitude"}
    assert {edge.error_of for edge in report.edges if edge.target != "g3"} == {"weight"}


def test_of_a_learned_network_that_was_not_refined_nothing_is_claimed(data):
    rows = data.split.training
    refined, rough = (check_result(NETWORK, data, rows, refined=said) for said in (True, False))
    assert {edge.determined for edge in refined.edges} == {True}
    assert {edge.determined for edge in rough.edges} == {None}
    assert {edge.why for edge in rough.edges} == {"not refined"}
    assert rough.to_dict()["n_edges_determined"] is None
    assert rough.to_dict()["n_edges_determinable"] == refined.to_dict()["n_edges_determined"] == 25
    assert "its own errors are not known" in str(rough)
    assert "are determined" not in str(rough)


def test_what_one_unmeasured_node_leaves_open_does_not_hide_the_rest(data):
    report = check_design(unmeasured(data, "g2"), guess=NETWORK, noise=0.001)
    out = [edge for edge in report.edges if edge.source == "g2"]
    assert all(edge.determined is False for edge in out)
    others = [edge for edge in report.edges if "g2" not in (edge.source, edge.target)]
    assert any(edge.determined for edge in others)


def test_without_a_guess_nothing_acts_on_anything_and_the_report_says_so(data):
    report = check_design(data, noise=0.01)
    assert not report.guess.weights.any()
    assert "W = 0, α = 0.5" in str(report)


def test_noise_is_estimated_from_the_residuals_of_the_guess(data):
    report = check_design(data, guess=NETWORK)
    assert report.noise == pytest.approx(0.005, rel=0.15)
    assert "median |residual|" in str(report)


@pytest.mark.parametrize("guess", [None, NETWORK])
def test_row_blocks_judge_as_the_whole_information_does_and_are_exact_without_edges(
    data, guess, monkeypatch
):
    alone = left_alone(data, "g3")
    together = check_design(alone, guess=guess, noise=0.01)
    monkeypatch.setattr(least_errors, "MOST_PARAMETERS", 0)
    by_blocks = check_design(alone, guess=guess, noise=0.01)
    assert by_blocks.by_blocks
    assert not together.by_blocks
    within = 0.01 if guess is None else 0.7
    for kind in ("edges", "amplitudes"):
        errors = [
            [one.least_error for one in getattr(report, kind) if one.least_error is not None]
            for report in (by_blocks, together)
        ]
        assert errors[0] == pytest.approx(errors[1], rel=within)


def test_large_networks_are_judged_by_row_blocks_and_the_report_says_so():
    n = 45
    assert n * (n + 1) > MOST_PARAMETERS
    report = check_plan(np.eye(n), [1.0, 2.0], noise=0.01)
    assert report.not_judged is None
    assert report.by_blocks
    assert "Errors are by row blocks" in str(report)
    # One value fewer than the 46 unknowns of a row and its amplitude.
    report = check_plan(np.eye(n), [1.0], noise=0.01)
    assert {edge.determined for edge in report.edges} == {False}
    assert {edge.why for edge in report.edges} == {"too few values"}


def test_a_guess_that_is_not_finite_or_cannot_be_solved_leaves_edges_unjudged(data):
    for weights in (np.full((5, 5), np.nan), -1e6 * np.eye(5)):
        guess = Network(NETWORK.nodes, weights, NETWORK.amplitudes)
        report = check_design(data, guess=guess, noise=0.01)
        assert report.not_judged
        assert {edge.determined for edge in report.edges} == {None}
        json.dumps(report.to_dict(), allow_nan=False)


def test_a_plan_is_judged_before_anything_is_measured():
    plan = check_plan(np.eye(5)[:4], [2.0, 8.0], noise=0.01, guess=NETWORK)
    assert plan.confounded_nodes == ("g5",)
    assert plan.n_rows == 4


def test_a_guess_of_other_nodes_and_a_noise_of_nothing_are_refused(data):
    with pytest.raises(InputError, match="missing"):
        check_design(data, guess=system("LI").network)
    with pytest.raises(InputError, match="noise"):
        check_design(data, noise=0.0)


# As files.


def test_the_report_is_written_as_json_and_its_edges_as_a_table(data, tmp_path):
    report = check_design(left_alone(data, "g3"), guess=NETWORK, noise=0.01)
    as_json, as_csv = write_design_report(report, tmp_path)
    content = json.loads(as_json.read_text(encoding="utf-8"))
    assert content["confounded_nodes"] == ["g3"]
    assert [node["node"] for node in content["nodes"]] == ["g3"]
    assert len(content["edges"]) == 25
    assert "edges" not in report.to_dict(edges=False)
    with as_csv.open() as handle:
        rows = list(csv.DictReader(handle))
    assert len(rows) == 25
    assert float(rows[0]["least_error"]) == report.edges[0].least_error
    assert list(report.to_frame().columns) == list(rows[0])


def test_figures_go_on_falling_where_every_edge_is_determined(data):
    half = np.arange(0, data.n_rows, 2)
    some, all_ = (
        check_design(each, guess=NETWORK, noise=0.005) for each in (data.rows(half), data)
    )
    assert np.median(all_.least_errors) < np.median(some.least_errors)
    assert some.expected_r < all_.expected_r < 1
    report = all_.to_dict()
    assert report["expected_r"] == all_.expected_r
    assert report["median_least_error"] == pytest.approx(np.median(all_.least_errors))
    assert "expected r" in " ".join(all_.sentences())


def test_what_is_not_told_lowers_the_expected_r(data):
    told, untold = (
        check_design(each, guess=NETWORK, noise=0.005) for each in (data, left_alone(data, "g2"))
    )
    assert untold.expected_r < told.expected_r
    assert untold.least_errors.max() == 1.0


# Values that are not equally sure.


def test_values_count_by_their_errors(data):
    def median(checked):
        return np.median([edge.least_error for edge in checked.edges])

    plain = replace(data, split=None)
    errors = np.full(plain.measurements.shape, 0.01)
    alike = check_design(replace(plain, errors=errors), guess=NETWORK)
    assert alike.noise == pytest.approx(0.01)
    assert alike.noise_from == "the typical error that the data tell"
    np.testing.assert_allclose(
        median(alike), median(check_design(plain, guess=NETWORK, noise=0.01)), rtol=1e-9
    )
    errors[::2] = 1.0
    unlike = check_design(replace(plain, errors=errors), guess=NETWORK)
    sure = plain.rows(np.arange(1, plain.n_rows, 2))
    others_hardly_count = median(check_design(sure, guess=NETWORK, noise=0.01))
    assert 0.95 * others_hardly_count < median(unlike) <= others_hardly_count
