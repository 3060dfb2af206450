"""The study's own MLflow: a SQLite database and a folder of artifacts inside the study's folder.

It is a copy of what the folder holds, so safety against power cuts is given up for speed: SQLite
does not wait for the disk. People add to it though (tags, notes, registered models), so it moves
with its study: the database holds full addresses of its artifacts, which are written anew then.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol

import mlflow
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from sqlalchemy import event
from sqlalchemy.engine import Engine

from cellbox.errors import refuse
from cellbox.storage.files import temporary_name

_DATABASE = "mlflow.db"
_ARTIFACTS = "mlflow-artifacts"
# For a sweep that is writing.
_SECONDS_TO_WAIT = 30.0
_ENCODED = re.compile("%[0-9A-Fa-f]{2}")
# Where MLflow's tables hold addresses of artifacts.
_ADDRESSES = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)


class InFolder(Protocol):
    """A study, of whatever kind, that has a folder."""

    @property
    def path(self) -> Path:
        """Where it is."""


def embedded_uri(folder: InFolder) -> str:
    """The address of the study's own MLflow database."""
    return sqlite_uri(_database(folder))


def sqlite_uri(database: Path) -> str:
    """The address of a SQLite database, whatever the characters of its path.

    Addresses of databases have no way to write some of them that every version of SQLAlchemy and
    MLflow reads alike, so these lead over a link with a plain name.
    """
    if not set(str(database)) & set("?%#"):
        return f"sqlite:///{database}"
    return f"sqlite:///{_plain_link(database.parent) / database.name}"


def _plain_link(folder: Path) -> Path:
    """A link to a folder, whose own path has letters and digits alone."""
    links = Path(tempfile.gettempdir()) / f"cellbox-links-{os.getuid()}"
    links.mkdir(mode=0o700, exist_ok=True)
    if links.is_symlink() or links.stat().st_uid != os.getuid():
        found = "expected a folder of this user for links, found another's"
        raise refuse(str(links), found, "Remove it, or set TMPDIR to another folder")
    link = links / hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]
    if not link.is_symlink():
        with suppress(FileExistsError):
            link.symlink_to(folder, target_is_directory=True)
    return link


def embedded_artifacts(folder: InFolder) -> str:
    """The address of the artifacts beside the study's own MLflow database."""
    place = folder.path.resolve()
    # MLflow decodes paths of models once too often: a folder a%20b would be read from "a b".
    shown = _plain_link(place) if _ENCODED.search(str(place)) else place
    return (shown / _ARTIFACTS).as_uri()


def prepare_embedded(folder: InFolder) -> None:
    """Make ready to write the study's own MLflow, where the study is now."""
    database = _database(folder)
    if not event.contains(Engine, "connect", _hurry):
        event.listen(Engine, "connect", _hurry)
    if has_embedded(folder) and _is_half_made(database):
        database.unlink()
    if has_embedded(folder):
        migrate(database)
        relocate(database, embedded_artifacts(folder))
    else:
        _make(database)
    (folder.path / _ARTIFACTS).mkdir(exist_ok=True)
    _hurried.add(str(database))


def _make(database: Path) -> None:
    """A new database, which appears with all its tables; MLflow takes seconds to make them.

    One with a part of them could not be opened again.
    """
    new = database.with_name(temporary_name(database.name))
    _hurried.add(str(new))
    try:
        MlflowClient(sqlite_uri(new)).search_experiments(max_results=1)
        os.replace(new, database)
    finally:
        for left in database.parent.glob(f"{new.name}*"):
            left.unlink()


def _is_half_made(database: Path) -> bool:
    """Whether MLflow was stopped while it made its tables, as by earlier versions of this."""
    try:
        with closing(
            sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True)
        ) as connection:
            names = {row[0] for row in connection.execute("SELECT name FROM sqlite_master")}
            if any(name.startswith("_alembic_tmp_") for name in names):
                runs = connection.execute("SELECT count(*) FROM runs") if "runs" in names else None
                return runs is None or runs.fetchone()[0] == 0
            return not {"runs", "alembic_version"} <= names
    except sqlite3.Error:
        # Damaged in another way, which whoever opens it tells.
        return False


def has_embedded(folder: InFolder) -> bool:
    """Whether the study has its own MLflow."""
    return _database(folder).is_file()


def can_be_written(folder: InFolder) -> bool:
    """Whether the study lies where this user may write."""
    own = _database(folder)
    return os.access(folder.path, os.W_OK) and (not own.exists() or os.access(own, os.W_OK))


def relocate(database: Path, artifacts: str) -> None:
    """Let a study's database name its artifacts where they are now; all else stays.

    artifacts: the address of their folder.
    """
    with closing(sqlite3.connect(database, timeout=_SECONDS_TO_WAIT)) as connection, connection:
        known = connection.execute(
            "SELECT artifact_location FROM experiments WHERE artifact_location LIKE ?",
            (f"%/{_ARTIFACTS}",),
        ).fetchall()
        for (former,) in known:
            if former == artifacts:
                continue
            for table, column in _ADDRESSES:
                connection.execute(
                    f"UPDATE {table} SET {column} = ? || substr({column}, ?) "
                    f"WHERE {column} = ? OR substr({column}, 1, ?) = ?",
                    (artifacts, len(former) + 1, former, len(former) + 1, f"{former}/"),
                )


def migrate(database: Path) -> None:
    """Bring a database that an earlier MLflow made to the tables of this one.

    The former one stays beside it, under a name that says of when. Raises InputError where a later
    MLflow made it.
    """
    try:
        MlflowClient(sqlite_uri(database)).search_experiments(max_results=1)
    except MlflowException as error:
        if "database schema" not in str(error):
            raise
    else:
        return
    backup = database.with_name(f"{database.stem}-before-{mlflow.__version__}{database.suffix}")
    shutil.copyfile(database, backup)
    command = [sys.executable, "-m", "mlflow", "db", "upgrade", sqlite_uri(database)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        shutil.copyfile(backup, database)
        backup.unlink()
        last = (done.stderr.strip().splitlines() or ["no output"])[-1]
        raise refuse(
            str(database),
            f"expected a database of MLflow {mlflow.__version__} or earlier, found a later one's "
            f"({last})",
            "Install the MLflow that wrote it, or move the file away: the study is written again "
            "then, without what people added",
        )


def analyse(database: Path) -> None:
    """Let SQLite learn how large its tables are.

    Without that it joins runs and metrics row by row when MLflow sorts: 12 s of processor time for
    10,000 trials, 0.1 s with it.
    """
    with closing(sqlite3.connect(database, timeout=_SECONDS_TO_WAIT)) as connection, connection:
        connection.execute("PRAGMA analysis_limit = 1000")
        connection.execute("ANALYZE")


@contextmanager
def readable_copy(folder: InFolder) -> Iterator[Path]:
    """For a block, a database to read the study's own MLflow from: its own where that can be.

    On a medium that cannot be written, MLflow's server could not open it.
    """
    own = _database(folder)
    if can_be_written(folder):
        migrate(own)
        relocate(own, embedded_artifacts(folder))
        analyse(own)
        yield own
        return
    with tempfile.TemporaryDirectory() as place:
        copy = Path(place) / _DATABASE
        shutil.copyfile(own, copy)
        migrate(copy)
        relocate(copy, embedded_artifacts(folder))
        analyse(copy)
        yield copy


def _database(folder: InFolder) -> Path:
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
