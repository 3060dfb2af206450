"""A budget study on disk: what was asked, each experiment, and what all of them say.

    budget.json          what was asked, the grid of budgets, when it began, versions
    experiments/000012.json    an experiment: its budget, its draw, and what came of it
    answer.json          the answer with all tables, from the experiments there are
    cells.csv, experiments.csv, report.html
    mlflow.db, mlflow-artifacts/    MLflow's own (unless another server was chosen)

An experiment's file appears whole or not at all, so whatever is there has happened.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cellbox.storage.csv_tables import table_text
from cellbox.storage.files import atomic_write
from search.study.checked_json import NUMBER, TABLE, TEXT, WHOLE, read_table
from search.study.resumable import ResumableFolder

ANSWER = "answer.json"
_FIX = "Bring the file back, or remove it: the experiment is then done again"


@dataclass(frozen=True)
class ExperimentRecord:
    """One experiment. cell: its budget by axis; outcome: what it was judged by, by name.

    started, finished: seconds since 1970.
    """

    number: int
    cell: Mapping[str, Any]
    draw: int
    outcome: Mapping[str, Any]
    started: float
    finished: float

    @property
    def status(self) -> str:
        """What became of it: learned, failed or unsolved."""
        return self.outcome["status"]


@dataclass(frozen=True)
class BudgetFolder(ResumableFolder):
    """The files of one budget study."""

    RUN = KIND = "budget study"
    GIVEN_BY = "`cellbox budget` printed"
    MARK = "budget.json"
    LOCK = "budget.lock"
    OPTION = "--study"

    @property
    def id(self) -> str:
        """What tells the study from others of its name."""
        return self.read_json(self.MARK)["id"]

    @property
    def asked(self) -> dict[str, Any]:
        """The spec it was started with, as plain values."""
        return self.read_json(self.MARK)["spec"]

    def write_experiment(self, record: ExperimentRecord) -> None:
        """Keep a finished experiment."""
        (self.path / "experiments").mkdir(parents=True, exist_ok=True)
        with atomic_write(self._experiment(record.number)) as handle:
            json.dump(asdict(record), handle, allow_nan=False)

    def finished(self, number: int) -> bool:
        """Whether this experiment is finished."""
        return self._experiment(number).is_file()

    def record(self, number: int) -> ExperimentRecord:
        """A finished experiment. Raises InputError where its file cannot be used."""
        table = read_table(self._experiment(number), _FIX)
        outcome = table.take("outcome", TABLE)
        table.table("outcome").take("status", TEXT)
        return ExperimentRecord(
            table.take("number", WHOLE),
            table.take("cell", TABLE),
            table.take("draw", WHOLE),
            outcome,
            table.take("started", NUMBER),
            table.take("finished", NUMBER),
        )

    def finished_numbers(self) -> list[int]:
        """Numbers of the finished experiments, ascending."""
        folder = self.path / "experiments"
        if not folder.is_dir():
            return []
        return sorted(int(entry.stem) for entry in folder.glob("*.json") if entry.stem.isdigit())

    def records(self) -> Iterator[ExperimentRecord]:
        """All finished experiments, by number."""
        return (self.record(number) for number in self.finished_numbers())

    def write_csv(self, name: str, rows: list[dict[str, Any]]) -> None:
        """Write rows with the same keys as a table."""
        header = tuple(rows[0]) if rows else ()
        cells = [tuple("" if v is None else str(v) for v in row.values()) for row in rows]
        with atomic_write(self.path / name) as handle:
            handle.write(table_text(header, cells))

    def _experiment(self, number: int) -> Path:
        return self.path / "experiments" / f"{number:06d}.json"
