"""The files of the 2020 CellBox: perturbations, expressions and node names, without headers.

A header, an index column or an empty last column, as pandas and spreadsheets add them, are left out
and said.

Yuan et al., CellBox, Cell Systems 2021. **The sign of perturbations is converted**: those files
belong to tanh(W x + u), this package to tanh(W x − u), so u = −pert.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path

import numpy as np
from jaxtyping import Float

from cellbox.arrays import EdgeMask, NodeMask, Perturbations
from cellbox.data.dataset import Dataset
from cellbox.data.readers.clamped_nodes import CLAMPED_FILE
from cellbox.data.readers.excel_names import excel_warnings
from cellbox.data.readers.forms import Form, Taking
from cellbox.data.readers.line_files import LINES_FILE, read_lines
from cellbox.data.readers.usual_layouts import STEADY_STATE_TIME
from cellbox.data.same_numbers import ROUNDING
from cellbox.data.unit_transforms import in_model_units
from cellbox.errors import refuse
from cellbox.storage.delimited import Row, read_rows
from cellbox.storage.matrices import (
    MatrixText,
    is_number_header,
    matrix_text,
    read_matrix,
    without_number_header,
)
from cellbox.storage.problems import Problems, note_unknown

logger = logging.getLogger("cellbox")

# The phenotypes of the SK-MEL-133 data (Korkut et al., eLife 2015).
PHENOTYPES_2020 = ("G2M", "G1arrest", "G2arrest", "Sarrest", "cellviab")

_TABLES = ("pert.csv", "expr.csv")
_NODE_FILES = ("node_Index.csv", "node_index.csv", "nodes.csv")


def read_cellbox_csv(
    perturbations: str | PathLike[str],
    expressions: str | PathLike[str],
    nodes: str | PathLike[str],
    *,
    time: float = STEADY_STATE_TIME,
    structural_zeros: bool = False,
    phenotypes: Sequence[str] | None = None,
) -> Dataset:
    """Read one steady-state measurement per condition from the 2020 CellBox's files.

    **Signs are converted.** The 2020 model is tanh(W x + u), so a drug that pushes its target
    down is negative in the file; here, as in Ji et al. 2021, the model is tanh(W x − u) and it is
    positive: `data.perturbations = -pert`. The conversion is logged.

    perturbations: CSV of n_rows × n_nodes numbers without a header; none may be missing.
    expressions: CSV of n_rows × n_nodes log ratios, after over before perturbation; empty, NA or
        NaN where nothing was measured.
    nodes: file with one node name a line, in the order of the columns.
    time: when the measurements count as taken, in the model's time unit; `data.times` = [time].
    structural_zeros: set `data.allowed_edges` as in the 2020 model (see `cellbox_2020_edges`).
    phenotypes: phenotype nodes, for the structural zeros; by default the five of SK-MEL-133,
        as far as they are among the nodes.

    Rows are named "row 1", "row 2", … . Activity nodes are those that some but not all rows
    perturb and that differ from zero (but for rounding) in exactly the rows that perturb them.

    Raises InputError with every problem of the three files.

    Example:
        >>> import cellbox
        >>> from pathlib import Path
        >>> _ = Path("pert.csv").write_text("0,-1\\n-1,0\\n")
        >>> _ = Path("expr.csv").write_text("0.1,0.2\\n0.3,0.4\\n")
        >>> _ = Path("node_Index.csv").write_text("g1\\ng2\\n")
        >>> data = cellbox.read_cellbox_csv("pert.csv", "expr.csv", "node_Index.csv")
        >>> data.perturbations.tolist()  # the sign is converted
        [[0.0, 1.0], [1.0, 0.0]]
    """
    problems = _time_problems(time)
    paths = (Path(perturbations), Path(expressions), Path(nodes))
    names, pert, expr = _read_tables(*paths, problems)
    if structural_zeros and names:
        _note_unknown_phenotypes(phenotypes or (), names, problems)
    problems.raise_any()
    activity = _activity_nodes(pert, expr)
    own = [name for name in PHENOTYPES_2020 if name in names] if phenotypes is None else phenotypes
    logger.info("%s: signs converted from the 2020 CellBox's, u = -pert", paths[0])
    return Dataset(
        nodes=tuple(names),
        times=np.array([float(time)]),
        # A difference, since the negative of 0.0 would be -0.0.
        perturbations=0.0 - pert,
        measurements=expr[:, None, :],
        row_names=tuple(f"row {number}" for number in range(1, len(pert) + 1)),
        activity_nodes=activity,
        allowed_edges=cellbox_2020_edges(names, activity, own) if structural_zeros else None,
        name=paths[1].resolve().parent.name,
        reading_warnings=excel_warnings(names),
    )


def _node_file(folder: Path) -> Path | None:
    """The file of node names of a folder in the CellBox form; None of any other path."""
    if not folder.is_dir():
        return None
    present = {path.name for path in folder.iterdir()}
    named = [folder / name for name in _NODE_FILES if name in present]
    return named[0] if named and present.issuperset(_TABLES) else None


def _read_folder(folder: Path, taking: Taking) -> Dataset:
    problems = Problems()
    taking.note_unit_of_no_time(folder, "the CellBox form", problems)
    problems.raise_any()
    nodes = _node_file(folder)
    assert nodes is not None
    perturbations, expressions = (folder / name for name in _TABLES)
    data = read_cellbox_csv(
        perturbations,
        expressions,
        nodes,
        time=STEADY_STATE_TIME if taking.time is None else taking.time,
        structural_zeros=taking.structural_zeros,
    )
    if (folder / CLAMPED_FILE).exists():
        raise refuse(
            str(folder / CLAMPED_FILE),
            "expected held nodes of a tidy folder, found those of one in the CellBox form",
            f"Write tidy tables with cellbox convert (without this file), and put {CLAMPED_FILE} "
            "beside them",
        )
    lines_path = folder / LINES_FILE
    if lines_path.exists():
        problems = Problems()
        rows_of = {name: [row] for row, name in enumerate(data.row_names)}
        lines = read_lines(lines_path, rows_of, problems)
        problems.raise_any()
        data = replace(data, lines=lines)
    return in_model_units(data, taking.units)


CELLBOX = Form(
    name="CellBox form",
    looks="pert.csv, expr.csv and node_Index.csv",
    recognises=lambda path: _node_file(path) is not None,
    read=_read_folder,
)


def _time_problems(time: float) -> Problems:
    problems = Problems()
    if not 0 < time < math.inf:
        found = f"expected a positive time of measurement, found {time}"
        problems.add("time", found, f"Leave it at {STEADY_STATE_TIME:g} for a steady state")
    return problems


def _read_tables(
    pert_path: Path, expr_path: Path, node_path: Path, problems: Problems
) -> tuple[list[str], Float[np.ndarray, "rows nodes"], Float[np.ndarray, "expr_rows expr_nodes"]]:
    """Node names, perturbations and expressions; of one shape unless problems were noted."""
    names = _read_names(node_path, problems)
    texts = [matrix_text(path, problems, names) for path in (pert_path, expr_path)]
    if len(names) > 1 and _ODD_HEADERS.get(names[0]) and _widths(texts) == {len(names) - 1}:
        logger.info("%s: left out the header %r", node_path, names[0])
        names = names[1:]
        texts = [matrix_text(path, problems, names) for path in (pert_path, expr_path)]
    pert_text, expr_text = _without_number_headers(texts[0], texts[1], len(names))
    pert = read_matrix(pert_text, problems, columns=names, may_be_missing=False)
    expr = read_matrix(expr_text, problems, columns=names, may_be_missing=True)
    if names and pert.size and expr.size:
        if not pert.shape == expr.shape == (len(expr), len(names)):
            _note_shapes({pert_path: pert, expr_path: expr}, node_path, len(names), problems)
        elif np.isnan(expr).all() and not problems:
            found = "expected measurements, found none in the whole file"
            problems.add(str(expr_path), found, "Give at least one measured value")
    return names, pert, expr


def _widths(texts: Sequence[MatrixText]) -> set[int]:
    return {len(row.cells) for text in texts for row in text.rows[:1]}


def _without_number_headers(
    pert: MatrixText, expr: MatrixText, n_names: int
) -> tuple[MatrixText, MatrixText]:
    """Both tables without a first row 0, 1, 2, ... that is a header and no condition.

    It is one where both tables have it, or where one of them has a row too many with it.
    """
    headed = [is_number_header(text, n_names) for text in (pert, expr)]
    n_rows = [len(text.rows) - has for text, has in zip((pert, expr), headed, strict=True)]
    if n_names < 2 or n_rows[0] != n_rows[1]:
        return pert, expr
    return without_number_header(pert, n_names), without_number_header(expr, n_names)


# What stands above a column of names and is no name of a node; and what may be one, or what R and
# pandas write there.
_HEADERS = {"node", "nodes", "gene", "genes", "protein", "proteins", "name", "names", "symbol"}
_ODD_HEADERS = dict.fromkeys(("0", "x", "X", "id", "ID", "index", "V1"), True)


def _read_names(path: Path, problems: Problems) -> list[str]:
    """The node names, one a line; none if the file cannot be used."""
    rows = _name_rows(read_rows(path, problems, among=";\t"), path)
    first_row: dict[str, int] = {}
    for row in rows:
        where = f"{path}, row {row.number}"
        if len(row.cells) > 1:
            found = f"expected one node name in each row, found {len(row.cells)}"
            problems.add(where, found, "Write one name a line, without commas or a header")
            continue
        [name] = row.cells
        if first_row.setdefault(name, row.number) != row.number:
            found = (
                f"expected each node once, found {name!r} again (first in row {first_row[name]})"
            )
            problems.add(where, found, "Give each column its own name")
    return [row.cells[0] for row in rows]


def _name_rows(rows: list[Row], path: Path) -> list[Row]:
    """The rows of names without an empty last column, a header, and a column that counts them."""
    if rows and all(len(row.cells) == 2 and not row.cells[1] for row in rows):
        logger.info("%s: left out an empty last column", path)
        rows = [Row(row.number, row.cells[:1]) for row in rows]
    if len(rows) > 1 and rows[0].cells[-1].casefold() in _HEADERS:
        logger.info("%s: left out the header %r", path, rows[0].cells[-1])
        rows = rows[1:]
    pairs = [row.cells for row in rows if len(row.cells) == 2]
    if rows and len(pairs) == len(rows):
        headless = 1 if not _is_count(pairs, 0) and _is_count(pairs, 1) else 0
        if _is_count(pairs, headless):
            header = " and the header" if headless else ""
            logger.info("%s: left out a first column that numbers the rows%s", path, header)
            rows = [Row(row.number, row.cells[1:]) for row in rows[headless:]]
    return rows


def _is_count(pairs: Sequence[tuple[str, ...]], first: int) -> bool:
    """Whether the first cells, from a row on, count from 0 or from 1."""
    found = [pair[0] for pair in pairs[first:]]
    return bool(found) and found in ([str(k + one) for k in range(len(found))] for one in (0, 1))


def _note_shapes(
    tables: dict[Path, np.ndarray], node_path: Path, n_names: int, problems: Problems
) -> None:
    """Note that the three files do not belong together."""
    sizes = [
        f"{path.name} with {table.shape[0]} rows and {table.shape[1]} columns"
        for path, table in tables.items()
    ]
    problems.add(
        ", ".join(map(str, (*tables, node_path))),
        f"expected two tables of one shape with a column for each node, found {sizes[0]}, "
        f"{sizes[1]}, and {node_path.name} with {n_names} names",
        "Give the same conditions in the same order in both tables, and name each column",
    )


def _activity_nodes(pert: Perturbations, expr: Perturbations) -> NodeMask:
    """Nodes whose value is non-zero where they are perturbed, and zero everywhere else."""
    perturbed = pert != 0
    measured = ~np.isnan(expr)
    # What is left of zero after rounding is zero.
    size = np.abs(np.where(measured, expr, 0.0))
    responds = size > ROUNDING * size.max(axis=0, initial=0.0)
    follows = ((responds == perturbed) | ~measured).all(axis=0) & measured.any(axis=0)
    # Where every row perturbs a node, nothing shows what it does when left alone.
    return follows & perturbed.any(axis=0) & ~perturbed.all(axis=0)


def cellbox_2020_edges(
    nodes: Sequence[str], activity_nodes: NodeMask, phenotypes: Sequence[str]
) -> EdgeMask:
    """Which entries of W may be non-zero in the 2020 CellBox; row = target, column = source.

    No node acts on itself, nothing acts on drug activity nodes, phenotypes act on nothing, and
    drug activity nodes do not act on phenotypes directly (Yuan et al., Cell Systems 2021).

    nodes: names, in the order of the axes.
    activity_nodes: which of them are drug activity nodes (`Dataset.activity_nodes`).
    phenotypes: names of the phenotype nodes.

    Raises InputError for a phenotype that is no node.
    """
    problems = Problems()
    _note_unknown_phenotypes(phenotypes, nodes, problems)
    problems.raise_any()
    is_phenotype = np.isin(nodes, list(phenotypes))
    allowed = ~np.eye(len(nodes), dtype=bool)
    allowed[activity_nodes, :] = False
    allowed[:, is_phenotype] = False
    allowed[np.ix_(is_phenotype, activity_nodes)] = False
    return allowed


def _note_unknown_phenotypes(
    phenotypes: Sequence[str], nodes: Sequence[str], problems: Problems
) -> None:
    for name in phenotypes:
        if name not in nodes:
            note_unknown(name, nodes, "phenotypes", "node", problems)
