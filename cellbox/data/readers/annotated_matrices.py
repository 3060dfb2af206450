"""AnnData files (.h5ad; Virshup et al. 2021): a measured series or value for each observation.

Nodes are the variables. The columns of obs tell the condition (condition, treatment, ..., or the
index), and where there are any the time, the replicate and the cell line (line, cell_line, batch),
under their usual names. What was perturbed is told by
- columns u_NODE or dose_NODE of numbers, or
- a column perturbation, target or gene of names (several parted by +; control, ctrl, NT and the
  like for none) with the dose of each in a column dose or dose_value, or else 1.
A layer sd or sem (std, stderr, ...) tells how sure the values of X are, and one called n of how
many values they are the mean.
"""

from __future__ import annotations

import logging
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from cellbox.arrays import Perturbations
from cellbox.data.dataset import Dataset
from cellbox.data.readers.forms import Form, Taking, file_ending
from cellbox.data.readers.tidy import read_two_tables
from cellbox.data.readers.usual_layouts import ERROR_COLUMNS, measurement_layout
from cellbox.storage.csv_tables import number_text
from cellbox.storage.problems import Problems, same_name
from cellbox.storage.typed_tables import TypedTable, library, table_of_rows

logger = logging.getLogger("cellbox")

_TARGETS = ("perturbation", "perturbations", "target", "targets", "targetgene", "guideidentity")
_DOSES = ("dose", "dosevalue", "doses", "concentration")
_CONTROLS = ("control", "ctrl", "nt", "nontargeting", "none", "dmso", "vehicle", "unperturbed", "")
_PREFIXES = ("u_", "dose_")
_USUAL = measurement_layout(None).synonyms

# Columns of obs by name, as text.
_Columns = dict[str, list[str]]


def _read(path: Path, taking: Taking) -> Dataset:
    problems = Problems()
    h5py = library("h5py", path, problems)
    problems.raise_any()
    assert h5py is not None
    try:
        with h5py.File(path, "r") as file:
            nodes, values = _names(file["var"]), _matrix(file["X"])
            columns = _columns(file["obs"])
            rows = _names(file["obs"])
            errors = _error_layers(file.get("layers", {}))
    # h5py says with RuntimeError what is wrong inside a file that it could open.
    except (OSError, KeyError, ValueError, TypeError, IndexError, RuntimeError) as error:
        found = f"expected an AnnData file with X, obs and var, found one that is not ({error})"
        problems.add(str(path), found, "Write it again with adata.write_h5ad")
    problems.raise_any()
    table, doses = _tables(path, nodes, values, rows, columns, errors, problems)
    problems.raise_any()
    return read_two_tables(table, doses, taking, name=path.stem)


ANNDATA = Form("AnnData", "a file .h5ad", file_ending(".h5ad"), _read)


def _tables(
    path: Path,
    nodes: list[str],
    values: Perturbations,
    rows: list[str],
    columns: _Columns,
    errors: dict[str, Perturbations],
    problems: Problems,
) -> tuple[TypedTable, TypedTable]:
    """The measured values and their errors, in a wide table, and the doses of each condition."""
    dosed = _dosed(path, rows, columns, problems)
    condition = _column(columns, "condition") or [_condition_name(own) for own in dosed]
    time = _column(columns, "time")
    keys = {"condition": condition} if time is None else {"condition": condition, "time": time}
    line = _column(columns, "line")
    if line is not None:
        keys["line"] = line
    replicate = _column(columns, "replicate")
    keys["replicate"] = replicate or _counted(list(zip(*keys.values(), strict=True)))
    cells = np.concatenate([values, *errors.values()], axis=1)
    header = [*keys, *nodes, *(f"{node}_{kind}" for kind in errors for node in nodes)]
    body = [
        (number, [*own_keys, *map(number_text, own)])
        for number, (own_keys, own) in enumerate(
            zip(zip(*keys.values(), strict=True), cells.tolist(), strict=True), 1
        )
    ]
    doses: list[tuple[int, list[str]]] = []
    first: dict[str, tuple[tuple[str, str], ...]] = {}
    for number, (name, own) in enumerate(zip(condition, dosed, strict=True), 1):
        if name in first:
            if first[name] != own:
                found = f"expected one perturbation of condition {name!r}, found {own} as well"
                problems.add(f"{path}, observation {number}", found, "Name the conditions apart")
            continue
        first[name] = own
        entries = [[name, node, dose] for node, dose in own] or [[name, "", ""]]
        doses += [(number, cells) for cells in entries]
    return (
        table_of_rows(path, header, body),
        table_of_rows(path, ["condition", "node", "value"], doses),
    )


