"""Tidy tables: one measured value a row, and one perturbed node of a condition a row.

A tidy folder holds measurements.csv (condition, time, node, value, and replicate if there are
any) and perturbations.csv (condition, node, value), and may hold
- network.csv, the true network as an edge list, and amplitudes.csv (node, amplitude), its α;
- noise_free.csv, the exact response, with the columns of measurements.csv;
- rounding_sensitive.csv (condition), the conditions whose exact response rounding decides;
  without rows where there is none, absent where that is not known (it was undetermined.csv before,
  which is still read);
- split.csv (condition, part), with training, validation, test or unused as part;
- activity_nodes.csv (node) and allowed_edges.csv (source, target), as in `Dataset`.
"""

from __future__ import annotations

import logging
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path

import numpy as np
from jaxtyping import Float

from cellbox.data.dataset import Dataset
from cellbox.data.readers import tidy_extras
from cellbox.errors import refuse
from cellbox.storage.csv_tables import (
    Problems,
    Record,
    note_spellings,
    note_unknown,
    number,
    read_table,
)

logger = logging.getLogger("cellbox")

# One measured series: the condition and the replicate, "" where replicates have no name.
Series = tuple[str, str]


@dataclass
class _LongTable:
    """Measured values in file order; names with the place where the file names them first."""

    series: dict[Series, str] = field(default_factory=dict)
    nodes: dict[str, str] = field(default_factory=dict)
    times: set[float] = field(default_factory=set)
    values: dict[tuple[Series, float, str], float] = field(default_factory=dict)


def read_tidy(
    measurements: str | PathLike[str], perturbations: str | PathLike[str] | None = None
) -> Dataset:
    """Read a tidy folder, or a measurement table and a perturbation table from anywhere.

    measurements: the folder (see the module's description) if given alone, else a CSV with the
        columns condition, time (model time unit, ascending from 0, in any row order), node,
        value (log ratio to time 0; empty, NA or NaN where not measured), optionally replicate.
    perturbations: CSV with the columns condition, node, value; u, with the paper's sign (Ji et
        al. 2021: positive pushes a node down). A condition that is not listed, or only with an
        empty node, is an unperturbed control.

    Each condition and replicate becomes a row of the dataset, named by its condition, and its
    replicate where there are several. Rows and nodes are in the order in which the measurements
    name them first, then the perturbations; times ascend. What is not listed is NaN. Time 0 holds
    no information, since x(0) = 0: its zeros are left out, other values there are refused.

    Raises InputError with every problem of all files.

    Example:
        >>> from pathlib import Path
        >>> import cellbox
        >>> _ = Path("measured.csv").write_text(
        ...     "condition,time,node,value\\nc1,5,g1,0.1\\nc1,5,g2,-0.2\\nc1,10,g1,0.3\\n"
        ... )
        >>> _ = Path("perturbed.csv").write_text("condition,node,value\\nc1,g2,0.5\\n")
        >>> data = cellbox.read_tidy("measured.csv", "perturbed.csv")
        >>> data.measurements.tolist()  # g2 was not measured at time 10
        [[[0.1, -0.2], [0.3, nan]]]
    """
    if perturbations is not None:
        return _read(Path(measurements), Path(perturbations), extras=None)
    folder = Path(measurements)
    if not folder.is_dir():
        raise refuse(
            str(folder),
            f"expected a folder, found {'a file' if folder.exists() else 'nothing of that name'}",
            "Give a folder with measurements.csv and perturbations.csv, or both files",
        )
    return _read(folder / "measurements.csv", folder / "perturbations.csv", extras=folder)


