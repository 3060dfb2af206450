"""A proposal as files for the bench: a plate map, what to order, and the doses for `cellbox`."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from cellbox.errors import refuse
from cellbox.planning.proposal import EdgeOutlook, Proposal
from cellbox.storage.csv_tables import number_text, table_text
from cellbox.storage.files import atomic_write
from cellbox.storage.problems import Problems

#: Wells of a plate, and its rows.
PLATES = {6: 2, 12: 3, 24: 4, 48: 6, 96: 8, 384: 16}
PLATE_FILES = ("plate.csv", "perturbations.csv", "order.csv", "edges.csv")
CONTROL = "control"


@dataclass(frozen=True)
class PlateSettings:
    """How conditions are laid out.

    wells: of a plate. replicates: of each condition. controls: wells without any perturbation, at
    each time. same_well: whether one well is measured at all times, rather than a well for each
    time, as where cells are lysed.
    """

    wells: int = 96
    replicates: int = 1
    controls: int = 1
    same_well: bool = False


@dataclass(frozen=True)
class Well:
    """One well of a plate.

    time: of measurement (decay times), None where the well is measured at all of them.
    """

    plate: int
    well: str
    condition: str
    replicate: int
    time: float | None
    doses: tuple[tuple[str, float], ...]


def plate_map(proposal: Proposal, settings: PlateSettings | None = None) -> list[Well]:
    """The wells, column by column: conditions in order, then the controls.

    Raises InputError for plates that there are not, and for counts below 1 (of controls: below 0).
    """
    settings = settings or PlateSettings()
    _check(settings)
    conditions = [(each.name, each.doses, settings.replicates) for each in proposal.conditions]
    name = CONTROL
    while name in proposal.belief.condition_names:
        name += "_"
    if settings.controls:
        conditions.append((name, (), settings.controls))
    times = [None] if settings.same_well else proposal.times.tolist()
    places = _places(settings.wells)
    return [
        Well(*next(places), name, replicate + 1, time, doses)
        for name, doses, count in conditions
        for replicate in range(count)
        for time in times
    ]


def write_plates(
    proposal: Proposal, folder: str | os.PathLike[str], settings: PlateSettings | None = None
) -> list[Path]:
    """Write `PLATE_FILES` into a folder, which is made where there is none; returns their paths.

    plate.csv: a row for each well. perturbations.csv: the doses of each condition, as tidy folders
    have them and `cellbox predict` reads them. order.csv: what is needed of each node and dose.
    edges.csv: standard errors before and after. Files of these names are replaced.

    Example:
        >>> import cellbox
        >>> data = cellbox.read_data("my_experiment")
        >>> proposal = cellbox.next_conditions(data, conditions=2, members=4)
        >>> [path.name for path in cellbox.write_plates(proposal, "next_plate")]
        ['plate.csv', 'perturbations.csv', 'order.csv', 'edges.csv']
    """
    wells = plate_map(proposal, settings)
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise refuse(str(folder), "expected a folder, found a file", "Choose another place")
    folder.mkdir(parents=True, exist_ok=True)
    tables = (
        (("plate", "well", "condition", "replicate", "time", "perturbation"), _well_rows(wells)),
        (("condition", "node", "value"), _dose_rows(wells)),
        (("node", "dose", "wells", "conditions"), _order_rows(wells)),
        (tuple(field.name for field in fields(EdgeOutlook)), _edge_rows(proposal.outlook())),
    )
    paths = [folder / name for name in PLATE_FILES]
    for path, (header, rows) in zip(paths, tables, strict=True):
        with atomic_write(path) as file:
            file.write(table_text(header, rows))
    return paths


def _check(settings: PlateSettings) -> None:
    problems = Problems()
    if settings.wells not in PLATES:
        known = ", ".join(map(str, PLATES))
        found = f"expected {known} wells, found {settings.wells}"
        problems.add("plate", found, "Choose one of these")
    if settings.replicates < 1:
        found = f"expected at least 1, found {settings.replicates}"
        problems.add("replicates", found, "Choose a larger number")
    if settings.controls < 0:
        found = f"expected 0 or more, found {settings.controls}"
        problems.add("controls", found, "Choose a larger number")
    problems.raise_any()


def _places(wells: int) -> Iterator[tuple[int, str]]:
    """Plate by plate and column by column: A1, B1, ..."""
    n_rows, plate = PLATES[wells], 0
    while True:
        plate += 1
        for column in range(wells // n_rows):
            for row in range(n_rows):
                yield plate, f"{chr(ord('A') + row)}{column + 1}"


def _well_rows(wells: Sequence[Well]) -> Iterator[tuple[str, ...]]:
    for well in wells:
        doses = " + ".join(f"{node} {dose:g}" for node, dose in well.doses) or "none"
        time = "all" if well.time is None else number_text(well.time)
        yield str(well.plate), well.well, well.condition, str(well.replicate), time, doses


def _dose_rows(wells: Sequence[Well]) -> Iterator[tuple[str, ...]]:
    for condition, doses in {well.condition: well.doses for well in wells}.items():
        if not doses:
            yield condition, "", ""
        for node, dose in doses:
            yield condition, node, number_text(dose)


def _order_rows(wells: Sequence[Well]) -> Iterator[tuple[str, ...]]:
    used: dict[tuple[str, float], list[str]] = {}
    for well in wells:
        for each in well.doses:
            used.setdefault(each, []).append(well.condition)
    for (node, dose), conditions in sorted(used.items()):
        names = " ".join(dict.fromkeys(conditions))
        yield node, number_text(dose), str(len(conditions)), names


def _edge_rows(edges: Sequence[EdgeOutlook]) -> Iterator[tuple[str, ...]]:
    for edge in edges:
        errors = (edge.error_now, edge.error_after, edge.error_balanced)
        numbers = (edge.weight, *errors, edge.chance_decided, edge.chance_of_sign_change)
        shown = ("" if value is None else number_text(float(f"{value:.6g}")) for value in numbers)
        yield edge.source, edge.target, *shown


def n_plates(wells: Sequence[Well], size: int) -> int:
    """How many plates these wells take."""
    return math.ceil(len(wells) / size)
