"""Tables in delimited text files, read so that every problem is found and named with its row."""

from __future__ import annotations

import csv
import io
import logging
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cellbox.storage.delimited import (
    DECIMAL_COMMA,
    USE_COMMAS,
    Row,
    looks_space_separated,
    read_rows,
)
from cellbox.storage.problems import Problems, nearest

logger = logging.getLogger("cellbox")

#: A number with its unit, as people write doses, times and percent.
WITH_UNIT = re.compile(
    r"[<>~≈]?\s*([-+]?\d+(?:[.,]\d+)?)\s*"
    r"(%|[fpnumkµμ]?M|[fpnumkµμ]?mol(?:/l)?|[fpnumkµμ]?g(?:/m?l)?|[nmuµμ]?l|x|-?fold"
    r"|s|secs?|seconds?|mins?|minutes?|h|hrs?|hours?|d|days?)",
    re.IGNORECASE,
)
# Thousands that are parted, as 8,123.45 or 8.123,45, and a number with its error in one cell.
_GROUPED = re.compile(r"[-+]?\d{1,3}([,.'\s])\d{3}(?:\1\d{3})*(?:[.,]\d+)?")
_WITH_ERROR = re.compile(
    r"([-+]?\d+(?:[.,]\d+)?)\s*(?:±|\+/-|\+-|\()\s*(\d+(?:[.,]\d+)?)\s*\)?", re.IGNORECASE
)
# Times such as 1h30 and 01:30:00; numbers with the mark of a footnote or of significance.
_CLOCK = re.compile(r"\d{1,3}(:\d{2}){1,2}|\d+\s*h\s*\d+\s*(m|min)?", re.IGNORECASE)
_MARKED = re.compile(r"([-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?)\s*[*†‡§#^]+", re.IGNORECASE)
# Values of which is known only that they are below or above a limit, or that nothing was found.
_BEYOND = re.compile(r"([<>≤≥])\s*=?\s*([-+]?\d+(?:[.,]\d+)?(?:e[-+]?\d+)?)", re.IGNORECASE)
_UNDETECTED = re.compile(
    r"n\.?/?d\.?|u\.?d\.?|b[dq]l|bloq|oor\s*[<>]?|[<>]?\s*l(od|oq)|"
    r"(not|un|non|below|under|above|out of)[ -]?(detect|quanti|det|range|l[ou][dq]|limit).*",
    re.IGNORECASE,
)
MISSING_WORDS = ("", "na", "nan")
# More columns than a long table has.
_MANY_COLUMNS = 8
# How alike an unknown column's name is to a known one that it may be meant for: "plate" is no
# misspelt "replicate".
_MISSPELT = 0.75
# Of a mistake that a whole column has, this many places say enough.
_SAID_ALIKE = 3
# Squares of larger numbers overflow in float32, in which models are trained.
LARGEST = 1e18


@dataclass(frozen=True)
class Record:
    """One row of a table with a header: where it stands, and its cells by column."""

    where: str
    cells: Mapping[str, str]

    def __getitem__(self, column: str) -> str:
        return self.cells.get(column, "")


def read_table(
    path: Path,
    problems: Problems,
    *,
    required: Sequence[str],
    optional: Sequence[str] = (),
    may_be_empty: bool = False,
) -> list[Record]:
    """The rows of a table with a header; none if its columns cannot be used.

    Column names are compared without regard to case, columns come in any order, and those that
    are not known are left out and logged. Rows with too many or too few cells are noted as
    problems and left out; rows of empty cells are skipped.
    """
    rows = read_rows(path, problems)
    columns = find_columns(path, rows[0], required, optional, problems) if rows else None
    if columns is None:
        return []
    width = len(rows[0].cells)
    records = []
    for row in rows[1:]:
        where = f"{path}, row {row.number}"
        if len(row.cells) == width:
            if any(row.cells):
                cells = {column: row.cells[place] for column, place in columns.items()}
                records.append(Record(where, cells))
        else:
            note_width(where, width, len(row.cells), problems)
    if len(rows) == 1 and not may_be_empty:
        problems.add(str(path), "expected rows below the header, found none", "Add rows")
    return records


def note_width(where: str, expected: int, found: int, problems: Problems) -> None:
    """Note a row that has not one cell for each column."""
    problems.add(
        where,
        f"expected {expected} cells as in the header, found {found}",
        "Give each row one cell for each column, and quote cells that contain the separator",
    )


def find_columns(
    path: Path,
    row: Row,
    required: Sequence[str],
    optional: Sequence[str],
    problems: Problems,
    *,
    also: Sequence[str] = (),
) -> dict[str, int] | None:
    """Where a header has each known column; None, and problems, where one is absent or twice.

    also: columns that may be there, whose names are so short that others are like them by chance.
    """
    where = f"{path}, row {row.number}"
    header = [cell.casefold() for cell in row.cells]
    missing = [column for column in required if column not in header]
    wanted = "a header with the columns " + ", ".join(required)
    if optional:
        wanted += f" (and, if needed, {', '.join(optional)})"
    if missing:
        _note_missing_columns(where, row, missing, wanted, problems)
        return None
    known = (*required, *optional, *also)
    repeated = [column for column in known if Counter(header)[column] > 1]
    if repeated:
        found = f"expected each column once, found {', '.join(repeated)} more than once"
        problems.add(where, found, "Keep one of them")
    unknown = [name for name in header if name and name not in known]
    misspelt = {
        name: alike
        for name in unknown
        if (alike := nearest(name, [one for one in optional if one not in header], _MISSPELT))
    }
    for name, alike in misspelt.items():
        found = f"expected {wanted}, found also {name!r}"
        problems.add(where, found, f"Did you mean {alike}? Else give the column another name")
    if repeated or misspelt:
        return None
    _say_ignored(path, header, unknown)
    return {name: place for place, name in enumerate(header) if name and name not in unknown}


