"""Results as a notebook shows them: a title, a few facts, a small table."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

_CELL = 'style="text-align: left"'


def html_of(
    title: str,
    facts: Sequence[str] = (),
    header: Sequence[str] = (),
    rows: Sequence[Sequence[Any]] = (),
) -> str:
    """Some HTML for the end of a notebook's cell; every text is escaped.

    facts: sentences, a line each. header, rows: of a table; numbers get four digits.
    """
    parts = [f"<p><strong>{escape(title)}</strong></p>"]
    parts += [f"<p>{escape(fact)}</p>" for fact in facts]
    if rows:
        head = "".join(f"<th {_CELL}>{escape(name)}</th>" for name in header)
        body = "".join(
            f"<tr>{''.join(f'<td {_CELL}>{escape(_shown(cell))}</td>' for cell in row)}</tr>"
            for row in rows
        )
        parts.append(f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>")
    return f"<div>{''.join(parts)}</div>"


def _shown(cell: Any) -> str:
    if cell is None:
        return ""
    return f"{cell:.4g}" if isinstance(cell, float) else str(cell)
