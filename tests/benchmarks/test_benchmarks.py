"""Every benchmark runs, at sizes too small for its numbers to mean anything."""

import importlib
import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
REPOSITORY = Path(__file__).resolve().parents[2]


def run(name, file, *options) -> dict:
    """Run a benchmark in this process."""
    program = importlib.import_module(f"tests.benchmarks.{name}")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", [name, "--json", str(file), *options])
        program.main()
    return json.loads(file.read_text())


def run_alone(name, file, *options) -> tuple[dict, set[str]]:
    """Run one that sets up its process for itself; also what it imported, package by package."""
    code = (
        f"import sys, tests.benchmarks.{name} as program; program.main();"
        "print(*{name.split('.')[0] for name in sys.modules})"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "--json", str(file), "--quick", *options],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        env={**os.environ, "JAX_PLATFORMS": "cpu"},
    )
    assert done.returncode == 0, done.stderr
    return json.loads(file.read_text()), set(done.stdout.splitlines()[-1].split())


def needs(module: str):
    try:
        importlib.import_module(module)
        missing = False
    except ImportError:
        missing = True
    return pytest.mark.skipif(missing, reason=f"{module} is not installed (extra bench)")


def test_prediction_intervals_are_compared_with_responses_without_noise(tmp_path):
    result = run("prediction_intervals", tmp_path / "out.json", "--quick")
    [experiment] = result["rows"]
    assert experiment["held"] is None or 0 <= experiment["held"] <= 1


def test_cell_lines_tells_what_was_found(tmp_path):
    sizes = ("--networks", "LI", "--lines", "2", "--differences", "1", "--conditions", "6")
    result = run("cell_lines", tmp_path / "out.json", *sizes, "--form-alone")
    [experiment] = result["experiments"]
    assert experiment["found"] + experiment["missed"] == 1
    assert -1 <= experiment["r"] <= 1
    assert result["false"] == experiment["false"]


@needs("torch")
def test_gradient_compares_with_diffrax_and_torch(tmp_path):
    result, _ = run_alone("gradient", tmp_path / "out.json", "--repeats", "1")
    for name in ("speedup_over_idiomatic", "speedup_over_best_diffrax", "compile_speedup"):
        assert result[name] > 0
    assert set(result["speedup_over_torch"]) == {"heun", "tsit5_adaptive"}
    for side in result["li"].values():
        assert side["difference_from_tight_tolerances"] < 1e-2
    assert result["large"]["heun"]["gradient_difference_from_torch"] < 1e-4
    assert (tmp_path / "out.png").stat().st_size > 1000


def test_growth_measures_training_steps(tmp_path):
    result, _ = run_alone("growth", tmp_path / "out.json", "--repeats", "1")
    assert {row["grows"] for row in result["rows"]} == {"nodes", "lanes"}
    assert result["stiff_lane_slowdown"] > 1
    assert (tmp_path / "out.png").stat().st_size > 1000


def test_gpu_measures_whatever_device_there_is_and_needs_nothing_of_the_service(tmp_path):
    result, imported = run_alone("gpu", tmp_path / "out.json", "--repeats", "1")
    assert [row["lanes"] for row in result["throughput"]] == [1, 4]
    (large,) = result["large_gradients"]
    assert large["difference"] < 1e-3
    assert "cellbox" in imported
    assert not {"search", "ray", "optuna", "mlflow", "pandas", "torch"} & imported


def test_orchestration_counts_every_trial_in_mlflow(tmp_path):
    from tests.benchmarks.orchestration import our_side

    answer = our_side(str(tmp_path), trials=12, seed=0, profile=None)
    assert len(answer["recorded"]) == len(answer["tracked"]) == 12
    assert math.isfinite(answer["ended"] - answer["began"])


