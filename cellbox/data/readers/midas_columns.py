"""The columns of MIDAS tables: treatments, cell lines, times, values and their errors."""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from cellbox.storage.delimited import Row
from cellbox.storage.problems import Problems, same_name

logger = logging.getLogger("cellbox")

TREATMENT, TIME, VALUE = "TR:", "DA:", "DV:"
_CELL_LINE = ("cellline", "celllines", "celltype", "celltypes", "cell")
# Columns with the errors of the values of another: DV:AKT_sd, DV:AKT:sem.
_ERROR = re.compile(r"(?P<node>.*\S)[\s_:]+(?P<kind>sd|sem|std|se|stdev)", re.IGNORECASE)
# The column that tells samples, controls and blanks apart, in the tables of STASNet.
_TYPE = re.compile(r"id[:._ ]type", re.IGNORECASE)
# A name that says that a treatment inhibits, maybe with the drug: MEKi, EGFRi-Gefitinib, PI3Ki_LY.
# Before a drug only where no word ends so: anti-CD3 is no inhibitor.
_INHIBITOR = re.compile(r"(?P<node>.+)i|(?P<of_drug>.*[A-Z0-9])i[ _./(-]+\w.*")
# Columns that mark rows in which nothing of a kind was given.
_NOTHING = re.compile(
    r"(no|without)[ _-]?"
    r"(cyto|cytokines?|stim|stimul[ui]s?|stimulation|inhib|inhibitors?|lig|ligands?|drugs?|"
    r"treatments?)",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Treatment:
    """A column of doses. node: what it acts on; sign: of u, 1 for an inhibitor."""

    place: int
    node: str
    sign: int


@dataclass(frozen=True)
class Columns:
    """What the columns of a table hold, by place.

    lines: the cell line of each column that marks one. values: the node that each has values of.
    errors: of each node the column of its errors, all of them sd or all sem. times: of each column
    of values that of its times. type_place: the column that tells what kind of sample a row is.
    several_lines: whether there are rows of more than one cell line.
    """

    header: Row
    treatments: list[Treatment]
    lines: dict[int, str]
    values: dict[int, str]
    errors: dict[str, int]
    kinds_of_errors: list[str]
    times: dict[int, int]
    type_place: int | None
    several_lines: bool

    def title_of_value(self, column: str, node: str) -> str:
        """What the file calls a column of the tidy table of values, in a row of a node."""
        place = {known: place for place, known in self.values.items()}.get(node)
        if place is None or column not in ("node", "value", "time"):
            return column
        return self.header.cells[self.times[place] if column == "time" else place]

    def title_of_dose(self, column: str, node: str) -> str:
        """The same of the tidy table of doses."""
        titles = {one.node: self.header.cells[one.place] for one in self.treatments}
        return titles.get(node, column)

    def kind(self, row: Row) -> str:
        """What kind of sample a row says that it is."""
        place = self.type_place
        return "" if place is None or place >= len(row.cells) else row.cells[place].casefold()

    def line(self, row: Row, where: str, problems: Problems) -> str:
        """The cell line of a row, where the table has rows of several."""
        if not self.several_lines:
            return ""
        marked = _marked(self.lines, row)
        if len(marked) != 1:
            found = f"expected one cell line, found {' and '.join(marked) or 'none'}"
            problems.add(where, found, "Mark one with 1, and leave the others 0 or empty")
        return marked[0] if marked else ""


def columns_of(path: Path, header: Row, body: Sequence[Row], problems: Problems) -> Columns:
    """The columns of a table, with what is wrong with them noted, and what is left out logged."""
    treatments, lines = _treatments(path, header), _cell_lines(header)
    marked = {name for row in body for name in _marked(lines, row)}
    several = len(marked) > 1
    if len(marked) == 1:
        logger.info("%s: all rows are of the cell line %s", path, *marked)
    values, errors = _values(header)
    treatments = _spelt_as_measured(path, treatments, tuple(values.values()))
    times = _times(path, header, values, problems)
    _note_columns(path, header, treatments, values, problems)
    kinds = sorted({kind for _, kind in errors.values()})
    if len(kinds) > 1:
        found = "expected errors of one kind, found sd and sem"
        problems.add(f"{path}, row {header.number}", found, "Give one of them for all values")
    places = {node: place for node, (place, _) in errors.items()}
    types = [place for place, cell in enumerate(header.cells) if _TYPE.fullmatch(cell)]
    of_type = types[0] if types else None
    return Columns(
        header, treatments, lines, values, places, kinds, times, of_type, several_lines=several
    )


def _marked(lines: dict[int, str], row: Row) -> list[str]:
    """The cell lines that a row says it is of."""
    cells = ((name, row.cells[place]) for place, name in lines.items() if place < len(row.cells))
    return [name for name, cell in cells if cell not in ("", "0")]


def _treatments(path: Path, header: Row) -> list[Treatment]:
    treatments, nothing = [], []
    cell_lines = _cell_lines(header)
    for place, cell in enumerate(header.cells):
        if not cell.upper().startswith(TREATMENT) or place in cell_lines:
            continue
        name, kind = _parts(cell)
        if _NOTHING.fullmatch(name):
            nothing.append(name)
            continue
        marked = _INHIBITOR.fullmatch(name)
        inhibits = kind.casefold().startswith("inhib") or bool(marked and not _is_stimulus(kind))
        node = (marked["node"] or marked["of_drug"]) if marked and inhibits else name
        treatments.append(Treatment(place, node, 1 if inhibits else -1))
    if nothing:
        logger.info("%s: took as no treatment: %s", path, ", ".join(nothing))
    up = [one.node for one in treatments if one.sign < 0]
    down = [one.node for one in treatments if one.sign > 0]
    for nodes, what in ((up, "pushing up (u < 0)"), (down, "pushing down (u > 0)")):
        if nodes:
            logger.info("%s: took as %s: %s", path, what, ", ".join(nodes))
    return treatments


def _spelt_as_measured(
    path: Path, treatments: Sequence[Treatment], measured: Sequence[str]
) -> list[Treatment]:
    """The treatments with the name of the node that is measured, where case alone differs."""
    folded = Counter(node.casefold() for node in measured)
    names = {node.casefold(): node for node in measured if folded[node.casefold()] == 1}
    taken = set(measured)
    spelt, said = [], []
    for one in treatments:
        node = one.node if one.node in taken else names.get(one.node.casefold(), one.node)
        if node != one.node:
            said.append(f"{one.node} as {node}")
        spelt.append(replace(one, node=node))
    if said:
        logger.info("%s: took treatments by the names of values: %s", path, ", ".join(said))
    return spelt


def _values(header: Row) -> tuple[dict[int, str], dict[str, tuple[int, str]]]:
    """The columns of values, with their nodes; and of each node the column of errors, sd or sem."""
    named = {
        place: cell[len(VALUE) :].strip()
        for place, cell in enumerate(header.cells)
        if cell.upper().startswith(VALUE)
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
    treatments: list[Treatment],
    values: dict[int, str],
    problems: Problems,
) -> None:
    """Note columns without a name or with that of another; log those that are left out."""
    where = f"{path}, row {header.number}"
    kinds = (
        (TREATMENT, [(one.node, one.sign) for one in treatments]),
        (VALUE, [(node, 0) for node in values.values()]),
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
    known = (TREATMENT, TIME, VALUE)
    others = [
        cell
        for cell in header.cells
        if not (cell.upper().startswith(known) or _TYPE.fullmatch(cell))
    ]
    if others:
        logger.info("%s: ignored the columns %s", path, ", ".join(cell or "''" for cell in others))


def _is_stimulus(kind: str) -> bool:
    """Whether a header says that a treatment stimulates."""
    return kind.casefold().startswith(("stim", "cyto", "lig"))


def _parts(cell: str) -> tuple[str, str]:
    """What the header of a treatment names, and the kind that it says it is."""
    name, _, kind = cell[len(TREATMENT) :].partition(":")
    return name.strip(), kind.strip()


def _cell_lines(header: Row) -> dict[int, str]:
    """The columns that tell the cell line, by place."""
    return {
        place: _parts(cell)[0]
        for place, cell in enumerate(header.cells)
        if cell.upper().startswith(TREATMENT) and same_name(_parts(cell)[1]) in _CELL_LINE
    }


def _times(path: Path, header: Row, values: dict[int, str], problems: Problems) -> dict[int, int]:
    """Which column has the time of each measured one: its own, or that of all, or the only one."""
    columns = {
        cell[len(TIME) :].split(":")[0].strip().casefold(): place
        for place, cell in enumerate(header.cells)
        if cell.upper().startswith(TIME)
    }
    only = next(iter(columns.values())) if len(columns) == 1 else None
    shared = columns.get("all", only)
    without = [node for node in values.values() if node and node.casefold() not in columns]
    if without and shared is None:
        listed = ", ".join(f"{TIME}{node}" for node in without)
        found = f"expected a column of times for each value, or {TIME}ALL, found no {listed}"
        problems.add(f"{path}, row {header.number}", found, "Add it")
    elif without and "all" not in columns:
        logger.info("%s: took the times of %s for all values", path, header.cells[only or 0])
    return {place: columns.get(node.casefold(), shared or 0) for place, node in values.items()}
