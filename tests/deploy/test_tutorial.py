"""The tutorial notebook runs from the first cell to the last, and every result shows itself."""

import ast
import json

import pytest

from tests.imports import ROOT

NOTEBOOK = ROOT / "deploy" / "tutorial.ipynb"
# So that what a reader trains in minutes takes seconds here; nothing else changes.
QUICK = "cellbox.Settings(steps=25, refinement='none')"
SHORTER = {
    "cellbox.fit(data, seed=0)": f"cellbox.fit(data, {QUICK}, seed=0)",
    "members=5, seed=0": f"settings={QUICK}, members=2, seed=0",
    '"trials": 8,': '"trials": 2, "training": {"steps": 25, "refinement": "none"},',
    '"experiments": 16,': '"experiments": 6,',
}
PICTURES = 3


def cells() -> list[str]:
    """The code of each cell."""
    notebook = json.loads(NOTEBOOK.read_text("utf-8"))
    return ["".join(c["source"]) for c in notebook["cells"] if c["cell_type"] == "code"]


def shown_by(cell: str, names: dict) -> object:
    """Run a cell as a notebook does; what its last line is worth, None where it is a statement."""
    tree = ast.parse(cell)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "tutorial", "exec"), names)
    if last is None:
        return None
    return eval(compile(ast.Expression(last.value), "tutorial", "eval"), names)


@pytest.mark.slow
def test_the_tutorial_runs_and_every_cell_shows_something(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    shown = []
    for cell in cells():
        for long, short in SHORTER.items():
            cell = cell.replace(long, short)
        shown.append(shown_by(cell, names))
    assert all(value is not None for value in shown)
    pictures = [value for value in shown if hasattr(value, "_repr_png_")]
    assert len(pictures) == PICTURES
    assert all(picture._repr_png_().startswith(b"\x89PNG") for picture in pictures)
    assert names["result"].folder.report.is_file()


def test_the_notebook_is_kept_without_outputs():
    notebook = json.loads(NOTEBOOK.read_text("utf-8"))
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)


def test_what_is_shortened_stands_in_a_cell():
    assert [long for long in SHORTER if not any(long in cell for cell in cells())] == []
