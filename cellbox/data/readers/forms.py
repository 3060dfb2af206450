"""What a form of data is to `read_data`: how a path of it is known, and how it is read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from cellbox.data.dataset import Dataset
from cellbox.data.units import MODEL_UNITS, Units
from cellbox.storage.problems import Problems


@dataclass(frozen=True)
class Taking:
    """How files are to be taken; the keywords of `read_data`."""

    structural_zeros: bool = False
    time: float | None = None
    units: Units = MODEL_UNITS

    def note_structural_zeros(self, path: Path, form: str, problems: Problems) -> None:
        """Note that the structural zeros of the 2020 CellBox are asked of another form."""
        if self.structural_zeros:
            problems.add(
                str(path),
                f"expected the CellBox form for its structural zeros, found {form}",
                "List the edges that may exist in allowed_edges.csv (columns source, target)",
            )

    def note_unit_of_no_time(self, path: Path, form: str, problems: Problems) -> None:
        """Note a unit of time where nobody tells a time in it."""
        if self.units.time_unit is not None and self.time is None:
            problems.add(
                str(path),
                f"expected a time in files for the unit {self.units.time_unit}, found {form}, "
                "which has none",
                "Give the time of measurement in that unit as well, or leave the unit out",
            )


@dataclass(frozen=True)
class Form:
    """One form of data.

    name: what it is called in messages.
    looks: the files or the suffix by which people know it.
    recognises: whether a path that exists is of this form; looks at names alone.
    read: the dataset of such a path. Raises InputError with every problem of it.
    """

    name: str
    looks: str
    recognises: Callable[[Path], bool]
    read: Callable[[Path, Taking], Dataset]


def file_ending(*suffixes: str) -> Callable[[Path], bool]:
    """Whether a path is a file with one of these suffixes, whatever its case."""
    return lambda path: path.suffix.casefold() in suffixes and path.is_file()
