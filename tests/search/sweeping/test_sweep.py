"""Whole sweeps on a tiny system: what they leave, and what interruptions do to them."""

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import search
from cellbox.errors import InputError
from cellbox.models.saved_models import load_model
from search.study.data_loading import load_study_data
from search.study.folder import StudyFolder
from search.study.record import trial_as_json
from search.study.result import SweepResult
from search.sweeping.run import sweep
from tests.search.tiny import run, spec, toml, values

ROOT = Path(__file__).resolve().parents[3]

# What depends on the clock and not on the sweep.
_TIMES = ("seconds", "compile_seconds", "started", "finished")


def essence(folder):
    """All that a sweep found: records without times, networks to the bit."""
    study = StudyFolder(Path(folder))
    return {
        record.number: (
            {key: value for key, value in trial_as_json(record).items() if key not in _TIMES},
            None if (kept := study.networks(record.number)) is None else kept.weights.tolist(),
        )
        for record in study.records()
    }


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A finished sweep of six trials."""
    return run(tmp_path_factory.mktemp("whole") / "study")


def test_a_sweep_leaves_records_models_and_a_summary(whole):
    assert whole.counts.as_dict() == {"complete": 6, "pruned": 0, "diverged": 0}
    assert [record.number for record in whole.records] == list(range(6))
    errors = [record.objectives["validation_mae"] for record in whole.records]
    assert whole.best.number == int(np.argmin(errors))
    assert len(list(whole.folder.models.iterdir())) == 5
    model = load_model(whole.best.model_path)
    assert np.array_equal(model.network.weights, whole.best.network.weights)
    assert (whole.best.model_path / "pictures" / "network.png").is_file()
    study = whole.folder.study
    assert study.objectives == ("validation_mae",)
    assert study.penalty > 0
    assert study.nodes == whole.best.network.nodes


def test_a_result_reports_what_the_interface_says(whole):
    report = json.loads(json.dumps(whole.as_dict(), allow_nan=False))
    assert set(report) == {
        *("study", "seconds", "trials_per_minute", "trials", "best", "front", "tied", "stopped"),
        "data_warnings",
    }
    assert report["front"] == []
    assert set(report["trials"]) == {"complete", "pruned", "diverged"}
    fit = (
        "status validation_mae test_mae test_mae_noise_free test_pearson pearson "
        "rounding_sensitive_share wrong_basin_share unsteady_share "
        "pearson_off_diagonal pearson_alpha auprc_ratio early_precision_ratio sign_accuracy "
        "baselines better_than_ridge better_than model identifiability seconds compile_seconds"
    )
    assert {"number", "settings", "seed", "shape", *fit.split()} <= set(report["best"])
    assert set(report["best"]["baselines"]) == {"mean", "ridge", "additive", "persistence"}
    for name in ("mean", "ridge", "persistence"):
        scores = report["best"]["baselines"][name]
        assert set(scores) == {"test_mae", "test_mae_noise_free", "test_pearson"}


def test_the_best_trial_alone_is_judged_edge_by_edge_by_what_it_was_trained_on(whole):
    found = whole.identifiability
    weights = [edge["weight"] for edge in found["edges"]]
    assert weights == pytest.approx(whole.best.network.weights.ravel().tolist())
    assert found["training_rows"] == 6
    assert found["guess"] == "the learned network"
    data = load_study_data(spec())
    rows, _ = data.indices(data.own, 0)
    left_alone = ~(data.perturbations[rows] != 0).any(axis=0)
    nodes = np.array(whole.folder.study.nodes)
    assert found["confounded_nodes"] == nodes[left_alone].tolist()
    judged = [path.parent.name for path in whole.folder.models.glob("*/identifiability.csv")]
    assert judged == [whole.best.model_path.name]


def test_a_trial_of_a_smaller_budget_is_judged_by_that_budget(tmp_path):
    space = {"weight_decay": 1e-5, "budget": {"conditions": [2], "time_points": [1, 2]}}
    target = {"error_target": 1e9}
    result = run(tmp_path / "study", trials=3, space=space, objective=target)
    budget = result.best.record.budget
    assert result.identifiability["training_rows"] == budget.conditions == 2
    # Six nodes and an amplitude are more unknowns than any of so few values determine.
    assert len(result.identifiability["nodes_with_too_few_values"]) == 6


def test_a_result_has_a_table_and_a_picture(whole):
    frame = whole.to_frame()
    assert frame["number"].tolist() == list(range(6))
    assert {"status", "peak_rate", "validation_mae", "budget.conditions"} <= set(frame.columns)
    assert whole.plot_optimisation().axes[0].lines


def test_the_same_seed_in_a_new_folder_gives_the_same_to_the_bit(whole, tmp_path):
    again = run(tmp_path / "again")
    assert essence(again.folder.path) == essence(whole.folder.path)


def test_running_a_finished_sweep_again_changes_nothing(whole):
    before = essence(whole.folder.path)
    times = {p: p.stat().st_mtime_ns for p in (whole.folder.path / "trials").rglob("*")}
    again = run(whole.folder.path)
    assert essence(again.folder.path) == before
    assert {p: p.stat().st_mtime_ns for p in (whole.folder.path / "trials").rglob("*")} == times


def test_a_finished_sweep_asked_for_again_starts_no_worker(whole, monkeypatch):
    monkeypatch.setattr("search.sweeping.run.started_workers", None)
    again = run(whole.folder.path)
    assert again.best.number == whole.best.number


def test_a_finished_study_whose_models_are_gone_gets_them_back(whole, tmp_path):
    place = tmp_path / "study"
    shutil.copytree(whole.folder.path, place)
    shutil.rmtree(place / "models")
    assert run(place).best.model_path.is_dir()


def test_a_point_that_is_proposed_again_is_not_trained_again(tmp_path):
    fixed = {"final_share": 0.1, "l1": 1e-5, "interval_share": 0.5}
    space = {"peak_rate": [0.05, 0.1], "schedule": "cosine", "weight_decay": 1e-5, **fixed}
    result = run(tmp_path / "study", trials=5, space=space, sampler={"name": "random"})
    first: dict[float, int] = {}
    for record in result.records:
        earlier = first.setdefault(record.parameters["peak_rate"], record.number)
        networks = [result.folder.networks(number).weights for number in (earlier, record.number)]
        assert np.array_equal(*networks)
        copied = record.message.startswith(
            f"Not trained again: the same settings as trial {earlier}"
        )
        assert copied == (record.number != earlier)
    assert len(first) <= 2


def test_more_trials_go_on_with_a_study(tmp_path):
    first = run(tmp_path / "study", trials=2)
    assert first.counts.finished == 2
    more = run(tmp_path / "study", trials=4)
    assert more.counts.finished == 4
    assert len(more.folder.read_json("runs.json")) == 2
    fewer = run(tmp_path / "study", trials=1)
    assert fewer.counts.finished == 4


def test_another_seed_gives_another_study(whole, tmp_path):
    other = run(tmp_path / "other", trials=2, seed=4)
    # The first trials of both have the package's defaults.
    assert other.records[1].parameters != whole.records[1].parameters


def test_another_spec_in_a_study_is_refused_with_the_difference(whole):
    with pytest.raises(InputError, match=r"space\.l1.*1e-06 now|seed: 3 in the study, 4 now"):
        run(whole.folder.path, seed=4)
    assert not (whole.folder.path / "seed").exists()


def test_a_folder_with_other_files_is_refused_and_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(InputError, match="other files"):
        run(tmp_path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_sweep_that_cannot_begin_leaves_nothing(tmp_path):
    network = tmp_path / "net.csv"
    network.write_text("source,target,weight\na,b,not a number\n")
    with pytest.raises(InputError):
        run(tmp_path / "study", data={"system": None, "network": str(network)})
    assert not (tmp_path / "study").exists()


def test_steady_states_of_several_time_points_are_refused_also_where_a_budget_has_them(tmp_path):
    steady, one = {"adjoint": "steady_state"}, {"time_points": 1}
    budget = {
        "space": {"weight_decay": 1e-5, "budget": {"time_points": [1, 2]}},
        "objective": {"minimise": ["validation_mae", "cost"]},
    }
    for changes in ({}, {"data": one, **budget}):
        with pytest.raises(InputError, match="one time point"):
            run(tmp_path / "study", training=steady, **changes)


def test_zero_trials_are_refused(tmp_path):
    with pytest.raises(InputError, match="at least 1"):
        run(tmp_path / "study", trials=0)


def test_two_sweeps_on_one_study_are_refused(tmp_path):
    place = tmp_path / "study"
    place.mkdir()
    with open(place / "study.lock", "w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(InputError, match="another sweep is running"):
            run(place)


@pytest.mark.slow
def test_other_lanes_go_the_same_way_and_end_close_by(whole, tmp_path):
    other = run(tmp_path / "study", trials=3, workers={"lanes": 3})
    for one, two in zip(other.records, whole.records, strict=False):
        assert one.parameters == two.parameters
        error = two.objectives["validation_mae"]
        assert one.objectives["validation_mae"] == pytest.approx(error, rel=0.05)


@pytest.mark.parametrize("kept", [0, 2, 5])
def test_a_study_without_its_samplers_journal_goes_on_the_same(whole, tmp_path, kept):
    """The sampler proposes the same again, so its history follows from the records."""
    place = tmp_path / "study"
    shutil.copytree(whole.folder.path, place)
    (place / "optuna.journal").unlink()
    for number in range(kept, 6):
        shutil.rmtree(place / "trials" / f"{number:06d}")
    assert essence(run(place).folder.path) == essence(whole.folder.path)


def test_a_study_with_a_spec_alone_begins_anew(whole, tmp_path):
    place = tmp_path / "study"
    place.mkdir()
    (place / "spec.json").write_text((whole.folder.path / "spec.json").read_text())
    assert essence(run(place).folder.path) == essence(whole.folder.path)


def test_a_study_whose_records_are_of_another_history_is_refused(whole, tmp_path):
    place = tmp_path / "study"
    shutil.copytree(whole.folder.path, place)
    (place / "optuna.journal").unlink()
    file = place / "trials" / "000001" / "record.json"
    record = json.loads(file.read_text())
    record["parameters"]["peak_rate"] = 0.123
    # As an earlier version wrote it: a digest would tell that this is not what was written.
    del record["digest"]
    file.write_text(json.dumps(record))
    with pytest.raises(InputError, match="proposes something else"):
        run(place)


def test_data_that_changed_are_refused(whole, tmp_path):
    place = StudyFolder(tmp_path / "study")
    shutil.copytree(whole.folder.path, place.path)
    place.write_json("study.json", {**place.read_json("study.json"), "data": "of other data"})
    with pytest.raises(InputError, match="data are not those"):
        run(place.path)


def test_a_study_whose_trials_were_trained_in_another_way_is_refused(whole, tmp_path):
    place = StudyFolder(tmp_path / "study")
    shutil.copytree(whole.folder.path, place.path)
    place.write_json("study.json", {**place.read_json("study.json"), "format": 1})
    with pytest.raises(InputError, match="trains in another way"):
        run(place.path)


def test_any_trial_trained_again_alone_gives_the_same_to_the_bit(whole):
    for number in (0, 4):
        again = search.rerun_trial(whole.folder.path, number)
        assert again.identical, again
        assert again.largest_difference == 0
        assert again.changed == ()


def test_a_rerun_of_a_missing_trial_is_refused(whole):
    with pytest.raises(InputError, match="trial 99"):
        search.rerun_trial(whole.folder.path, 99)


PROGRAM = """
import json, os, signal, sys
from search.cli.main import main
from search.study.folder import StudyFolder

