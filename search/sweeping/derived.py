"""Files of a study that follow from its records: whether they are what was written."""

from __future__ import annotations

import csv
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pandas

from cellbox.errors import InputError
from cellbox.storage.files import atomic_write
from search.study.folder import REPORT, StudyFolder
from search.sweeping.devices import known_plans
from search.tracking.trial_table import TABLE_FILES, trial_table, write_table

_CSV, _PARQUET = TABLE_FILES
_END_OF_PAGE = "</html>"
#: What a run finds out again where it is not there.
DEVICES = "devices.json"


def derived_damages(folder: StudyFolder, good: set[int]) -> Iterator[tuple[str, str]]:
    """Names of files that are damaged, and what is wrong with each, as a sentence.

    good: trials whose records are sound.
    """
    for name in TABLE_FILES:
        file = folder.path / name
        if file.exists() and (found := _table_problem(file, folder, good)) is not None:
            yield name, f"{file}: {found}."
    if folder.report.exists() and not _is_whole_page(folder.report):
        yield REPORT, f"{folder.report}: expected a whole page, found another file."
    try:
        known_plans(folder)
    except (InputError, OSError) as error:
        yield DEVICES, str(error)


def write_derived(folder: StudyFolder, name: str) -> str:
    """Mend such a file; returns what was done, for people."""
    if name in TABLE_FILES:
        _write_tables(folder, list(folder.finished_numbers()), folder.path)
        return "written anew from the records"
    folder.set_aside(name)
    if name == REPORT:
        return "set aside; `cellbox report` writes it"
    return "set aside; the next run of the same sweep measures it again"


def _table_problem(file: Path, folder: StudyFolder, good: set[int]) -> str | None:
    """What is wrong with a table of trials; None where nothing is.

    It may be that of a run which was told of fewer trials.
    """
    try:
        numbers = _numbers_in(file)
    # Each of the two readers has its own errors for what is no table.
    except (OSError, ValueError, KeyError, IndexError, csv.Error, TypeError) as error:
        return f"expected a table of trials, found {type(error).__name__}"
    if not set(numbers) <= good:
        # Their own damage is told, and the table cannot be judged.
        return None if set(numbers) <= set(folder.finished_numbers()) else "it has other trials"
    with tempfile.TemporaryDirectory() as place:
        _write_tables(folder, numbers, Path(place))
        same = (
            file.read_bytes() == (Path(place) / _CSV).read_bytes()
            if file.name == _CSV
            else pandas.read_parquet(file).equals(pandas.read_parquet(Path(place) / _PARQUET))
        )
    return None if same else "it differs from the records"


def _numbers_in(file: Path) -> list[int]:
    if file.name == _PARQUET:
        return [int(number) for number in pandas.read_parquet(file)["trial"]]
    with open(file, encoding="utf-8", newline="") as handle:
        rows = list(csv.DictReader(handle))
    return [int(row["trial"]) for row in rows]


def _write_tables(folder: StudyFolder, numbers: list[int], target: Path) -> None:
    wanted = set(numbers)
    records = [record for record in folder.records() if record.number in wanted]
    table = trial_table(records, folder.study.objectives)
    with tempfile.TemporaryDirectory() as place:
        write_table(table, Path(place))
        for name in TABLE_FILES:
            with atomic_write(target / name, "wb") as handle:
                handle.write((Path(place) / name).read_bytes())


def _is_whole_page(file: Path) -> bool:
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, ValueError):
        return False
    return text.lstrip()[:9].lower() == "<!doctype" and text.rstrip().endswith(_END_OF_PAGE)
