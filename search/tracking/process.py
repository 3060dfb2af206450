"""The process that copies a study into MLflow: `python -m search.tracking.process`.

It is told what to do, and tells how far it is, in lines of JSON; see `search.tracking.background`,
which starts it. When nobody can tell it anything any more, it ends.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from dataclasses import asdict
from pathlib import Path
from typing import IO, TYPE_CHECKING

from search.tracking.quiet import quieten_mlflow

if TYPE_CHECKING:
    # It brings MLflow, which is to be told to be quiet first.
    from search.tracking.loop import TrackingLoop

_LESS_URGENT = 5
_SECONDS_TO_END = 5.0


def main() -> None:
    """Copy until told that everything is there, or until the one who tells is gone."""
    # A Ctrl-C or a SIGTERM to everyone is for the sweep, which then tells what to do.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    # On cores that train, training comes first.
    os.nice(_LESS_URGENT)
    orders, answers = sys.stdin, sys.stdout
    # Whatever else prints must not come between the answers.
    sys.stdout = sys.stderr
    quieten_mlflow()
    from search.study.budget_folder import BudgetFolder
    from search.study.folder import StudyFolder
    from search.tracking.loop import TrackingLoop

    first = orders.readline()
    if not first:
        return
    begin = json.loads(first)
    path = Path(begin["study"])
    budget = BudgetFolder(path)
    loop = TrackingLoop(
        budget if budget.exists() else StudyFolder(path),
        begin["tracking_uri"],
        lambda state: print(json.dumps(asdict(state)), file=answers, flush=True),
    )
    threading.Thread(target=_obey, args=(orders, loop), daemon=True).start()
    loop.run()


def _obey(orders: IO[str], loop: TrackingLoop) -> None:
    for line in orders:
        order = json.loads(line)
        if "ending" in order:
            loop.end_soon(order["ending"])
        elif "models" in order:
            loop.models_there(order["models"])
        elif "best" in order:
            loop.finish(order["best"])
        else:
            loop.notify()
    loop.give_up()
    while loop.rehearsing:
        time.sleep(0.05)
    # Another sweep may take over, and must not find two who write.
    time.sleep(_SECONDS_TO_END)
    os._exit(1)


if __name__ == "__main__":
    main()