def test_long_study_tells_of_each_tenth_and_answers_again_without_workers(tmp_path):
    from tests.benchmarks.long_study import run

    found = run(20, "random", False, str(tmp_path / "long"))
    assert len(found["milliseconds_of_tenths"]) == 10
    assert all(math.isfinite(one) for one in found["processor_milliseconds_of_tenths"])
    again = run(20, "random", False, str(tmp_path / "long"))
    assert set(again) == {"seconds", "peak_megabytes"}


@needs("fsspec")
def test_the_peers_trainable_learns(tmp_path):
    from tests.benchmarks import sweep, tune_trainable

    config = {"peak_rate": 0.05, "schedule": "constant", "l1": 1e-5, "weight_decay": 0.0}
    advance, state = tune_trainable._training(config, sweep._arrays(0), 0)
    state, _, first = advance(state)
    for _ in range(3):
        state, _, last = advance(state)
    assert float(last) < float(first)


def test_strategies_compares_phases_of_training_and_criteria(tmp_path):
    result = run(
        "strategies", tmp_path / "out.json", "--systems", "mCAD", "--seeds", "1", "--steps", "50"
    )
    (row,) = result["rows"]
    for column in ("whole horizon", "+ selection of edges", "chosen by selection_error"):
        assert -1 <= row[column] <= 1


def test_calibration_counts_edges_and_zeros_apart(tmp_path):
    result = run("calibration", tmp_path / "out.json", "--quick")
    every = result["rows"][-1]
    assert every["system"] == "all"
    assert 0 <= every["zeros"] <= 1
    assert set(result["within"]) == {"edges", "zeros"}


def test_large_counts_missed_and_false_edges(tmp_path):
    (row,) = run("large", tmp_path / "out.json", "--quick")["rows"]
    assert row["nodes"] == 41
    assert row["edges"] > 41
    assert row["missed"] == row["false"] == 0
    assert row["r"] > row["r of the regression"]


def test_starts_tells_what_was_found_and_from_where(tmp_path):
    (row,) = run("starts", tmp_path / "out.json", "--quick")["rows"]
    assert row["network"] == "toggle2"
    assert row["r"] > 0.99
    assert row["start"]


def test_next_conditions_compares_with_balanced_and_random_ones(tmp_path):
    (row,) = run("next_conditions", tmp_path / "out.json", "--quick")["rows"]
    assert row["network"] == "CY"
    assert len(row["r chosen"]) == 2
    assert row["realised/expected"] > 0
    assert row["nats"] > 0


def test_without_descent_compares_both_ways_to_fit(monkeypatch, capsys):
    from tests.benchmarks import without_descent

    monkeypatch.setattr(sys, "argv", ["without_descent", "900", "CY"])
    without_descent.main()
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("CY")]
    assert line.split()[1] in ("skipped", "needed")
    assert 0 < float(line.split()[2]) <= 1


def test_expected_gain_counts_stops_that_came_too_early(tmp_path):
    sizes = ("--seeds", "1", "--trials", "90", "--asked", "1")
    result = run("expected_gain", tmp_path / "out.json", *sizes)
    groups = [row["group"] for row in result["together"]]
    assert groups == ["laws", "hidden region", "functions, random", "functions, tpe"]
    assert all(0 <= row["wrong"] <= row["stopped"] <= row["replays"] for row in result["together"])


def test_checkpoints_tells_what_saving_costs():
    from tests.benchmarks.checkpoints import measured

    found = measured("LI", 2, 1)
    assert found["kilobytes_each"] > 1
    assert 0 < found["share_percent"] < 100


def test_population_gives_all_searches_the_same_steps(monkeypatch):
    from tests.benchmarks import population

    made = population._spec
    inline = {"executor": "inline", "lanes": 4}
    monkeypatch.setattr(population, "_spec", lambda *given: {**made(*given), "workers": inline})
    monkeypatch.setattr(population, "_MEMBERS", 4)
    monkeypatch.setattr(population, "_GENERATIONS", 3)
    rows = population.compared(0, 5, 120)
    assert [row["search"] for row in rows] == ["pbt", "tpe", "tpe half"]
    assert {row["steps_in_all"] for row in rows} == {480}