def _read(measurement_path: Path, perturbation_path: Path, extras: Path | None) -> Dataset:
    """The dataset of the two tables, with what the folder `extras` adds to them."""
    problems = Problems()
    table = _read_long_table(measurement_path, problems)
    if table.series and not problems and all(map(math.isnan, table.values.values())):
        found = "expected measurements, found none after time 0"
        problems.add(str(measurement_path), found, "Give at least one measured value")
    rows_of: dict[str, list[int]] = {}
    for index, (condition, _) in enumerate(table.series):
        rows_of.setdefault(condition, []).append(index)
    doses, dosed_nodes = _read_perturbations(perturbation_path, tuple(rows_of), problems)
    places = dict(table.nodes)
    for node, where in dosed_nodes.items():
        places.setdefault(node, where)
    note_spellings(places, problems)
    nodes, rows, times = tuple(places), tuple(table.series), sorted(table.times)
    u = np.array([[doses.get((row[0], node), 0.0) for node in nodes] for row in rows])
    added, noise_free = tidy_extras.Extras(), None
    if extras is not None and rows:
        added = tidy_extras.read_extras(extras, nodes, rows_of, u, problems)
        noise_free_path = extras / "noise_free.csv"
        if noise_free_path.exists():
            exact = _read_long_table(noise_free_path, problems)
            _note_strangers(exact, table, nodes, noise_free_path, problems)
            noise_free = _as_array(exact, rows, times, nodes)
    row_names = _row_names(table, problems)
    problems.raise_any()
    for node in nodes:
        if node not in table.nodes:
            logger.warning("%s: node %r is perturbed and never measured", perturbation_path, node)
    return Dataset(
        nodes=nodes,
        times=np.array(times),
        perturbations=u,
        measurements=_as_array(table, rows, times, nodes),
        row_names=row_names,
        activity_nodes=np.isin(nodes, added.activity_nodes),
        allowed_edges=added.allowed_edges,
        noise_free=noise_free,
        rounding_sensitive=added.rounding_sensitive,
        truth=added.truth,
        split=added.split,
        name=measurement_path.resolve().parent.name,
    )


def _read_long_table(path: Path, problems: Problems) -> _LongTable:
    """All values of measurements.csv or noise_free.csv; its names even where values are bad."""
    required = ("condition", "time", "node", "value")
    records = read_table(path, problems, required=required, optional=("replicate",))
    table = _LongTable()
    places: dict[tuple[Series, float, str], str] = {}
    for record in records:
        time = number(record["time"], f"{record.where}, column 'time'", problems)
        value = number(
            record["value"], f"{record.where}, column 'value'", problems, may_be_missing=True
        )
        if not _named(record, ("condition", "node"), problems):
            continue
        series, node = (record["condition"], record["replicate"]), record["node"]
        table.series.setdefault(series, record.where)
        table.nodes.setdefault(node, f"{record.where}, column 'node'")
        if time is None or value is None or not _time_is_sound(time, value, record, problems):
            continue
        key = (series, time, node)
        if places.setdefault(key, record.where) != record.where:
            replicate = f", replicate {series[1]!r}" if series[1] else ""
            problems.add(
                record.where,
                f"expected one value for each condition, time and node, found condition "
                f"{series[0]!r}{replicate}, time {time:g}, node {node!r} again ({places[key]})",
                "Tell repeated measurements apart in a column named replicate, or remove one",
            )
        elif time > 0:
            table.values[key] = value
            table.times.add(time)
    return table


def _named(record: Record, columns: Sequence[str], problems: Problems) -> bool:
    """Whether the cells of these columns hold names; notes a problem for each that does not."""
    empty = [column for column in columns if not record[column]]
    for column in empty:
        found = f"expected the name of a {column}, found an empty cell"
        problems.add(f"{record.where}, column {column!r}", found, f"Name the {column}")
    return not empty


def _time_is_sound(time: float, value: float, record: Record, problems: Problems) -> bool:
    """Whether the time is positive, or is 0 with the response that is 0 there by definition."""
    if time < 0:
        found = f"expected a time from 0 on, found {record['time']}"
        fix = "Count times from the perturbation; leave out what was measured before it"
        problems.add(f"{record.where}, column 'time'", found, fix)
        return False
    if time == 0 and value != 0 and not math.isnan(value):
        found = f"expected 0 at time 0, since values are log ratios to it, found {record['value']}"
        fix = "Give values as log ratios to time 0, or remove the rows of time 0"
        problems.add(f"{record.where}, column 'value'", found, fix)
        return False
    return True


