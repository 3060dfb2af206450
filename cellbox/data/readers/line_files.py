"""The cell line, or batch, of each condition: lines.csv, with the columns condition and line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from cellbox.storage.csv_tables import read_table
from cellbox.storage.problems import Problems, note_unknown

LINES_FILE = "lines.csv"

_NAMED = 5


def read_lines(
    path: Path, rows_of: Mapping[str, Sequence[int]], problems: Problems
) -> tuple[str, ...] | None:
    """The line of each row; None if the file cannot be used, which is then a problem.

    rows_of: the rows of each condition, of which each has to be listed once.
    """
    line_of: dict[str, str] = {}
    places: dict[str, str] = {}
    records = read_table(path, problems, required=("condition", "line"))
    for record in records:
        condition, line = record["condition"], record["line"]
        if condition not in rows_of and f"row {condition}" in rows_of:
            # Conditions of the CellBox form have no other names than their numbers.
            condition = f"row {condition}"
        if condition not in rows_of:
            where = f"{record.where}, column 'condition'"
            note_unknown(condition, tuple(rows_of), where, "condition", problems)
        elif places.setdefault(condition, record.where) != record.where:
            found = f"expected each condition once, found {condition!r} again ({places[condition]})"
            problems.add(record.where, found, "Keep one of the rows")
        elif not line:
            found = "expected the name of a cell line, found an empty cell"
            problems.add(f"{record.where}, column 'line'", found, "Name the cell line or batch")
        else:
            line_of[condition] = line
    missing = [condition for condition in rows_of if condition not in places]
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
