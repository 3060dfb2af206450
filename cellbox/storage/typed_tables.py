"""Parquet and spreadsheets, as rows of text like those of a delimited file.

The header is row 1, in Parquet too. What reads them is in the extra `formats`.
"""

from __future__ import annotations

import datetime
import logging
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any
from zipfile import BadZipFile

from cellbox.storage.delimited import CHUNK, Chunk, TableSource, open_delimited
from cellbox.storage.problems import Problems

logger = logging.getLogger("cellbox")

#: How the names of tables end that can be read.
TABLE_SUFFIXES = (".csv", ".tsv", ".txt", ".parquet", ".xlsx")

# What a file calls a column, in a row of a node.
Titles = Callable[[str, str], str]

_PARQUET, _ZIP = b"PAR1", b"PK\x03\x04"
_INDEX_OF_PANDAS = "__index_level_"


@dataclass(frozen=True, eq=False)
class TypedTable:
    """A table of numbers, dates and words.

    pieces: its rows in pieces, made anew each time.
    titles: of a column, and the node that a row is of, what the file itself calls that column; None
    where it is called so there.
    """

    path: Path
    pieces: Callable[[], Iterator[Chunk]]
    decimal_comma: bool = False
    titles: Titles | None = None

    def chunks(self, problems: Problems) -> Iterator[Chunk]:
        """The rows in pieces."""
        return self.pieces()


def open_table(path: Path, problems: Problems) -> TableSource | None:
    """The table at a path, by what it holds; None, and a problem, if it cannot be used.

    A sheet of a workbook is named as a file in a folder: book.xlsx/measurements.
    """
    if path.parent.is_file():
        return _open_sheet(path.parent, path.name, path, problems)
    start = _first_bytes(path)
    if start == _PARQUET:
        return _open_parquet(path, problems)
    if start == _ZIP and path.suffix.casefold() in (".xlsx", ".xlsm"):
        return _open_sheet(path, None, path, problems)
    return open_delimited(path, problems)


def table_of_rows(
    path: Path,
    header: Sequence[str],
    rows: Sequence[tuple[int, list[str]]],
    titles: Titles | None = None,
) -> TypedTable:
    """A table made of what a file holds. rows: the number of each in the file, and its cells."""

    def pieces() -> Iterator[Chunk]:
        yield Chunk([1], [list(header)])
        for start in range(0, len(rows), CHUNK):
            part = rows[start : start + CHUNK]
            yield Chunk([number for number, _ in part], [list(cells) for _, cells in part])

    return TypedTable(path, pieces, titles=titles)


def sheet_names(path: Path, problems: Problems) -> tuple[str, ...]:
    """The sheets of a workbook, in lower case; none, and a problem, if it cannot be read."""
    book = _open_workbook(path, problems)
    if book is None:
        return ()
    book.close()
    return tuple(name.strip().casefold() for name in book.sheetnames)


def _first_bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(4)
    except OSError:
        # What is wrong with it is said where it is opened as text.
        return b""


def library(name: str, path: Path, problems: Problems) -> ModuleType | None:
    """A library of the extra `formats`; None, and a problem, where it is not installed."""
    try:
        return import_module(name)
    except ModuleNotFoundError:
        package = name.partition(".")[0]
        found = f"expected the package {package} to read this file with, found it is not installed"
        problems.add(str(path), found, 'Install it with: pip install "cellbox[formats]"')
        return None


def _open_parquet(path: Path, problems: Problems) -> TypedTable | None:
    arrow = library("pyarrow", path, problems)
    parquet = arrow and library("pyarrow.parquet", path, problems)
    if arrow is None or parquet is None:
        return None
    try:
        table = parquet.read_table(path)
    except (arrow.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0]
        found = f"expected a Parquet file, found one that cannot be read ({reason})"
        problems.add(str(path), found, "Write it again, or save it as CSV")
        return None
    header = ["" if name.startswith(_INDEX_OF_PANDAS) else name for name in table.column_names]

    def pieces() -> Iterator[Chunk]:
        yield Chunk([1], [header])
        for start in range(0, table.num_rows, CHUNK):
            columns = [column.to_pylist() for column in table.slice(start, CHUNK).columns]
            rows = [list(map(_text, row)) for row in zip(*columns, strict=True)]
            yield Chunk(range(start + 2, start + 2 + len(rows)), rows)

    return TypedTable(path, pieces)


def _open_workbook(path: Path, problems: Problems) -> Any:
    openpyxl = library("openpyxl", path, problems)
    if openpyxl is None:
        return None
    try:
        return openpyxl.load_workbook(path, read_only=True, data_only=True)
    except (BadZipFile, KeyError, ValueError, OSError) as error:
        found = f"expected a workbook (.xlsx), found a file that cannot be read as one ({error})"
        problems.add(str(path), found, "Save it as .xlsx again, or as CSV in UTF-8")
        return None


def _open_sheet(
    path: Path, sheet: str | None, place: Path, problems: Problems
) -> TypedTable | None:
    """A sheet of a workbook: the one named, or the one called as the file, or the only one.

    place: what to call it in messages.
    """
    book = _open_workbook(path, problems)
    if book is None:
        return None
    by_name = {name.strip().casefold(): name for name in book.sheetnames}
    chosen = by_name.get((sheet or path.stem).casefold())
    if chosen is None and sheet is None and len(by_name) == 1:
        [chosen] = book.sheetnames
    if chosen is None:
        listed = ", ".join(map(repr, book.sheetnames))
        found = f"expected a sheet {sheet or path.stem!r}, found the sheets {listed}"
        problems.add(str(path), found, "Name the sheet so")
        return None
    rows = [list(map(_text, row)) for row in book[chosen].iter_rows(values_only=True)]
    book.close()
    grid = _trimmed(rows)

    def pieces() -> Iterator[Chunk]:
        for start in range(0, len(grid), CHUNK):
            part = grid[start : start + CHUNK]
            yield Chunk(range(start + 1, start + 1 + len(part)), part)

    return TypedTable(place, pieces)


def _trimmed(rows: Sequence[list[str]]) -> list[list[str]]:
    """The rows without the empty ones and the empty columns after the last filled cell."""
    widths = [max((k for k, cell in enumerate(row, 1) if cell.strip()), default=0) for row in rows]
    width = max(widths, default=0)
    height = max((k for k, own in enumerate(widths, 1) if own), default=0)
    return [(row + [""] * width)[:width] for row in rows[:height]]


def _text(cell: object) -> str:
    """A cell as a delimited file would have it; a date as spreadsheets show one (2-Sep)."""
    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        return ""
    if isinstance(cell, float):
        # Spreadsheets have no whole numbers, and a name that is one has no decimal point.
        return str(int(cell)) if cell.is_integer() and abs(cell) < 1e15 else repr(cell)
    if isinstance(cell, datetime.date):
        return f"{cell.day}-{cell:%b}"
    return str(cell)