def _read_perturbations(
    path: Path, conditions: Sequence[str], problems: Problems
) -> tuple[dict[tuple[str, str], float], dict[str, str]]:
    """u of each (condition, node), and the place where the file names each node first."""
    records = read_table(path, problems, required=("condition", "node", "value"))
    doses: dict[tuple[str, str], float] = {}
    places: dict[tuple[str, str], str] = {}
    nodes: dict[str, str] = {}
    for record in records:
        condition, node = record["condition"], record["node"]
        where = f"{record.where}, column 'value'"
        value = number(record["value"], where, problems, may_be_missing=not node)
        if not _named(record, ("condition",), problems):
            continue
        if conditions and condition not in conditions:
            place = f"{record.where}, column 'condition'"
            note_unknown(condition, conditions, place, "condition", problems)
        if not node:
            if value is not None and value != 0 and not math.isnan(value):
                found = f"expected no dose where no node is named, found {record['value']}"
                fix = "Name the node, or leave the value empty for an unperturbed control"
                problems.add(where, found, fix)
            continue
        nodes.setdefault(node, f"{record.where}, column 'node'")
        if places.setdefault((condition, node), record.where) != record.where:
            found = (
                f"expected each node once in a condition, found {node!r} in condition "
                f"{condition!r} again ({places[condition, node]})"
            )
            problems.add(record.where, found, "Keep one of the rows")
        elif value is not None:
            doses[condition, node] = value
    return doses, nodes


def _note_strangers(
    exact: _LongTable, table: _LongTable, nodes: Sequence[str], path: Path, problems: Problems
) -> None:
    """Note the series, times and nodes of noise_free.csv that measurements.csv does not have."""
    for series, where in exact.series.items():
        if series not in table.series:
            found = f"expected a measured condition and replicate, found {' / '.join(series)!r}"
            problems.add(where, found, "List what measurements.csv lists, under the same names")
    for node, where in exact.nodes.items():
        if node not in nodes:
            note_unknown(node, nodes, where, "node", problems)
    strange = sorted(exact.times - table.times)
    if strange and table.times:
        found = f"expected the times of measurements.csv, found also {strange[0]:g}"
        problems.add(str(path), found, "List the same times in both files")


def _as_array(
    table: _LongTable, rows: Sequence[Series], times: Sequence[float], nodes: Sequence[str]
) -> Float[np.ndarray, "n_rows n_times n_nodes"]:
    """The values on the grid of rows, times and nodes; NaN where there is none."""
    row_of = {row: index for index, row in enumerate(rows)}
    time_of = {time: index for index, time in enumerate(times)}
    node_of = {node: index for index, node in enumerate(nodes)}
    array = np.full((len(rows), len(times), len(nodes)), np.nan)
    for (row, time, node), value in table.values.items():
        # Names that are not on the grid have been noted as problems by then.
        if row in row_of and time in time_of and node in node_of:
            array[row_of[row], time_of[time], node_of[node]] = value
    return array


def _row_names(table: _LongTable, problems: Problems) -> tuple[str, ...]:
    """A unique name for each series: its condition, and its replicate if there are several."""
    n_replicates = Counter(condition for condition, _ in table.series)
    names: dict[str, str] = {}
    for (condition, replicate), where in table.series.items():
        several = n_replicates[condition] > 1
        name = f"{condition}, replicate {replicate or 'unnamed'}" if several else condition
        if name in names:
            found = f"expected different names of rows, found {name!r} twice ({names[name]})"
            problems.add(where, found, "Rename the condition or the replicate")
        names[name] = where
    return tuple(names)
