"""Long tables read column by column: names as numbers, numbers as arrays.

A table of ten million rows is read in seconds and in little memory; what is wrong in it is found
with its row as in small ones.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from cellbox.arrays import RowMask, RowNumbers
from cellbox.storage.csv_tables import LARGEST, find_columns, note_width, number
from cellbox.storage.delimited import (
    Chunk,
    Cleaner,
    Row,
    Spread,
    TableSource,
    WideChunk,
    with_point,
)
from cellbox.storage.layouts import NODE, VALUE, Layout, WideTable, laid_out
from cellbox.storage.problems import Problems
from cellbox.storage.typed_tables import Titles, TypedTable, open_table

_ENDLESS_WORDS = {
    *("inf", "+inf", "infinity", "\N{INFINITY}", "ss", "steady", "steady state", "steady-state"),
    *("steady_state", "steadystate", "equilibrium"),
}


class _Codes(dict[str, int]):
    """Numbers names in the order in which they appear; by the text of the cell."""

    def __init__(self, cleaner: Cleaner) -> None:
        super().__init__()
        self.names: dict[str, int] = {}
        self._clean = cleaner

    def __missing__(self, cell: str) -> int:
        name = self._clean(cell)
        code = self[cell] = self.names.setdefault(name, len(self.names))
        return code


@dataclass(frozen=True, eq=False)
class Names:
    """A column of names. names: the different ones; codes: which of them each row has."""

    names: tuple[str, ...]
    codes: RowNumbers

    def __getitem__(self, row: int) -> str:
        return self.names[self.codes[row]]


@dataclass(frozen=True, eq=False)
class Columns:
    """The rows of a long table.

    numbers: the row of the file that each is. names, values: its columns; a value is NaN where it
    is missing. sound: rows none of whose numbers was refused.
    wide: whether the file has a column for each node; absent: columns that it has not, whose
    values are assumed. titles: see `TypedTable`.
    """

    path: Path
    numbers: RowNumbers
    names: Mapping[str, Names]
    values: Mapping[str, Float[np.ndarray, " n_rows"]]
    sound: RowMask
    wide: bool = False
    absent: frozenset[str] = frozenset()
    titles: Titles | None = None

    @property
    def n_rows(self) -> int:
        """How many rows there are."""
        return len(self.numbers)

    def where(self, row: int, column: str | None = None) -> str:
        """The place of a row, or of a cell in it."""
        place = f"{self.path}, row {self.numbers[row]}"
        if column is None:
            return place
        return f"{place}, column {self._title(row, column)!r}"

    def _title(self, row: int, column: str) -> str:
        """What the file calls a column."""
        if self.wide and column in (NODE, VALUE):
            return self.names[NODE][row]
        return column if self.titles is None else self.titles(column, self.names[NODE][row])

    def cell(self, row: int) -> str:
        """The place of a row's value, with the node that it is of."""
        place = self.where(row, VALUE)
        return place if self.wide else f"{place} (node {self.names[NODE][row]!r})"

    def chosen(self, rows: RowMask) -> Columns:
        """The table of these rows alone."""
        if rows.all():
            return self
        return Columns(
            self.path,
            self.numbers[rows],
            {name: Names(of.names, of.codes[rows]) for name, of in self.names.items()},
            {name: values[rows] for name, values in self.values.items()},
            self.sound[rows],
            self.wide,
            self.absent,
            self.titles,
        )


def read_columns(
    table: Path | TableSource,
    problems: Problems,
    *,
    names: Sequence[str],
    values: Mapping[str, bool],
    optional: Sequence[str] = (),
    optional_values: Sequence[str] = (),
    endless: Mapping[str, str] | None = None,
    layout: Layout | None = None,
) -> Columns | None:
    """Read a table with a header; None if its columns cannot be used.

    table: a file, or one that is open. names: columns of names. values: columns of numbers, and
        whether they may be missing.
    optional: columns of names that may be absent, and are empty then.
    optional_values: columns of numbers that may be absent, and whose cells may be empty.
    endless: for columns in which people write that something lasts forever ("inf", "steady
        state"), what to write instead; that is then one problem of the whole file.
    layout: the other names that its columns may have, and the wide form of the table, if it has
        one.

    Column names are compared as `read_table` does. Rows of empty cells are left out.
    """
    source = open_table(table, problems) if isinstance(table, Path) else table
    if source is not None and layout is not None:
        source = laid_out(source, layout, problems)
    if source is None:
        return None
    every = {**values, **dict.fromkeys(optional_values, True)}
    reading = _Reading(source, [*names, *optional], every, problems, endless or {})
    for chunk in source.chunks(problems):
        if not reading.take(chunk, [*names, *values], optional, optional_values):
            return None
    return reading.finish()


