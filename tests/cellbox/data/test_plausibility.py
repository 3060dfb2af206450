"""What is said of numbers that Eq. 1 can hardly mean, and that sound data are left in peace."""

from dataclasses import replace

import numpy as np
import pytest

from cellbox.data.dataset import Dataset
from cellbox.data.plausibility import data_warnings

N_ROWS, N_NODES = 24, 5


def course(times=(2.0, 5.0, 10.0, 20.0), noise=0.01, seed=0) -> Dataset:
    """Responses of both signs that come and stay, as those of Eq. 1 do, in a few conditions."""
    random = np.random.default_rng(seed)
    u = np.zeros((N_ROWS, N_NODES))
    for row in range(N_ROWS - 2):
        u[row, random.choice(N_NODES, 2, replace=False)] = random.uniform(0.1, 1, 2)
    effect = np.eye(N_NODES) + random.normal(0, 0.5, (N_NODES, N_NODES))
    rest = -np.tanh(u @ effect.T)
    moments = np.array(times)
    exact = rest[:, None, :] * (1 - np.exp(-moments))[None, :, None]
    return Dataset(
        nodes=tuple(f"g{k + 1}" for k in range(N_NODES)),
        times=moments,
        perturbations=u,
        measurements=exact + noise * random.standard_normal(exact.shape),
        row_names=tuple(f"c{row + 1}" for row in range(N_ROWS)),
        activity_nodes=np.zeros(N_NODES, bool),
    )


def kinds(data: Dataset) -> list[str]:
    return [warning.kind for warning in data_warnings(data)]


def only(data: Dataset) -> str:
    [warning] = data_warnings(data)
    return str(warning)


@pytest.mark.parametrize("noise", [0.0, 0.01, 0.05, 0.2])
@pytest.mark.parametrize("times", [(2.0, 5.0, 10.0, 20.0), (10.0,)])
def test_sound_data_are_left_in_peace(noise, times):
    for seed in range(5):
        assert kinds(course(times, noise, seed)) == []


def test_rows_without_perturbation_that_respond_are_counted_and_named():
    data = course(times=(10.0,))
    u = data.perturbations.copy()
    u[:8] = 0
    strong = data.measurements + 0.5
    said = only(replace(data, perturbations=u, measurements=strong))
    assert "of 24 rows have no perturbation" in said
    assert "root mean squares" in said
    assert "c2 (" in said
    assert "target is no node" in said


def test_a_control_that_drifts_is_named_with_its_size_against_noise():
    data = course()
    drifting = data.measurements.copy()
    drifting[-1] += 0.3
    said = only(replace(data, measurements=drifting))
    assert "1 of 24 rows" in said
    assert "c24 (0.3" in said
    assert "times the noise" in said


def test_controls_as_noisy_as_responses_are_no_response():
    data = course(times=(10.0,), noise=0.0)
    random = np.random.default_rng(1)
    noisy = random.normal(0, 1, data.measurements.shape)
    assert kinds(replace(data, measurements=noisy)) == ["controls_vary"]


@pytest.mark.parametrize(
    ("change", "said", "transform"),
    [
        (lambda x: 100 * 2**x, "percent of control", "log2-percent"),
        (lambda x: 2**x, "fold changes around 1", "--transform log2,"),
        (lambda x: 8_000 * 2**x, "intensities or counts", "log2-ratio --control NAME"),
        (lambda x: 11 + x, "logarithms of intensities", "difference --control NAME"),
        (lambda x: 0.4 * 2**x, "levels between 0 and 1", "log2-ratio --control NAME"),
        (lambda x: np.clip(x / np.nanmax(x), 0, 1), "levels scaled to between", "log2-ratio"),
        # Most of them up, some cut off at 0: no logarithm can be taken of those.
        (
            lambda x: np.where(np.abs(x) < 0.1, 0, 0.8 * np.minimum(np.abs(x), 1)),
            "levels scaled to between",
            "Take the values before they were scaled",
        ),
    ],
)
def test_values_that_are_no_log_ratios_are_recognised(change, said, transform):
    data = course()
    perturbed = np.arange(N_ROWS - 2)
    data = replace(data.rows(perturbed), measurements=change(data.measurements[perturbed]))
    warning = only(data)
    assert f"look like {said}" in warning
    assert transform in warning


def test_responses_of_one_sign_beside_controls_at_zero_are_log_ratios():
    data = course(noise=0.0)
    up = replace(data, measurements=np.abs(data.measurements), perturbations=-data.perturbations)
    assert kinds(up) == []


