"""The measured values of a tidy folder, a row for each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from cellbox.arrays import Perturbations, Responses, RowMask, RowNumbers, Times
from cellbox.data.readers.usual_layouts import ERROR_COLUMNS, measurement_layout
from cellbox.data.readers.value_errors import value_errors
from cellbox.data.same_numbers import groups_of_close, merged
from cellbox.errors import Problem
from cellbox.storage.columns import Columns, read_columns
from cellbox.storage.delimited import TableSource
from cellbox.storage.problems import Problems

# One measured series: the condition and the replicate, "" where replicates have no name. Of
# several cell lines the second says the line first.
Series = tuple[str, str]

# The share of names that are missing where cells were merged; how many fewer times than values are.
_MERGED, _AS_TIMES = 0.3, 0.25
# Numbers up to so many times their count are looked up in an array rather than sorted.
_DENSE = 4

_STEADY_STATE = (
    "A tidy table gives a steady state as a time by which everything has come to rest: write 10 "
    "(decay times), or a later one where nodes are slow"
)


@dataclass(frozen=True, eq=False)
class LongTable:
    """Measured values. series, nodes: in the order of the file, with the place of the first one.

    times: ascending, > 0. The value of entry k is of series `of_series[k]`, and so on.
    at_zero: series, nodes and values of the entries at time 0.
    tells_times: whether the file has times; a wide table may be of steady states without.
    errors: standard errors of the values; None where the file tells none.
    lines: the cell line of each series; none where the file tells none.
    wide: whether the file has a column for each node.
    """

    series: dict[Series, str]
    nodes: dict[str, str]
    times: Times
    of_series: Int[np.ndarray, " n_values"]
    of_time: Int[np.ndarray, " n_values"]
    of_node: Int[np.ndarray, " n_values"]
    values: Float[np.ndarray, " n_values"]
    at_zero: tuple[np.ndarray, np.ndarray, np.ndarray]
    tells_times: bool = True
    errors: Float[np.ndarray, " n_values"] | None = None
    lines: tuple[str, ...] = ()
    wide: bool = False

    @cached_property
    def rows_of_condition(self) -> dict[str, list[int]]:
        """The numbers of the series of each condition."""
        rows: dict[str, list[int]] = {}
        for index, (condition, _) in enumerate(self.series):
            rows.setdefault(condition, []).append(index)
        return rows

    def array(self, rows: Sequence[Series], times: Times, nodes: Sequence[str]) -> Responses:
        """The values on a grid of series, times and nodes; NaN where there is none."""
        return self._on_grid(self.values, rows, times, nodes)

    def error_array(
        self, rows: Sequence[Series], times: Times, nodes: Sequence[str]
    ) -> Responses | None:
        """The errors of the values on such a grid, where the file tells them."""
        return None if self.errors is None else self._on_grid(self.errors, rows, times, nodes)

    def _on_grid(
        self,
        values: Float[np.ndarray, " n_values"],
        rows: Sequence[Series],
        times: Times,
        nodes: Sequence[str],
    ) -> Responses:
        array = np.full((len(rows), len(times), len(nodes)), np.nan)
        if not array.size or not len(values):
            return array
        row = _places(tuple(self.series), rows)[self.of_series]
        column = _places(tuple(self.nodes), nodes)[self.of_node]
        slot = _places(self.times.tolist(), times.tolist())[self.of_time]
        # Names that are not on the grid have been noted as problems by then.
        on_grid = (row >= 0) & (column >= 0) & (slot >= 0)
        array[row[on_grid], slot[on_grid], column[on_grid]] = values[on_grid]
        return array

    def zero_array(self, nodes: Sequence[str]) -> Perturbations:
        """The values at time 0 of all series; NaN where there is none."""
        array = np.full((len(self.series), len(nodes)), np.nan)
        of_series, of_node, values = self.at_zero
        array[of_series, _places(tuple(self.nodes), nodes)[of_node]] = values
        return array


def _places(items: Sequence, among: Sequence) -> Int[np.ndarray, " n_items"]:
    """Where each item stands among others; -1 where it is none of them."""
    position = {item: index for index, item in enumerate(among)}
    return np.array([position.get(item, -1) for item in items], dtype=int)


_EMPTY = np.empty(0, int)
_NO_TABLE = LongTable(
    {}, {}, np.empty(0), _EMPTY, _EMPTY, _EMPTY, np.empty(0), (_EMPTY, _EMPTY, np.empty(0))
)


def read_long_table(
    table: Path | TableSource,
    problems: Problems,
    *,
    like: LongTable | None = None,
    relative: bool = True,
    time: float | None = None,
) -> LongTable:
    """All values of measurements.csv or noise_free.csv; its names even where values are bad.

    relative: whether values are log ratios to time 0, and thus 0 there.
    time: of a wide table that tells none.
    like: a table with whose times this one's are the same where they differ by rounding alone.
    """
    columns = read_columns(
        table,
        problems,
        names=("condition", "node"),
        values={"time": False, "value": True},
        optional=("replicate", "line"),
        optional_values=ERROR_COLUMNS if like is None else (),
        endless={"time": _STEADY_STATE},
        layout=measurement_layout(time),
    )
    if columns is None:
        return _NO_TABLE
    tells_lines = any(columns.names["line"].names)
    needed = ("condition", "node", "line") if tells_lines else ("condition", "node")
    named = columns.chosen(named_rows(columns, needed, problems))
    series, of_series, lines = _series(named)
    of_node, nodes = in_order(named, "node")
    given = named.values["time"]
    sound = named.sound & _times_are_sound(named, relative, problems)
    known = np.empty(0) if like is None else like.times
    moment = merged(np.concatenate([known, np.where(sound, given, 1.0)]))[len(known) :]
    # A table that is to have the times of another may differ from it by rounding.
    moment = _snapped(moment, known)
    _note_repeated(named, sound, (of_series, moment, of_node), tuple(series), problems)
    kept = sound & (given > 0)
    values = named.values["value"][kept]
    errors = value_errors(named, kept & np.isfinite(named.values["value"]), problems)
    if named.n_rows and not problems and not np.isfinite(values).any():
        found = "expected measurements, found none after time 0"
        problems.add(str(columns.path), found, "Give at least one measured value")
    times, of_time = np.unique(moment[kept], return_inverse=True)
    start = sound & (given == 0)
    at_zero = (of_series[start], of_node[start], named.values["value"][start])
    places = (of_series[kept], of_time.reshape(-1), of_node[kept])
    tells_times = "time" not in columns.absent
    errors = None if errors is None else errors[kept]
    return LongTable(
        *(series, nodes, times, *places, values, at_zero, tells_times, errors, lines, columns.wide)
    )


def _snapped(
    times: Float[np.ndarray, " n"], known: Float[np.ndarray, " n_known"]
) -> Float[np.ndarray, " n"]:
    """Times that are one of the known ones but for rounding made equal to it."""
    if not len(known):
        return times
    nearest = known[np.abs(times[:, None] - known[None, :]).argmin(axis=1)]
    pairs = np.sort(np.stack([times, nearest], axis=1), axis=1)
    same = np.array([groups_of_close(pair)[-1] == 0 for pair in pairs], bool)
    return np.where(same, nearest, times)


def named_rows(columns: Columns, names: Sequence[str], problems: Problems) -> RowMask:
    """Which rows have a name in each of these columns; a problem for each that has not."""
    good = np.ones(columns.n_rows, bool)
    for column in names:
        good &= _named_in(columns, column, problems)
    return good


def _named_in(columns: Columns, column: str, problems: Problems) -> RowMask:
    of_column = columns.names[column]
    if "" not in of_column.names:
        return np.ones(columns.n_rows, bool)
    empty = of_column.codes == of_column.names.index("")
    note_rows(
        problems,
        f"no {column}",
        empty,
        lambda row: columns.where(row, column),
        lambda row: f"expected the name of a {column}, found an empty cell",
        f"Name the {column}{_of_merged_cells(empty)}",
    )
    return ~empty


def _of_merged_cells(empty: RowMask) -> str:
    """A remark where names stand in the first of several rows alone, as merged cells do."""
    merged = not empty[0] and empty.mean() >= _MERGED
    return " in each row: merged cells have it in the first of their rows alone" if merged else ""


def _series(columns: Columns) -> tuple[dict[Series, str], RowNumbers, tuple[str, ...]]:
    """The series in the order of the file, each with its place, and which of them rows are of.

    Also the cell line of each, if the file tells lines.
    """
    condition, replicate = columns.names["condition"], columns.names["replicate"]
    key = condition.codes.astype(np.int64) * len(replicate.names or "1") + replicate.codes
    line = columns.names["line"]
    if not any(line.names):
        first, of_row = _first_rows(key)
        series = {(condition[row], replicate[row]): columns.where(row) for row in first}
        return series, of_row, ()
    first, of_row = _first_rows(key * len(line.names) + line.codes)
    series = {
        (condition[row], _of_line(line[row], replicate[row])): columns.where(row) for row in first
    }
    return series, of_row, tuple(line[row] for row in first)


def _of_line(line: str, replicate: str) -> str:
    """What tells apart the series of a condition in several lines."""
    return f"{line}, replicate {replicate}" if replicate else line


def in_order(columns: Columns, name: str) -> tuple[RowNumbers, dict[str, str]]:
    """Which of a column's names each row has, and the names with their first place."""
    names = columns.names[name]
    first, of_row = _first_rows(names.codes)
    return of_row, {names[row]: columns.where(row, name) for row in first}


