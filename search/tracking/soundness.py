"""Whether a study's own MLflow is whole: its database, and a run for each trial."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection
from contextlib import closing

from search.study.folder import StudyFolder

_RUNS = """
SELECT tags.value FROM runs JOIN tags ON tags.run_uuid = runs.run_uuid
WHERE tags.key = 'cellbox.trial' AND runs.lifecycle_stage = 'active' AND runs.status != 'RUNNING'
"""


def embedded_problem(folder: StudyFolder, numbers: Collection[int]) -> str | None:
    """What is wrong with a study's own MLflow, as a sentence; None where nothing is.

    numbers: of the trials that it should have.
    """
    database = folder.path / "mlflow.db"
    if not database.is_file():
        return "there is none"
    try:
        with closing(
            sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True)
        ) as connection:
            (sound,) = connection.execute("PRAGMA quick_check(1)").fetchone()
            if sound != "ok":
                return f"the database is damaged: {sound}"
            written = {int(value) for (value,) in connection.execute(_RUNS)}
    except (sqlite3.Error, ValueError, TypeError) as error:
        return f"the database is damaged: {error}"
    lacking = sorted(set(numbers) - written)
    if lacking:
        return f"it lacks {len(lacking)} of {len(numbers)} trials, the first of them {lacking[0]}"
    return None
