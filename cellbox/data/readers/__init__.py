"""Files to datasets: every problem of the files is reported at once, with its place."""

from cellbox.data.readers.cellbox_csv import cellbox_2020_edges, read_cellbox_csv
from cellbox.data.readers.conversion import convert
from cellbox.data.readers.folders import read_data
from cellbox.data.readers.petab_writer import write_petab
from cellbox.data.readers.tidy import read_tidy
from cellbox.data.readers.tidy_writer import write_tidy

__all__ = [
    "cellbox_2020_edges",
    "convert",
    "read_cellbox_csv",
    "read_data",
    "read_tidy",
    "write_petab",
    "write_tidy",
]