def _note_missing_columns(
    where: str, row: Row, missing: Sequence[str], wanted: str, problems: Problems
) -> None:
    if looks_space_separated([row]) and len(row.cells) == 1:
        found = f"expected {wanted}, separated by commas, found columns separated by spaces"
        problems.add(where, found, USE_COMMAS)
        return
    listed = ", ".join(repr(cell) for cell in row.cells)
    found = f"expected {wanted}, found {listed}: no {' and no '.join(missing)}"
    fix = "Name the columns in the first row"
    if sum(bool(cell) for cell in row.cells) < min(2, len(row.cells)):
        fix = "Remove the title: the first row names the columns, with nothing above it"
    if "condition" in missing and len(row.cells) > _MANY_COLUMNS:
        fix += "; a wide table has a row for each condition: transpose one with a column for each"
    problems.add(where, found, fix)


def _say_ignored(path: Path, header: Sequence[str], unknown: Sequence[str]) -> None:
    """Log the columns that are left out: without a name, as pandas writes its index, or unknown."""
    if "" in header:
        kind = "the first column" if header[0] == "" else "a column"
        logger.info("%s: ignored %s, which has no name", path, kind)
    if unknown:
        logger.info("%s: ignored the columns %s", path, ", ".join(unknown))


def number(
    cell: str, where: str, problems: Problems, *, may_be_missing: bool = False
) -> float | None:
    """The cell's finite number, NaN where it is missing; None (and a problem) if it is neither.

    Empty cells, NA and NaN, in any case, stand for a missing value.
    """
    shown = repr(cell) if cell else "an empty cell"
    if cell.casefold() in MISSING_WORDS:
        if may_be_missing:
            return math.nan
        problems.add(where, f"expected a number, found {shown}", "Give a number here")
        return None
    try:
        # float() reads 1_000 as a thousand; in a data file it is a slip.
        value = math.nan if "_" in cell else float(cell.replace("\N{MINUS SIGN}", "-"))
    except ValueError:
        value = math.nan
    if abs(value) <= LARGEST:
        return value
    if math.isfinite(value):
        found = f"expected a number up to {LARGEST:g}, found {shown}: beyond what can be computed"
        problems.add(where, found, "Correct it, or choose a unit in which values are near 1")
        return None
    if _note_undetected(cell, where, problems):
        return None
    alone = WITH_UNIT.fullmatch(cell)
    if alone is not None:
        fix = f"Write the number alone ({alone[1]}), in one unit for the whole column"
        kind = "number with a unit"
        problems.add(where, f"expected a number, found {shown}", fix, kind=kind, most=_SAID_ALIKE)
        return None
    if DECIMAL_COMMA.fullmatch(cell):
        found = f"expected a number with a decimal point, found {shown} with a comma"
        fix = "Write points, or put semicolons between columns, and decimal commas are read"
        problems.add(where, found, fix, most=_SAID_ALIKE)
        return None
    if _note_other_writing(cell, where, problems):
        return None
    fix = "Write a number with a decimal point"
    if may_be_missing:
        fix += ", or leave the cell empty where nothing was measured"
    problems.add(where, f"expected a finite number, found {shown}", fix)
    return None


def resembles_number(cell: str) -> bool:
    """Whether a cell that is no number was meant for one, and is refused where it is read."""
    return any(
        form.fullmatch(cell) for form in (WITH_UNIT, _GROUPED, _WITH_ERROR, _MARKED, _BEYOND)
    )


def _note_undetected(cell: str, where: str, problems: Problems) -> bool:
    """Note a value beyond what can be measured; whether it is one."""
    beyond = _BEYOND.fullmatch(cell)
    if beyond is None and not _UNDETECTED.fullmatch(cell):
        return False
    limit = "the limit of the method" if beyond is None else f"the limit itself ({beyond[2]})"
    fix = (
        f"Write {limit} where values are intensities, and --detection-limit where it is the lower "
        "one; of log ratios, which have no limit, leave the cell empty"
    )
    found = f"expected a number, found {cell!r}, which says that it could not be measured"
    problems.add(where, found, fix, kind="beyond a limit", most=_SAID_ALIKE)
    return True


def _note_other_writing(cell: str, where: str, problems: Problems) -> bool:
    """Note parted thousands, a number with its error or a mark, a time; whether it is one."""
    found = f"expected a number, found {cell!r}"
    if _GROUPED.fullmatch(cell):
        fix = "Write numbers without marks between thousands (8123.45)"
    elif (both := _WITH_ERROR.fullmatch(cell)) is not None:
        fix = f"Write the value alone ({both[1]}), and its error in a column sd or sem ({both[2]})"
    elif _CLOCK.fullmatch(cell):
        fix = "Write one number in one unit for the whole column (1.5 for 1 h 30 min)"
    elif (marked := _MARKED.fullmatch(cell)) is not None:
        fix = f"Write the number alone ({marked[1]}), without its mark"
    else:
        return False
    problems.add(where, found, fix, kind=fix.split("(")[0], most=_SAID_ALIKE)
    return True


def table_text(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table with a header as comma-separated text."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return buffer.getvalue()


def number_text(value: float) -> str:
    """A number as the shortest text that reads back as the same float64; empty for NaN."""
    return "" if math.isnan(value) else repr(float(value))
