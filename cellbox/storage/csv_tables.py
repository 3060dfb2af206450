"""Delimited text files, read so that every problem is found and named with its row.

Row numbers are those that a text editor shows: the first line is row 1, a header included.
"""

from __future__ import annotations

import csv
import io
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

import numpy as np
from jaxtyping import Float

from cellbox.errors import InputError, Problem

MISSING_WORDS = ("", "na", "nan")
SHOWN_OF_A_KIND = 20
OTHER_DELIMITERS = {";": "semicolons", "\t": "tabs", "|": "vertical bars", " ": "spaces"}
USE_COMMAS = "Save the file with commas between columns and points as decimal marks"


class Problems:
    """What was found wrong so far, to be raised all together."""

    def __init__(self) -> None:
        self._by_kind: dict[str, list[Problem]] = {}

    def __bool__(self) -> bool:
        return bool(self._by_kind)

    def add(self, where: str, found: str, fix: str, *, kind: str | None = None) -> None:
        """Note a problem; those of one kind (by default: with one fix) are shown together."""
        self._by_kind.setdefault(kind or fix, []).append(Problem(where, found, fix))

    def extend(self, problems: Iterable[Problem]) -> None:
        """Note problems that were found elsewhere."""
        for problem in problems:
            self.add(problem.where, problem.found, problem.fix)

    def raise_any(self) -> None:
        """Raise InputError with the problems noted, if there are any.

        A file with one systematic mistake would print thousands of lines, so each kind of problem
        is cut after the first 20 with a count of the rest.
        """
        shown: list[Problem] = []
        for alike in self._by_kind.values():
            shown += alike[:SHOWN_OF_A_KIND]
            n_more = len(alike) - SHOWN_OF_A_KIND
            if n_more > 0:
                last = alike[-1]
                found = f"... and {n_more} more of this kind, the last of them here"
                shown.append(Problem(last.where, found, last.fix))
        if shown:
            raise InputError(shown)


@dataclass(frozen=True)
class Row:
    """One row of a file: its number and its cells without surrounding blanks."""

    number: int
    cells: tuple[str, ...]


@dataclass(frozen=True)
class Record:
    """One row of a table with a header: where it stands, and its cells by column."""

    where: str
    cells: Mapping[str, str]

    def __getitem__(self, column: str) -> str:
        return self.cells.get(column, "")


def read_rows(path: Path, problems: Problems) -> list[Row]:
    """The rows of a comma-separated file that are not blank; none if it cannot be used."""
    text = _read_text(path, problems)
    if text is None:
        return []
    reader = csv.reader(io.StringIO(text, newline=""), strict=True, skipinitialspace=True)
    rows: list[Row] = []
    number = 1
    try:
        for cells in reader:
            stripped = tuple(cell.strip() for cell in cells)
            # A row of empty cells is a row of missing values; only an empty line is no row.
            if len(stripped) > 1 or any(stripped):
                rows.append(Row(number, stripped))
            number = reader.line_num + 1
    except csv.Error as error:
        problems.add(
            f"{path}, row {number}",
            f"expected comma-separated values, found broken quoting ({error})",
            "Close every quotation mark that was opened",
        )
        return []
    if not rows:
        problems.add(str(path), "expected rows of data, found an empty file", "Fill the file")
    return rows


def _read_text(path: Path, problems: Problems) -> str | None:
    """The file as text; None if it is absent, unreadable or no UTF-8 text."""
    if path.is_dir():
        problems.add(str(path), "expected a file, found a folder", "Name a file in it")
        return None
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        problems.add(str(path), "expected a file, found none of that name", "Check the path")
        return None
    except OSError as error:
        found = f"expected a readable file, found one that is not ({error.strerror})"
        problems.add(str(path), found, "Check its permissions")
        return None
    found = ""
    if raw.startswith(b"PK\x03\x04"):
        found = "a spreadsheet or an archive"
    elif raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        found = "text in UTF-16"
    elif b"\0" in raw:
        found = "a binary file"
    else:
        try:
            return raw.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            row = raw.count(b"\n", 0, error.start) + 1
            found = f"a byte in row {row} that is not UTF-8"
    problems.add(str(path), f"expected UTF-8 text, found {found}", "Save it as CSV in UTF-8")
    return None


def other_delimiter(rows: Sequence[Row]) -> str | None:
    """What seems to separate the columns of these rows if it is not commas, in words."""
    for character, words in OTHER_DELIMITERS.items():
        if all(any(character in cell for cell in row.cells) for row in rows[:10]):
            return words
    return None


def read_table(
    path: Path,
    problems: Problems,
    *,
    required: Sequence[str],
    optional: Sequence[str] = (),
    may_be_empty: bool = False,
) -> list[Record]:
    """The rows of a table with a header; none if its columns cannot be used.

    Column names are compared without regard to case, columns come in any order. Rows with too
    many or too few cells are noted as problems and left out; rows of empty cells are skipped.
    """
    rows = read_rows(path, problems)
    if not rows or not _header_fits(path, rows[0], required, optional, problems):
        return []
    header = [cell.casefold() for cell in rows[0].cells]
    records = []
    for row in rows[1:]:
        where = f"{path}, row {row.number}"
        if len(row.cells) == len(header):
            if any(row.cells):
                records.append(Record(where, dict(zip(header, row.cells, strict=True))))
        else:
            problems.add(
                where,
                f"expected {len(header)} cells as in the header, found {len(row.cells)}",
                "Give each row one cell for each column, and quote cells that contain commas",
            )
    if len(rows) == 1 and not may_be_empty:
        problems.add(str(path), "expected rows below the header, found none", "Add rows")
    return records


