"""The study's own MLflow: a SQLite database and a folder of artifacts inside the study's folder.

It is a copy of what the folder holds, so safety against power cuts is given up for speed: SQLite
does not wait for the disk. A database that is damaged is removed and written again.
"""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path
from typing import Any

from sqlalchemy import event
from sqlalchemy.engine import Engine

from cellbox.storage.files import atomic_write
from search.study.folder import StudyFolder

_DATABASE = "mlflow.db"
_ARTIFACTS = "mlflow-artifacts"
_LOCATION = ".location"


def embedded_uri(folder: StudyFolder) -> str:
    """The address of the study's own MLflow database."""
    return f"sqlite:///{_database(folder)}"


def embedded_artifacts(folder: StudyFolder) -> str:
    """The address of the artifacts beside the study's own MLflow database."""
    return (folder.path / _ARTIFACTS).resolve().as_uri()


def prepare_embedded(folder: StudyFolder) -> None:
    """Make ready to write the study's own MLflow; one written at another place is removed."""
    if not is_current(folder):
        remove_embedded(folder)
    note = folder.path / _ARTIFACTS / _LOCATION
    note.parent.mkdir(exist_ok=True)
    with atomic_write(note) as handle:
        handle.write(embedded_artifacts(folder))
    if not event.contains(Engine, "connect", _hurry):
        event.listen(Engine, "connect", _hurry)
    _hurried.add(str(_database(folder)))


def is_current(folder: StudyFolder) -> bool:
    """Whether the study has its own MLflow, written where the study is now.

    MLflow's database holds the full paths of its artifacts.
    """
    note = folder.path / _ARTIFACTS / _LOCATION
    if not _database(folder).is_file() or not note.is_file():
        return False
    return note.read_text("utf-8") == embedded_artifacts(folder)


def remove_embedded(folder: StudyFolder) -> None:
    """Remove the study's own MLflow database and artifacts; the folder can write them again."""
    for name in (_DATABASE, f"{_DATABASE}-journal", f"{_DATABASE}-wal", f"{_DATABASE}-shm"):
        (folder.path / name).unlink(missing_ok=True)
    artifacts = folder.path / _ARTIFACTS
    if artifacts.is_dir():
        shutil.rmtree(artifacts)


def _database(folder: StudyFolder) -> Path:
    return (folder.path / _DATABASE).resolve()


_hurried: set[str] = set()


def _hurry(connection: Any, record: Any) -> None:
    """Let SQLite leave the time of writing to the system, for the databases of studies alone.

    Its usual care is several waits for the disk in each of the ten transactions of a trial. A
    killed process loses nothing by this; only the whole machine's sudden end can.
    """
    if not isinstance(connection, sqlite3.Connection):
        return
    files = {row[2] for row in connection.execute("PRAGMA database_list")}
    if files & _hurried:
        connection.execute("PRAGMA synchronous = OFF")
