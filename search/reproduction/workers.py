"""Worker processes that do tasks side by side, each on a core of its own.

A thread for each worker gives it tasks and passes on what it says. A worker that dies takes only
its task with it; the next one goes to a new process.
"""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Self

from search.reproduction.folder import ReproductionFolder
from search.reproduction.recipe import Recipe
from search.reproduction.task import Task

_SECONDS_TO_END = 5.0


@dataclass(frozen=True)
class TaskUnderWay:
    """A task under way: what is being done, and the share of the task that is behind."""

    task: Task
    doing: str
    share: float


@dataclass(frozen=True)
class Ended:
    """A task that is over. problem: what kept it from its record, else None."""

    task: Task
    problem: str | None


class TaskProcesses:
    """Processes that do the tasks of one reproduction."""

    def __init__(self, folder: ReproductionFolder, recipe: Recipe, n_workers: int):
        self._folder = folder
        self._recipe = recipe
        self._tasks: queue.SimpleQueue[Task | None] = queue.SimpleQueue()
        self._news: queue.SimpleQueue[TaskUnderWay | Ended | BaseException] = queue.SimpleQueue()
        self._processes: list[subprocess.Popen[str] | None] = [None] * n_workers
        self._closing = threading.Event()
        self._threads = [
            threading.Thread(target=self._serve, args=(place,), daemon=True)
            for place in range(n_workers)
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *details: object) -> None:
        """End the workers, whatever they do."""
        self._closing.set()
        for _ in self._threads:
            self._tasks.put(None)
        for process in self._processes:
            if process is not None:
                process.kill()
        for thread in self._threads:
            thread.join(_SECONDS_TO_END)
        for process in self._processes:
            if process is not None:
                # One may have been started while the others were ended.
                process.kill()
                process.communicate()

    def run(self, tasks: Sequence[Task]) -> Iterator[TaskUnderWay | Ended | None]:
        """Do these tasks, in this order; tells how they get on, and None where nothing is new."""
        for task in tasks:
            self._tasks.put(task)
        left = len(tasks)
        while left:
            try:
                # Not for ever, so that Ctrl-C is noticed and a display can be brought up to date.
                news = self._news.get(timeout=0.5)
            except queue.Empty:
                yield None
                continue
            if isinstance(news, BaseException):
                raise news
            left -= isinstance(news, Ended)
            yield news

    def _serve(self, place: int) -> None:
        try:
            while (task := self._tasks.get()) is not None and not self._closing.is_set():
                self._news.put(Ended(task, self._do(place, task)))
        except BaseException as error:  # to be raised where it is seen
            self._news.put(error)

    def _do(self, place: int, task: Task) -> str | None:
        """Let the worker at this place do a task; what went wrong, if anything."""
        process = self._processes[place]
        if process is None or process.poll() is not None:
            process = self._processes[place] = self._start(place)
        if self._closing.is_set():
            process.kill()
        order = {
            "task": task.as_dict(),
            "recipe": self._recipe.as_dict(),
            "folder": str(self._folder.path.resolve()),
        }
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            print(json.dumps(order), file=process.stdin, flush=True)
            for line in process.stdout:
                answer: dict[str, Any] = json.loads(line)
                if "done" in answer:
                    return answer["done"]
                self._news.put(TaskUnderWay(task, answer["doing"], answer["share"]))
        except BrokenPipeError:
            pass
        return f"The worker process ended with code {process.wait()}; was memory short?"

    def _start(self, place: int) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "search.reproduction.worker", str(place)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            # A Ctrl-C in the terminal is for us, who then end the workers.
            start_new_session=True,
        )
