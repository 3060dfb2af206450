"""The doses of a tidy folder's conditions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Float

from cellbox.arrays import Perturbations, RowMask
from cellbox.data.readers.long_tables import in_order, named_rows, note_rows
from cellbox.data.readers.usual_layouts import PERTURBATION_LAYOUT
from cellbox.networks.interventions import Interventions
from cellbox.storage.columns import Columns, read_columns
from cellbox.storage.delimited import TableSource
from cellbox.storage.problems import Problems, note_unknown


@dataclass(frozen=True, eq=False)
class DoseTable:
    """Doses. conditions: all that are listed; nodes: those with a dose, with their first place.

    spans: of doses that do not last, when they begin and end, in the file's unit of time.
    """

    conditions: dict[str, str]
    nodes: dict[str, str]
    entries: dict[tuple[str, str], float]
    spans: dict[tuple[str, str], tuple[float, float]] = field(default_factory=dict)

    def add_spans(
        self, done: Interventions, rows: Sequence[str], nodes: Sequence[str], decay_time: float
    ) -> None:
        """Note when doses of these conditions and nodes act, in decay times."""
        place = {node: index for index, node in enumerate(nodes)}
        for (condition, node), span in self.spans.items():
            of_condition = [index for index, name in enumerate(rows) if name == condition]
            if node in place:
                done.begins[of_condition, place[node]] = span[0] / decay_time
                done.ends[of_condition, place[node]] = span[1] / decay_time

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


#: Columns that tell when a dose begins and when it ends.
SPAN = ("from", "until")


def read_dose_table(table: Path | TableSource, problems: Problems) -> DoseTable:
    """The doses of perturbations.csv. A dose of 0 is none, and names no node.

    The columns from and until, if there are any, tell when a dose begins and ends.
    """
    columns = read_columns(
        table,
        problems,
        names=("condition", "node"),
        values={"value": True},
        optional_values=SPAN,
        endless={"until": "Leave the cell empty where a dose lasts"},
        layout=PERTURBATION_LAYOUT,
    )
    if columns is None:
        return DoseTable({}, {}, {})
    columns = columns.chosen(named_rows(columns, ("condition",), problems))
    _, listed = in_order(columns, "condition")
    node, value = columns.names["node"], columns.values["value"]
    nameless = np.array([not name for name in node.names], bool)[node.codes]
    _note_bad_doses(columns, nameless, problems)
    dosed = columns.sound & ~nameless & (value != 0) & ~np.isnan(value)
    begins, ends = _spans(columns, dosed, problems)
    nodes: dict[str, str] = {}
    entries: dict[tuple[str, str], float] = {}
    spans: dict[tuple[str, str], tuple[float, float]] = {}
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
            fix = "Keep one of the rows"
            if key in spans:
                fix += ": a dose begins once and ends once in a condition"
            problems.add(columns.where(row), found, fix)
        elif dosed[row]:
            nodes.setdefault(key[1], columns.where(row, "node"))
            entries[key] = float(value[row])
            if begins[row] > 0 or np.isfinite(ends[row]):
                spans[key] = float(begins[row]), float(ends[row])
    return DoseTable(listed, nodes, entries, spans)


def note_strangers(doses: DoseTable, measured: Sequence[str], problems: Problems) -> None:
    """Note conditions with doses that were not measured, if it is known what was."""
    known = set(measured)
    for name in [name for name in doses.conditions if name not in known] if measured else []:
        note_unknown(name, measured, doses.conditions[name], "condition", problems)


def _spans(
    columns: Columns, dosed: RowMask, problems: Problems
) -> tuple[Float[np.ndarray, " n_rows"], Float[np.ndarray, " n_rows"]]:
    """When the dose of each row begins and ends; from 0 and for ever where it is not told."""
    if columns.wide and (named := sorted(set(SPAN) & set(columns.names["node"].names))):
        problems.add(
            str(columns.path),
            f"expected doses that last in a wide table, found the column {named[0]!r}",
            "Write a row for each dose: condition, node, value, from, until",
        )
    begins, ends = (columns.values.get(name, np.full(columns.n_rows, np.nan)) for name in SPAN)
    early, empty = dosed & (begins < 0), dosed & (np.nan_to_num(begins) >= ends)
    note_rows(
        problems,
        "dose before time 0",
        early,
        lambda row: columns.where(row, "from"),
        lambda row: f"expected a time from 0 on, found {begins[row]:g}",
        "Doses count from time 0, when the first one begins",
    )
    note_rows(
        problems,
        "dose that ends before it begins",
        empty & ~early,
        lambda row: columns.where(row, "until"),
        lambda row: (
            f"expected a time after {np.nan_to_num(begins[row]):g}, when the dose begins, found "
            f"{ends[row]:g}"
        ),
        "Correct one of the two; an empty cell is a dose that lasts",
    )
    return np.nan_to_num(begins), np.where(np.isnan(ends), np.inf, ends)


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
