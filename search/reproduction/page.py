"""A reproduction as one page that needs no other file."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from search.reproduction.tables import KindTable, Part, explanation, tables_of

_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 75rem; margin: 2rem auto; padding: 0 1rem;
       color: #222; background: #fff; }
table { border-collapse: collapse; margin: 0.5rem 0 1.2rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; font-weight: 600; padding-bottom: 0.3rem; }
th, td { padding: 0.2rem 0.8rem; text-align: right; border-bottom: 1px solid #ddd;
         white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
.scroll { overflow-x: auto; }
figure { margin: 2rem 0; }
img { max-width: 100%; height: auto; }
"""


def page(rows: Sequence[Mapping[str, Any]], pictures: Mapping[str, bytes]) -> str:
    """The page as HTML. pictures: PNG files by what they show."""
    figures = "\n".join(
        f'<figure><img alt="{escape(name)}" src="data:image/png;base64,{_text(picture)}"></figure>'
        for name, picture in pictures.items()
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>CellBox: the paper's systems</title><style>{_STYLE}</style></head><body>\n"
        f"<h1>CellBox on the paper's systems</h1>\n{tables_html(rows)}\n"
        f"<h2>Networks and trajectories</h2>\n"
        "<p>The seed with the median r of W. Points are measured, lines predicted, dashed lines "
        f"exact.</p>\n{figures}\n</body></html>\n"
    )


def tables_html(rows: Sequence[Mapping[str, Any]]) -> str:
    """The tables alone."""
    about = "".join(f"<p>{escape(sentence)}</p>\n" for sentence in explanation(rows))
    return "\n".join(_kind(table) for table in tables_of(rows)) + "\n" + about


def _kind(table: KindTable) -> str:
    parts = "".join(_part(part) for part in table.parts)
    notes = "".join(f"<p>{escape(note)}</p>\n" for note in table.notes)
    return f"<h2>{escape(table.title)}</h2>\n{parts}{notes}"


def _part(part: Part) -> str:
    header = "".join(f"<th>{escape(cell)}</th>" for cell in part.header)
    rows = "".join(
        f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>\n" for row in part.rows
    )
    return (
        f'<div class="scroll"><table><caption>{escape(part.title)}</caption>\n'
        f"<thead><tr>{header}</tr></thead>\n<tbody>\n{rows}</tbody></table></div>\n"
    )


def _text(picture: bytes) -> str:
    return b64encode(picture).decode("ascii")
