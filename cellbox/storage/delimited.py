"""Delimited text as people have it: what separates its columns, its decimal mark, its characters.

Row numbers are those that a text editor shows: the first line is row 1, a header included.
"""

from __future__ import annotations

import csv
import io
import logging
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np

from cellbox.storage.problems import Problems

logger = logging.getLogger("cellbox")

DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}
USE_COMMAS = "Save the file with commas, semicolons or tabs between columns"
_SNIFFED_LINES = 20
#: How many rows a piece has: so few that they stay in the processor's cache.
CHUNK = 4_000
DECIMAL_COMMA = re.compile(r"[+\-\u2212]?\d*,\d+(?:[eE][+\-]?\d+)?")
# Cells of a file between its delimiters, as bytes: numbers with a comma, and with a point.
_COMMA_CELL = re.compile(
    rb"(?:^|[;\t|])[ \"]*[+\-]?\d*,\d+(?:[eE][+\-]?\d+)?[ \"]*(?=[;\t|\r\n]|\Z)", re.M
)
_POINT_CELL = re.compile(
    rb"(?:^|[;\t|])[ \"]*[+\-]?\d*\.\d+(?:[eE][+\-]?\d+)?[ \"]*(?=[;\t|\r\n]|\Z)", re.M
)
_SAID_NAMES = 5


@dataclass(frozen=True)
class Row:
    """One row of a file: its number and its cells without surrounding blanks."""

    number: int
    cells: tuple[str, ...]


@dataclass
class Cleaner:
    """Gives names the form in which they are compared, and keeps what it changed.

    The form is Unicode's NFKC without invisible characters (zero-width spaces, byte order marks,
    soft hyphens), with plain blanks. Names in ASCII stay as they are.
    """

    changed: dict[str, str] = field(default_factory=dict)

    def __call__(self, text: str) -> str:
        """The text as it is compared, without surrounding blanks."""
        if text.isascii():
            return text.strip()
        clean = clean_name(text)
        if clean != text.strip():
            self.changed[text.strip()] = clean
        return clean

    def say(self, path: Path) -> None:
        """Log what was changed."""
        for before, after in list(self.changed.items())[:_SAID_NAMES]:
            logger.info("%s: read %r as %r%s", path, before, after, _removed(before))
        if len(self.changed) > _SAID_NAMES:
            logger.info("%s: and %d more names", path, len(self.changed) - _SAID_NAMES)


def clean_name(text: str) -> str:
    """A name in the form in which names are compared (see `Cleaner`)."""
    kept = (
        " " if unicodedata.category(character) == "Zs" else character
        for character in unicodedata.normalize("NFKC", text)
        if not _is_invisible(character)
    )
    return "".join(kept).strip()


def _is_invisible(character: str) -> bool:
    return unicodedata.category(character) in ("Cf", "Cc") and character not in "\t\n\r"


def _removed(text: str) -> str:
    """Which invisible characters a text has, in words."""
    names = {unicodedata.name(c, f"U+{ord(c):04X}") for c in text if _is_invisible(c)}
    return f" ({', '.join(sorted(names))} removed)" if names else ""


@dataclass(frozen=True)
class Chunk:
    """Some rows of a file, their cells as they stand there. numbers: the row of each."""

    numbers: Sequence[int]
    rows: list[list[str]]


@dataclass(frozen=True)
class Spread:
    """A column whose cells stand for more rows: each so often in a row, and all that again."""

    cells: Sequence[str]
    each: int = 1
    again: int = 1

    def over(self, values: np.ndarray) -> np.ndarray:
        """Values of the cells as those of the rows."""
        if self.each == self.again == 1:
            return values
        return np.tile(np.repeat(values, self.each), self.again)


@dataclass(frozen=True)
class WideChunk(Chunk):
    """Rows of a wide table as those of the long one, which would be too many lists.

    numbers, rows: of the file, the latter left empty. columns: of the long table, whose rows are
    `n_nodes` for each of the file.
    """

    columns: Sequence[Spread]
    n_nodes: int


@runtime_checkable
class TableSource(Protocol):
    """A table whose cells are text, however the file holds them."""

    @property
    def path(self) -> Path:
        """The file."""

    @property
    def decimal_comma(self) -> bool:
        """Whether numbers are written as 0,5."""

    def chunks(self, problems: Problems) -> Iterator[Chunk]:
        """The rows in pieces, the header first; may be asked for again."""


