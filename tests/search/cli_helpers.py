"""What the tests of the command line share."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from search.cli.main import main

ROOT = Path(__file__).resolve().parents[2]


def program(*arguments, cwd=None):
    """The command line in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "search.cli.main", *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        timeout=120,
    )


def no_constants(name):
    raise AssertionError(f"{name} is no JSON")


def read_json(path):
    return json.loads(Path(path).read_text(), parse_constant=no_constants)


def refused(capsys, *arguments):
    """Run what cannot work; returns what it says on standard error."""
    assert main([str(argument) for argument in arguments]) == 2
    captured = capsys.readouterr()
    assert "Traceback" not in captured.err
    assert captured.out == ""
    return captured.err


def simulate_small(folder):
    """Simulate four nodes in ten conditions, at three times."""
    arguments = ["simulate", "--random", "4", "--conditions", "6", "--held-out", "2"]
    assert main([*arguments, "--times", "3", "--seed", "5", "--out", str(folder)]) == 0
    return folder


def tidy_folder(parent, *, conditions=3, measurements=None, perturbations=None):
    """A small tidy folder, with either file replaced if asked."""
    folder = parent / "tidy"
    folder.mkdir()
    random = np.random.default_rng(0)
    values = [
        f"c{c},{time},{node},{random.normal():.3f}"
        for c in range(conditions)
        for time in (5, 10)
        for node in ("g1", "g2")
    ]
    doses = [f"c{c},g1,{0.1 * (c + 1):.1f}" for c in range(conditions)]
    header = "condition,time,node,value"
    if measurements is None:
        measurements = "\n".join([header, *values]) + "\n"
    if perturbations is None:
        perturbations = "\n".join(["condition,node,value", *doses]) + "\n"
    (folder / "measurements.csv").write_text(measurements)
    (folder / "perturbations.csv").write_text(perturbations)
    return folder


def matrix_folder(parent, *, pert="0,-1\n-1,0\n", expr="0.1,0.2\n0.3,0.4\n", nodes="g1\ng2\n"):
    """A small folder of the 2020 CellBox's form."""
    folder = parent / "matrix"
    folder.mkdir()
    for name, text in (("pert.csv", pert), ("expr.csv", expr), ("node_Index.csv", nodes)):
        (folder / name).write_text(text)
    return folder
