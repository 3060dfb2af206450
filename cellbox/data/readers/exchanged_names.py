"""Conditions of one table that are the nodes of the other: columns exchanged, or a table turned."""

from __future__ import annotations

from pathlib import Path

from cellbox.data.readers.dose_tables import DoseTable
from cellbox.data.readers.long_tables import LongTable
from cellbox.errors import listed
from cellbox.storage.problems import Problems

_NAMED = 10


def note_exchanged(
    measurements: Path, perturbations: Path, table: LongTable, doses: DoseTable, problems: Problems
) -> bool:
    """Note tables that call conditions what the other calls nodes; whether they do."""
    names = set(doses.conditions)
    if len(names) < 2 or not names <= set(table.nodes) or names & set(table.rows_of_condition):
        return False
    shown = listed([*map(repr, sorted(names))], _NAMED)
    if table.wide:
        found = f"expected a row for each condition, found columns of them: {shown}"
        fix = "Transpose the table: a row for each condition, and a column for each node"
    else:
        found = f"expected the conditions of {perturbations.name}, found its conditions as nodes: "
        found += shown
        fix = (
            f"The columns condition and node are exchanged in {measurements.name} or in "
            f"{perturbations.name}: exchange their names in the first row of that file"
        )
    problems.add(str(measurements), found, fix)
    return True
