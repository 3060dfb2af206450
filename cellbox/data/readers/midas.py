"""MIDAS tables (Saez-Rodriguez et al. 2008), as DataRail and CellNOpt write them.

One file .csv with a row for each condition and time: TR:name of a treatment (a dose, or 0 and 1),
DA:ALL or DA:name of the time, DV:name of a measured value. A treatment whose column says that it
is an inhibitor (TR:MEK:Inhibitors, TR:MEKi) pushes its node down, u > 0; any other pushes it up,
u < 0. Columns of the cell line, and those that say that nothing was given (TR:NOCYTO, TR:NOINHIB),
are no treatments; a table of several cell lines is refused, since one network is learned of one.
Rows of the same treatments and time are replicates. DV:name_sd and DV:name:sd (or sem) beside
DV:name are errors of its values.
"""

from __future__ import annotations

import logging
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from cellbox.data.dataset import Dataset
from cellbox.data.readers.forms import Form, Taking
from cellbox.data.readers.tidy import read_two_tables
from cellbox.storage.csv_tables import number, number_text
from cellbox.storage.delimited import Row, read_rows
from cellbox.storage.problems import Problems, same_name
from cellbox.storage.typed_tables import TypedTable, table_of_rows

logger = logging.getLogger("cellbox")

_TREATMENT, _TIME, _VALUE = "TR:", "DA:", "DV:"
_CELL_LINE = ("cellline", "celllines", "celltype", "celltypes", "cell")
# Columns with the errors of the values of another: DV:AKT_sd, DV:AKT:sem.
_ERROR = re.compile(r"(?P<node>.*\S)[\s_:]+(?P<kind>sd|sem|std|se|stdev)", re.IGNORECASE)
# Columns that mark rows in which nothing of a kind was given.
_NOTHING = re.compile(
    r"(no|without)[ _-]?"
    r"(cyto|cytokines?|stim|stimul[ui]s?|stimulation|inhib|inhibitors?|lig|ligands?|drugs?|"
    r"treatments?)",
    re.IGNORECASE,
)


def _is_midas(path: Path) -> bool:
    """Whether the first line of a .csv has the columns of MIDAS."""
    if path.suffix.casefold() != ".csv" or not path.is_file():
        return False
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        header = file.readline().upper()
    return all(part in header for part in (_TREATMENT, _TIME, _VALUE))


@dataclass(frozen=True)
class _Treatment:
    """A column of doses. node: what it acts on; sign: of u, 1 for an inhibitor."""

    place: int
    node: str
    sign: int


def _read(path: Path, taking: Taking) -> Dataset:
    problems = Problems()
    rows = [row for row in read_rows(path, problems) if any(row.cells)]
    for prefix in (_TREATMENT, _TIME, _VALUE):
        if rows and not any(cell.upper().startswith(prefix) for cell in rows[0].cells):
            found = f"expected columns {prefix}NAME, found {', '.join(rows[0].cells)}"
            problems.add(f"{path}, row {rows[0].number}", found, "Write the header as MIDAS has it")
    problems.raise_any()
    measured, doses = _tables(path, rows, problems)
    problems.raise_any()
    return read_two_tables(measured, doses, taking, name=path.stem)


MIDAS = Form(
    name="MIDAS",
    looks="a file .csv with the columns TR:, DA: and DV:",
    recognises=_is_midas,
    read=_read,
)


