"""A reproduction as one page that needs no other file."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Any

from search.report.blocks import Block, Figure, Page, Section, Table, Text
from search.report.page import render, render_blocks
from search.reproduction.tables import KindTable, explanation, tables_of


def page(rows: Sequence[Mapping[str, Any]], pictures: Mapping[str, bytes]) -> str:
    """The page as HTML. pictures: PNG files by what they show."""
    figures = tuple(
        Figure(
            name,
            f"{name}: W learned and true, and trajectories",
            f"data:image/png;base64,{b64encode(picture).decode('ascii')}",
            large=True,
        )
        for name, picture in pictures.items()
    )
    about = (
        "The seed with the median r of W. Points are measured, lines predicted, dashed lines exact."
    )
    sections = [
        Section(table.title.split()[0], table.title, _blocks(table)) for table in tables_of(rows)
    ]
    return render(
        Page(
            title="CellBox on the paper's systems",
            about="cellbox reproduce; Ji et al. 2021, arXiv 2104.06467",
            summary=(Text(tuple(explanation(rows))),),
            sections=(
                *sections,
                Section("pictures", "Networks and trajectories", (Text((about,)), *figures)),
            ),
        )
    )


def tables_html(rows: Sequence[Mapping[str, Any]]) -> str:
    """The tables alone."""
    blocks = [block for table in tables_of(rows) for block in _blocks(table)]
    return render_blocks([*blocks, Text(tuple(explanation(rows)))])


def _blocks(table: KindTable) -> tuple[Block, ...]:
    parts = tuple(Table(part.title, part.header, part.rows) for part in table.parts)
    return *parts, Text(table.notes)
