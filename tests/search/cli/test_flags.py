"""Every flag of every command: each has a case, is read by its command, and changes what it says.

A new flag fails here until it has a case.
"""

import argparse
import ast
from pathlib import Path

import numpy as np
import pytest

from search.cli.main import COMMANDS, build_parser
from tests.search.cli.test_service import GIVEN

ROOT = Path(__file__).resolve().parents[3]
NETWORK = "edges.csv"

# Each with a value other than its default.
SETTINGS = {
    **{"steps": 70, "peak_rate": 0.02, "schedule": "constant", "final_share": 0.2},
    **{"warmup_share": 0.2, "weight_decay": 1e-4, "l1": 1e-4, "interval_share": 0.1},
    **{"form": "drive,decay", "prior_strength": 2.0},
    **{"refinement": "none", "conditions_per_step": 3, "times_per_step": 2, "gradient_clip": 2.0},
    **{"patience": 4, "validate_every": 10, "solver": "dopri5", "rtol": 1e-4, "atol": 1e-5},
    **{"step": 0.1, "adjoint": "direct", "max_steps": 99, "precision": "float64"},
}
SIMULATION = {
    **{"--density": "0.3", "--motif": "acyclic", "--conditions": "7", "--held-out": "3"},
    **{"--perturbed-nodes": "1", "--times": "3", "--horizon": "9", "--noise": "0.05"},
    **{"--replicates": "2", "--amplitude": "1.5", "--design": "balanced", "--seed": "4"},
    **{"--amplitudes": "amplitudes.csv", "--amplitude-spread": "0.2", "--at": "1,2"},
    **{"--missing": "0.1", "--outliers": "0.1", "--outlier-size": "3", "--hidden": "1"},
    **{"--kinetics": "hill", "--random": "5", "--network": NETWORK},
    **{"--lines": "2", "--line-differences": "1 --lines 2", "--off-targets": "2"},
    **{"--knock-outs": "0.5", "--knock-out-level": "-3 --knock-outs 0.5", "--pulses": "0.5"},
}
UNITS = {
    "--transform": ["--transform", "log2-ratio", "--control", "c1"],
    "--control": ["--transform", "log2-ratio", "--control", "c2"],
    "--time-unit": ["--time-unit", "30min"],
    "--dose-transform": ["--dose-transform", "log", "--ec50", "2"],
    "--ec50": ["--dose-transform", "log", "--ec50", "3"],
    "--detection-limit": ["--transform", "log2", "--detection-limit", "20"],
}
# What the rest is tested by: a file that has the flag, and mostly a test of what it does.
OF_DATA = {"--structural-zeros": "test_data_commands", "--time": "test_data_commands"}
OF_PLANS = {
    **dict.fromkeys(
        ("--nodes", "--doses", "--most-nodes", "--forbid", "--times", "--noise", "--networks"),
        "test_plan",
    ),
    "--candidates": "",
}
OF_PLATES = {**dict.fromkeys(("--out", "--plate", "--replicates"), "test_plan"), "--controls": ""}
OF_PLATES |= {"--same-well": "", "--choose-times": "", "--seed": "", "--conditions": "test_plan"}
REST = {
    "simulate": {"--out": "test_data_commands", "--overwrite": "test_data_commands"},
    "lint": OF_DATA,
    "convert": {**OF_DATA, "--overwrite": ""},
    "design check": {
        **OF_DATA,
        **dict.fromkeys(("--system", "--guess", "--guess-amplitude"), "test_design"),
    },
    "design next": {
        **{**OF_DATA, **OF_PLANS, **OF_PLATES, "--data": "test_plan", "--edge": "test_plan"},
        "--undecided": "",
    },
    "design first": {
        **{**OF_PLANS, **OF_PLATES, "--screening": "test_plan"},
        **{"--perturb": "", "--density": "", "--amplitude": ""},
    },
    "design curve": {
        **{**OF_DATA, **OF_PLANS, "--data": "test_plan", "--more": "test_plan", "--seed": ""}
    },
    "fit": {
        **OF_DATA,
        **dict.fromkeys(("--split-by", "--test", "--settings", "--out"), "test_fit_and_predict"),
        **{"--plots": "test_fit_and_predict", "--members": "test_compare"},
        **{"--system": "", "--validation": "", "--seed": "", "--prior": "test_fit_and_predict"},
        "--reference-line": "test_lines",
    },
    "predict": {
        **dict.fromkeys(
            ("--perturb", "--all-pairs", "--node", "--dose", "--plot", "--times", "--out"),
            "test_fit_and_predict",
        ),
        **{"--among": "", "--model-units": "test_fit_and_predict", "--line": "test_lines"},
        "--clamp": "test_interventions",
    },
    "export": {
        **dict.fromkeys(("--top", "--threshold", "--confident"), "test_export"),
        **{"--petab": "", "--line": "test_lines"},
    },
    "compare": {
        **OF_DATA,
        **dict.fromkeys(
            ("--scheme", "--seeds", "--members", "--total-dose", "--out"), "test_compare"
        ),
        **{"--bootstrap": "", "--seed": "", "--settings": "test_fit_and_predict"},
    },
    "sweep": {
        **{f"--{name.replace('_', '-')}": "test_service" for name in GIVEN if name != "earlier"},
        **{"--study": "test_service", "--from": "test_service"},
    },
    "rerun": {"--trial": "test_service"},
    "ui": {"--host": "", "--port": ""},
    "sync": {"--tracking-uri": "", "--into": ""},
    "stop": {"--no-wait": "test_steering_commands"},
    "verify": {"--repair": "test_steering_commands"},
    "doctor": {"--folder": "test_doctor", "--no-ray": "test_doctor"},
    "budget": {
        **dict.fromkeys(("--data", "--experiments", "--draws", "--study"), "test_data"),
        **{"--executor": "test_data", "--system": "", "--further": "", "--seed": ""},
        **{"--workers": "", "--tracking-uri": ""},
    },
    "benchmark dream4": {"--networks": "test_benchmark", "--out": "test_benchmark"},
    "benchmark skmel133": dict.fromkeys(
        ("--schemes", "--seeds", "--members", "--settings", "--total-dose", "--seed", "--out"),
        "test_skmel133",
    ),
    "report": {"--out": ""},
    "reproduce": {
        **dict.fromkeys(("--systems", "--workers", "--out"), "test_reproduce"),
        **dict.fromkeys(("--sigma", "--seeds", "--first-seed", "--design", "--quick"), ""),
    },
}
WITH_SETTINGS = ("fit", "compare")
WITH_SIMULATION = ("simulate", "design check")
# Of `Output`, which all commands with results share, and of the program.
EVERYWHERE = {"--json", "--quiet", "--version"}


