"""Tables and numbers as plain text."""

from __future__ import annotations

import math
import shutil
import sys
from collections.abc import Sequence
from typing import Any

NOTHING = "-"
_GAP = "  "


def shown(value: Any) -> str:
    """A value for people: numbers with 4 significant digits, "-" where there is none."""
    if value is None:
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if not isinstance(value, float):
        return str(value)
    if math.isfinite(value) and 1e4 <= abs(value) < 1e9:
        return f"{value:,.0f}"
    return f"{value:.4g}"


def shown_error(error: float | None, of: str) -> float | str | None:
    """A least error for a table; where it is not that of a weight alone, with what it is of."""
    if error is None or of in ("", "weight"):
        return error
    return f"{shown(error)} ({of})"


def shown_seconds(seconds: float) -> str:
    """A duration for people: "4.2 s", "3 min 20 s", "1 h 05 min"."""
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def shown_list(names: Sequence[str], most: int = 8) -> str:
    """Names with commas; where there are many, the first and how many more."""
    if len(names) <= most:
        return ", ".join(names)
    return f"{', '.join(names[:most])} and {len(names) - most} more"


def terminal_width() -> int | None:
    """Columns of the terminal that shows standard output; None where that is no terminal."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def fitting_table(header: Sequence[str], rows: Sequence[Sequence[Any]], width: int | None) -> str:
    """`text_table` without the last columns that a terminal has no place for, and their names.

    width: of the terminal; None for all columns.
    """
    for kept in range(len(header), 1, -1):
        table = text_table(header[:kept], [row[:kept] for row in rows])
        if width is None or max(map(len, table.splitlines())) <= width:
            break
    if kept == len(header):
        return table
    return f"{table}\n  no place for: {', '.join(header[kept:])}"


def text_table(header: Sequence[str], rows: Sequence[Sequence[Any]], *, indent: int = 2) -> str:
    """Rows under a header in aligned columns; a column without text in it is aligned right.

    Cells are shown by `shown`. The first column stays left, since it names the row.
    """
    cells = [[shown(cell) for cell in row] for row in rows]
    widths = [
        max(len(title), *(len(row[column]) for row in cells)) if cells else len(title)
        for column, title in enumerate(header)
    ]
    right = [
        column > 0 and not any(isinstance(row[column], str) for row in rows)
        for column in range(len(header))
    ]
    lines = []
    for row in ([*header], *cells):
        padded = [
            cell.rjust(width) if to_right else cell.ljust(width)
            for cell, width, to_right in zip(row, widths, right, strict=True)
        ]
        lines.append((" " * indent + _GAP.join(padded)).rstrip())
    return "\n".join(lines)


def text_pairs(pairs: Sequence[tuple[str, Any]], *, indent: int = 2) -> str:
    """Names with their values, one a line."""
    width = max((len(name) for name, _ in pairs), default=0)
    return "\n".join(f"{' ' * indent}{name.ljust(width)}{_GAP}{shown(v)}" for name, v in pairs)