def test_doses_whose_sign_is_another_are_said():
    data = course()
    assert kinds(replace(data, perturbations=-data.perturbations)) == ["doses_of_other_sign"]


def test_drugs_that_are_no_measured_nodes_are_said():
    data = course()
    measured = data.measurements.copy()
    dosed = np.flatnonzero((data.perturbations != 0).any(axis=0))
    measured[..., dosed[1:]] = np.nan
    assert "perturbed_not_measured" in kinds(replace(data, measurements=measured))


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        (lambda u: 500 * u, "doses_saturate"),
        (lambda u: np.where(u > 0, -6 + np.log10(np.maximum(u, 0.1)), 0), "doses_are_logarithms"),
        (lambda u: 1e-6 * u, "doses_vanish"),
    ],
)
def test_doses_that_eq_1_cannot_tell_apart_are_said(change, kind):
    data = course()
    said = data_warnings(replace(data, perturbations=change(data.perturbations)))
    assert [warning.kind for warning in said] == [kind]
    assert "--dose-transform" in said[0].fix


@pytest.mark.parametrize(
    ("factor", "kind"),
    [(12, "times_are_no_decay_times"), (3_600, "times_are_no_decay_times"),
     (1e-3, "times_too_short")],
)  # fmt: skip
def test_times_that_are_no_decay_times_are_said(factor, kind):
    data = course()
    said = data_warnings(replace(data, times=factor * data.times))
    assert [warning.kind for warning in said] == [kind]
    assert "--time-unit" in said[0].fix


def test_a_course_that_begins_after_rest_is_said():
    assert kinds(replace(course(), times=np.array([25.0, 30.0, 35.0, 40.0]))) == [
        "times_after_rest"
    ]


def test_a_wild_value_is_named():
    data = course()
    wild = data.measurements.copy()
    wild[2, 1, 3] = 99
    said = only(replace(data, measurements=wild))
    assert "1 value lies" in said
    assert "g4 in c3 at time 5 is 99" in said


def test_a_wild_value_is_named_where_nodes_have_few_values():
    data = course(times=(10.0,)).rows(np.arange(8))
    wild = data.measurements.copy()
    wild[3, 0, 0] = 736.1
    said = only(replace(data, measurements=wild))
    assert f"1 value lies far outside what their nodes show: {data.nodes[0]}" in said


def test_a_number_that_was_filled_down_is_said_and_levels_of_all_nodes_are_not():
    data = course(times=(10.0,))
    filled = data.measurements.copy()
    filled[4:, 0, 1] = 0.73
    filled = replace(data, measurements=filled)
    [said] = [str(one) for one in data_warnings(filled) if one.kind == "repeated_values"]
    assert f"{data.nodes[1]} (0.73 in 20 of 24)" in said
    levels = filled.measurements.copy()
    levels[4:, 0, :3] = 0.73
    assert "repeated_values" not in kinds(replace(data, measurements=levels))


def test_a_time_next_to_none_is_said_where_values_are_large_there():
    data = course()
    early = replace(data, times=np.array([1e-320, *data.times[1:]]))
    assert kinds(early) == ["times_too_short"]
    still = early.measurements.copy()
    still[:, 0] = 0.001
    assert kinds(replace(early, measurements=still)) == []


def test_units_behind_names_of_nodes_are_said():
    data = course()
    said = only(replace(data, nodes=("MEK uM", "AKT 10 ng/ml", *data.nodes[2:])))
    assert "2 nodes are called by a name with a unit: MEK uM, AKT 10 ng/ml" in said


def test_genes_that_few_knock_outs_move_are_not_wild():
    """Nearly all values rest, but the gene that is knocked out and one or two that it regulates."""
    n_nodes = 40
    random = np.random.default_rng(0)
    values = random.normal(0, 0.05, (n_nodes, n_nodes))
    np.fill_diagonal(values, -5.0)
    for row in range(0, n_nodes, 2):
        values[row, (row + 7) % n_nodes] = 3.0 * random.choice([-1, 1])
    data = Dataset(
        nodes=tuple(f"g{k}" for k in range(n_nodes)),
        times=np.array([10.0]),
        perturbations=np.eye(n_nodes),
        measurements=values[:, None, :],
        row_names=tuple(f"c{k}" for k in range(n_nodes)),
        activity_nodes=np.zeros(n_nodes, bool),
    )
    assert kinds(data) == []


def test_wild_values_are_named_among_missing_ones_and_however_many():
    data = course()
    wild = data.measurements.copy()
    wild[::5, 2, 1] = np.nan
    wild[1::5, 0, 2] = -30
    assert "5 values lie" in only(replace(data, measurements=wild))