def flags():
    """Every command and action with its flags and the names that these are read by."""

    def within(parser, name):
        for action in parser._actions:
            if isinstance(action, argparse._SubParsersAction):
                for word, inner in action.choices.items():
                    yield from within(inner, f"{name} {word}".strip())
            elif action.option_strings and action.dest != "help":
                yield name, action.option_strings[-1], action.dest

    return list(within(build_parser(COMMANDS), ""))


def cases(command):
    found = {**REST.get(command, {})}
    if command in WITH_SETTINGS:
        found |= {f"--{name.replace('_', '-')}": "settings" for name in SETTINGS}
    if command in WITH_SIMULATION:
        found |= dict.fromkeys(SIMULATION, "simulation")
    if "--time" in found or "--model-units" in found:
        found |= dict.fromkeys(UNITS, "units")
    return found


def test_every_flag_has_a_case():
    by_command = {}
    for command, flag, _ in flags():
        by_command.setdefault(command, set()).add(flag)
    for command, of_command in by_command.items():
        assert of_command - EVERYWHERE == set(cases(command)), command


def test_each_named_case_is_there():
    # Several rooms may have a file of the same name.
    files: dict[str, str] = {}
    for file in ROOT.glob("tests/search/**/test_*.py"):
        files[file.stem] = files.get(file.stem, "") + file.read_text("utf-8")
    for command, of_command in REST.items():
        for flag, named in of_command.items():
            name = flag.removeprefix("--").replace("-", "_")
            assert not named or flag in files[named] or f'"{name}"' in files[named], (command, flag)