def _first_rows(keys: RowNumbers) -> tuple[list[int], RowNumbers]:
    """The first row of each key, ascending, and which of them each row has the key of.

    keys: from 0 on.
    """
    n_keys = int(keys.max(initial=-1)) + 1
    if n_keys > _DENSE * len(keys):
        _, first, of_row = np.unique(keys, return_index=True, return_inverse=True)
    else:
        # Written backwards, so that the first row is what stays; sorting takes many times as long.
        first = np.full(n_keys, len(keys))
        first[keys[::-1]] = np.arange(len(keys))[::-1]
        there = first < len(keys)
        of_row = (np.cumsum(there) - 1)[keys]
        first = first[there]
    rank = np.empty(len(first), dtype=int)
    rank[np.argsort(first)] = np.arange(len(first))
    return np.sort(first).tolist(), rank[of_row.reshape(-1)]


def _times_are_sound(columns: Columns, relative: bool, problems: Problems) -> RowMask:
    """Which times are positive, or are 0 with the response that is 0 there by definition."""
    time, value = columns.values["time"], columns.values["value"]
    negative = columns.sound & (time < 0)
    moved = relative & columns.sound & (time == 0) & (value != 0) & ~np.isnan(value)
    note_rows(
        problems,
        "negative time",
        negative,
        lambda row: columns.where(row, "time"),
        lambda row: f"expected a time from 0 on, found {time[row]:g}",
        "Count times from the perturbation; leave out what was measured before it"
        + _of_exchanged(time, value),
    )
    _note_moved(columns, np.flatnonzero(moved).tolist(), problems)
    return ~(negative | moved)


