"""The optional files of a tidy folder, beside its measurements and perturbations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from cellbox.arrays import EdgeMask, Perturbations, RowMask
from cellbox.data.condition_numbers import number_conditions
from cellbox.data.dataset import Split
from cellbox.data.readers.condition_tables import by_condition
from cellbox.data.readers.line_files import LINES_FILE, read_lines
from cellbox.errors import InputError
from cellbox.networks.amplitudes import read_amplitudes
from cellbox.networks.interventions import Interventions
from cellbox.networks.line_tables import LINE_DIFFERENCES, with_line_differences
from cellbox.networks.network import Network, read_network
from cellbox.networks.prior import EdgePrior
from cellbox.networks.prior_files import PRIOR_FILE, read_prior_edges
from cellbox.storage.csv_tables import read_table
from cellbox.storage.problems import Problems, note_unknown

PARTS = ("training", "validation", "test")
UNUSED = "unused"

#: What lists the conditions that rounding decides: its name, and the one it had before.
ROUNDING_SENSITIVE_FILES = ("rounding_sensitive.csv", "undetermined.csv")


@dataclass(frozen=True)
class Extras:
    """What the optional files say; each None or empty where its file is absent."""

    truth: Network | None = None
    split: Split | None = None
    activity_nodes: tuple[str, ...] = ()
    allowed_edges: EdgeMask | None = None
    rounding_sensitive: RowMask | None = None
    prior: EdgePrior | None = None
    lines: tuple[str, ...] | None = None


class Asked(NamedTuple):
    """The conditions that there are: the rows of each, doses, cell lines and interventions."""

    rows_of: Mapping[str, Sequence[int]]
    perturbations: Perturbations
    lines: Sequence[str] | None
    interventions: Interventions


def read_extras(
    folder: Path,
    nodes: tuple[str, ...],
    asked: Asked,
    problems: Problems,
) -> Extras:
    """Read the optional files that the folder holds, all but noise_free.csv and clamped.csv.

    asked: the dataset's rows of each condition, and the cell line of each row, where the
        measurements tell it.
    """
    rows_of, told_lines = asked.rows_of, asked.lines or ()

    def present(name: str) -> Path | None:
        path = folder / name
        return path if path.exists() else None

    truth = None
    network_path, amplitude_path = present("network.csv"), present("amplitudes.csv")
    if network_path:
        truth = _read_truth(network_path, nodes, problems)
    if amplitude_path and not network_path:
        found = "expected the network that these amplitudes belong to, found no network.csv"
        problems.add(str(amplitude_path), found, "Add network.csv, or remove the amplitudes")
    if amplitude_path:
        amplitudes = read_amplitudes(amplitude_path, nodes, problems)
        truth = replace(truth, amplitudes=amplitudes) if truth else None
    split_path, activity_path = present("split.csv"), present("activity_nodes.csv")
    edge_path, prior_path = present("allowed_edges.csv"), present(PRIOR_FILE)
    sensitive_paths = [path for path in map(present, ROUNDING_SENSITIVE_FILES) if path]
    if len(sensitive_paths) > 1:
        found = (
            f"expected one list of these conditions, found {' and '.join(ROUNDING_SENSITIVE_FILES)}"
        )
        problems.add(str(folder), found, "Keep the first; the second is what it was called before")
    lines_path = present(LINES_FILE)
    lines = read_lines(lines_path, rows_of, problems) if lines_path else None
    if lines_path and told_lines:
        found = "expected the lines once, found them in the measurements as well"
        problems.add(str(lines_path), found, f"Remove {LINES_FILE}, or the column of the lines")
    differences = present(LINE_DIFFERENCES)
    # Of lines that cannot be read nothing more is said.
    if truth is not None and differences and (told_lines or lines or not lines_path):
        told = tuple(told_lines) or lines
        truth = with_line_differences(truth, differences, told, problems)
    asked = asked._replace(lines=told_lines or lines)
    return Extras(
        truth=truth,
        lines=lines,
        split=_read_split(split_path, asked, problems) if split_path else None,
        activity_nodes=_read_activity(activity_path, nodes, problems) if activity_path else (),
        allowed_edges=_read_allowed_edges(edge_path, nodes, problems) if edge_path else None,
        rounding_sensitive=(
            _read_rounding_sensitive(sensitive_paths[0], rows_of, problems)
            if sensitive_paths
            else None
        ),
        prior=read_prior_edges(prior_path, nodes, problems) if prior_path else None,
    )


def _read_truth(path: Path, nodes: tuple[str, ...], problems: Problems) -> Network | None:
    try:
        return read_network(path, known_nodes=nodes)
    except InputError as error:
        problems.extend(error.problems)
        return None


def _read_activity(path: Path, nodes: Sequence[str], problems: Problems) -> tuple[str, ...]:
    """Names of the activity nodes."""
    records = read_table(path, problems, required=("node",))
    for record in records:
        if record["node"] not in nodes:
            note_unknown(record["node"], nodes, record.where, "node", problems)
    return tuple(record["node"] for record in records)


def _read_allowed_edges(path: Path, nodes: Sequence[str], problems: Problems) -> EdgeMask:
    """Which entries of W may be non-zero; row = target, column = source."""
    position = {node: index for index, node in enumerate(nodes)}
    allowed = np.zeros((len(nodes), len(nodes)), dtype=bool)
    columns = ("source", "target")
    for record in read_table(path, problems, required=columns, may_be_empty=True):
        strange = [column for column in columns if record[column] not in position]
        for column in strange:
            where = f"{record.where}, column {column!r}"
            note_unknown(record[column], nodes, where, "node", problems)
        if not strange:
            allowed[position[record["target"]], position[record["source"]]] = True
    return allowed


def _read_rounding_sensitive(
    path: Path, rows_of: Mapping[str, Sequence[int]], problems: Problems
) -> RowMask:
    """Which rows are of a listed condition; no listed condition is an answer too."""
    sensitive = np.zeros(sum(map(len, rows_of.values())), bool)
    places: dict[str, str] = {}
    for record in read_table(path, problems, required=("condition",), may_be_empty=True):
        condition, where = record["condition"], f"{record.where}, column 'condition'"
        if condition not in rows_of:
            note_unknown(condition, tuple(rows_of), where, "condition", problems)
        elif places.setdefault(condition, record.where) != record.where:
            found = f"expected each condition once, found {condition!r} again ({places[condition]})"
            problems.add(record.where, found, "Keep one of the rows")
        else:
            sensitive[list(rows_of[condition])] = True
    return sensitive


def _read_split(path: Path, asked: Asked, problems: Problems) -> Split | None:
    """The rows of each part; None if the file's columns cannot be used."""
    rows_of = asked.rows_of
    part_of: dict[str, str] = {}
    records = read_table(path, problems, required=("condition", "part"))
    listed = by_condition(records, rows_of, problems)
    for condition, record in listed.items():
        part = record["part"].casefold()
        if part not in (*PARTS, UNUSED):
            found = f"expected training, validation, test or unused, found {record['part']!r}"
            problems.add(f"{record.where}, column 'part'", found, "Write one of these words")
        else:
            part_of[condition] = part
    if not records:
        return None
    missing = [condition for condition in rows_of if condition not in listed]
    if missing:
        found = f"expected a part for each condition, found none for {', '.join(missing)}"
        problems.add(str(path), found, "List each condition; unused leaves one out")
    # A cell that is no part has been noted; whether its part is empty cannot be told.
    if len(part_of) == len(rows_of):
        places = {condition: record.where for condition, record in listed.items()}
        _note_bad_parts(path, part_of, places, asked, problems)
    rows: dict[str, list[int]] = {part: [] for part in (*PARTS, UNUSED)}
    for condition, part in part_of.items():
        rows[part] += rows_of[condition]
    return Split(**{part: np.array(sorted(rows[part]), dtype=int) for part in PARTS})


def _note_bad_parts(
    path: Path,
    part_of: Mapping[str, str],
    places: Mapping[str, str],
    asked: Asked,
    problems: Problems,
) -> None:
    """Note empty parts, and conditions of one perturbation in different parts, which leak."""
    rows_of, done = asked.rows_of, asked.interventions
    empty = [part for part in PARTS if part not in part_of.values()]
    if empty:
        found = f"expected conditions in each part, found none for {' and '.join(empty)}"
        problems.add(str(path), found, "Give each part at least one condition")
    first: dict[int, str] = {}
    number_of_row = number_conditions(asked.perturbations, asked.lines, done)
    touched = (asked.perturbations != 0).any(axis=1) | done.affected
    for condition, part in part_of.items():
        # Controls leak nothing: without perturbation every model stays at 0, whatever it learned.
        if part == UNUSED or not touched[rows_of[condition][0]]:
            continue
        other = first.setdefault(int(number_of_row[rows_of[condition][0]]), condition)
        if part != part_of[other]:
            problems.add(
                f"{places[condition]}, column 'part'",
                f"expected conditions with one perturbation in one part, found {condition!r} in "
                f"{part} and {other!r} in {part_of[other]} ({places[other]})",
                "Put them into one part: what was trained on cannot test",
            )
