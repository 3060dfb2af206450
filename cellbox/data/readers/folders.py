"""The forms of data that are known, and which of them a path has."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

from cellbox.data.dataset import Dataset
from cellbox.data.readers.annotated_matrices import ANNDATA
from cellbox.data.readers.cellbox_csv import CELLBOX
from cellbox.data.readers.forms import Form, Taking
from cellbox.data.readers.lone_tables import lone_table
from cellbox.data.readers.midas import MIDAS
from cellbox.data.readers.petab import PETAB
from cellbox.data.readers.tidy import TIDY, WORKBOOK
from cellbox.data.units import MODEL_UNITS, Units
from cellbox.errors import InputError, refuse

#: Every form that `read_data` reads.
FORMS: tuple[Form, ...] = (CELLBOX, TIDY, WORKBOOK, PETAB, MIDAS, ANNDATA)

_SHOWN = 10

# What files of other programs are, and what makes one of the forms of them.
_SAVE_AS_TABLES = "write the two tables measurements.csv and perturbations.csv into one folder"
_FOREIGN = {
    ".rds": ("an R object", f"In R, {_SAVE_AS_TABLES} with write.csv"),
    ".rdata": ("an R workspace", f"In R, {_SAVE_AS_TABLES} with write.csv"),
    ".rda": ("an R workspace", f"In R, {_SAVE_AS_TABLES} with write.csv"),
    ".mat": ("a MATLAB file", f"In MATLAB, {_SAVE_AS_TABLES} with writetable"),
    ".npz": ("an archive of NumPy", f"In Python, {_SAVE_AS_TABLES}"),
    ".npy": ("an array of NumPy", f"In Python, {_SAVE_AS_TABLES}"),
    ".pkl": ("a pickle", f"In Python, {_SAVE_AS_TABLES} with DataFrame.to_csv"),
    ".xls": ("an old workbook", "Save it as .xlsx"),
    ".zip": ("an archive", "Unpack it, and name the folder"),
    ".gz": ("a compressed file", "Unpack it, and name the folder"),
}


def read_data(
    folder: str | PathLike[str],
    *,
    structural_zeros: bool = False,
    time: float | None = None,
    units: Units = MODEL_UNITS,
) -> Dataset:
    """Read data in any form of `FORMS`: a folder in the CellBox or in the tidy form, a file.

    CellBox form: pert.csv, expr.csv and node_Index.csv (or nodes.csv), see `read_cellbox_csv`.
    Tidy form: measurements.csv and perturbations.csv (or .tsv, .parquet, .xlsx), long or wide, see
        `read_tidy`; or one .xlsx with two sheets of these names.
    Files of other programs: the .yaml of a PEtab problem, a .csv in MIDAS, an AnnData .h5ad; see
        `petab`, `midas` and `annotated_matrices` beside this module.
    structural_zeros: for the CellBox form; a tidy folder tells its allowed edges in
        allowed_edges.csv.
    time: when was measured, for data that tell no time (by default 10).
    units: how the numbers become log ratios, doses near 1 and decay times, if they are not yet.

    Raises InputError if the path is of no form that is known, or with every problem of its files.

    Example:
        >>> import cellbox
        >>> cellbox.read_data("my_experiment").nodes
        ('g1', 'g2', 'g3')
    """
    if not isinstance(folder, str | PathLike):
        found = f"expected the path of a folder or file, found {type(folder).__name__}"
        raise refuse("data", found, "Write tables to files first, and name their folder")
    path = Path(folder)
    return form_of(path).read(path, Taking(structural_zeros, time, units))


def form_of(path: Path) -> Form:
    """The form of what is at a path.

    Raises InputError where it is none that is known, with the nearest one, or more than one.
    """
    forms = [form for form in FORMS if form.recognises(path)] if path.exists() else []
    if len(forms) == 1:
        return forms[0]
    if len(forms) > 1:
        looks = " and ".join(f"{form.looks} ({form.name})" for form in forms)
        fix = "Keep one of the two forms in the folder"
        raise refuse(str(path), f"expected one form of data, found {looks}", fix)
    raise _unknown_folder(path) if path.is_dir() else _unknown_file(path)


def _unknown_folder(folder: Path) -> InputError:
    present = sorted(path.name for path in folder.iterdir())
    shown = ", ".join(present[:_SHOWN]) + (", ..." if len(present) > _SHOWN else "")
    inside = [name for name in present if any(form.recognises(folder / name) for form in FORMS)]
    fix = "Name the files so, or point to the folder that holds them"
    foreign = {_FOREIGN[end][1] for end in map(_ending, present) if end in _FOREIGN}
    if foreign:
        fix = "; ".join(sorted(foreign))
    if inside:
        fix = f"Name {folder / inside[0]} instead"
    return refuse(str(folder), f"expected {_known()}, found {shown or 'no files'}", fix)


def _ending(name: str) -> str:
    return Path(name).suffix.casefold()


def _unknown_file(path: Path) -> InputError:
    if not path.exists():
        found = "expected a folder of data, found nothing of that name"
        return refuse(str(path), found, "Check the path")
    kind, fix = _FOREIGN.get(path.suffix.casefold()) or lone_table(path) or ("a file", "")
    siblings = [form for form in FORMS if form.recognises(path.parent)]
    if siblings:
        fix = f"Name its folder, {path.parent}, which has the {siblings[0].name}"
    fix = fix or "Name the folder that holds pert.csv or measurements.csv"
    return refuse(str(path), f"expected a folder of data, found {kind}: known are {_known()}", fix)


def _known() -> str:
    """All forms in words."""
    *others, last = [f"{form.looks} ({form.name})" for form in FORMS]
    return f"{', '.join(others)}, or {last}"
