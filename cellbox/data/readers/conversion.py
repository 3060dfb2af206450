"""Any form of data that is known, written as a tidy folder."""

from __future__ import annotations

from os import PathLike

from cellbox.data.dataset import Dataset
from cellbox.data.readers.folders import read_data
from cellbox.data.readers.tidy_writer import write_tidy
from cellbox.data.units import MODEL_UNITS, Units


def convert(
    source: str | PathLike[str],
    target: str | PathLike[str],
    *,
    structural_zeros: bool = False,
    time: float | None = None,
    units: Units = MODEL_UNITS,
    overwrite: bool = False,
) -> Dataset:
    """Read data of any form as `read_data` does, and write them as `write_tidy` does.

    structural_zeros, time, units: how the files are to be taken; what is written is in the
        model's units, with the model's sign of u.
    overwrite: replace an existing folder, if it holds nothing but files of the tidy form.

    Returns the data. Raises InputError where reading or writing does.

    Example:
        >>> import cellbox
        >>> cellbox.convert("my_experiment", "converted_experiment").nodes
        ('g1', 'g2', 'g3')
    """
    data = read_data(source, structural_zeros=structural_zeros, time=time, units=units)
    write_tidy(data, target, overwrite=overwrite)
    return data