def _tables(path: Path, rows: list[Row], problems: Problems) -> tuple[TypedTable, TypedTable]:
    header, *body = rows
    treatments = _treatments(path, header)
    _note_cell_lines(path, header, body, problems)
    values, errors = _values(header)
    times = _times(path, header, values, problems)
    _note_columns(path, header, treatments, values, problems)
    kinds = sorted({kind for _, kind in errors.values()})
    if len(kinds) > 1:
        found = "expected errors of one kind, found sd and sem"
        problems.add(f"{path}, row {header.number}", found, "Give one of them for all values")
    problems.raise_any()
    measured: list[tuple[int, list[str]]] = []
    doses: list[tuple[int, list[str]]] = []
    names: dict[tuple[float, ...], str] = {}
    seen = Counter[tuple[str, str, str]]()
    for row in body:
        where = f"{path}, row {row.number}"
        if len(row.cells) != len(header.cells):
            found = f"expected {len(header.cells)} cells as in the header, found {len(row.cells)}"
            problems.add(where, found, "Give each row one cell for each column")
            continue
        given = tuple(
            _dose(row, one, f"{where}, column {header.cells[one.place]!r}", problems)
            for one in treatments
        )
        if given not in names:
            names[given] = _name(treatments, given)
            doses += [(row.number, cells) for cells in _doses(names[given], treatments, given)]
        for place, node in values.items():
            key = (names[given], row.cells[times[place]], node)
            seen[key] += 1
            cells = [key[0], str(seen[key]), key[1], node, row.cells[place]]
            if errors:
                cells.append(row.cells[errors[node][0]] if node in errors else "")
            measured.append((row.number, cells))
    header_of_values = ["condition", "replicate", "time", "node", "value"]
    header_of_values += kinds
    return (
        table_of_rows(path, header_of_values, measured),
        table_of_rows(path, ["condition", "node", "value"], doses),
    )


def _treatments(path: Path, header: Row) -> list[_Treatment]:
    treatments, nothing = [], []
    cell_lines = _cell_lines(header)
    for place, cell in enumerate(header.cells):
        if not cell.upper().startswith(_TREATMENT) or place in cell_lines:
            continue
        name, kind = _parts(cell)
        if _NOTHING.fullmatch(name):
            nothing.append(name)
            continue
        marked = len(name) > 1 and name.endswith("i")
        inhibits = kind.casefold().startswith("inhib") or (marked and not _is_stimulus(kind))
        node = name.removesuffix("i") if marked and inhibits else name
        treatments.append(_Treatment(place, node, 1 if inhibits else -1))
    if cell_lines:
        logger.info("%s: left out the cell line %s", path, ", ".join(cell_lines.values()))
    if nothing:
        logger.info("%s: took as no treatment: %s", path, ", ".join(nothing))
    up = [one.node for one in treatments if one.sign < 0]
    down = [one.node for one in treatments if one.sign > 0]
    for nodes, what in ((up, "pushing up (u < 0)"), (down, "pushing down (u > 0)")):
        if nodes:
            logger.info("%s: took as %s: %s", path, what, ", ".join(nodes))
    return treatments


def _values(header: Row) -> tuple[dict[int, str], dict[str, tuple[int, str]]]:
    """The columns of values, with their nodes; and of each node the column of errors, sd or sem."""
    named = {
        place: cell[len(_VALUE) :].strip()
        for place, cell in enumerate(header.cells)
        if cell.upper().startswith(_VALUE)
    }
    nodes = {name.split(":")[0].strip() for name in named.values() if not _ERROR.fullmatch(name)}
    values, errors = {}, {}
    for place, name in named.items():
        of = _ERROR.fullmatch(name)
        if of is not None and of["node"].split(":")[0].strip() in nodes:
            kind = "sem" if of["kind"].casefold() in ("se", "sem") else "sd"
            errors[of["node"].split(":")[0].strip()] = (place, kind)
        else:
            values[place] = name.split(":")[0].strip()
    return values, errors


def _note_columns(
    path: Path,
    header: Row,
    treatments: list[_Treatment],
    values: dict[int, str],
    problems: Problems,
) -> None:
    """Note columns without a name or with that of another; log those that are left out."""
    where = f"{path}, row {header.number}"
    kinds = (
        (_TREATMENT, [(one.node, one.sign) for one in treatments]),
        (_VALUE, [(node, 0) for node in values.values()]),
    )
    for prefix, named in kinds:
        if any(not node for node, _ in named):
            found = f"expected columns {prefix}NAME, found one without a name"
            problems.add(where, found, "Name it")
        twice = [node for (node, _), count in Counter(named).items() if count > 1 and node]
        if twice:
            listed = ", ".join(f"{prefix}{node}" for node in twice)
            found = f"expected each column once, found again: {listed}"
            fix = "Keep one of them; repeated measurements are rows of the same treatments and time"
            problems.add(where, found, fix)
    known = (_TREATMENT, _TIME, _VALUE)
    others = [cell for cell in header.cells if not cell.upper().startswith(known)]
    if others:
        logger.info("%s: ignored the columns %s", path, ", ".join(cell or "''" for cell in others))


