"""The commands around a sweep: what they print, refuse and write."""

import json
import subprocess
import sys
import time
from argparse import ArgumentParser

import pytest

from cellbox.errors import InputError
from search.cli import service
from search.cli.main import build_parser, main
from search.cli.output import plain
from tests.search.cli_helpers import program, read_json, refused
from tests.search.tiny import run


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return run(tmp_path_factory.mktemp("service") / "study", trials=2)


@pytest.mark.parametrize("command", ["sweep", "best", "rerun", "ui", "sync"])
def test_every_command_explains_itself(command, capsys):
    assert main([command, "--help"]) == 0
    shown = capsys.readouterr().out
    assert "study" in shown.lower()
    assert "--" in shown


def test_help_comes_within_a_second_and_without_numerical_imports():
    code = (
        "import sys; from search.cli.main import main; main(['--help']); main(['sweep', '--help']);"
        "heavy = {'numpy', 'jax', 'ray', 'optuna', 'mlflow', 'pydantic', 'rich'} & {*sys.modules};"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    seconds = []
    for _ in range(3):
        started = time.monotonic()
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        seconds.append(time.monotonic() - started)
        assert done.returncode == 0, done.stderr
    assert min(seconds) < 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "expected one of SPEC.toml, --system NAME and --data FOLDER"),
        (["x.toml", "--system", "LI"], "Give exactly one"),
        (["--system", "LIE"], "The nearest is LI"),
        (["--data", "no/such/folder"], "nothing is at"),
        (["no-such.toml"], "no-such.toml"),
        (["--system", "LI", "--trials", "0"], "--trials"),
        (["--system", "LI", "--seed", "-1"], "--seed"),
        (["--system", "LI", "--workers", "x"], "--workers"),
        (["--system", "LI", "--executor", "cloud"], "--executor"),
    ],
)
def test_a_sweep_that_cannot_be_is_refused(arguments, said, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert said in refused(capsys, "sweep", *arguments)
    assert list(tmp_path.iterdir()) == []


def test_a_table_that_is_none_is_refused_beside_a_flag_for_it(capsys, tmp_path):
    file = tmp_path / "spec.toml"
    file.write_text('workers = 3\n[data]\nsystem = "LI"\n')
    assert "workers: expected a table" in refused(capsys, "sweep", file, "--lanes", "2")


def test_a_folder_of_any_name_gives_a_study_a_name(tmp_path, capsys):
    from search.cli.main import build_parser
    from search.cli.service import COMMANDS, _spec

    folder = tmp_path / ".my data (2)"
    folder.mkdir()
    arguments = build_parser(COMMANDS).parse_args(["sweep", "--data", str(folder)])
    assert _spec(arguments).name == "my-data--2-"


@pytest.mark.parametrize("command", ["best", "rerun", "ui", "sync", "status", "stop", "verify"])
def test_a_missing_study_is_refused(command, capsys, tmp_path):
    assert "expected a study's folder" in refused(capsys, command, tmp_path / "none")


def test_best_prints_the_trial_its_baselines_and_its_model(study, tmp_path, capsys):
    target = tmp_path / "best.json"
    assert main(["best", str(study.folder.path), "--json", str(target)]) == 0
    shown = capsys.readouterr().out
    assert f"Best: trial {study.best.number}" in shown
    for word in ("ridge", "Strongest edges", str(study.best.model_path), "cellbox ui"):
        assert word in shown
    assert "What its training data determine:" in shown
    assert "least error" in shown
    report = read_json(target)
    assert report == json.loads(json.dumps(plain(study.as_dict())))
    assert report["best"]["model"] == str(study.best.model_path)


def test_a_study_without_a_best_trial_is_refused(study, capsys, tmp_path):
    import shutil

    shutil.copytree(study.folder.path, tmp_path / "study")
    shutil.rmtree(tmp_path / "study" / "trials")
    assert "expected a completed trial" in refused(capsys, "best", tmp_path / "study")


def test_a_finished_sweep_is_shown_again_without_training(study, tmp_path, capsys):
    from search.cli.output import Output
    from search.cli.sweep_report import say_sweep

    say_sweep(study, Output(None))
    shown = capsys.readouterr().out
    assert "2 trials (2 complete, 0 pruned, 0 diverged)" in shown
    assert "Best 2 of 2 completed trials" in shown


@pytest.mark.slow
def test_rerun_in_another_process_gives_the_same_to_the_bit(study, tmp_path):
    target = tmp_path / "rerun.json"
    done = program("rerun", study.folder.path, "--trial", "1", "--json", target)
    assert done.returncode == 0, done.stderr
    assert "The same numbers to the last bit." in done.stdout
    found = read_json(target)
    assert found["identical"] is True
    assert found["changed"] == []


def test_flags_stand_in_the_spec_of_a_sweep():
    flags = ["--storage-url", "sqlite:///a.db", "--tracking-uri", "file:b", "--workers", "3"]
    arguments = build_parser(service.COMMANDS).parse_args(["sweep", "--system", "LI", *flags])
    spec = service._spec(arguments)
    assert (spec.storage.url, spec.tracking.uri) == ("sqlite:///a.db", "file:b")
    assert spec.workers.count == 3


# Of flags that choose neither the spec nor where the study is: what they are tested by.
ELSEWHERE = {"help", "spec", "json", "quiet", "study"}
GIVEN = {
    "system": "CY",
    "data": ".",
    "trials": "7",
    "seed": "9",
    "workers": "3",
    "lanes": "2",
    "cluster": "127.0.0.1:6379",
    "storage_url": "sqlite:///a.db",
    "tracking_uri": "http://127.0.0.1:1",
    "executor": "inline",
    "hours": "1.5",
    "patience": "9",
    "expected_gain": "0.02",
    "enqueue": "l1=1e-5,schedule=constant",
    "earlier": "earlier",
}


def test_every_flag_of_a_sweep_changes_its_spec(tmp_path, monkeypatch):
    # What --from names has to look like a study.
    monkeypatch.chdir(tmp_path)
    (tmp_path / "earlier").mkdir()
    (tmp_path / "earlier" / "study.json").touch()
    parser = ArgumentParser()
    service._add_sweep(parser)
    flags = {action.dest: action.option_strings for action in parser._actions}
    assert set(flags) - ELSEWHERE - {"quiet"} == set(GIVEN)

    def spec_with(*arguments):
        named = any(flag in arguments for flag in ("--system", "--data"))
        source = [] if named else ["--system", "LI"]
        return service._spec(parser.parse_args([*source, *arguments])).model_dump()

    plain_spec = spec_with()
    for name, value in GIVEN.items():
        assert spec_with(flags[name][0], value) != plain_spec, name


def test_an_expected_gain_on_the_command_line_leaves_the_rest_of_the_file_as_it_is(tmp_path):
    parser = ArgumentParser()
    service._add_sweep(parser)
    file = tmp_path / "sweep.toml"

    def wanted(in_file, *arguments):
        file.write_text(f'data.system = "CY"\n{in_file}\n')
        gain = service._spec(parser.parse_args([str(file), *arguments])).expected_gain
        return gain.improvement, gain.trials, gain.confidence

    table = "expected_gain = { trials = 30, confidence = 0.9 }"
    assert wanted(table) == (0.01, 30, 0.9)
    assert wanted(table, "--expected-gain", "0.05") == (0.05, 30, 0.9)
    assert wanted(table, "--expected-gain", "trials=40,improvement=0.02") == (0.02, 40, 0.9)
    assert wanted("expected_gain = 0.03") == (0.03, 100, 0.95)
    assert wanted("expected_gain = 0.03", "--expected-gain", "trials=40") == (0.03, 40, 0.95)
    with pytest.raises(InputError, match=r"expected_gain\.trails: unknown setting, found 3"):
        wanted(table, "--expected-gain", "trails=3")
