"""MIDAS tables (Saez-Rodriguez et al. 2008), as DataRail and CellNOpt write them.

One file .csv with a row for each condition and time: TR:name of a treatment (a dose, or 0 and 1),
DA:ALL or DA:name of the time, DV:name of a measured value. A treatment whose column says that it
is an inhibitor (TR:MEK:Inhibitors, TR:MEKi) pushes its node down, u > 0; any other pushes it up,
u < 0. Columns that say that nothing was given (TR:NOCYTO, TR:NOINHIB) are no treatments; those of
cell lines (TR:HepG2:CellLine) say of which line a row is. Rows of the same treatments and time are
replicates. DV:name_sd and DV:name:sd (or sem) beside DV:name are errors of its values. A column
ID:type marks rows of a blank, which are left out.

Stimuli are given at time 0, when inhibitors act already. So what the same inhibitors had at time 0
without a stimulus is the start of series that have none of their own. Where all times are 0 the
table has steady states.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from cellbox.data.dataset import Dataset
from cellbox.data.readers.forms import Form, Taking
from cellbox.data.readers.midas_columns import (
    TIME,
    TREATMENT,
    VALUE,
    Columns,
    Treatment,
    columns_of,
)
from cellbox.data.readers.tidy import read_two_tables
from cellbox.data.readers.usual_layouts import STEADY_STATE_TIME
from cellbox.data.units import TIME_ZERO
from cellbox.errors import listed
from cellbox.storage.csv_tables import number, number_text
from cellbox.storage.delimited import Row, read_rows
from cellbox.storage.problems import Problems
from cellbox.storage.typed_tables import TypedTable, table_of_rows

logger = logging.getLogger("cellbox")

_SHOWN = 5


class _Value(NamedTuple):
    """One measured value: its row in the file, what was given, and the cells that tell it."""

    row: int
    given: tuple[float, ...]
    line: str
    time: str
    node: str
    cells: tuple[str, ...]


def _is_midas(path: Path) -> bool:
    """Whether the first line of a .csv has the columns of MIDAS."""
    if path.suffix.casefold() != ".csv" or not path.is_file():
        return False
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        header = file.readline().upper()
    return all(part in header for part in (TREATMENT, TIME, VALUE))


def _read(path: Path, taking: Taking) -> Dataset:
    problems = Problems()
    rows = [row for row in read_rows(path, problems) if any(row.cells)]
    for prefix in (TREATMENT, TIME, VALUE):
        if rows and not any(cell.upper().startswith(prefix) for cell in rows[0].cells):
            found = f"expected columns {prefix}NAME, found {', '.join(rows[0].cells)}"
            problems.add(f"{path}, row {rows[0].number}", found, "Write the header as MIDAS has it")
    problems.raise_any()
    header, *body = rows
    columns = columns_of(path, header, body, problems)
    problems.raise_any()
    values = _values(path, columns, _without_blanks(path, columns, body), problems)
    problems.raise_any()
    if values and all(_is_zero(value.time) for value in values):
        values, taking = _at_rest(path, values, taking, problems)
        problems.raise_any()
    elif TIME_ZERO in taking.units.control:
        values += _starts(path, columns.treatments, values)
    return read_two_tables(*_tables(path, columns, values), taking, name=path.stem)


MIDAS = Form(
    name="MIDAS",
    looks="a file .csv with the columns TR:, DA: and DV:",
    recognises=_is_midas,
    read=_read,
)


def _without_blanks(path: Path, columns: Columns, body: list[Row]) -> list[Row]:
    """The rows that are none of a blank."""
    kept = [row for row in body if columns.kind(row) != "blank"]
    if len(kept) < len(body):
        logger.info("%s: left out %d rows of a blank", path, len(body) - len(kept))
    return kept


def _values(path: Path, columns: Columns, body: list[Row], problems: Problems) -> list[_Value]:
    values = []
    for row in body:
        where = f"{path}, row {row.number}"
        n_columns = len(columns.header.cells)
        if len(row.cells) != n_columns:
            found = f"expected {n_columns} cells as in the header, found {len(row.cells)}"
            problems.add(where, found, "Give each row one cell for each column")
            continue
        given = tuple(
            _dose(row, one, f"{where}, column {columns.header.cells[one.place]!r}", problems)
            for one in columns.treatments
        )
        line = columns.line(row, where, problems)
        for place, node in columns.values.items():
            cells = [row.cells[place]]
            if columns.errors:
                cells.append(row.cells[columns.errors[node]] if node in columns.errors else "")
            time = row.cells[columns.times[place]]
            values.append(_Value(row.number, given, line, time, node, tuple(cells)))
    return values


def _is_zero(cell: str) -> bool:
    try:
        return float(cell) == 0
    except ValueError:
        return False


def _at_rest(
    path: Path, values: list[_Value], taking: Taking, problems: Problems
) -> tuple[list[_Value], Taking]:
    """The values of a table without times as those of a steady state."""
    taking.note_unit_of_no_time(path, "a table in which all times are 0", problems)
    time = STEADY_STATE_TIME if taking.time is None else taking.time
    logger.info("%s: all times are 0; took the values as steady states, at time %g", path, time)
    at_time = [value._replace(time=number_text(time)) for value in values]
    return at_time, replace(taking, time=None)


def _starts(path: Path, treatments: Sequence[Treatment], values: list[_Value]) -> list[_Value]:
    """What series without a value at time 0 had there, from rows with the same inhibitors alone.

    The mean, where these were measured repeatedly.
    """
    at_start: dict[tuple[tuple[float, ...], str, str], list[_Value]] = {}
    for value in values:
        if _is_zero(value.time) and value.cells[0]:
            at_start.setdefault((value.given, value.line, value.node), []).append(value)
    n_series: dict[tuple[tuple[float, ...], str, str], int] = {}
    for later, count in Counter(value._replace(row=0, cells=()) for value in values).items():
        if not _is_zero(later.time):
            key = (later.given, later.line, later.node)
            n_series[key] = max(count, n_series.get(key, 0))
    starts: list[_Value] = []
    of_conditions: dict[str, None] = {}
    for (given, line, node), count in n_series.items():
        inhibitors = tuple(max(dose, 0.0) for dose in given)
        before = at_start.get((inhibitors, line, node), [])
        numbers = [found for found in map(_number, before) if found is not None]
        if (given, line, node) in at_start or not numbers:
            continue
        mean = number_text(float(np.mean(numbers)))
        first = before[0]
        start = _Value(first.row, given, line, first.time, node, (mean, *first.cells[1:]))
        starts += [start] * count
        of_conditions[_name(treatments, given)] = None
    if of_conditions:
        said = "%s: the start of %d conditions is what their inhibitors alone had at time 0: %s%s"
        named = listed([*of_conditions], _SHOWN)
        logger.info(said, path, len(of_conditions), named, _of_inhibitors(starts, values))
    return starts


def _of_inhibitors(starts: Iterable[_Value], values: Iterable[_Value]) -> str:
    """A remark where starts hide what inhibitors had done by time 0, and a control would not."""
    inhibited = any(dose > 0 for start in starts for dose in start.given)
    if not inhibited or all(any(value.given) for value in values):
        return ""
    return "; what inhibitors had done by then is divided out, and --control control keeps it"


def _number(value: _Value) -> float | None:
    """The value as a number; None where its cell has none, which is told when it is read."""
    try:
        found = float(value.cells[0])
    except ValueError:
        return None
    return found if np.isfinite(found) else None


def _tables(
    path: Path, columns: Columns, values: Iterable[_Value]
) -> tuple[TypedTable, TypedTable]:
    """Tidy tables of measured values and of doses."""
    measured: list[tuple[int, list[str]]] = []
    doses: list[tuple[int, list[str]]] = []
    names: dict[tuple[float, ...], str] = {}
    seen = Counter[tuple[str, ...]]()
    for value in values:
        if value.given not in names:
            names[value.given] = _name(columns.treatments, value.given)
            told = _doses(names[value.given], columns.treatments, value.given)
            doses += [(value.row, cells) for cells in told]
        key = (names[value.given], value.line, value.time, value.node)
        seen[key] += 1
        line = [value.line] if columns.several_lines else []
        own = [key[0], str(seen[key]), *line, value.time, value.node, *value.cells]
        measured.append((value.row, own))
    line = ["line"] if columns.several_lines else []
    header = ["condition", "replicate", *line, "time", "node", "value", *columns.kinds_of_errors]
    return (
        table_of_rows(path, header, measured, columns.title_of_value),
        table_of_rows(path, ["condition", "node", "value"], doses, columns.title_of_dose),
    )


def _dose(row: Row, treatment: Treatment, where: str, problems: Problems) -> float:
    cell = row.cells[treatment.place]
    dose = number(cell, where, problems) if cell else 0.0
    if dose is not None and dose < 0:
        found = f"expected a dose from 0 on, found {cell}"
        problems.add(where, found, "Give what was added; TR:NAME:Inhibitors says that it inhibits")
    return 0.0 if dose is None else treatment.sign * dose


def _name(treatments: Sequence[Treatment], given: tuple[float, ...]) -> str:
    """A condition's name: what was given, with its dose where that is not 1."""
    parts = [
        f"{one.node}{'i' if one.sign > 0 else ''}" + (f" {abs(dose):g}" if abs(dose) != 1 else "")
        for one, dose in zip(treatments, given, strict=True)
        if dose
    ]
    return " + ".join(parts) or "control"


def _doses(name: str, treatments: list[Treatment], given: tuple[float, ...]) -> list[list[str]]:
    rows = [
        [name, one.node, number_text(dose)]
        for one, dose in zip(treatments, given, strict=True)
        if dose
    ]
    return rows or [[name, "", ""]]