@dataclass(frozen=True, eq=False)
class Delimited:
    """A delimited file that can be read as text.

    decimal_comma: whether numbers are written as 0,5; only where columns are not parted by commas.
    """

    path: Path
    raw: bytes
    delimiter: str
    decimal_comma: bool

    def chunks(self, problems: Problems) -> Iterator[Chunk]:
        """The rows in pieces, blank lines left out; broken quoting is a problem that ends them."""
        stream = io.TextIOWrapper(io.BytesIO(self.raw), encoding="utf-8-sig", newline="")
        reader = csv.reader(
            stream, delimiter=self.delimiter, strict=True, skipinitialspace=self.delimiter != "\t"
        )
        while True:
            before = reader.line_num
            rows: list[list[str]] = []
            try:
                rows.extend(islice(reader, CHUNK))
            except csv.Error as error:
                problems.add(
                    f"{self.path}, row {reader.line_num}",
                    f"expected delimited values, found broken quoting ({error})",
                    "Close every quotation mark that was opened",
                )
                return
            if not rows:
                return
            yield _numbered(rows, before, reader.line_num)

    def rows(self, problems: Problems) -> list[Row]:
        """All rows that are not blank, with clean cells; decimal commas become points."""
        cleaner = Cleaner()
        rows = []
        for chunk in self.chunks(problems):
            for number, raw_cells in zip(chunk.numbers, chunk.rows, strict=True):
                cells = tuple(map(cleaner, raw_cells))
                if self.decimal_comma:
                    cells = tuple(map(with_point, cells))
                # A row of empty cells is a row of missing values; only an empty line is no row.
                if len(cells) > 1 or any(cells):
                    rows.append(Row(number, cells))
        cleaner.say(self.path)
        return rows


def _numbered(rows: list[list[str]], before: int, after: int) -> Chunk:
    """The rows with the line on which each begins."""
    numbers: Sequence[int] = range(before + 1, before + 1 + len(rows))
    if after - before != len(rows):
        # Some cell holds line breaks.
        line, found = before + 1, []
        for row in rows:
            found.append(line)
            line += 1 + sum(len(re.findall(r"\r\n|\r|\n", cell)) for cell in row)
        numbers = found
    return Chunk(numbers, rows)


def with_point(cell: str) -> str:
    """A number with a decimal comma as one with a point; anything else as it is."""
    return cell.replace(",", ".") if DECIMAL_COMMA.fullmatch(cell.strip()) else cell


def read_rows(path: Path, problems: Problems, *, among: str = ";\t|") -> list[Row]:
    """The rows of a delimited file that are not blank; none if it cannot be used.

    among: what may separate the columns beside commas.
    """
    source = open_delimited(path, problems, among=among)
    if source is None:
        return []
    had_problems = bool(problems)
    rows = source.rows(problems)
    if not rows and (had_problems or not problems):
        problems.add(str(path), "expected rows of data, found an empty file", "Fill the file")
    return rows


def open_delimited(path: Path, problems: Problems, *, among: str = ";\t|") -> Delimited | None:
    """The file with what separates its columns; None if it is absent, unreadable or no UTF-8 text.

    Says so where it is not commas. among: what it may be instead.
    """
    raw = _read_bytes(path, problems)
    if raw is None:
        return None
    head = raw[: 1 << 16].decode("utf-8-sig", errors="replace").splitlines()
    lines = [line for line in head if line.strip()][:_SNIFFED_LINES]
    delimiter = _delimiter(lines, among)
    # Where points are decimal marks, a comma parts thousands: such a number is refused.
    decimal_comma = (
        delimiter != "," and bool(_COMMA_CELL.search(raw)) and not _POINT_CELL.search(raw)
    )
    # Tabs are what the name of a .tsv says.
    if decimal_comma or delimiter != ("\t" if path.suffix.casefold() == ".tsv" else ","):
        commas = " and decimal commas" if decimal_comma else ""
        logger.info("%s: read with %s between columns%s", path, DELIMITERS[delimiter], commas)
    return Delimited(path, raw, delimiter, decimal_comma)


def _delimiter(lines: Sequence[str], among: str) -> str:
    """What separates the columns of these lines: what all have alike often, commas last."""
    for character in among:
        counts = {_outside_quotes(line).count(character) for line in lines}
        if counts and min(counts) > 0:
            header = _outside_quotes(lines[0])
            # A header of words that commas separate: the other character is part of names.
            if len(counts) == 1 and header.count(character) >= header.count(","):
                return character
            if len(counts) == 1 and all(
                with_point(cell) != cell or is_number(cell)
                for cell in header.split(character)
                if cell.strip()
            ):
                return character
    return ","


def _outside_quotes(line: str) -> str:
    return "".join(line.split('"')[::2])


def is_number(cell: str) -> bool:
    """Whether a cell is a number with a decimal point; infinity and NaN are too."""
    try:
        float(cell)
    except ValueError:
        return False
    return True


def _read_bytes(path: Path, problems: Problems) -> bytes | None:
    """The content of a file of UTF-8 text; None, and a problem, if it is none."""
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
    if raw.startswith(b"PK\x03\x04"):
        found = "a spreadsheet or an archive"
    elif raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        found = "text in UTF-16"
    elif b"\0" in raw:
        found = "a binary file"
    else:
        try:
            if not raw.isascii():
                raw.decode("utf-8-sig")
            return raw
        except UnicodeDecodeError as error:
            row = raw.count(b"\n", 0, error.start) + 1
            found = f"a byte in row {row} that is not UTF-8"
    problems.add(str(path), f"expected UTF-8 text, found {found}", "Save it as CSV in UTF-8")
    return None


def looks_space_separated(rows: Sequence[Row]) -> bool:
    """Whether blanks seem to separate the columns of these rows."""
    return bool(rows) and all(any(" " in cell for cell in row.cells) for row in rows[:10])
