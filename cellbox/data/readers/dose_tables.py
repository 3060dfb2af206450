"""The doses of a tidy folder's conditions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cellbox.arrays import Perturbations, RowMask
from cellbox.data.readers.long_tables import in_order, named_rows, note_rows
from cellbox.data.readers.usual_layouts import PERTURBATION_LAYOUT
from cellbox.storage.columns import Columns, read_columns
from cellbox.storage.delimited import TableSource
from cellbox.storage.problems import Problems, note_unknown


@dataclass(frozen=True, eq=False)
class DoseTable:
    """Doses. conditions: all that are listed; nodes: those with a dose, with their first place."""

    conditions: dict[str, str]
    nodes: dict[str, str]
    entries: dict[tuple[str, str], float]

    def array(self, rows: Sequence[str], nodes: Sequence[str]) -> Perturbations:
        """u with a row for each condition named and a column for each node."""
        place = {node: index for index, node in enumerate(nodes)}
        rows_of: dict[str, list[int]] = {}
        for index, condition in enumerate(rows):
            rows_of.setdefault(condition, []).append(index)
        u = np.zeros((len(rows), len(nodes)))
        for (condition, node), dose in self.entries.items():
            if node in place:
                u[rows_of.get(condition, []), place[node]] = dose
        return u


def read_dose_table(
    table: Path | TableSource, problems: Problems, *, conditions: Sequence[str] = ()
) -> DoseTable:
    """The doses of perturbations.csv. A dose of 0 is none, and names no node.

    conditions: those that were measured, if it is known: others are problems.
    """
    columns = read_columns(
        table,
        problems,
        names=("condition", "node"),
        values={"value": True},
        layout=PERTURBATION_LAYOUT,
    )
    if columns is None:
        return DoseTable({}, {}, {})
    columns = columns.chosen(named_rows(columns, ("condition",), problems))
    _, listed = in_order(columns, "condition")
    known = set(conditions)
    strangers = [name for name in listed if name not in known] if conditions else []
    for name in strangers:
        note_unknown(name, conditions, listed[name], "condition", problems)
    node, value = columns.names["node"], columns.values["value"]
    nameless = np.array([not name for name in node.names], bool)[node.codes]
    _note_bad_doses(columns, nameless, problems)
    dosed = columns.sound & ~nameless & (value != 0) & ~np.isnan(value)
    nodes: dict[str, str] = {}
    entries: dict[tuple[str, str], float] = {}
    places: dict[tuple[str, str], str] = {}
    for row in np.flatnonzero(~nameless).tolist():
        key = (columns.names["condition"][row], node[row])
        if places.setdefault(key, columns.where(row)) != columns.where(row):
            # Wide tables say the dose with each replicate and time.
            if columns.wide and entries.get(key, 0.0) == value[row]:
                continue
            found = (
                f"expected each node once in a condition, found {key[1]!r} in condition "
                f"{key[0]!r} again ({places[key]})"
            )
            problems.add(columns.where(row), found, "Keep one of the rows")
        elif dosed[row]:
            nodes.setdefault(key[1], columns.where(row, "node"))
            entries[key] = float(value[row])
    return DoseTable(listed, nodes, entries)


def _note_bad_doses(columns: Columns, nameless: RowMask, problems: Problems) -> None:
    """Note nodes without a dose, and doses without a node."""
    value = columns.values["value"]
    missing = columns.sound & ~nameless & np.isnan(value)
    homeless = columns.sound & nameless & (value != 0) & ~np.isnan(value)
    note_rows(
        problems,
        "no dose",
        missing,
        columns.cell,
        lambda row: "expected a number, found an empty cell, NA or NaN",
        "Give a number here",
    )
    note_rows(
        problems,
        "dose without a node",
        homeless,
        lambda row: columns.where(row, "value"),
        lambda row: f"expected no dose where no node is named, found {value[row]:g}",
        "Name the node, or leave the value empty for an unperturbed control",
    )