def read_by(function):
    """The names that a command's code reads its arguments by, through all that it calls."""
    functions = {}
    for file in (ROOT / "search" / "cli").glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.FunctionDef):
                functions.setdefault(node.name, []).append(node)
    names, seen, left = set(), set(), [function]
    while left:
        name = left.pop()
        seen.add(name)
        for node in (inner for one in functions.get(name, ()) for inner in ast.walk(one)):
            if isinstance(node, ast.Attribute) and ast.unparse(node.value) == "arguments":
                names.add(node.attr)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                # As of `getattr(arguments, key)`.
                names.add(node.value)
            elif isinstance(node, ast.Name) and node.id in functions and node.id not in seen:
                left.append(node.id)
    return names


def test_every_flag_is_read_by_its_command():
    read = {command.name: read_by(command.run.__name__) for command in COMMANDS}
    for command, flag, name in flags():
        if flag not in ("--quiet", "--version") and name not in SETTINGS:
            assert name in read[command.split()[0]], (command, flag)


def parsed(*arguments):
    return build_parser(COMMANDS).parse_args([*arguments])


@pytest.mark.parametrize("command", WITH_SETTINGS)
def test_every_setting_reaches_the_training(command):
    from search.cli.settings_flags import settings_from

    usual = settings_from(parsed(command, "folder"))
    for name, value in SETTINGS.items():
        flag = f"--{name.replace('_', '-')}"
        settings = settings_from(parsed(command, "folder", flag, str(value)))
        assert settings != usual, flag
        place = settings if hasattr(settings, name) and name != "solver" else settings.solver
        assert getattr(place, name) == value, flag


def test_every_unit_reaches_the_reader():
    from search.cli.data_units import units_of

    for command in (name for name in ("lint", "convert", "fit", "compare")):
        rest = ("in", "out") if command == "convert" else ("in",)
        seen = [units_of(parsed(command, *rest))]
        for flag, arguments in UNITS.items():
            units = units_of(parsed(command, *rest, *arguments))
            assert units not in seen, (command, flag)
            seen.append(units)


@pytest.mark.parametrize("command", ["simulate", "design check"])
def test_every_flag_of_a_simulation_reaches_it(command, monkeypatch, tmp_path):
    from search.cli.experiment import simulated

    monkeypatch.chdir(tmp_path)
    Path(NETWORK).write_text("source,target,weight\na,b,1\nb,a,-1\n")
    Path("amplitudes.csv").write_text(
        "node,amplitude\n" + "".join(f"g{number},1.2\n" for number in range(1, 5))
    )
    monkeypatch.setattr("cellbox.data.simulation.simulate", lambda *a, **k: (a, k))
    out = ("--out", "x") if command == "simulate" else ()

    def asked(*arguments):
        (network,), chosen = simulated(parsed(*command.split(), *out, *arguments))
        return network, chosen

    usual = asked("--random", "4")
    for flag, value in SIMULATION.items():
        source = () if flag in ("--random", "--network") else ("--random", "4")
        network, chosen = asked(*source, flag, *value.split())
        same = (
            network.nodes == usual[0].nodes
            and np.array_equal(network.weights, usual[0].weights)
            and np.array_equal(network.amplitudes, usual[0].amplitudes)
            and network.form == usual[0].form
        )
        assert not same or chosen != usual[1], flag


@pytest.mark.parametrize("command", ["benchmark skmel133 folder", "design check folder"])
def test_quiet_may_stand_before_and_behind_an_action(command):
    name, *rest = command.split()
    assert parsed(name, *rest, "-q").quiet
    assert parsed(name, "-q", *rest).quiet
    assert not parsed(name, *rest).quiet
