"""Nodes that are held in a condition: clamped.csv, with the columns condition, node and value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from cellbox.data.condition_numbers import number_conditions
from cellbox.data.dataset import Dataset
from cellbox.data.units import TIME_ZERO
from cellbox.networks.interventions import Interventions
from cellbox.storage.csv_tables import number, read_table
from cellbox.storage.problems import Problems, note_unknown

CLAMPED_FILE = "clamped.csv"

# Marks a node that is held at its measured level until that is known.
_AS_MEASURED = np.inf


@dataclass(frozen=True)
class HeldTable:
    """Levels of held nodes by condition and node (log ratio), with the place of each."""

    levels: dict[tuple[str, str], float] = field(default_factory=dict)
    places: dict[tuple[str, str], str] = field(default_factory=dict)

    def add_to(self, done: Interventions, rows: Sequence[str], nodes: Sequence[str]) -> None:
        """Note the levels of these conditions and nodes; infinite where they are as measured."""
        place = {node: index for index, node in enumerate(nodes)}
        for (condition, node), level in self.levels.items():
            of_condition = [index for index, name in enumerate(rows) if name == condition]
            done.held[of_condition, place[node]] = level


def read_clamped(
    folder: Path | None,
    rows_of: Mapping[str, Sequence[int]],
    nodes: Sequence[str],
    dosed: Mapping[tuple[str, str], float],
    problems: Problems,
) -> HeldTable:
    """The nodes that a folder says are held in each condition; none where it has no such file.

    value: the log ratio at which a node is held; an empty cell is its measured level, the mean over
    times and replicates. rows_of: the rows of each condition. dosed: what has a dose.
    """
    table = HeldTable()
    path = None if folder is None else folder / CLAMPED_FILE
    if path is None or not path.exists():
        return table
    required = ("condition", "node", "value")
    for record in read_table(path, problems, required=required, may_be_empty=True):
        condition, node = key = record["condition"], record["node"]
        for known, name, column in ((rows_of, condition, "condition"), (nodes, node, "node")):
            if name not in known:
                where = f"{record.where}, column {column!r}"
                note_unknown(name, tuple(known), where, column, problems)
        where = f"{record.where}, column 'value'"
        level = number(record["value"], where, problems, may_be_missing=True)
        if table.places.setdefault(key, record.where) != record.where:
            found = f"expected each node once in a condition, found {node!r} in {condition!r} again"
            problems.add(record.where, f"{found} ({table.places[key]})", "Keep one of the rows")
        elif key in dosed:
            problems.add(
                record.where,
                f"expected a node either held or with a dose, found both of {node!r} in "
                f"{condition!r}",
                "A held node does not answer to its dose: remove it here or in the perturbations",
            )
        elif condition in rows_of and node in nodes and level is not None:
            table.levels[key] = _AS_MEASURED if np.isnan(level) else level
    return table


def with_interventions(
    data: Dataset, done: Interventions, table: HeldTable, rows: Sequence[str], problems: Problems
) -> Dataset:
    """The data with what was done beside doses that last, and measured levels where none is told.

    data: with log ratios. rows: the condition of each row. A level that is not told is refused
    where values are ratios to a series' own start: a held node is at its level from there on.
    """
    affected = {name for name, so in zip(rows, done.affected, strict=True) if so}
    for name in affected & set(data.units.control):
        found = f"expected an unperturbed condition, found {name!r}, in which nodes are held or "
        problems.add("control", f"{found}doses end", "Name a condition without any")
    if TIME_ZERO in data.units.control:
        _note_untold(table, problems)
        problems.raise_any()
    condition = number_conditions(data.perturbations, data.lines, done)
    held = done.held.copy()
    for row, node in np.argwhere(np.isinf(done.held)):
        alike = condition == condition[row]
        values = data.measurements[alike, :, node]
        if np.isfinite(values).any():
            held[row, node] = np.nanmean(values)
            continue
        held[row, node] = np.nan
        name = data.nodes[node]
        problems.add(
            f"{table.places[rows[row], name]}, column 'value'",
            f"expected a level, or measured values of {name!r} in {rows[row]!r}, found neither",
            "Write the log ratio at which the node is held",
        )
    problems.raise_any()
    return replace(data, interventions=Interventions(held, done.begins, done.ends))


def _note_untold(table: HeldTable, problems: Problems) -> None:
    """Note levels that are to be as measured."""
    for key in (key for key, level in table.levels.items() if level == _AS_MEASURED):
        problems.add(
            f"{table.places[key]}, column 'value'",
            f"expected a level where the control is {TIME_ZERO!r}, found none: {key[1]!r} is held "
            "from then on, and its level over that at time 0 says nothing",
            "Write the log ratio to the unperturbed level at which the node is held, or name a "
            "control condition",
        )
