"""Where a reproduction is kept: a file of numbers and one of arrays for each finished task.

tasks/LI_sigma0.01_balanced_full_seed0.json, .npz    a finished task
reproduce.json, reproduce.csv                        the tables of the last run
figures/, index.html                                 its pictures, and a page with everything
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from cellbox.storage.files import atomic_write
from search.reproduction.recipe import Recipe
from search.reproduction.task import Task
from search.study.resumable import FolderOfParts, differing

# Rises when a task is done in another way, so that earlier results are not taken for new ones.
_FORMAT = 3


class ReproductionFolder(FolderOfParts):
    """The files of one reproduction."""

    RUN = "reproduction"
    MARK = "tasks"

    def write_task(
        self, task: Task, recipe: Recipe, record: dict[str, Any], arrays: dict[str, np.ndarray]
    ) -> None:
        """Keep a finished task. The record comes last: where it is, everything is."""
        with atomic_write(self._arrays_file(task, recipe), "wb") as handle:
            np.savez(handle, allow_pickle=False, **arrays)
        self.write_part(_part(task, recipe), _identity(task, recipe), record)

    def record(self, task: Task, recipe: Recipe) -> dict[str, Any] | None:
        """What a task found; None where it is not finished, or was done with other settings.

        Raises InputError for a file that was damaged.
        """
        record = self.read_part(_part(task, recipe))
        if record is None or differing(record, _identity(task, recipe)):
            return None
        return record

    def is_outdated(self, task: Task, recipe: Recipe) -> bool:
        """Whether the task was done before, but with other settings."""
        record = self.read_part(_part(task, recipe))
        return record is not None and bool(differing(record, _identity(task, recipe)))

    def arrays(self, task: Task, recipe: Recipe) -> dict[str, np.ndarray]:
        """The arrays of a finished task."""
        with np.load(self._arrays_file(task, recipe), allow_pickle=False) as arrays:
            return dict(arrays)

    def _arrays_file(self, task: Task, recipe: Recipe) -> Path:
        return self.part_file(_part(task, recipe)).with_suffix(".npz")


def _part(task: Task, recipe: Recipe) -> str:
    """The name of a task's files."""
    return f"{task.system}_sigma{task.sigma!r}_{task.design}_{recipe.name}_seed{task.seed}"


def _identity(task: Task, recipe: Recipe) -> dict[str, Any]:
    """What has to be equal for a finished task to be this one."""
    return {"format": _FORMAT, "task": task.as_dict(), "recipe": recipe.as_dict()}