def test_a_node_that_never_changes_is_named():
    data = course()
    still = data.measurements.copy()
    still[:, :, 4] = 0.25
    assert "1 node never changes: g5 (always 0.25)" in only(replace(data, measurements=still))


def test_noise_that_exceeds_responses_is_told_by_replicates():
    data = course(noise=0.0)
    twice = data.rows(np.repeat(np.arange(N_ROWS - 2), 2))
    noise = 2 * np.random.default_rng(0).standard_normal(twice.measurements.shape)
    assert kinds(replace(twice, measurements=twice.measurements + noise)) == [
        "noise_exceeds_responses"
    ]


def test_activity_nodes_follow_from_doses_and_are_not_judged():
    data = course()
    activity = np.array([False, False, False, False, True])
    values = data.measurements.copy()
    values[:, :, 4] = 50.0
    assert kinds(replace(data, measurements=values, activity_nodes=activity)) == []


def test_what_the_files_said_comes_first():
    from cellbox.errors import DataWarning

    warning = DataWarning("spreadsheet_names", "2-Sep", "Mend it")
    assert data_warnings(replace(course(), reading_warnings=(warning,))) == (warning,)


def test_log_ratios_of_more_than_a_thousandfold_are_told_by_node():
    data = course()
    values = data.measurements.copy()
    values[:, :, 1] *= 1000
    said = only(replace(data, measurements=values))
    assert "too large for log ratios in 1 node: g2 (up to" in said


def test_doses_in_two_units_are_told_with_their_places():
    data = course()
    u = data.perturbations.copy()
    u[:, 0] *= 1000
    warning = data_warnings(replace(data, perturbations=u))[0]
    row = int(np.flatnonzero(u[:, 0])[0])
    assert warning.kind == "doses_of_two_scales"
    assert f"g1 in c{row + 1}" in warning.found


def test_what_rounding_left_of_a_dose_of_zero_is_told():
    data = course()
    u = data.perturbations.copy()
    u[-1, 2] = 5.5e-17
    assert "such as 5.5e-17 of g3 in c24" in only(replace(data, perturbations=u))


def test_a_dose_that_never_changes_is_told():
    data = course()
    u = data.perturbations.copy()
    u[:, 4] = 0.5
    assert "The dose of g5 (0.5) is the same in every row" in only(replace(data, perturbations=u))


def test_data_without_any_dose_are_told():
    data = course(noise=0.2)
    nothing = np.zeros_like(data.perturbations)
    assert "nothing_perturbed" in kinds(replace(data, perturbations=nothing))


@pytest.mark.parametrize(
    "name", ["#REF!", "?", "--", "N/A", "5%", "10 uM", "1.2.3", "<LOD", "0x1F"]
)
def test_what_is_no_name_is_told_of_a_node(name):
    data = replace(course(), nodes=("g1", "g2", name, "g4", "g5"))
    assert f"called by what is no name: {name!r}" in only(data)


@pytest.mark.parametrize(
    "name", ["p53", "14-3-3", "4EBP1pS65", "S6", "2310009E13", "h2a.x", "s", "X"]
)
def test_short_and_numbered_names_of_nodes_are_left_in_peace(name):
    assert kinds(replace(course(), nodes=("g1", "g2", name, "g4", "g5"))) == []


def test_a_node_that_was_measured_once_is_taken_for_a_misspelt_one():
    data = course()
    values = data.measurements.copy()
    values[1:, :, 4] = np.nan
    values[0, 1:, 4] = np.nan
    u = data.perturbations.copy()
    u[:, 4] = 0
    named = replace(data, nodes=("AKT", "MEK", "ERK", "S6", "AKTT"))
    said = only(replace(named, measurements=values, perturbations=u))
    assert "measured once or twice, the others 96 times: AKTT (is it 'AKT'?)" in said


@pytest.mark.parametrize(("name", "told"), [("AKT nM", True), ("AKTi", False), ("drug", False)])
def test_perturbed_nodes_that_nobody_measured_are_told_where_they_seem_misspelt(name, told):
    data = course()
    values = data.measurements.copy()
    values[:, :, 4] = np.nan
    named = replace(data, nodes=("AKT", "MEK", "ERK", "S6", name), measurements=values)
    assert ("perturbed_never_measured" in kinds(named)) is told


def test_a_node_without_any_number_is_told():
    data = course()
    values, u = data.measurements.copy(), data.perturbations.copy()
    values[:, :, 4], u[:, 4] = np.nan, 0
    assert "neither measured nor perturbed: g5" in only(
        replace(data, measurements=values, perturbations=u)
    )
