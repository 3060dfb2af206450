"""The table of all trials of a study, as MLflow and its figures show it."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas

from search.study.record import TrialRecord
from search.tracking.trial_content import trial_metrics

TABLE = "trials.json"
#: The table for programs, in the study's folder too.
TABLE_FILES = ("trials.csv", "trials.parquet")
METRICS_FIRST = (
    "selection_error",
    "validation_mae",
    "test_mae",
    "test_mae_noise_free",
    "test_pearson",
    "weights_pearson",
)


@dataclass(frozen=True)
class TrialTable:
    """One row for each trial, by number; cells are None where a trial has no such value."""

    columns: tuple[str, ...]
    rows: list[dict[str, Any]]
    parameters: tuple[str, ...]
    objectives: tuple[str, ...]

    def cells(self) -> list[list[Any]]:
        """The cells, in the order of the columns."""
        return [[row.get(column) for column in self.columns] for row in self.rows]


def trial_table(records: Iterable[TrialRecord], objectives: Sequence[str]) -> TrialTable:
    """The table of all trials; long histories are read one by one and not kept."""
    rows = []
    parameters: dict[str, None] = {}
    metrics: dict[str, None] = dict.fromkeys(METRICS_FIRST)
    for record in records:
        values = trial_metrics(record)
        parameters.update(dict.fromkeys(record.parameters))
        metrics.update(dict.fromkeys(values))
        rows.append(
            {
                "trial": record.number,
                "status": record.status,
                **values,
                **record.budget_parameters,
                **record.parameters,
                "finished": record.finished,
            }
        )
    names = {**dict.fromkeys(objectives), **parameters, **metrics}
    used = [name for name in names if any(row.get(name) is not None for row in rows)]
    rows.sort(key=lambda row: row["trial"])
    return TrialTable(("trial", "status", *used), rows, tuple(parameters), tuple(objectives))


def write_table(table: TrialTable, target: Path) -> None:
    """Write the table as CSV and Parquet, and as the JSON that MLflow shows as a table."""
    with open(target / "trials.csv", "w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(table.columns)
        writer.writerows(table.cells())
    _frame(table).to_parquet(target / "trials.parquet", index=False)
    # The others have every digit; this one is for reading.
    shown = [[_rounded(cell) for cell in row] for row in table.cells()]
    content = {"columns": table.columns, "data": shown}
    (target / TABLE).write_text(json.dumps(content), encoding="utf-8")


def _frame(table: TrialTable) -> pandas.DataFrame:
    """The table with one type in each column, as Parquet wants it."""
    frame = pandas.DataFrame(table.cells(), columns=list(table.columns))
    for name in frame.columns:
        kinds = {type(cell) for cell in frame[name].dropna()}
        if len(kinds) > 1 and not kinds <= {int, float}:
            frame[name] = frame[name].map(str, na_action="ignore")
    return frame


def _rounded(cell: Any) -> Any:
    return float(f"{cell:.5g}") if isinstance(cell, float) else cell


def count(table: TrialTable, status: str) -> int:
    """Number of trials that ended in this way."""
    return sum(row["status"] == status for row in table.rows)