def _of_exchanged(time: np.ndarray, value: np.ndarray) -> str:
    """A remark where the values have few numbers, none below 0, as times do, and the times many."""
    known = value[np.isfinite(value)]
    as_times = len(known) > 0 and known.min() >= 0
    if as_times and len(np.unique(known)) < _AS_TIMES * len(np.unique(time)):
        return "; or exchange the names of the columns time and value, which look exchanged"
    return ""


def _note_moved(columns: Columns, rows: Sequence[int], problems: Problems) -> None:
    """Note once, with the first of them, values at time 0 that are not 0."""
    if not rows:
        return
    value = columns.values["value"][rows[0]]
    more = f", the first of {len(rows):,} such values" if len(rows) > 1 else ""
    problems.add(
        columns.cell(rows[0]),
        f"expected 0 at time 0, since values are log ratios to it, found {value:g}{more}",
        "Make log ratios of them (--transform log2-ratio --control 'time 0'; difference where they "
        "are logarithms), or remove the rows of time 0",
    )


def note_rows(
    problems: Problems,
    kind: str,
    rows: RowMask,
    where: Callable[[int], str],
    found: Callable[[int], str],
    fix: str,
) -> None:
    """Note a problem of one kind in each of these rows."""
    problems.add_all(
        np.flatnonzero(rows).tolist(),
        lambda row: Problem(where(row), found(row), fix),
        kind=kind,
    )


def _note_repeated(
    columns: Columns,
    sound: RowMask,
    keys: tuple[np.ndarray, np.ndarray, np.ndarray],
    series: Sequence[Series],
    problems: Problems,
) -> None:
    """Note values of a series, time and node that has one already."""
    of_series, time, of_node = keys
    rows = np.flatnonzero(sound)
    distinct, of_time = np.unique(time[rows], return_inverse=True)
    n_nodes = int(of_node.max(initial=0)) + 1
    key = (of_series[rows] * len(distinct) + of_time.reshape(-1)) * n_nodes + of_node[rows]
    if key.max(initial=0) < _DENSE * len(key) and np.bincount(key).max(initial=0) <= 1:
        return
    _, first, inverse = np.unique(key, return_index=True, return_inverse=True)
    first_of = rows[first[inverse.reshape(-1)]]
    again = rows != first_of
    earlier = dict(zip(rows[again].tolist(), first_of[again].tolist(), strict=True))

    def describe(row: int) -> Problem:
        condition, replicate = series[of_series[row]]
        named = f", replicate {replicate!r}" if replicate else ""
        return Problem(
            columns.where(row),
            f"expected one value for each condition, time and node, found condition {condition!r}"
            f"{named}, time {time[row]:g}, node {columns.names['node'][row]!r} again "
            f"({columns.where(earlier[row])})",
            "Tell repeated measurements apart in a column named replicate, or remove one",
        )

    problems.add_all(list(earlier), describe, kind="repeated value")
