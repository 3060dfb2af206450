"""Writing a dataset as the tidy folder that `read_tidy` reads."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from os import PathLike
from pathlib import Path

import numpy as np

from cellbox.arrays import Responses
from cellbox.data.dataset import Dataset, Split
from cellbox.data.readers.clamped_nodes import CLAMPED_FILE
from cellbox.data.readers.dose_tables import SPAN
from cellbox.data.readers.line_files import LINES_FILE
from cellbox.data.readers.tidy_extras import PARTS, ROUNDING_SENSITIVE_FILES, UNUSED
from cellbox.errors import refuse
from cellbox.networks.interventions import Interventions
from cellbox.networks.line_networks import names_of_lines
from cellbox.networks.line_tables import LINE_DIFFERENCES, write_line_differences
from cellbox.networks.network import write_network
from cellbox.networks.prior_files import PRIOR_FILE, write_prior
from cellbox.storage.csv_tables import number_text, table_text
from cellbox.storage.files import whole_folder

TIDY_FILES = (
    *("measurements.csv", "perturbations.csv", "network.csv", "amplitudes.csv", "noise_free.csv"),
    *(*ROUNDING_SENSITIVE_FILES, "split.csv", "activity_nodes.csv", "allowed_edges.csv"),
    PRIOR_FILE,
    CLAMPED_FILE,
    LINES_FILE,
    LINE_DIFFERENCES,
)


def write_tidy(data: Dataset, folder: str | PathLike[str], *, overwrite: bool = False) -> None:
    """Write the dataset as a tidy folder; reading it gives the same dataset, to the last bit.

    Each row is written as a condition under its own name, so that split.csv can place it; rows
    with one perturbation are replicates again when they are read. The folder appears in full or
    not at all, and its parents are made where needed. The dataset takes the folder's name.

    overwrite: replace an existing folder, if it holds nothing but files of the tidy form.

    Raises InputError where something is in the way.

    Example:
        >>> import cellbox
        >>> network = cellbox.random_network(3, density=0.5, seed=0)
        >>> data = cellbox.simulate(network, n_conditions=6, n_times=2, n_held_out=2)
        >>> cellbox.write_tidy(data, "written_experiment")
        >>> again = cellbox.read_tidy("written_experiment")
        >>> bool((again.measurements == data.measurements).all())
        True
    """
    # A link stays a link, and the folder that it points to is replaced.
    target = Path(os.path.realpath(folder))
    check_free(target, folder, overwrite, TIDY_FILES)
    with whole_folder(target) as new:
        _write_files(data, new)


def check_free(
    target: Path, folder: str | PathLike[str], overwrite: bool, files: Sequence[str]
) -> None:
    """Raise InputError where a file, or a folder that may not be replaced, is in the way.

    files: the names that a folder which may be overwritten holds, and no others.
    """
    if target.exists() and not target.is_dir():
        raise refuse(str(folder), "expected a folder to write, found a file", "Choose another name")
    present = sorted(path.name for path in target.iterdir()) if target.exists() else []
    strange = [name for name in present if name not in files]
    if strange and overwrite:
        raise refuse(
            str(folder),
            f"expected only files of the same form to overwrite, found {', '.join(strange)}",
            "Move them away, or choose another folder",
        )
    if present and not overwrite:
        raise refuse(
            str(folder),
            f"expected a new or empty folder, found one with {', '.join(present)}",
            "Choose another folder, or ask to overwrite this one",
        )


def _write_files(data: Dataset, folder: Path) -> None:
    def write(name: str, header: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> None:
        text = table_text(header, rows)
        (folder / name).write_text(text, encoding="utf-8", newline="")

    long_header = ("condition", "time", "node", "value")
    if data.errors is None:
        write("measurements.csv", long_header, _long_rows(data, data.measurements))
    else:
        rows = _long_rows(data, data.measurements, data.errors)
        write("measurements.csv", (*long_header, "sem"), rows)
    done = data.interventions
    doses = ("condition", "node", "value")
    if done is None or done.lasting.all():
        write("perturbations.csv", doses, _perturbation_rows(data))
    else:
        write("perturbations.csv", (*doses, *SPAN), _perturbation_rows(data, done))
    if done is not None and not done.free.all():
        held = (
            (data.row_names[row], data.nodes[node], number_text(done.held[row, node]))
            for row, node in np.argwhere(~done.free)
        )
        write(CLAMPED_FILE, doses, held)
    if data.noise_free is not None:
        write("noise_free.csv", long_header, _long_rows(data, data.noise_free))
    if data.rounding_sensitive is not None:
        conditions = ((data.row_names[row],) for row in np.flatnonzero(data.rounding_sensitive))
        write(ROUNDING_SENSITIVE_FILES[0], ("condition",), conditions)
    if data.truth is not None:
        write_network(data.truth, folder / "network.csv")
        amplitudes = zip(data.truth.nodes, map(number_text, data.truth.amplitudes), strict=True)
        write("amplitudes.csv", ("node", "amplitude"), amplitudes)
    if data.split is not None:
        write("split.csv", ("condition", "part"), _split_rows(data, data.split))
    if data.activity_nodes.any():
        names = ((data.nodes[index],) for index in np.flatnonzero(data.activity_nodes))
        write("activity_nodes.csv", ("node",), names)
    if data.allowed_edges is not None:
        edges = (
            (data.nodes[source], data.nodes[target])
            for target, source in np.argwhere(data.allowed_edges)
        )
        write("allowed_edges.csv", ("source", "target"), edges)
    if data.prior is not None:
        write_prior(data.prior, folder / PRIOR_FILE)
    if data.lines is not None:
        write(LINES_FILE, ("condition", "line"), zip(data.row_names, data.lines, strict=True))
    if data.truth is not None and names_of_lines(data.truth):
        write_line_differences(data.truth, folder / LINE_DIFFERENCES)


def _long_rows(data: Dataset, *values: Responses) -> Iterator[tuple[str, ...]]:
    """One row for each value, the missing ones too: they keep the order of rows and nodes."""
    for row, name in enumerate(data.row_names):
        for slot, time in enumerate(data.times):
            for column, node in enumerate(data.nodes):
                cells = (number_text(each[row, slot, column]) for each in values)
                yield name, number_text(time), node, *cells


def _perturbation_rows(
    data: Dataset, spans: Interventions | None = None
) -> Iterator[tuple[str, ...]]:
    """One row for each perturbed node of a condition, and one without a node for a control.

    spans: when doses act, where that is written as well.
    """
    for row, name in enumerate(data.row_names):
        perturbed = np.flatnonzero(data.perturbations[row])
        if not len(perturbed):
            yield name, "", "", *(() if spans is None else ("", ""))
        for column in perturbed:
            told = name, data.nodes[column], number_text(data.perturbations[row, column])
            yield told if spans is None else (*told, *_span(spans, row, int(column)))


def _span(spans: Interventions, row: int, column: int) -> tuple[str, str]:
    """When a dose begins and ends; empty where it lasts."""
    begin, end = spans.begins[row, column], spans.ends[row, column]
    return number_text(begin) if begin else "", number_text(end) if np.isfinite(end) else ""


def _split_rows(data: Dataset, split: Split) -> Iterator[tuple[str, ...]]:
    """The part of each row, in the order of the rows."""
    part_of = {int(row): part for part in PARTS for row in getattr(split, part)}
    for row, name in enumerate(data.row_names):
        yield name, part_of.get(row, UNUSED)
