"""A process that does tasks on one core: `python -m search.reproduction.worker`.

It is told what to do, and tells how far it is, in lines of JSON; see `search.reproduction.workers`,
which starts it. When nobody can tell it anything any more, it ends.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
import traceback
from pathlib import Path
from typing import IO, Any

from search.workers.device import cores, use_one_core


def main() -> None:
    """Do tasks until there are no more."""
    answers = sys.stdout
    # Whatever else prints must not come between the answers.
    sys.stdout = sys.stderr
    own = cores()
    use_one_core(own[int(sys.argv[1]) % len(own)])
    orders: queue.Queue[str] = queue.Queue()
    threading.Thread(target=_listen, args=(sys.stdin, orders), daemon=True).start()
    while True:
        order = json.loads(orders.get())
        _tell(answers, done=_do(order, answers))


def _listen(source: IO[str], orders: queue.Queue[str]) -> None:
    for line in source:
        orders.put(line)
    # Without anyone to tell, what is under way is of no use; files appear whole or not at all.
    os._exit(0)


def _tell(answers: IO[str], **content: Any) -> None:
    print(json.dumps(content), file=answers, flush=True)


def _do(order: dict[str, Any], answers: IO[str]) -> str | None:
    """Do a task and keep what it found; returns what went wrong if it was not for the record."""
    import numpy as np

    from cellbox.errors import InputError
    from cellbox.storage.compilation import keep_compiled_programs
    from search.reproduction.folder import ReproductionFolder
    from search.reproduction.recipe import Recipe
    from search.reproduction.task import Task
    from search.reproduction.training import Done, run_task

    keep_compiled_programs()
    task, recipe = Task(**order["task"]), Recipe.from_dict(order["recipe"])
    folder = ReproductionFolder(Path(order["folder"]))

    def on_progress(doing: str, share: float) -> None:
        _tell(answers, doing=doing, share=share)

    try:
        done = run_task(task, recipe, on_progress)
    except (InputError, np.linalg.LinAlgError, FloatingPointError) as error:
        # These come again whenever the task is done again.
        done = Done({"status": "failed", "message": f"{type(error).__name__}: {error}"}, {})
    except Exception as error:
        traceback.print_exc()
        return f"{type(error).__name__}: {error}"
    folder.write_task(task, recipe, done.record, done.arrays)
    return None


if __name__ == "__main__":
    main()
