"""A network of the DREAM4 challenge, or data of one's own in the same tables.

knockouts.tsv                    row k: the steady state with gene k knocked out
knockdowns.tsv                   row k: with the transcription of gene k halved
timeseries.tsv                   Time and a column for each gene; a series begins where time does
timeseries_perturbations.tsv     a row for each series: relative change of each basal transcription
dual_knockouts.tsv               steady states with two genes knocked out, and beside it
dual_knockouts_indexes.tsv       which ones, counted from 1
goldstandard_signed.tsv          source, target, and + or -, with or without a header

Only the first has to be there. Each table has a header with the genes, in one order.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from cellbox.arrays import EdgeValues
from cellbox.knockouts.experiments import Expression, KnockoutExperiments, TimeCourses
from cellbox.storage.csv_tables import note_width, number
from cellbox.storage.delimited import Row, read_rows
from cellbox.storage.problems import Problems, note_unknown

logger = logging.getLogger("cellbox")

KNOCKOUTS = "knockouts.tsv"
_SIGNS = {"+": 1.0, "-": -1.0, "1": 1.0, "0": 0.0}
# The one of these that is there tells the truth; the first also tells signs.
_TRUTHS = ("goldstandard_signed.tsv", "goldstandard.tsv")
# Of the challenge: the drive is taken away half-way through a series.
_DRIVEN_SHARE = 0.5


@dataclass(frozen=True, eq=False)
class Doubles:
    """Steady states with two genes knocked out, which nothing is learned from.

    pairs: places of the two genes, counted from 0. values: the expression.
    """

    pairs: Int[np.ndarray, "n_pairs 2"]
    values: Expression


@dataclass(frozen=True, eq=False)
class Dream4Network:
    """What a folder has: what is learned from, and what it is judged by, where that is there.

    truth: the sign of each edge, [target, source], 0 where there is none; all 1 where they are not
    `signed`.
    """

    name: str
    experiments: KnockoutExperiments
    doubles: Doubles | None
    truth: EdgeValues | None
    signed: bool


def read_dream4(folder: str | Path) -> Dream4Network:
    """Read a network's folder.

    Raises InputError with every problem of its files: tables of the wrong shape, other genes,
    cells that are no numbers, series of unequal times, pairs and edges of genes that there are
    not.
    """
    path = Path(folder)
    problems = Problems()
    if not (path / KNOCKOUTS).is_file():
        problems.add(
            str(path / KNOCKOUTS),
            "expected a table of steady states after knock-outs, found no such file",
            "Name the folder of one network, or one that holds such folders",
        )
        problems.raise_any()
    genes, knockouts = _table(path / KNOCKOUTS, None, problems)
    n = len(genes)
    _require_rows(path / KNOCKOUTS, knockouts, n, "one for each gene", problems)
    knockdowns = _optional(path / "knockdowns.tsv", genes, problems)
    if knockdowns is not None:
        _require_rows(path / "knockdowns.tsv", knockdowns, n, "one for each gene", problems)
    courses, replicates = _time_courses(path, genes, problems)
    doubles = _doubles(path, genes, problems)
    truth = _truth(path, genes, problems)
    problems.raise_any()
    experiments = KnockoutExperiments(genes, knockouts, knockdowns, replicates, courses)
    signed = (path / _TRUTHS[0]).is_file()
    return Dream4Network(path.resolve().name, experiments, doubles, truth, signed)


def network_folders(folder: str | Path) -> list[Path]:
    """The networks of a folder, by name: itself, or those inside that have knock-outs.

    Raises InputError where there is none.
    """
    path = Path(folder)
    if (path / KNOCKOUTS).is_file():
        return [path]
    inside = sorted(path.iterdir()) if path.is_dir() else []
    found = [inner for inner in inside if (inner / KNOCKOUTS).is_file()]
    if not found:
        problems = Problems()
        what = f"expected a folder with {KNOCKOUTS}, or folders that have one, found "
        what += "none" if path.is_dir() else "no such folder"
        problems.add(str(path), what, "Name the folder that holds size10_1, size100_1 and so on")
        problems.raise_any()
    return found


def _table(
    path: Path, genes: tuple[str, ...] | None, problems: Problems, *, time: bool = False
) -> tuple[tuple[str, ...], Float[np.ndarray, "n_rows n_columns"]]:
    """A table's genes and its numbers; noted are other genes than `genes`.

    time: whether a first column of times stands before the genes; it is the first of the numbers.
    """
    rows = read_rows(path, problems)
    if not rows:
        return genes or (), np.empty((0, len(genes or ()) + time))
    header = rows[0].cells
    own = header[1:] if time else header
    where = f"{path}, row {rows[0].number}"
    if time and header[0].casefold() != "time":
        problems.add(where, f"expected a first column Time, found {header[0]!r}", "Add it")
    if len(set(own)) < len(own):
        problems.add(where, "expected each gene once, found one twice", "Rename one of them")
    if genes is not None and own != genes:
        lacking = [gene for gene in genes if gene not in own]
        found = f"expected the genes of {KNOCKOUTS} in the same order, found "
        found += f"none called {lacking[0]!r}" if lacking else "others, or another order"
        problems.add(where, found, "Give every table the same header")
    values = np.zeros((len(rows) - 1, len(header)))
    for place, row in enumerate(rows[1:]):
        _fill(values[place], row, path, header, problems)
    return own, values


def _fill(
    values: Float[np.ndarray, " n_columns"],
    row: Row,
    path: Path,
    header: tuple[str, ...],
    problems: Problems,
) -> None:
    """Take the numbers of a row."""
    where = f"{path}, row {row.number}"
    if len(row.cells) != len(header):
        note_width(where, len(header), len(row.cells), problems)
        return
    for column, cell in enumerate(row.cells):
        read = number(cell, f"{where}, column {header[column]!r}", problems)
        values[column] = 0.0 if read is None else read


def _require_rows(path: Path, values: np.ndarray, n: int, why: str, problems: Problems) -> None:
    if len(values) != n:
        found = f"expected {n} rows, {why}, found {len(values)}"
        problems.add(str(path), found, "Give every experiment its row")


def _optional(path: Path, genes: tuple[str, ...], problems: Problems) -> Expression | None:
    return _table(path, genes, problems)[1] if path.is_file() else None


def _time_courses(
    folder: Path, genes: tuple[str, ...], problems: Problems
) -> tuple[TimeCourses | None, Expression | None]:
    """The time courses, and their beginnings, which are replicates of the wild type."""
    path, of_drives = folder / "timeseries.tsv", folder / "timeseries_perturbations.tsv"
    if not path.is_file():
        return None, None
    _, table = _table(path, genes, problems, time=True)
    if problems:
        return None, None
    starts = np.flatnonzero(np.diff(table[:, 0], prepend=np.inf) <= 0)
    series = np.split(table, starts[1:])
    times = series[0][:, 0]
    for number_, one in enumerate(series, start=1):
        if len(one) != len(times) or not np.array_equal(one[:, 0], times):
            found = (
                f"expected the times of the first series in each, found others in series {number_}"
            )
            problems.add(str(path), found, "Measure all series at the same times")
    if times[0] != 0 or len(times) < 2:
        found = f"expected series from time 0 on, found {len(times)} times from {times[0]:g}"
        problems.add(str(path), found, "Begin each series with the wild type at time 0")
    drives = _optional(of_drives, genes, problems)
    if drives is not None:
        _require_rows(
            of_drives, drives, len(series), f"one for each series of {path.name}", problems
        )
    if problems:
        return None, None
    values = np.stack([one[:, 1:] for one in series])
    if drives is None:
        logger.info(
            "%s: only the first moments are used, since no %s tells what drives the series",
            path, of_drives.name,
        )  # fmt: skip
        return None, values[:, 0]
    return TimeCourses(times, values, drives, _DRIVEN_SHARE * float(times[-1])), values[:, 0]


def _doubles(folder: Path, genes: tuple[str, ...], problems: Problems) -> Doubles | None:
    path, of_pairs = folder / "dual_knockouts.tsv", folder / "dual_knockouts_indexes.tsv"
    if not path.is_file():
        return None
    values = _table(path, genes, problems)[1]
    if not of_pairs.is_file():
        found = f"expected a table of which genes were knocked out in {path.name}, found no file"
        problems.add(str(of_pairs), found, "Add it, with a row of two numbers for each row there")
        return None
    pairs = _table(of_pairs, None, problems)[1]
    _require_rows(of_pairs, pairs, len(values), f"one for each of {path.name}", problems)
    whole = pairs == np.round(pairs)
    if pairs.shape[1] != 2 or not (whole & (pairs >= 1) & (pairs <= len(genes))).all():
        found = f"expected two numbers of genes from 1 to {len(genes)} in each row, found others"
        problems.add(str(of_pairs), found, "Count genes from 1, in the order of the columns")
        return None
    if (pairs[:, 0] == pairs[:, 1]).any():
        problems.add(str(of_pairs), "expected two different genes in each row", "Correct the pair")
    return Doubles(pairs.astype(int) - 1, values)


def _truth(folder: Path, genes: tuple[str, ...], problems: Problems) -> EdgeValues | None:
    path = next((folder / name for name in _TRUTHS if (folder / name).is_file()), None)
    if path is None:
        return None
    places = {gene: place for place, gene in enumerate(genes)}
    truth = np.zeros((len(genes), len(genes)))
    rows = read_rows(path, problems)
    # A header, as "Gene1 Gene2 Type", names no gene.
    is_headed = bool(rows) and not set(rows[0].cells) & set(genes)
    for row in rows[is_headed:]:
        where = f"{path}, row {row.number}"
        if len(row.cells) != 3:
            note_width(where, 3, len(row.cells), problems)
            continue
        source, target, sign = row.cells
        for gene in (source, target):
            if gene not in places:
                note_unknown(gene, genes, where, "gene", problems)
        if sign not in _SIGNS:
            found = f"expected + or -, or 1 or 0, found {sign!r}"
            problems.add(where, found, "Give the sign of the edge")
        elif source in places and target in places:
            truth[places[target], places[source]] = _SIGNS[sign]
    return truth
