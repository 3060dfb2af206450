"""Recognising the form of a data folder by the files in it."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

from cellbox.data.dataset import Dataset
from cellbox.data.readers.cellbox_csv import STEADY_STATE_TIME, read_cellbox_csv
from cellbox.data.readers.tidy import read_tidy
from cellbox.data.units import MODEL_UNITS, Units, in_model_units
from cellbox.errors import refuse
from cellbox.storage.problems import Problems

CELLBOX_FILES = ("pert.csv", "expr.csv")
NODE_FILES = ("node_Index.csv", "node_index.csv", "nodes.csv")
TIDY_FILES = ("measurements.csv", "perturbations.csv")


def read_data(
    folder: str | PathLike[str],
    *,
    structural_zeros: bool = False,
    time: float | None = None,
    units: Units = MODEL_UNITS,
) -> Dataset:
    """Read a folder of data, in the CellBox or in the tidy form, whichever it holds.

    CellBox form: pert.csv, expr.csv and node_Index.csv (or nodes.csv), see `read_cellbox_csv`.
    Tidy form: measurements.csv and perturbations.csv, see `read_tidy`.
    structural_zeros, time: for the CellBox form, which tells no time (by default 10); a tidy folder
        tells its own times, and its allowed edges in allowed_edges.csv.
    units: how the numbers become log ratios, doses near 1 and decay times, if they are not yet.

    Raises InputError if the folder holds neither form, or with every problem of its files.

    Example:
        >>> import cellbox
        >>> cellbox.read_data("my_experiment").nodes
        ('g1', 'g2', 'g3')
    """
    folder = Path(folder)
    node_file = _cellbox_node_file(folder)
    if node_file is not None:
        _refuse_unit_of_no_time(folder, time, units)
        data = read_cellbox_csv(
            folder / "pert.csv",
            folder / "expr.csv",
            node_file,
            time=STEADY_STATE_TIME if time is None else time,
            structural_zeros=structural_zeros,
        )
        return in_model_units(data, units)
    problems = Problems()
    if structural_zeros:
        problems.add(
            str(folder),
            "expected the CellBox form for its structural zeros, found the tidy form",
            "List the edges that may exist in allowed_edges.csv (columns source, target)",
        )
    if time is not None:
        problems.add(
            str(folder),
            f"expected the CellBox form for a steady state at time {time:g}, found the tidy form",
            "Leave the time out: measurements.csv tells it",
        )
    problems.raise_any()
    return read_tidy(folder, units=units)


def _refuse_unit_of_no_time(folder: Path, time: float | None, units: Units) -> None:
    """Refuse a unit of time where nobody tells a time in it."""
    if units.time_unit is not None and time is None:
        raise refuse(
            str(folder),
            f"expected a time in files for the unit {units.time_unit}, found the CellBox form, "
            "which has none",
            "Give the time of measurement in that unit as well, or leave the unit out",
        )


def _cellbox_node_file(folder: Path) -> Path | None:
    """The file of node names of a folder in the CellBox form; None of one in the tidy form.

    Raises InputError for a folder that is in neither form, or in both.
    """
    if not folder.is_dir():
        there = "a file" if folder.exists() else "nothing of that name"
        raise refuse(
            str(folder),
            f"expected a folder of data, found {there}",
            "Name the folder that holds pert.csv or measurements.csv",
        )
    present = sorted(path.name for path in folder.iterdir())
    node_file = next((name for name in NODE_FILES if name in present), None)
    is_tidy = all(name in present for name in TIDY_FILES)
    is_cellbox = node_file is not None and all(name in present for name in CELLBOX_FILES)
    if is_tidy == is_cellbox:
        shown = ", ".join(present[:10]) + (", ..." if len(present) > 10 else "")
        raise refuse(
            str(folder),
            "expected either pert.csv, expr.csv and node_Index.csv (CellBox form), or "
            f"measurements.csv and perturbations.csv (tidy form), found {shown or 'no files'}",
            "Keep one of the two forms in the folder"
            if is_tidy
            else "Name the files so, or point to the folder that holds them",
        )
    return folder / node_file if node_file is not None and is_cellbox else None
