"""Matrices of numbers in delimited files without a header, or with what pandas adds to them."""

from __future__ import annotations

import logging
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from cellbox.storage.csv_tables import LARGEST, number
from cellbox.storage.delimited import USE_COMMAS, Row, looks_space_separated, read_rows
from cellbox.storage.problems import Problems

logger = logging.getLogger("cellbox")


@dataclass(frozen=True, eq=False)
class MatrixText:
    """The rows of a matrix file that hold numbers, as text. left_out: what was not, in words."""

    path: Path
    rows: list[Row]
    left_out: tuple[str, ...] = ()


def read_matrix(
    text: MatrixText, problems: Problems, *, columns: Sequence[str], may_be_missing: bool
) -> Float[np.ndarray, "n_rows n_columns"]:
    """The numbers of a matrix, NaN where missing; 0 × 0 if it cannot be used.

    columns: what each column is called, to name it in problems; used where the number agrees.
    """
    path, rows = text.path, text.rows
    if not rows:
        return np.empty((0, 0))
    if looks_space_separated(rows) and len(rows[0].cells) == 1:
        found = "expected columns separated by commas, found spaces between them"
        problems.add(f"{path}, row {rows[0].number}", found, USE_COMMAS)
        return np.empty((0, 0))
    for words in text.left_out:
        logger.info("%s: left out %s", path, words)
    if looks_like_header(rows[0]):
        problems.add(
            f"{path}, row {rows[0].number}",
            "expected numbers, found only words, as in a header, and they are not the nodes' names",
            "Remove the header, or give it the names and the order of the file of node names",
        )
        rows = rows[1:]
    [(width, _)] = Counter(len(row.cells) for row in rows or text.rows).most_common(1)
    names = columns if len(columns) == width else None
    values = np.full((len(rows), width), np.nan)
    for index, row in enumerate(rows):
        where = f"{path}, row {row.number}"
        if len(row.cells) != width:
            found = f"expected {width} cells as in most rows, found {len(row.cells)}"
            problems.add(where, found, "Give each row one cell for each node")
            continue
        values[index] = _numbers(row.cells, where, names, may_be_missing, problems)
    return values


def _numbers(
    cells: Sequence[str],
    where: str,
    names: Sequence[str] | None,
    may_be_missing: bool,
    problems: Problems,
) -> Float[np.ndarray, " n_cells"]:
    """The numbers of a row, NaN where missing or refused."""
    try:
        values = np.array(list(map(float, cells)))
        if (np.abs(values) <= LARGEST).all() and "_" not in "".join(cells):
            return values
    except ValueError:
        pass
    found = []
    for column, cell in enumerate(cells):
        place = f"{where}, column {column + 1}" + (f" ({names[column]})" if names else "")
        value = number(cell, place, problems, may_be_missing=may_be_missing)
        found.append(math.nan if value is None else value)
    return np.array(found)


def matrix_text(path: Path, problems: Problems, names: Sequence[str]) -> MatrixText:
    """The rows of a matrix with one column for each of `names`.

    Left out is what spreadsheets and pandas add: an empty last column, a header with these names
    or with their numbers, and a first column of row numbers or row names beside such a header.
    """
    rows = read_rows(path, problems)
    left_out: list[str] = []
    n_names = len(names)
    if not rows or not names:
        return MatrixText(path, rows)
    if all(len(row.cells) == n_names + 1 and row.cells[-1] == "" for row in rows):
        rows = [Row(row.number, row.cells[:-1]) for row in rows]
        left_out.append("an empty last column")
    header = _header(rows[0], names)
    body = rows[1:] if header else rows
    if body and all(len(row.cells) == n_names + 1 for row in body):
        numbered = _is_counted([row.cells[0] for row in body])
        # Without a header, a first column of numbers alone could be data.
        if numbered or (header and not any(_is_number(row.cells[0]) for row in body)):
            body = [Row(row.number, row.cells[1:]) for row in body]
            left_out.append("a first column that numbers or names the rows")
    if header and body and len(body[0].cells) == n_names:
        rows = body
        left_out.insert(0, f"the header in row {body[0].number - 1}")
    elif not header:
        rows = body
    return MatrixText(path, rows, tuple(left_out))


def without_number_header(text: MatrixText, n_names: int) -> MatrixText:
    """The same without a first row 0, 1, 2, ..., as pandas writes it for columns without names."""
    if len(text.rows) > 1 and is_number_header(text, n_names):
        words = f"the header 0, 1, ..., {n_names - 1} in row {text.rows[0].number}"
        return MatrixText(text.path, text.rows[1:], (*text.left_out, words))
    return text


def is_number_header(text: MatrixText, n_names: int) -> bool:
    """Whether the first row is 0, 1, 2, ... up to the number of columns."""
    return bool(text.rows) and text.rows[0].cells == tuple(map(str, range(n_names)))


def _header(row: Row, names: Sequence[str]) -> bool:
    """Whether a row is the header of these columns: their names, or their numbers."""
    cells = row.cells[-len(names) :]
    if [cell.casefold() for cell in cells] == [name.casefold() for name in names]:
        return True
    # With a column of row numbers before them, numbers of columns are a header too.
    corner = row.cells[0]
    is_indexed = len(row.cells) == len(names) + 1 and (not corner or not _is_number(corner))
    return is_indexed and _is_counted(cells)


def _is_counted(cells: Sequence[str]) -> bool:
    """Whether cells count from 0 or from 1."""
    return list(cells) in ([str(k + first) for k in range(len(cells))] for first in (0, 1))


def _is_number(cell: str) -> bool:
    unread = Problems()
    return number(cell, "", unread, may_be_missing=True) is not None


def looks_like_header(row: Row) -> bool:
    """Whether no cell of the row is a number or missing."""
    return not any(_is_number(cell) for cell in row.cells)
