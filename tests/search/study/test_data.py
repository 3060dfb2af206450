"""The pool that all trials of a study share, and the budgets that open parts of it."""

import shutil
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest

from cellbox.data.dataset import validation_rows
from cellbox.data.readers import write_tidy
from cellbox.errors import InputError
from search.cli.main import main
from search.spec.reading import make_spec
from search.study.budget import Budget
from search.study.data_loading import load_study_data
from search.sweeping.terms import penalty_of
from search.workers.worker import Worker

AXES = {"conditions": [2, 5, 8], "perturbed_nodes": [1, 2, 3], "time_points": [2, 4, 6]}
BOTH = {"minimise": ["validation_mae", "cost"]}


def study_spec(data, budget=None, **changes):
    return make_spec(
        {
            "name": "x",
            "repeats": 2,
            "data": data,
            "space": {"budget": budget or {}},
            "objective": BOTH,
            "pruner": {"name": "none"},
            **changes,
        }
    )


def simulated_spec(**changes):
    data = {"system": "CY", "conditions": 5, "time_points": 4, "held_out": 3}
    return study_spec(data, AXES, **changes)


@pytest.fixture(scope="module")
def simulated():
    return load_study_data(simulated_spec())


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Measured data: 16 training-sized conditions at four times, one or more nodes perturbed."""
    place = tmp_path_factory.mktemp("measured") / "data"
    arguments = ["simulate", "--random", "4", "--conditions", "16", "--held-out", "2"]
    assert main([*arguments, "--times", "4", "--seed", "5", "--out", str(place)]) == 0
    for extra in ("split.csv", "truth.csv", "noise_free.csv", "rounding_sensitive.csv"):
        (place / extra).unlink(missing_ok=True)
    # Half of the conditions lose one of their two perturbations.
    lines = (place / "perturbations.csv").read_text().splitlines()
    kept, seen = [lines[0]], {}
    for line in lines[1:]:
        name = line.split(",")[0]
        seen.setdefault(name, len(seen))
        if seen[name] % 2 and any(name == other.split(",")[0] for other in kept[1:]):
            continue
        kept.append(line)
    (place / "perturbations.csv").write_text("\n".join(kept) + "\n")
    return place


@pytest.fixture(scope="module")
def measured(folder):
    spec = study_spec(
        {"folder": str(folder)},
        {"conditions": [1, 2, 3], "perturbed_nodes": [1, 2], "time_points": [1, 2, 3, 4]},
    )
    return load_study_data(spec)


def test_a_smaller_number_of_conditions_is_part_of_a_larger_one(simulated, measured):
    for data, sizes in ((simulated, (2, 5, 8)), (measured, (1, 2, 3))):
        times = max(data.pool_times)
        for repeat in (0, 1):
            rows = [data.indices(Budget(n, 2, times), repeat)[0] for n in sizes]
            for small, large in pairwise(rows):
                assert set(small) < set(large)


def test_fewer_perturbed_nodes_keep_the_doses_of_those_that_stay(simulated):
    for repeat in (0, 1):
        designs = [
            simulated.perturbations[simulated.indices(Budget(5, k, 4), repeat)[0]]
            for k in (1, 2, 3)
        ]
        for k, design in zip((1, 2, 3), designs, strict=True):
            assert ((design != 0).sum(axis=1) == k).all()
        for few, more in pairwise(designs):
            assert (more[few != 0] == few[few != 0]).all()


def test_time_points_of_files_are_nested_and_hold_the_last(measured):
    chosen = [set(measured.pool_times[n]) for n in (1, 2, 3, 4)]
    assert chosen[0] == {3}
    for n, (few, more) in enumerate(pairwise(chosen), start=2):
        assert few < more
        assert len(more) == n
    assert all((np.diff(measured.pool_times[n]) > 0).all() for n in (2, 3, 4))


def test_simulated_times_are_exact_fractions_of_the_horizon(simulated):
    for level, places in simulated.pool_times.items():
        wanted = [20.0 * float(Fraction(k, level)) for k in range(1, level + 1)]
        assert simulated.times[places].tolist() == wanted
    assert len(np.unique(simulated.times)) == len(simulated.times) == 8


def test_files_open_only_conditions_with_at_most_k_perturbed_nodes(measured):
    number = (measured.perturbations != 0).sum(axis=1)
    rows = np.concatenate(measured.pool_rows[0, 1])
    assert (number[rows] <= 1).all()
    assert set(rows) == set(np.flatnonzero(number <= 1))
    assert len(measured.pool_rows[0, 1]) < len(measured.pool_rows[0, None])


def test_held_out_rows_are_the_same_for_every_budget_and_never_trained_on(simulated, measured):
    for data in (simulated, measured):
        held_out = {row.tobytes() for row in data.evaluation.perturbations}
        assert not held_out & {row.tobytes() for row in data.perturbations}
        split = data.split
        assert sorted([*split.validation, *split.test]) == list(range(data.evaluation.n_rows))
    other = load_study_data(
        study_spec({"system": "CY", "conditions": 5, "time_points": 4, "held_out": 3})
    )
    assert np.array_equal(other.evaluation.measurements, simulated.evaluation.measurements)


def test_repeats_draw_other_conditions_and_noise(simulated, measured):
    first, second = (simulated.indices(simulated.own, repeat)[0] for repeat in (0, 1))
    assert not set(first) & set(second)
    assert not np.array_equal(simulated.perturbations[first], simulated.perturbations[second])
    orders = [np.concatenate(measured.pool_rows[repeat, None]).tolist() for repeat in (0, 1)]
    assert orders[0] != orders[1]
    assert sorted(orders[0]) == sorted(orders[1])


def test_a_balanced_design_perturbs_every_node_in_every_repeat():
    data = {"system": "VSC", "conditions": 8, "design": "balanced"}
    balanced = load_study_data(study_spec(data, {"conditions": [4, 8]}))
    for repeat in range(2):
        rows, _ = balanced.indices(Budget(4, 2, 5), repeat)
        assert (balanced.perturbations[rows] != 0).any(axis=0).all()


def test_the_same_seed_gives_the_same_data_and_another_seed_others(simulated):
    again, other = load_study_data(simulated_spec()), load_study_data(simulated_spec(seed=1))
    assert np.array_equal(again.measurements, simulated.measurements)
    assert not np.array_equal(other.measurements, simulated.measurements)
    assert again.fingerprint() == other.fingerprint()


def test_a_fingerprint_tells_measured_data_apart(folder, measured, tmp_path):
    shutil.copytree(folder, tmp_path / "data")
    file = tmp_path / "data" / "measurements.csv"
    lines = file.read_text().splitlines()
    lines[1] = lines[1].rsplit(",", 1)[0] + ",9.5"
    file.write_text("\n".join(lines) + "\n")
    budget = {"conditions": [1, 2, 3], "perturbed_nodes": [1, 2], "time_points": [1, 2, 3, 4]}
    changed = load_study_data(study_spec({"folder": str(tmp_path / "data")}, budget))
    same = load_study_data(study_spec({"folder": str(folder)}, budget))
    assert same.fingerprint() == measured.fingerprint() != changed.fingerprint()


def test_what_speaks_against_files_is_kept_with_a_study(folder, measured, tmp_path):
    assert measured.warnings == ()
    shutil.copytree(folder, tmp_path / "data")
    file = tmp_path / "data" / "measurements.csv"
    header, *rows = file.read_text().splitlines()
    cells = [row.split(",") for row in rows]
    in_minutes = [",".join([cell[0], str(30 * float(cell[1])), *cell[2:]]) for cell in cells]
    file.write_text("\n".join([header, *in_minutes]) + "\n")
    place = {"folder": str(tmp_path / "data")}
    [warning] = load_study_data(study_spec(place)).warnings
    assert warning.kind == "times_are_no_decay_times"
    mended = load_study_data(study_spec({**place, "time_unit": "30min"}))
    assert mended.warnings == ()
    np.testing.assert_allclose(mended.times, measured.times)


def test_amplitudes_of_a_simulation_are_spread_or_read_from_a_file(tmp_path):
    file = tmp_path / "amplitudes.csv"
    nodes = [f"g{k + 1}" for k in range(6)]
    file.write_text("node,amplitude\n" + "".join(f"{node},0.5\n" for node in nodes))
    data = {"system": "CY", "conditions": 3, "time_points": 1, "held_out": 1}
    of_file = load_study_data(study_spec({**data, "amplitudes": str(file)}))
    assert (of_file.evaluation.truth.amplitudes == 0.5).all()
    spread = load_study_data(study_spec({**data, "amplitude_spread": 0.5}))
    assert len(set(spread.evaluation.truth.amplitudes)) == 6


def test_a_split_by_combination_keeps_all_doses_together(folder):
    spec = study_spec({"folder": str(folder), "split_by": "combination"}, {}, objective={})
    data = load_study_data(spec)
    combination = {tuple(row != 0) for row in data.evaluation.perturbations}
    assert not combination & {tuple(row != 0) for row in data.perturbations}


def test_what_a_trial_saw_stands_beside_what_it_is_judged_on(simulated):
    rows, times = simulated.indices(Budget(2, 1, 2), 1)
    whole, split = simulated.training_set(rows, times)
    assert np.array_equal(whole.perturbations[split.training], simulated.perturbations[rows])
    seen = whole.measurements[split.training]
    # Of two times, 10 and 20, the study's own four have both.
    assert np.isnan(seen).all(axis=(0, 2)).tolist() == [True, False, True, False]


@pytest.fixture(scope="module")
def bifurcating():
    """A study of BF, of which some conditions are rounding-sensitive in every part."""
    return load_study_data(study_spec({"system": "BF"}, {}, objective={}))


def test_rounding_sensitive_rows_stay_in_the_pool_and_do_not_validate(bifurcating):
    held_out = bifurcating.evaluation
    rounding_sensitive = held_out.rounding_sensitive[bifurcating.split.validation]
    assert 0 < rounding_sensitive.sum() < len(rounding_sensitive)
    assert 0.3 < bifurcating.rounding_sensitive.mean() < 0.6
    rows, _ = bifurcating.indices(bifurcating.own, 0)
    assert bifurcating.rounding_sensitive[rows].any()
    pool = Worker(bifurcating, n_lanes=1)._pool("float32")
    assert len(pool.perturbations) == len(bifurcating.perturbations)
    left = bifurcating.split.validation[~rounding_sensitive]
    assert np.allclose(pool.validation_perturbations, held_out.perturbations[left])


def test_the_penalty_of_a_diverged_trial_is_of_determined_rows(bifurcating):
    held_out = bifurcating.evaluation
    kept = held_out.measurements[validation_rows(held_out, bifurcating.split)]
    assert penalty_of(bifurcating) == pytest.approx(2 * np.abs(kept).mean())


def test_what_a_trial_saw_keeps_which_rows_are_rounding_sensitive(bifurcating, measured, tmp_path):
    rows, times = bifurcating.indices(bifurcating.own, 1)
    whole, split = bifurcating.training_set(rows, times)
    assert np.array_equal(
        whole.rounding_sensitive[split.training], bifurcating.rounding_sensitive[rows]
    )
    assert np.array_equal(
        whole.rounding_sensitive[split.test],
        bifurcating.evaluation.rounding_sensitive[bifurcating.split.test],
    )
    write_tidy(whole, tmp_path / "data")
    read = load_study_data(study_spec({"folder": str(tmp_path / "data")}, {}, objective={}))
    assert np.array_equal(read.rounding_sensitive, bifurcating.rounding_sensitive[rows])
    assert np.array_equal(
        read.evaluation.rounding_sensitive, bifurcating.evaluation.rounding_sensitive
    )


def test_where_files_do_not_say_it_no_row_is_known_to_be_rounding_sensitive(measured):
    assert measured.rounding_sensitive is measured.evaluation.rounding_sensitive is None
    whole, _ = measured.training_set(*measured.indices(measured.own, 0))
    assert whole.rounding_sensitive is None


@pytest.mark.parametrize(
    ("budget", "found"),
    [
        ({"conditions": [2, 99]}, "99 training conditions"),
        ({"time_points": [2, 9]}, "9 time points"),
        ({"perturbed_nodes": [1, 2], "conditions": [2, 8]}, "with at most 1 perturbed"),
    ],
)
def test_a_budget_that_files_cannot_give_is_refused(folder, budget, found):
    with pytest.raises(InputError, match=found):
        load_study_data(study_spec({"folder": str(folder)}, budget))


def test_more_perturbed_nodes_than_a_network_has_are_refused(tmp_path):
    (tmp_path / "net.csv").write_text("source,target,weight\na,b,1\nb,c,-1\n")
    spec = study_spec({"network": str(tmp_path / "net.csv")}, {"perturbed_nodes": [1, 4]})
    with pytest.raises(InputError, match="found 4"):
        load_study_data(spec)


def test_errors_of_values_go_with_the_rows_and_times_that_a_trial_sees(folder, tmp_path):
    place = tmp_path / "with_errors"
    shutil.copytree(folder, place)
    lines = (place / "measurements.csv").read_text().splitlines()
    told = [f"{line},{0.01 + 0.001 * number}" for number, line in enumerate(lines[1:])]
    (place / "measurements.csv").write_text("\n".join([lines[0] + ",sd", *told]) + "\n")
    data = load_study_data(study_spec({"folder": str(place)}))
    assert data.fingerprint() != load_study_data(study_spec({"folder": str(folder)})).fingerprint()
    rows, times = np.array([2, 0]), np.array([1, 3])
    seen = data.trained_on(rows, times)
    np.testing.assert_array_equal(seen.errors, data.errors[rows][:, times])
    whole, split = data.training_set(rows, times)
    np.testing.assert_array_equal(whole.errors[split.training][:, times], seen.errors)
    assert np.isfinite(whole.errors[: data.evaluation.n_rows]).all()