def _error_layers(layers: Any) -> dict[str, Perturbations]:
    """The layers that tell errors of the values, by the kind of error."""
    found: dict[str, Perturbations] = {}
    for kind in ERROR_COLUMNS:
        named = [name for name in layers if same_name(name) in (kind, *_USUAL[kind])]
        if named:
            found[kind] = _matrix(layers[named[0]])
    return found


def _dosed(
    path: Path, rows: list[str], columns: _Columns, problems: Problems
) -> list[tuple[tuple[str, str], ...]]:
    """The node and the dose of each perturbation of each observation."""
    by_node = {
        name[len(prefix) :]: cells
        for name, cells in columns.items()
        for prefix in _PREFIXES
        if name.casefold().startswith(prefix) and same_name(name) not in _DOSES
    }
    if by_node:
        return [
            tuple((node, cells[k]) for node, cells in by_node.items() if cells[k] not in ("", "0"))
            for k in range(len(rows))
        ]
    targets = next((columns[name] for name in columns if same_name(name) in _TARGETS), None)
    if targets is None:
        problems.add(
            f"{path}, obs",
            f"expected columns u_NODE of doses, or one called perturbation, found "
            f"{', '.join(columns) or 'none'}",
            "Add them to adata.obs; a positive dose pushes a node down",
        )
        return [() for _ in rows]
    doses = next((columns[name] for name in columns if same_name(name) in _DOSES), None)
    return [
        tuple((node, "1" if doses is None else doses[k]) for node in _named(targets[k]))
        for k in range(len(rows))
    ]


def _named(targets: str) -> list[str]:
    """The nodes of a cell such as "AKT+MEK"; none where it says that there is none."""
    parts = [part.strip() for part in targets.split("+")]
    return [part for part in parts if same_name(part) not in _CONTROLS]


def _condition_name(dosed: tuple[tuple[str, str], ...]) -> str:
    return " + ".join(f"{node} {dose}" for node, dose in dosed) or "control"


def _counted(keys: list[tuple[str, ...]]) -> list[str]:
    """A number for each series of a condition, so that its repetitions are told apart."""
    seen = Counter[tuple[str, ...]]()
    numbers = []
    for key in keys:
        seen[key] += 1
        numbers.append(str(seen[key]))
    return numbers


def _column(columns: _Columns, kind: str) -> list[str] | None:
    """The column of obs that has this name or a usual other one."""
    others = [name for name in _USUAL[kind] if name not in _TARGETS]
    for name, cells in columns.items():
        if name.casefold() == kind or same_name(name) in others:
            return cells
    return None


def _columns(obs: Any) -> _Columns:
    index = obs.attrs.get("_index", "_index")
    order = [_text(name) for name in obs.attrs.get("column-order", ())]
    names = order or [name for name in obs if name not in (index, "__categories")]
    return {name: _cells(obs[name]) for name in names}


def _names(frame: Any) -> list[str]:
    """The index of obs or var."""
    return _cells(frame[frame.attrs.get("_index", "_index")])


def _cells(column: Any) -> list[str]:
    """A column as text; a categorical one by its categories."""
    if hasattr(column, "keys"):
        if "codes" in column:
            categories = _cells(column["categories"])
            return [categories[code] if code >= 0 else "" for code in column["codes"][()]]
        # Nullable numbers: values and a mask.
        mask = column["mask"][()]
        return [
            "" if absent else cell
            for cell, absent in zip(_cells(column["values"]), mask, strict=True)
        ]
    return [_text(cell) for cell in column[()]]


def _text(cell: object) -> str:
    if isinstance(cell, bytes):
        return cell.decode("utf-8")
    if isinstance(cell, (float, np.floating)):
        return number_text(float(cell)).removesuffix(".0")
    return str(cell)


def _matrix(stored: Any) -> Perturbations:
    """X, dense or sparse by rows or columns."""
    if not hasattr(stored, "keys"):
        return np.asarray(stored[()], float)
    from scipy import sparse

    kind = _text(stored.attrs.get("encoding-type", "csr_matrix"))
    make = sparse.csc_matrix if kind.startswith("csc") else sparse.csr_matrix
    parts = (stored["data"][()], stored["indices"][()], stored["indptr"][()])
    return np.asarray(make(parts, shape=tuple(stored.attrs["shape"])).todense(), float)
