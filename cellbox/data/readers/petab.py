"""PEtab problems (Schmiester et al. 2021), of version 1 or 2: their measurements and conditions.

A node is what an observable measures, under the observable's name where it has one. A condition's
numbers are doses u of the nodes that its columns (version 1) or targets (version 2) name: as the
observable, as its formula, or with u_ before a node whose formula has x_ before it, as
`cellbox.write_petab` writes them. What else they name is a node that was not measured. A value that
all conditions share is no perturbation, and left out. An experiment may come to rest without doses
first (a period from -inf on, or a preequilibrationConditionId): so does Eq. 1. Noise that is given
in numbers is the error of values.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cellbox.data.dataset import Dataset
from cellbox.data.readers import petab_noise
from cellbox.data.readers.forms import Form, Taking, file_ending
from cellbox.data.readers.petab_scales import Scales
from cellbox.data.readers.tidy import read_two_tables
from cellbox.storage.csv_tables import number_text
from cellbox.storage.delimited import Row, read_rows
from cellbox.storage.problems import Problems
from cellbox.storage.typed_tables import TypedTable, library, table_of_rows

logger = logging.getLogger("cellbox")

_SUFFIXES = (".yaml", ".yml")
# The name of the condition that has none, in which a model is as it is.
_NONE = "no condition"
# What the measurement table calls the columns of a tidy one.
_TITLES = {"value": "measurement", "node": "observableId"}
_NO_VALUE = ("", "0", "0.0")
_NO_DOSE = ("conditionid", "conditionname")


@dataclass(frozen=True)
class _Line:
    """A row of one of the files, its cells by column in lower case; columns as they stand there."""

    path: Path
    number: int
    columns: tuple[str, ...]
    cells: dict[str, str]

    @property
    def where(self) -> str:
        return f"{self.path}, row {self.number}"

    def __getitem__(self, column: str) -> str:
        return self.cells.get(column.casefold(), "")


@dataclass(frozen=True)
class _Problem:
    """The tables of a problem, row by row."""

    path: Path
    measurements: list[_Line]
    conditions: list[_Line]
    observables: list[_Line]
    experiments: list[_Line]
    parameters: list[_Line]
    has_experiments: bool

    def condition(self, line: _Line) -> str:
        """What a measurement is of: an experiment (version 2), or a condition."""
        return line["experimentId" if self.has_experiments else "simulationConditionId"] or _NONE


def _read(path: Path, taking: Taking) -> Dataset:
    problems = Problems()
    problem = _opened(path, problems)
    problems.raise_any()
    assert problem is not None
    names = _node_names(problem)
    scales = Scales(
        [(line["observableId"], line["observableParameters"]) for line in problem.measurements]
    )
    measurements = _measurements(problem, names, scales)
    doses = _doses(problem, names, problems)
    problems.raise_any()
    data = read_two_tables(measurements, doses, taking, name=path.resolve().parent.name)
    found = scales.warnings(names, taking.units)
    return replace(data, reading_warnings=(*data.reading_warnings, *found)) if found else data


PETAB = Form(
    name="PEtab problem",
    looks="a file .yaml that names PEtab tables",
    recognises=file_ending(*_SUFFIXES),
    read=_read,
)


def _opened(path: Path, problems: Problems) -> _Problem | None:
    description = _description(path, problems)
    if description is None:
        return None
    parts: dict[str, Any] = description
    if isinstance(description.get("problems"), list):
        several = description["problems"]
        if len(several) != 1 or not isinstance(several[0], dict):
            found = f"expected one problem that names tables, found {len(several)}"
            problems.add(str(path), found, "Write one .yaml for each, and read them one by one")
            return None
        parts = {**description, **several[0]}

    def lines(kind: str, *columns: str, needed: bool = True) -> list[_Line]:
        named = parts.get(f"{kind}_files", parts.get(f"{kind}_file"))
        files = named if isinstance(named, list) else [named] if named else []
        if needed and not files:
            found = f"expected the name of a table under {kind}_files, found none"
            problems.add(str(path), found, "A PEtab problem names its tables there")
        return [
            line for file in files for line in _lines(path.parent / str(file), columns, problems)
        ]

    is_second = str(description.get("format_version", "1")).startswith("2")
    of_experiments = is_second and "experiment_files" in parts
    of = "experimentId" if of_experiments else "simulationConditionId"
    condition = ("conditionId", "targetId", "targetValue") if is_second else ("conditionId",)
    return _Problem(
        path,
        lines("measurement", "observableId", of, "measurement", "time"),
        lines("condition", *condition, needed=not of_experiments),
        lines("observable", "observableId", "observableFormula"),
        lines("experiment", "experimentId", "time", "conditionId", needed=False),
        lines("parameter", "parameterId", needed=False),
        of_experiments,
    )


def _description(path: Path, problems: Problems) -> dict[str, Any] | None:
    yaml = library("yaml", path, problems)
    if yaml is None:
        return None
    try:
        read = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
        reason = str(error).splitlines()[0]
        problems.add(str(path), f"expected YAML, found {reason}", "Write it as PEtab does")
        return None
    if not isinstance(read, dict) or not {"problems", "measurement_files"} & read.keys():
        found = "expected a PEtab problem, which names its tables, found other YAML"
        problems.add(str(path), found, "Name the .yaml of the problem, or the folder of the data")
        return None
    return read


def _lines(path: Path, columns: Sequence[str], problems: Problems) -> list[_Line]:
    """The rows of a table that has these columns; none, and problems, if it cannot be used."""
    rows: list[Row] = read_rows(path, problems)
    if not rows:
        return []
    header = [cell.casefold() for cell in rows[0].cells]
    absent = [column for column in columns if column.casefold() not in header]
    if absent:
        found = f"expected the column {', '.join(absent)}, found {', '.join(rows[0].cells)}"
        problems.add(f"{path}, row {rows[0].number}", found, "Write the table as PEtab does")
        return []
    for row in rows[1:]:
        if len(row.cells) != len(header):
            found = f"expected {len(header)} cells as in the header, found {len(row.cells)}"
            problems.add(f"{path}, row {row.number}", found, "Separate the cells by tabs")
    return [
        _Line(path, row.number, rows[0].cells, dict(zip(header, row.cells, strict=True)))
        for row in rows[1:]
        if len(row.cells) == len(header) and any(row.cells)
    ]


def _node_names(problem: _Problem) -> dict[str, str]:
    """The node that each identifier in the tables stands for."""
    names: dict[str, str] = {}
    for line in problem.observables:
        name = line["observableName"] or line["observableId"]
        formula = line["observableFormula"].strip()
        for known in (line["observableId"], formula, name):
            names.setdefault(known, name)
        if formula.startswith("x_"):
            names.setdefault(f"u_{formula.removeprefix('x_')}", name)
    return names


def _measurements(problem: _Problem, names: dict[str, str], scales: Scales) -> TypedTable:
    """The measured values; those of one observable, condition and time are replicates."""
    errors = petab_noise.value_errors(
        problem.path, problem.measurements, problem.observables, problem.parameters
    )
    rows = []
    for place, line in enumerate(problem.measurements):
        key = (problem.condition(line), line["time"], line["observableId"])
        cells = {
            "condition": key[0],
            "replicate": scales.replicate(*key, line["observableParameters"]),
            "time": key[1],
            "node": names.get(key[2], key[2]),
            "value": line["measurement"],
        }
        if errors is not None:
            cells["sd"] = number_text(errors[place])
        rows.append((line.number, cells))
    path = problem.measurements[0].path if problem.measurements else problem.path
    several = any(cells["replicate"] != "1" for _, cells in rows)
    header = ["condition", *(["replicate"] if several else []), "time", "node", "value"]
    header += [] if errors is None else ["sd"]
    return table_of_rows(
        path,
        header,
        [(number, [cells[name] for name in header]) for number, cells in rows],
        lambda column, _: _TITLES.get(column, column),
    )


def _doses(problem: _Problem, names: dict[str, str], problems: Problems) -> TypedTable:
    """The doses of each condition, or experiment, that was measured."""
    measured = list(dict.fromkeys(problem.condition(line) for line in problem.measurements))
    by_condition = _changed_by_condition(problem)
    changed = (
        _by_experiment(problem, by_condition, problems) if problem.has_experiments else by_condition
    )
    shared = _shared(changed, measured)
    _note_rest(problem, by_condition, shared, problems)
    if shared:
        logger.info("%s: left out what no condition changes: %s", problem.path, ", ".join(shared))
    known = {line["parameterId"]: line["nominalValue"] for line in problem.parameters}
    rows = []
    for condition in measured:
        entries = [
            (line, names.get(target, target), known.get(cell) or cell)
            for line, target, cell in changed.get(condition, ())
            if target not in shared and cell
        ]
        # What is not listed is refused by the tidy form, which knows no such condition.
        if condition in changed:
            number = changed[condition][0][0].number if changed[condition] else 1
            rows += [(line.number, [condition, node, cell]) for line, node, cell in entries]
            rows += [] if entries else [(number, [condition, "", ""])]
    if _NONE in measured:
        rows.append((1, [_NONE, "", ""]))
    path = problem.conditions[0].path if problem.conditions else problem.path
    return table_of_rows(path, ["condition", "node", "value"], rows)


# What conditions change: rows of their table, what they name, and the cells with its value.
_Changed = dict[str, list[tuple[_Line, str, str]]]


def _changed_by_condition(problem: _Problem) -> _Changed:
    changed: _Changed = {}
    for line in problem.conditions:
        own = changed.setdefault(line["conditionId"], [])
        if "targetid" in line.cells:
            own.append((line, line["targetId"], line["targetValue"]))
            continue
        named = [column for column in line.columns if column.casefold() not in _NO_DOSE]
        own += [(line, column, line[column]) for column in named]
    return changed


def _by_experiment(problem: _Problem, changed: _Changed, problems: Problems) -> _Changed:
    """What experiments of one period change; others are problems."""
    acting = [line for line in problem.experiments if not _is_rest(line)]
    periods = Counter(line["experimentId"] for line in acting)
    by_experiment: _Changed = {}
    for line in acting:
        name = line["experimentId"]
        if periods[name] > 1 or line["time"] not in ("0", "0.0"):
            found = f"expected one period from time 0 on in experiment {name!r}, found others"
            problems.add(line.where, found, "Eq. 1 starts at rest, and doses stay as they are")
            continue
        by_experiment[name] = changed.get(line["conditionId"], [])
    return by_experiment


def _is_rest(line: _Line) -> bool:
    """Whether a period of an experiment is the rest before it."""
    return line["time"].casefold() in ("-inf", "-infinity")


def _note_rest(
    problem: _Problem, changed: _Changed, shared: Sequence[str], problems: Problems
) -> None:
    """Note what comes to rest under a dose before it begins: Eq. 1 begins without any."""
    begins = {line["conditionId"]: line for line in problem.experiments if _is_rest(line)} | {
        line["preequilibrationConditionId"]: line
        for line in problem.measurements
        if line["preequilibrationConditionId"]
    }
    for name, line in begins.items():
        dosed = [
            f"{target} = {cell}"
            for _, target, cell in changed.get(name, ())
            if target not in shared and cell not in _NO_VALUE
        ]
        if dosed:
            found = f"expected a rest without doses before time 0, found {', '.join(dosed)}"
            fix = "Eq. 1 starts where nothing is perturbed; leave out what starts elsewhere"
            problems.add(line.where, found, fix)


def _shared(changed: _Changed, conditions: Iterable[str]) -> list[str]:
    """What all of several conditions set to the same value other than 0."""
    each = [{target: cell for _, target, cell in changed.get(one, ())} for one in conditions]
    if len(each) < 2:
        return []
    return [
        target
        for target, cell in each[0].items()
        if cell not in _NO_VALUE and all(own.get(target) == cell for own in each)
    ]