def _header_fits(
    path: Path, row: Row, required: Sequence[str], optional: Sequence[str], problems: Problems
) -> bool:
    """Whether the header names each required column once and no unknown one; notes problems."""
    where = f"{path}, row {row.number}"
    header = [cell.casefold() for cell in row.cells]
    missing = [column for column in required if column not in header]
    wanted = "a header with the columns " + ", ".join(required)
    if optional:
        wanted += f" (and, if needed, {', '.join(optional)})"
    delimiter = other_delimiter([row])
    if missing and delimiter:
        found = f"expected {wanted}, separated by commas, found columns separated by {delimiter}"
        problems.add(where, found, USE_COMMAS)
        return False
    listed = ", ".join(repr(cell) for cell in row.cells)
    if missing:
        found = f"expected {wanted}, found {listed}: no {' and no '.join(missing)}"
        problems.add(where, found, "Name the columns in the first row")
    unknown = [column for column in header if column not in (*required, *optional)]
    # Without its required columns the file has no header; its cells are then no columns to list.
    if unknown and not missing:
        found = f"expected {wanted}, found also {', '.join(repr(column) for column in unknown)}"
        problems.add(where, found, "Remove or rename the columns that are not known")
    repeated = [column for column, count in Counter(header).items() if count > 1]
    if repeated and not missing:
        found = f"expected each column once, found {', '.join(repeated)} more than once"
        problems.add(where, found, "Keep one of them")
    return not (missing or unknown or repeated)


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
    if math.isfinite(value):
        return value
    fix = "Write a number with a decimal point"
    if may_be_missing:
        fix += ", or leave the cell empty where nothing was measured"
    problems.add(where, f"expected a finite number, found {shown}", fix)
    return None


def read_matrix(
    path: Path, problems: Problems, *, columns: Sequence[str] | None, may_be_missing: bool
) -> Float[np.ndarray, "n_rows n_columns"]:
    """The numbers of a file without a header, NaN where missing; 0 × 0 if it cannot be used.

    columns: what each column is called, to name it in problems; used where the number agrees.
    """
    unusable = np.empty((0, 0))
    rows = read_rows(path, problems)
    if not rows:
        return unusable
    delimiter = other_delimiter(rows)
    if delimiter:
        found = f"expected columns separated by commas, found {delimiter} between them"
        problems.add(f"{path}, row {rows[0].number}", found, USE_COMMAS)
        return unusable
    [(width, _)] = Counter(len(row.cells) for row in rows).most_common(1)
    if _looks_like_header(rows[0]):
        problems.add(
            f"{path}, row {rows[0].number}",
            "expected numbers, found only words, as in a header",
            "Remove the header; this kind of file has none",
        )
        rows = rows[1:]
    names = columns if columns is not None and len(columns) == width else None
    values = np.full((len(rows), width), np.nan)
    for index, row in enumerate(rows):
        where = f"{path}, row {row.number}"
        if len(row.cells) != width:
            found = f"expected {width} cells as in most rows, found {len(row.cells)}"
            problems.add(where, found, "Give each row one cell for each node")
            continue
        for column, cell in enumerate(row.cells):
            place = f"{where}, column {column + 1}" + (f" ({names[column]})" if names else "")
            value = number(cell, place, problems, may_be_missing=may_be_missing)
            values[index, column] = math.nan if value is None else value
    return values


def _looks_like_header(row: Row) -> bool:
    """Whether no cell of the row is a number or missing."""
    unread = Problems()
    return all(number(cell, "", unread, may_be_missing=True) is None for cell in row.cells)


def nearest(name: str, names: Iterable[str]) -> str:
    """The up to three names like `name`, in words; empty if none is alike."""
    folded = {other.casefold(): other for other in names}
    return " or ".join(repr(folded[key]) for key in get_close_matches(name.casefold(), folded))


def closest(name: str, names: Iterable[str]) -> str:
    """The name most like `name`, however little."""
    folded = {other.casefold(): other for other in names}
    [key] = get_close_matches(name.casefold(), folded, n=1, cutoff=0.0)
    return folded[key]


def note_unknown(
    name: str, names: Sequence[str], where: str, what: str, problems: Problems
) -> None:
    """Note that `name` is none of `names`, with those it may have been meant for."""
    alike = nearest(name, names)
    known = ", ".join(names[:10]) + (", ..." if len(names) > 10 else "")
    fix = f"Did you mean {alike}" if alike else f"Use one of {known}"
    problems.add(where, f"expected a known {what}, found {name!r}", fix, kind=f"unknown {what}")


def note_spellings(places: Mapping[str, str], problems: Problems) -> None:
    """Note node names that differ only by case or blanks; `places` says where each is first."""
    first: dict[str, str] = {}
    for name, where in places.items():
        folded = "".join(name.casefold().split())
        other = first.setdefault(folded, name)
        if other != name:
            problems.add(
                where,
                f"expected one spelling of each node, found {name!r} and {other!r} "
                f"({places[other]})",
                "Spell a node's name alike everywhere, or rename one of two different nodes",
            )


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
