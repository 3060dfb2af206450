"""The table of what differs between cell lines, as a file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path

import numpy as np

from cellbox.networks.fitted_form import FittedForm
from cellbox.networks.form import EQ_1
from cellbox.networks.line_differences import KINDS, Difference, LineDifferences
from cellbox.networks.line_networks import COLUMNS, row_of, shown_differences
from cellbox.networks.network import Network
from cellbox.storage.csv_tables import Record, number, number_text, read_table, table_text
from cellbox.storage.files import atomic_write
from cellbox.storage.problems import Problems, note_unknown

#: What it is called beside a network, and in a data folder beside a true one.
LINE_DIFFERENCES = "line_differences.csv"


def write_line_differences(network: Network, path: str | PathLike[str]) -> None:
    """Write what differs between the lines of a network; a header alone where nothing does."""
    with atomic_write(path) as handle:
        handle.write(line_differences_text(network))


def line_differences_text(network: Network) -> str:
    """The table as text."""
    rows = (map(_cell, row_of(one)) for one in shown_differences(network))
    return table_text(COLUMNS, (tuple(cells) for cells in rows))


def _cell(value: str | float | None) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None or not np.isfinite(value) else number_text(value)


def with_line_differences(
    network: Network, path: Path, lines: Sequence[str] | None, problems: Problems
) -> Network:
    """The network with the differences of a file of the columns that are written.

    lines: the lines that the data have, the reference first.
    """
    if not lines:
        found = "expected data that tell the line of each condition, found none"
        problems.add(str(path), found, "Add lines.csv, or remove the differences")
        return network
    columns = ("line", "kind", "node", "source", "value_in_reference", "value_in_line")
    names = tuple(dict.fromkeys(lines))
    entries = []
    for record in read_table(
        path, problems, required=columns, optional=COLUMNS[6:], may_be_empty=True
    ):
        one = _read(record, network, names, problems)
        if one is not None:
            entries.append(one)
    fitted = network.form or FittedForm(EQ_1, {})
    form = replace(fitted.form, lines=True)
    differences = LineDifferences(names, tuple(entries))
    return replace(network, form=replace(fitted, form=form, lines=differences))


def _read(
    record: Record, network: Network, names: tuple[str, ...], problems: Problems
) -> Difference | None:
    """A difference; None where its row cannot be used, which is then a problem."""
    kind, sound = record["kind"].casefold(), True
    for column, cell, among, what in (
        ("line", record["line"], names[1:], "line beside the reference"),
        ("kind", kind, KINDS, "kind of difference"),
        ("node", record["node"], network.nodes, "node"),
    ):
        if cell not in among:
            note_unknown(cell, among, f"{record.where}, column {column!r}", what, problems)
            sound = False
    source = record["source"]
    if kind == "edge" and source not in network.nodes:
        note_unknown(source, network.nodes, f"{record.where}, column 'source'", "node", problems)
        sound = False
    before, after = (
        number(record[column], f"{record.where}, column {column!r}", problems)
        for column in ("value_in_reference", "value_in_line")
    )
    if not sound or before is None or after is None:
        return None
    if kind == "amplitude" and not (before > 0 and after > 0):
        problems.add(record.where, "expected amplitudes above 0, found others", "Correct them")
        return None
    value = float(np.log(after / before)) if kind == "amplitude" else after - before
    place = {node: number for number, node in enumerate(network.nodes)}
    return Difference(
        names.index(record["line"]),
        kind,
        place[record["node"]],
        place[source] if kind == "edge" else None,
        value,
    )
