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
- prior.csv (source, target, and if known sign and confidence), see `cellbox.read_prior`;
- clamped.csv (condition, node, value), nodes that are held at a log ratio, or, where the value is
  empty, at their measured level;
- lines.csv (condition, line), the cell line or batch of each condition, unless measurements.csv has
  a column line (or cell_line, batch), in which one condition may be of several.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path

import numpy as np

from cellbox.arrays import Perturbations, Responses
from cellbox.data.dataset import Dataset
from cellbox.data.readers import tidy_extras
from cellbox.data.readers.clamped_nodes import (
    CLAMPED_FILE,
    HeldTable,
    read_clamped,
    with_interventions,
)
from cellbox.data.readers.dose_tables import DoseTable, note_strangers, read_dose_table
from cellbox.data.readers.excel_names import could_be, excel_warnings, likely_genes
from cellbox.data.readers.exchanged_names import note_exchanged
from cellbox.data.readers.forms import Form, Taking, file_ending
from cellbox.data.readers.long_tables import LongTable, read_long_table
from cellbox.data.unit_transforms import in_model_units
from cellbox.data.units import MODEL_UNITS, Units
from cellbox.errors import listed, refuse
from cellbox.networks.interventions import Interventions, no_interventions
from cellbox.storage.delimited import TableSource
from cellbox.storage.problems import Problems, note_spellings, note_unknown
from cellbox.storage.typed_tables import TABLE_SUFFIXES, sheet_names

logger = logging.getLogger("cellbox")

TABLES = ("measurements", "perturbations")
_NAMED = 10


