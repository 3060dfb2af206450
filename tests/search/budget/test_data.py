"""Parts of measured data: what more would bring, and whether a simpler model is as good."""

import numpy as np
import pytest

from cellbox.budgets.grid import BudgetGrid
from search.budget.data_findings import data_findings
from search.cli.main import main
from search.spec.budget_reading import make_budget_spec
from search.study.budget_folder import ExperimentRecord
from tests.search.cli_helpers import read_json, simulate_small

GRID = BudgetGrid({"conditions": (5, 10, 20, 40), "time_points": (1,), "nodes": (6,)})


def findings(cellbox, ridge=1.0):
    """Of 8 draws: an error of 0.1 + 1 / conditions, times these factors."""
    spec = make_budget_spec({"name": "d", "data": {"folder": "here"}, "further": 20})
    random = np.random.default_rng(0)
    records = []
    for number in range(32):
        cell, draw = GRID.cells[number % 4], number // 4
        error = 0.1 + 1 / cell["conditions"]
        outcome = {
            "status": "learned", "message": "", "seconds": 1.0, "additive": None, "mean": 0.5,
            "CellBox": cellbox * error * random.normal(1, 0.01),
            "ridge": ridge * error * random.normal(1, 0.01),
        }  # fmt: skip
        records.append(ExperimentRecord(number, cell, draw, outcome, 0.0, 1.0))
    return data_findings(spec, GRID, records)


def test_what_more_conditions_would_bring_has_an_interval():
    said = findings(1.0)["sentence"]
    assert said.startswith("20 more conditions would lower CellBox's error by ")
    # From 0.125 to 0.1167.
    assert 4 <= float(said.split(" by ")[1].split(" %")[0]) <= 9


@pytest.mark.parametrize(
    ("ridge", "said"),
    [
        (1.0, "Ridge would be as good"),
        (1.3, "CellBox is better than ridge"),
        (0.8, "Ridge is better on these data"),
    ],
)
def test_ridge_is_told_to_be_as_good_where_it_is(ridge, said):
    assert any(sentence.startswith(said) for sentence in findings(1.0, ridge)["sentences"])


def test_the_command_answers_from_a_folder(tmp_path, capsys):
    data = simulate_small(tmp_path / "data")
    _of_other_doses(data / "perturbations.csv", 300)
    out = tmp_path / "out.json"
    arguments = [
        "budget", "--data", str(data), "--study", str(tmp_path / "study"), "--executor", "inline",
        "--draws", "2", "--experiments", "6", "--json", str(out),
    ]  # fmt: skip
    assert main(arguments) == 0
    content = read_json(out)
    assert content["kind"] == "data"
    assert content["experiments"] == 6
    said = capsys.readouterr().out
    assert "Report:" in said
    # What the data can hardly mean is told with what is made of them in spite of it.
    assert [warning["kind"] for warning in content["data_warnings"]] == ["doses_saturate"]
    assert "What the numbers can hardly mean: Doses saturate" in said
    assert "Doses saturate" in (tmp_path / "study" / "report.html").read_text()
    assert main(["report", str(tmp_path / "study")]) == 0


def _of_other_doses(table, factor):
    """Write doses so many times as large, as if they were nanomolar."""
    header, *rows = table.read_text().splitlines()
    parts = [row.rpartition(",") for row in rows]
    larger = [f"{start},{float(dose) * factor if dose else ''}" for start, _, dose in parts]
    table.write_text("\n".join([header, *larger]) + "\n")
