"""What a page is made of: sections of blocks, each of a kind that the templates know how to show.

Content is plain text throughout; the templates escape it.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from markupsafe import Markup

from cellbox.storage.csv_tables import table_text
from search.report.cells import csv_cell, is_word, shown_cell


@dataclass(frozen=True)
class Text:
    """Sentences. style: "plain" (a paragraph each), "list", "lead" (the first thing read)."""

    sentences: tuple[str, ...]
    style: str = "plain"
    kind: str = field(default="text", init=False)


@dataclass(frozen=True)
class Facts:
    """Names with their values."""

    pairs: tuple[tuple[str, Any], ...]
    kind: str = field(default="facts", init=False)

    @property
    def shown(self) -> list[tuple[str, str]]:
        """The pairs as text."""
        return [(name, shown_cell(value)) for name, value in self.pairs]


@dataclass(frozen=True)
class Table:
    """Rows under a header; the first column names the row.

    file: name of the CSV that it can be downloaded as, None for none. more_rows: rows that the
    file has and the page does not show.
    """

    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    file: str | None = None
    more_rows: tuple[tuple[Any, ...], ...] = ()
    kind: str = field(default="table", init=False)

    @property
    def cells(self) -> list[list[str]]:
        """The rows as text, numbers with few digits."""
        return [[shown_cell(cell) for cell in row] for row in self.rows]

    @property
    def words(self) -> list[bool]:
        """Which columns hold words, which are aligned left."""
        return [
            any(is_word(row[column]) for row in self.rows) for column in range(len(self.header))
        ]

    @property
    def link(self) -> str:
        """Address of the whole table as CSV, with every digit."""
        return csv_link(self.header, (*self.rows, *self.more_rows))


@dataclass(frozen=True)
class Figure:
    """A picture, in words for who cannot see it, and the numbers that it was drawn from.

    source: address of the image, a data: link. file: name of the CSV with its numbers, None where
        they stand elsewhere. large: whether it needs the page's whole width.
    """

    title: str
    alt: str
    source: str
    file: str | None = None
    header: tuple[str, ...] = ()
    rows: tuple[tuple[Any, ...], ...] = ()
    caption: str = ""
    large: bool = False
    kind: str = field(default="figure", init=False)

    @property
    def link(self) -> str:
        """Address of the numbers as CSV."""
        return csv_link(self.header, self.rows)


@dataclass(frozen=True)
class Figures:
    """Pictures side by side where the page is wide enough."""

    figures: tuple[Figure, ...]
    kind: str = field(default="figures", init=False)


@dataclass(frozen=True)
class Graph:
    """A network whose number of edges the reader chooses.

    svg: as `search.report.graph.graph_svg` draws it. shown: how many edges are shown at first, of
    all that are drawn.
    """

    title: str
    svg: Markup
    shown: int
    drawn: int
    caption: str
    kind: str = field(default="graph", init=False)


@dataclass(frozen=True)
class WhatIf:
    """Sliders for doses, and what the model answers, computed in the page.

    model: what `what_if.js` computes with; see `search.report.what_if`.
    """

    model: dict[str, Any]
    kind: str = field(default="what_if", init=False)


@dataclass(frozen=True)
class Folded:
    """Blocks that are shown when their title is opened; printed as they stand."""

    title: str
    blocks: tuple[Block, ...]
    kind: str = field(default="folded", init=False)


Block = Text | Facts | Table | Figure | Figures | Graph | WhatIf | Folded


@dataclass(frozen=True)
class Section:
    """A part of a page. anchor: its name in the page's address."""

    anchor: str
    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True)
class Page:
    """A whole report. about: a line below the title. summary: what to know at once."""

    title: str
    about: str
    summary: tuple[Block, ...]
    sections: tuple[Section, ...]


def csv_link(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """A table as an address that holds it, for a download."""
    text = table_text(tuple(header), [tuple(map(csv_cell, row)) for row in rows])
    return f"data:text/csv;charset=utf-8;base64,{b64encode(text.encode()).decode('ascii')}"
