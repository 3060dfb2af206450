"""Where a reproduction is kept: a file of numbers and one of arrays for each finished task.

tasks/LI_sigma0.01_balanced_full_seed0.json, .npz    a finished task
reproduce.json, reproduce.csv                        the tables of the last run
figures/, index.html                                 its pictures, and a page with everything
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cellbox.errors import refuse
from cellbox.scores.metric_names import current_metric_names
from cellbox.storage.files import atomic_write
from search.reproduction.recipe import Recipe
from search.reproduction.task import Task
from search.study.locks import locked

# Rises when a task is done in another way, so that earlier results are not taken for new ones.
_FORMAT = 3
_LOCK = "reproduce.lock"
_TASKS = "tasks"


@dataclass(frozen=True)
class ReproductionFolder:
    """The files of one reproduction."""

    path: Path

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the folder for a block; it is made where needed.

        Raises InputError where it is no folder or another's, or another process holds it.
        """
        if self.path.exists() and not self.path.is_dir():
            raise refuse(str(self.path), "expected a folder, found a file", "Choose another")
        known = self.path / _TASKS
        if self.path.is_dir() and not known.is_dir() and any(self.path.iterdir()):
            raise refuse(
                str(self.path),
                "expected a new or empty folder or that of a reproduction, found other files",
                "Choose another folder with --out",
            )
        known.mkdir(parents=True, exist_ok=True)
        with locked(
            self.path / _LOCK,
            otherwise="another reproduction is running in this folder",
            fix="Wait for it, or choose another folder with --out",
        ):
            yield

    def write_task(
        self, task: Task, recipe: Recipe, record: dict[str, Any], arrays: dict[str, np.ndarray]
    ) -> None:
        """Keep a finished task. The record comes last: where it is, everything is."""
        file = self._file(task, recipe)
        with atomic_write(file.with_suffix(".npz"), "wb") as handle:
            np.savez(handle, allow_pickle=False, **arrays)
        content = {**_identity(task, recipe), **record}
        with atomic_write(file) as handle:
            json.dump(content, handle, indent=1, allow_nan=False)

    def record(self, task: Task, recipe: Recipe) -> dict[str, Any] | None:
        """What a task found; None where it is not finished, or was done with other settings."""
        try:
            text = self._file(task, recipe).read_text(encoding="utf-8")
            record = json.loads(text, object_hook=current_metric_names)
        except (FileNotFoundError, ValueError):
            return None
        wanted = json.loads(json.dumps(_identity(task, recipe)))
        return record if all(record.get(key) == wanted[key] for key in wanted) else None

    def is_outdated(self, task: Task, recipe: Recipe) -> bool:
        """Whether the task was done before, but with other settings."""
        return self._file(task, recipe).is_file() and self.record(task, recipe) is None

    def arrays(self, task: Task, recipe: Recipe) -> dict[str, np.ndarray]:
        """The arrays of a finished task."""
        with np.load(self._file(task, recipe).with_suffix(".npz"), allow_pickle=False) as arrays:
            return dict(arrays)

    def _file(self, task: Task, recipe: Recipe) -> Path:
        name = f"{task.system}_sigma{task.sigma!r}_{task.design}_{recipe.name}_seed{task.seed}.json"
        return self.path / _TASKS / name


def _identity(task: Task, recipe: Recipe) -> dict[str, Any]:
    """What has to be equal for a finished task to be this one."""
    return {"format": _FORMAT, "task": task.as_dict(), "recipe": recipe.as_dict()}
