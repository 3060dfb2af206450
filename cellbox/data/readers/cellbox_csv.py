"""The files of the 2020 CellBox: perturbations, expressions and node names, without headers.

Yuan et al., CellBox, Cell Systems 2021. **The sign of perturbations is converted**: those files
belong to tanh(W x + u), this package to tanh(W x − u), so u = −pert.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from os import PathLike
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float

from cellbox.data.dataset import Dataset
from cellbox.storage.csv_tables import Problems, note_unknown, read_matrix, read_rows

logger = logging.getLogger("cellbox")

# The files tell no time. By 10 decay times the model has settled, unless it oscillates.
STEADY_STATE_TIME = 10.0

# The phenotypes of the SK-MEL-133 data (Korkut et al., eLife 2015).
PHENOTYPES_2020 = ("G2M", "G1arrest", "G2arrest", "Sarrest", "cellviab")


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
    perturb and that differ from zero in exactly the rows that perturb them.

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
    if phenotypes is None:
        phenotypes = [name for name in PHENOTYPES_2020 if name in names]
    logger.info("%s: signs converted from the 2020 CellBox's, u = -pert", paths[0])
    return Dataset(
        nodes=tuple(names),
        times=np.array([float(time)]),
        # A difference, since the negative of 0.0 would be -0.0.
        perturbations=0.0 - pert,
        measurements=expr[:, None, :],
        row_names=tuple(f"row {number}" for number in range(1, len(pert) + 1)),
        activity_nodes=activity,
        allowed_edges=cellbox_2020_edges(names, activity, phenotypes) if structural_zeros else None,
        name=paths[1].resolve().parent.name,
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
    pert = read_matrix(pert_path, problems, columns=names, may_be_missing=False)
    expr = read_matrix(expr_path, problems, columns=names, may_be_missing=True)
    if names and pert.size and expr.size:
        if not pert.shape == expr.shape == (len(expr), len(names)):
            _note_shapes({pert_path: pert, expr_path: expr}, node_path, len(names), problems)
        elif np.isnan(expr).all() and not problems:
            found = "expected measurements, found none in the whole file"
            problems.add(str(expr_path), found, "Give at least one measured value")
    return names, pert, expr


def _read_names(path: Path, problems: Problems) -> list[str]:
    """The node names, one a line; none if the file cannot be used."""
    rows = read_rows(path, problems)
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


def _activity_nodes(
    pert: Float[np.ndarray, "n_rows n_nodes"], expr: Float[np.ndarray, "n_rows n_nodes"]
) -> Bool[np.ndarray, " n_nodes"]:
    """Nodes whose value is non-zero where they are perturbed, and zero everywhere else."""
    perturbed = pert != 0
    measured = ~np.isnan(expr)
    follows = (((expr != 0) == perturbed) | ~measured).all(axis=0) & measured.any(axis=0)
    # Where every row perturbs a node, nothing shows what it does when left alone.
    return follows & perturbed.any(axis=0) & ~perturbed.all(axis=0)


def cellbox_2020_edges(
    nodes: Sequence[str],
    activity_nodes: Bool[np.ndarray, " n_nodes"],
    phenotypes: Sequence[str],
) -> Bool[np.ndarray, "n_nodes n_nodes"]:
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