def _is_stimulus(kind: str) -> bool:
    """Whether a header says that a treatment stimulates."""
    return kind.casefold().startswith(("stim", "cyto", "lig"))


def _parts(cell: str) -> tuple[str, str]:
    """What the header of a treatment names, and the kind that it says it is."""
    name, _, kind = cell[len(_TREATMENT) :].partition(":")
    return name.strip(), kind.strip()


def _cell_lines(header: Row) -> dict[int, str]:
    """The columns that tell the cell line, by place."""
    return {
        place: _parts(cell)[0]
        for place, cell in enumerate(header.cells)
        if cell.upper().startswith(_TREATMENT) and same_name(_parts(cell)[1]) in _CELL_LINE
    }


def _note_cell_lines(path: Path, header: Row, body: list[Row], problems: Problems) -> None:
    """Note a table with rows of several cell lines: they are no replicates of one another."""
    counts = Counter(
        name
        for row in body
        for place, name in _cell_lines(header).items()
        if place < len(row.cells) and row.cells[place] not in ("", "0")
    )
    if len(counts) > 1:
        listed = ", ".join(f"{name} ({count:,} rows)" for name, count in counts.items())
        found = f"expected one cell line, found {len(counts)}: {listed}"
        problems.add(str(path), found, "Write a file for each, with its rows alone, and fit each")


def _times(path: Path, header: Row, values: dict[int, str], problems: Problems) -> dict[int, int]:
    """Which column has the time of each measured one: its own, or that of all, or the only one."""
    columns = {
        cell[len(_TIME) :].split(":")[0].strip().casefold(): place
        for place, cell in enumerate(header.cells)
        if cell.upper().startswith(_TIME)
    }
    only = next(iter(columns.values())) if len(columns) == 1 else None
    shared = columns.get("all", only)
    without = [node for node in values.values() if node and node.casefold() not in columns]
    if without and shared is None:
        listed = ", ".join(f"{_TIME}{node}" for node in without)
        found = f"expected a column of times for each value, or {_TIME}ALL, found no {listed}"
        problems.add(f"{path}, row {header.number}", found, "Add it")
    elif without and "all" not in columns:
        logger.info("%s: took the times of %s for all values", path, header.cells[only or 0])
    return {place: columns.get(node.casefold(), shared or 0) for place, node in values.items()}


def _dose(row: Row, treatment: _Treatment, where: str, problems: Problems) -> float:
    cell = row.cells[treatment.place]
    dose = number(cell, where, problems) if cell else 0.0
    if dose is not None and dose < 0:
        found = f"expected a dose from 0 on, found {cell}"
        problems.add(where, found, "Give what was added; TR:NAME:Inhibitors says that it inhibits")
    return 0.0 if dose is None else treatment.sign * dose


def _name(treatments: list[_Treatment], given: tuple[float, ...]) -> str:
    """A condition's name: what was given, with its dose where that is not 1."""
    parts = [
        f"{one.node}{'i' if one.sign > 0 else ''}" + (f" {abs(dose):g}" if abs(dose) != 1 else "")
        for one, dose in zip(treatments, given, strict=True)
        if dose
    ]
    return " + ".join(parts) or "control"


def _doses(name: str, treatments: list[_Treatment], given: tuple[float, ...]) -> list[list[str]]:
    rows = [
        [name, one.node, number_text(dose)]
        for one, dose in zip(treatments, given, strict=True)
        if dose
    ]
    return rows or [[name, "", ""]]