@dataclass(frozen=True)
class _Places:
    """Where cells of some columns stand. numbers: of the file's rows, each for `n_nodes` rows."""

    numbers: Sequence[int]
    columns: Sequence[Spread]
    n_nodes: int

    def number(self, column: Spread, cell: int) -> int:
        """The row of the file that a cell of a column stands in."""
        return self.numbers[cell * column.each // self.n_nodes]

    def cell(self, column: int, row: int) -> str:
        """The cell of a column in a row of the long table."""
        spread = self.columns[column]
        return spread.cells[row // spread.each % len(spread.cells)]


class _Reading:
    """A table as far as it has been read."""

    def __init__(
        self,
        source: TableSource,
        names: Sequence[str],
        values: Mapping[str, bool],
        problems: Problems,
        endless: Mapping[str, str],
    ) -> None:
        self._source = source
        self._titles = source.titles if isinstance(source, TypedTable) else None
        self._endless = endless
        self._endless_rows: dict[str, list[tuple[int, str]]] = {name: [] for name in endless}
        self._values = values
        self._problems = problems
        self._cleaner = Cleaner()
        self._codes = {name: _Codes(self._cleaner) for name in names}
        self._columns: dict[str, int] | None = None
        self._width = 0
        self._numbers: list[np.ndarray] = []
        self._sound: list[np.ndarray] = []
        self._coded: dict[str, list[np.ndarray]] = {name: [] for name in names}
        self._read: dict[str, list[np.ndarray]] = {name: [] for name in values}

    def take(
        self,
        chunk: Chunk,
        required: Sequence[str],
        optional: Sequence[str],
        optional_values: Sequence[str],
    ) -> bool:
        """Read a piece; whether the header, which the first piece begins with, can be used."""
        if isinstance(chunk, WideChunk):
            self._take_columns(chunk.numbers, chunk.columns, chunk.n_nodes)
            return True
        numbers, rows = _without_blank_lines(chunk)
        if self._columns is None and rows:
            header = Row(numbers[0], tuple(self._cleaner(cell) for cell in rows[0]))
            path = self._source.path
            self._columns = find_columns(
                path, header, required, optional, self._problems, also=optional_values
            )
            self._width = len(rows[0])
            numbers, rows = numbers[1:], rows[1:]
        if rows and self._columns is not None:
            self._take_rows(*self._of_one_width(numbers, rows))
        return self._columns is not None or not rows

    def _of_one_width(
        self, numbers: Sequence[int], rows: list[list[str]]
    ) -> tuple[Sequence[int], list[list[str]]]:
        """The rows with a cell for each column of the header; the others are problems."""
        if set(map(len, rows)) == {self._width}:
            return numbers, rows
        kept = []
        for number_of_row, row in zip(numbers, rows, strict=True):
            if len(row) == self._width:
                kept.append((number_of_row, row))
            else:
                where = f"{self._source.path}, row {number_of_row}"
                note_width(where, self._width, len(row), self._problems)
        return [one for one, _ in kept], [row for _, row in kept]

    def _take_rows(self, numbers: Sequence[int], rows: list[list[str]]) -> None:
        assert self._columns is not None
        if not rows:
            return
        cells = list(zip(*rows, strict=True))
        first_name = next(iter(self._coded))
        if "" in cells[self._columns[first_name]]:
            filled = [place for place, row in enumerate(rows) if any(map(str.strip, row))]
            if len(filled) < len(rows):
                self._take_rows([numbers[k] for k in filled], [rows[k] for k in filled])
                return
        self._take_columns(numbers, list(map(Spread, cells)), 1)

    def _take_columns(
        self, numbers: Sequence[int], columns: Sequence[Spread], n_nodes: int
    ) -> None:
        """Take the columns of rows, of which each of the file stands for `n_nodes`."""
        assert self._columns is not None
        n_rows = len(numbers) * n_nodes
        self._numbers.append(np.repeat(np.array(numbers, dtype=np.int64), n_nodes))
        for name, codes in self._codes.items():
            place = self._columns.get(name)
            column = Spread([""], each=n_rows) if place is None else columns[place]
            read = map(codes.__getitem__, column.cells)
            self._coded[name].append(column.over(np.fromiter(read, np.int32, len(column.cells))))
        sound = np.ones(n_rows, bool)
        for name, may_be_missing in self._values.items():
            if name not in self._columns:
                continue
            column = columns[self._columns[name]]
            places = _Places(numbers, columns, n_nodes)
            values, usable = self._numbers_of(column, places, name, may_be_missing)
            self._read[name].append(column.over(values))
            sound &= column.over(usable)
        self._sound.append(sound)

    def _numbers_of(
        self, column: Spread, places: _Places, name: str, may_be_missing: bool
    ) -> tuple[Float[np.ndarray, " n_cells"], RowMask]:
        """The numbers of a column, and which of them can be used; the others are problems."""
        cells: Sequence[str] = column.cells
        if self._source.decimal_comma:
            cells = tuple(map(with_point, cells))
        values = _fast_numbers(cells)
        doubtful = ~(np.abs(values) <= LARGEST)
        usable = np.ones(len(cells), bool)
        for place in np.flatnonzero(doubtful).tolist():
            cell = self._cleaner(cells[place])
            if may_be_missing and not cell:
                continue
            number_of_row = places.number(column, place)
            if name in self._endless and cell.casefold() in _ENDLESS_WORDS:
                self._endless_rows[name].append((number_of_row, cell))
                usable[place] = False
                continue
            where = self._where(number_of_row, places, place, name)
            value = number(cell, where, self._problems, may_be_missing=may_be_missing)
            values[place] = math.nan if value is None else value
            usable[place] = value is not None
        return values, usable

    def _where(self, number_of_row: int, places: _Places, cell: int, column: str) -> str:
        assert self._columns is not None
        place = f"{self._source.path}, row {number_of_row}"
        of_node = self._columns.get(NODE)
        if of_node is None or (column != VALUE and self._titles is None):
            return f"{place}, column {column!r}"
        node = places.cell(of_node, cell)
        if isinstance(self._source, WideTable):
            return f"{place}, column {node!r}"
        title = column if self._titles is None else self._titles(column, node)
        return f"{place}, column {title!r} (node {node!r})"

    def finish(self) -> Columns | None:
        """All that was read; None, and a problem, where it is nothing."""
        path = self._source.path
        self._cleaner.say(path)
        for name, rows in self._endless_rows.items():
            if rows:
                count = f"in {len(rows):,} rows, the first of them row {rows[0][0]}"
                found = f"expected numbers, found {rows[0][1]!r} {count}"
                self._problems.add(f"{path}, column {name!r}", found, self._endless[name])
        if self._columns is None:
            found = "expected rows of data, found an empty file"
            self._problems.add(str(path), found, "Fill the file")
            return None
        if not self._numbers and not self._problems:
            found = "expected rows below the header, found none"
            self._problems.add(str(path), found, "Add rows")
        return Columns(
            path,
            _joined(self._numbers, np.int64),
            {
                name: Names(tuple(self._codes[name].names), _joined(codes, np.int32))
                for name, codes in self._coded.items()
            },
            {
                name: _joined(values, float)
                for name, values in self._read.items()
                if name in self._columns
            },
            _joined(self._sound, bool),
            isinstance(self._source, WideTable),
            self._source.assumed if isinstance(self._source, WideTable) else frozenset(),
            self._titles,
        )


def _joined(pieces: list[np.ndarray], kind: type) -> np.ndarray:
    return np.concatenate(pieces) if pieces else np.empty(0, kind)


def _without_blank_lines(chunk: Chunk) -> tuple[Sequence[int], list[list[str]]]:
    """The rows that are not empty lines, with their numbers."""
    # A blank line has no cell, or one of blanks.
    if all(map(len, chunk.rows)) and min(map(len, chunk.rows), default=2) > 1:
        return chunk.numbers, chunk.rows
    kept = [
        (number_of_row, row)
        for number_of_row, row in zip(chunk.numbers, chunk.rows, strict=True)
        if len(row) > 1 or any(map(str.strip, row))
    ]
    return [one for one, _ in kept], [row for _, row in kept]


def _fast_numbers(cells: Sequence[str]) -> Float[np.ndarray, " n_cells"]:
    """The plain numbers of cells; NaN where a cell is to be looked at more closely."""
    # float() reads 1_000 as a thousand; in a data file it is a slip.
    if "_" not in "".join(cells):
        try:
            return np.fromiter(map(float, cells), float, len(cells))
        except ValueError:
            pass
    return np.fromiter(map(_number_or_nan, cells), float, len(cells))


def _number_or_nan(cell: str) -> float:
    try:
        return math.nan if "_" in cell else float(cell)
    except ValueError:
        return math.nan
