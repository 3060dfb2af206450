"""The cell line, or batch, of each condition: lines.csv, with the columns condition and line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from cellbox.data.readers.condition_tables import by_condition
from cellbox.storage.csv_tables import read_table
from cellbox.storage.problems import Problems

LINES_FILE = "lines.csv"

_NAMED = 5


def read_lines(
    path: Path, rows_of: Mapping[str, Sequence[int]], problems: Problems
) -> tuple[str, ...] | None:
    """The line of each row; None if the file cannot be used, which is then a problem.

    rows_of: the rows of each condition, of which each has to be listed once.
    """

    def name_of(condition: str) -> str:
        # Conditions of the CellBox form have no other names than their numbers.
        numbered = f"row {condition}"
        return numbered if condition not in rows_of and numbered in rows_of else condition

    records = read_table(path, problems, required=("condition", "line"))
    listed = by_condition(records, rows_of, problems, name_of)
    line_of = {condition: record["line"] for condition, record in listed.items() if record["line"]}
    for condition in [name for name in listed if name not in line_of]:
        found = "expected the name of a cell line, found an empty cell"
        where = f"{listed[condition].where}, column 'line'"
        problems.add(where, found, "Name the cell line or batch")
    missing = [condition for condition in rows_of if condition not in listed]
    if records and missing:
        shown = ", ".join(missing[:_NAMED]) + (", ..." if len(missing) > _NAMED else "")
        found = f"expected a line for each condition, found none for {len(missing)}: {shown}"
        problems.add(str(path), found, "List each condition, or remove the file")
    if not records or len(line_of) < len(rows_of):
        return None
    lines = [""] * sum(map(len, rows_of.values()))
    for condition, rows in rows_of.items():
        for row in rows:
            lines[row] = line_of[condition]
    return tuple(lines)