def read_tidy(
    measurements: str | PathLike[str],
    perturbations: str | PathLike[str] | None = None,
    *,
    time: float | None = None,
    units: Units = MODEL_UNITS,
) -> Dataset:
    """Read a tidy folder, or a measurement table and a perturbation table from anywhere.

    measurements: the folder (see the module's description) if given alone, else a CSV with the
        columns condition, time (model time unit, ascending from 0, in any row order), node,
        value (log ratio to time 0; empty, NA or NaN where not measured), optionally replicate,
        line (of which cell line, or batch),
        and sd, sem, or sd and n: how sure each value is, by which least squares weight them.
    perturbations: CSV with the columns condition, node, value; u, with the paper's sign (Ji et
        al. 2021: positive pushes a node down). Each measured condition has to be listed; one
        with an empty node, or with doses of 0 alone, is an unperturbed control. Columns from and
        until tell when doses begin and end; without, they act from 0 on and for ever.
    time: when was measured, for a wide table that tells no time (by default 10).
    units: how the numbers become log ratios, doses near 1 and decay times, if they are not yet.

    Either table may be Parquet or a workbook (.xlsx) instead of text.
    Both tables may also be wide: a row for each condition, and time and replicate in
    measurements, and a column for each node. Usual other names of columns (protein, treatment,
    hours) are taken for the proper ones, which is logged.

    Each condition and replicate becomes a row of the dataset, named by its condition, and its
    replicate where there are several. Rows and nodes are in the order in which the measurements
    name them first, then the perturbations that are not 0; times ascend, and those that differ by
    rounding alone (relative 1e-6) are one. What is not listed is NaN. Time 0 holds no information,
    since x(0) = 0: its zeros are left out, other values there are refused, unless a transform of
    `units` makes log ratios first.

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
        return _read(Path(measurements), Path(perturbations), None, Taking(time=time, units=units))
    folder = Path(measurements)
    if not folder.is_dir():
        raise refuse(
            str(folder),
            f"expected a folder, found {'a file' if folder.exists() else 'nothing of that name'}",
            "Give a folder with measurements.csv and perturbations.csv, or both files",
        )
    return _read_folder(folder, Taking(time=time, units=units))


def _read_folder(folder: Path, taking: Taking) -> Dataset:
    measurements, perturbations = (_table(folder, name) for name in TABLES)
    return _read(measurements, perturbations, folder, taking)


def _table(folder: Path, name: str) -> Path:
    """The file of a folder that holds this table; NAME.csv where there is none.

    Raises InputError where several are of that name.
    """
    files = [folder / f"{name}{suffix}" for suffix in TABLE_SUFFIXES]
    present = [path for path in files if path.exists()]
    if len(present) > 1:
        listed = " and ".join(path.name for path in present)
        raise refuse(str(folder), f"expected one table {name}, found {listed}", "Keep one of them")
    return present[0] if present else files[0]


def _is_tidy(folder: Path) -> bool:
    suffixes = TABLE_SUFFIXES
    return all(any((folder / f"{name}{end}").exists() for end in suffixes) for name in TABLES)


def _read_workbook(path: Path, taking: Taking) -> Dataset:
    problems = Problems()
    others = [name for name in sheet_names(path, problems) if name not in TABLES]
    for name in others:
        if name.casefold() == Path(CLAMPED_FILE).stem:
            found = f"expected held nodes in a file {CLAMPED_FILE}, found the sheet {name!r}"
            fix = f"Write the tables as a folder with cellbox convert, and {CLAMPED_FILE} into it"
            problems.add(str(path), found, fix)
    problems.raise_any()
    measurements, perturbations = (path / name for name in TABLES)
    if others:
        logger.info("%s: ignored the sheets %s", path, ", ".join(others))
    return read_two_tables(measurements, perturbations, taking, name=path.stem)


def read_two_tables(
    measurements: Path | TableSource,
    perturbations: Path | TableSource,
    taking: Taking,
    *,
    name: str,
) -> Dataset:
    """The dataset of two tables of the tidy form, which files of another form may hold."""
    return _read(measurements, perturbations, None, taking, name=name)


TIDY = Form(
    name="tidy form",
    looks="measurements.csv and perturbations.csv",
    recognises=_is_tidy,
    read=_read_folder,
)
WORKBOOK = Form(
    name="workbook",
    looks="a file .xlsx with the sheets measurements and perturbations",
    recognises=file_ending(".xlsx"),
    read=_read_workbook,
)


def _read(
    measurements: Path | TableSource,
    perturbations: Path | TableSource,
    extras: Path | None,
    taking: Taking,
    *,
    name: str | None = None,
) -> Dataset:
    """The dataset of the two tables, with what the folder `extras` adds to them.

    name: of the dataset; by default that of the folder that the measurements are in.
    """
    problems = Problems()
    measurement_path, perturbation_path = _path_of(measurements), _path_of(perturbations)
    units = taking.units
    taking.note_structural_zeros(extras or measurement_path, "the tidy form", problems)
    table = _read_measured(measurements, taking, problems)
    rows_of = table.rows_of_condition
    doses = read_dose_table(perturbations, problems)
    if not note_exchanged(measurement_path, perturbation_path, table, doses, problems):
        note_strangers(doses, tuple(rows_of), problems)
        _note_unlisted(perturbation_path, tuple(rows_of), doses, problems)
    nodes = _named(table, doses, problems)
    conditions = [condition for condition, _ in table.series]
    u = doses.array(conditions, nodes)
    held = read_clamped(extras, rows_of, nodes, doses.entries, problems)
    done = _done(conditions, nodes, doses, held, units)
    done = done.seen_until(u, np.max(table.times, initial=0.0) / units.decay_time)
    added, noise_free = tidy_extras.Extras(), None
    if extras is not None and table.series:
        asked = tidy_extras.Asked(rows_of, u, table.lines or None, done)
        added = tidy_extras.read_extras(extras, nodes, asked, problems)
        noise_free = _read_noise_free(extras, table, nodes, problems)
    row_names = _row_names(table, problems)
    problems.raise_any()
    _say_unmeasured([node for node in nodes if node not in table.nodes], perturbation_path)
    data = Dataset(
        nodes=nodes,
        times=table.times,
        perturbations=u,
        measurements=table.array(tuple(table.series), table.times, nodes),
        row_names=row_names,
        activity_nodes=np.isin(nodes, added.activity_nodes),
        allowed_edges=added.allowed_edges,
        noise_free=noise_free,
        rounding_sensitive=added.rounding_sensitive,
        truth=added.truth,
        split=added.split,
        prior=added.prior,
        lines=table.lines or added.lines,
        name=name or measurement_path.resolve().parent.name,
        reading_warnings=excel_warnings(nodes),
        errors=table.error_array(tuple(table.series), table.times, nodes),
    )
    at_zero = table.zero_array(nodes)
    data = in_model_units(data, units, at_zero)
    if done.affected.any():
        data = with_interventions(data, done, held, conditions, problems)
    return _without_mere_starts(data, at_zero)


def _read_measured(
    measurements: Path | TableSource, taking: Taking, problems: Problems
) -> LongTable:
    """The measurements, with notes on times that are told twice or not at all."""
    table = read_long_table(
        measurements, problems, relative=taking.units.transform is None, time=taking.time
    )
    path = _path_of(measurements)
    if table.tells_times:
        _note_time(path, taking, problems)
    else:
        taking.note_unit_of_no_time(path, "a wide table without times", problems)
    return table


def _named(table: LongTable, doses: DoseTable, problems: Problems) -> tuple[str, ...]:
    """The nodes, those that are measured first, with notes on names that may be meant alike."""
    places = dict(table.nodes)
    for node, where in doses.nodes.items():
        places.setdefault(node, where)
    note_spellings(places, problems)
    _note_spreadsheet_names(table.nodes, doses.nodes, problems)
    return tuple(places)


def _read_noise_free(
    extras: Path, table: LongTable, nodes: Sequence[str], problems: Problems
) -> Responses | None:
    """The exact response that a folder has beside its measurements; None where it has none."""
    path = extras / "noise_free.csv"
    if not path.exists():
        return None
    exact = read_long_table(path, problems, like=table)
    _note_strangers(exact, table, nodes, path, problems)
    return exact.array(tuple(table.series), table.times, nodes)


def _done(
    conditions: Sequence[str],
    nodes: Sequence[str],
    doses: DoseTable,
    held: HeldTable,
    units: Units,
) -> Interventions:
    """What is done in each row, of these conditions, beside doses that last."""
    done = no_interventions(len(conditions), len(nodes))
    doses.add_spans(done, conditions, nodes, units.decay_time)
    held.add_to(done, conditions, nodes)
    return done


def _without_mere_starts(data: Dataset, at_zero: Perturbations) -> Dataset:
    """The data without rows that were measured at time 0 alone; all of them where they are split.

    at_zero: the values of each row at time 0, NaN where there is none.
    """
    later = np.isfinite(data.measurements).any(axis=(1, 2))
    empty = np.isfinite(at_zero).any(axis=1) & ~later
    if not empty.any() or data.split is not None:
        return data
    names = [data.row_names[row] for row in np.flatnonzero(empty)]
    said = "%s: left out %d of %d rows, which were measured at time 0 alone: %s"
    logger.info(said, data.name, len(names), data.n_rows, listed(names, _NAMED))
    return data.rows(np.flatnonzero(~empty))


def _say_unmeasured(nodes: Sequence[str], path: Path) -> None:
    if nodes:
        what = "node %s is" if len(nodes) == 1 else "nodes %s are"
        logger.warning(
            f"%s: {what} perturbed and never measured", path, listed([*map(repr, nodes)], _NAMED)
        )


def _path_of(table: Path | TableSource) -> Path:
    return table if isinstance(table, Path) else table.path


def _note_time(path: Path, taking: Taking, problems: Problems) -> None:
    """Note a time that was given for a table that tells its times."""
    if taking.time is not None:
        problems.add(
            str(path),
            f"expected data without times for a steady state at time {taking.time:g}, found a "
            "table with a column of them",
            f"Leave the time out: {path.name} tells it",
        )


def _note_unlisted(
    path: Path, conditions: Sequence[str], doses: DoseTable, problems: Problems
) -> None:
    """Note measured conditions of which the perturbations say nothing: no control is assumed."""
    unlisted = [condition for condition in conditions if condition not in doses.conditions]
    if not unlisted or not doses.conditions:
        return
    problems.add(
        str(path),
        f"expected the perturbation of each measured condition, found none of {len(unlisted):,} "
        f"of {len(conditions):,}: {listed([*map(repr, unlisted)], _NAMED)}",
        f"Add them; an unperturbed control is a row with its name alone ({unlisted[0]},,)",
    )


def _note_spreadsheet_names(
    measured: Mapping[str, str], perturbed: Mapping[str, str], problems: Problems
) -> None:
    """Note names that a spreadsheet changed in one file, where the other has the original."""
    for ours, others in ((measured, perturbed), (perturbed, measured)):
        strangers = [name for name in others if name not in ours]
        for name, where in ours.items():
            if name in others:
                continue
            genes = [other for other in strangers if could_be(other, name)]
            genes = [gene for gene in genes if gene in likely_genes(name)] or genes
            if genes:
                found = f"expected the name of a node, found {name!r}, of which a spreadsheet made"
                found += f" a date or a number; the other file has {' and '.join(map(repr, genes))}"
                problems.add(where, found, f"Write {' or '.join(genes)} here")


def _note_strangers(
    exact: LongTable, table: LongTable, nodes: Sequence[str], path: Path, problems: Problems
) -> None:
    """Note the series, times and nodes of noise_free.csv that measurements.csv does not have."""
    for series, where in exact.series.items():
        if series not in table.series:
            found = f"expected a measured condition and replicate, found {' / '.join(series)!r}"
            problems.add(where, found, "List what measurements.csv lists, under the same names")
    for node, where in exact.nodes.items():
        if node not in nodes:
            note_unknown(node, nodes, where, "node", problems)
    strange = sorted(set(exact.times) - set(table.times))
    if strange and len(table.times):
        found = f"expected the times of measurements.csv, found also {strange[0]:g}"
        problems.add(str(path), found, "List the same times in both files")


def _row_names(table: LongTable, problems: Problems) -> tuple[str, ...]:
    """A unique name for each series: its condition, and its replicate if there are several."""
    names: dict[str, str] = {}
    for (condition, replicate), where in table.series.items():
        several = len(table.rows_of_condition[condition]) > 1
        kind = "" if table.lines else "replicate "
        name = f"{condition}, {kind}{replicate or 'unnamed'}" if several else condition
        if name in names:
            found = f"expected different names of rows, found {name!r} twice ({names[name]})"
            problems.add(where, found, "Rename the condition or the replicate")
        names[name] = where
    return tuple(names)