file, study, after, how = sys.argv[1:]
write_trial, written = StudyFolder.write_trial, []

def write_then_stop(self, record, networks):
    write_trial(self, record, networks)
    written.append(record.number)
    if len(written) == int(after):
        os.kill(os.getpid(), getattr(signal, how))

StudyFolder.write_trial = write_then_stop
sys.exit(main(["sweep", file, "--study", study]))
"""


def stopped(tmp_path, how, after=3):
    """A sweep in a process of its own, stopped by a signal when some trials have ended."""
    file, study = tmp_path / "tiny.toml", tmp_path / "study"
    file.write_text(toml(values()))
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(file), str(study), str(after), how],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        timeout=240,
        check=False,
    )
    return done, study


@pytest.mark.slow
def test_a_killed_sweep_goes_on_as_if_nothing_had_happened(whole, tmp_path):
    done, study = stopped(tmp_path, "SIGKILL")
    assert done.returncode == -signal.SIGKILL
    assert len(StudyFolder(study).finished_numbers()) == 3
    resumed = run(study)
    assert resumed.counts.as_dict() == {"complete": 6, "pruned": 0, "diverged": 0}
    assert essence(study) == essence(whole.folder.path)


@pytest.mark.slow
@pytest.mark.parametrize("how", ["SIGINT", "SIGTERM"])
def test_an_interrupted_sweep_keeps_its_work_and_says_how_to_go_on(whole, tmp_path, how):
    done, study = stopped(tmp_path, how, after=2)
    assert done.returncode == 130, done.stderr
    assert "Traceback" not in done.stderr
    assert "2 of 6 trials finished" in done.stdout
    assert done.stdout.splitlines()[-1] == "To go on, run the same command again."
    assert SweepResult(study).best.model_path is not None
    run(study)
    assert essence(study) == essence(whole.folder.path)


@pytest.mark.cluster
@pytest.mark.slow
def test_ray_workers_find_the_same_as_this_process(whole, tmp_path):
    started = time.monotonic()
    result = sweep(
        spec(workers={"executor": "ray", "count": 2}), study=tmp_path / "study", trials=4
    )
    assert time.monotonic() - started < 200
    same_threads = len(os.sched_getaffinity(0)) == 1
    for there, here in zip(result.records, whole.records, strict=False):
        assert there.parameters["schedule"] == here.parameters["schedule"]
        error = here.objectives["validation_mae"]
        assert there.objectives["validation_mae"] == pytest.approx(error, rel=0.01)
        if same_threads or there.shape == here.shape:
            assert there.objectives == here.objectives
    import ray

    assert not ray.is_initialized()
