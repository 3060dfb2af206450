"""Worker processes, their deaths, and what is shown of them."""

import io
import subprocess
import sys

import pytest
from rich.console import Console

from search.reproduction.folder import ReproductionFolder
from search.reproduction.progress import LiveDisplay, Pace, PlainLines, Silent, make_display
from search.reproduction.workers import Ended, TaskProcesses, TaskUnderWay
from tests.search.reproduction.small import TINY, task

TASKS = [task(seed) for seed in range(3)]

# Answers as a worker does, and dies of the task with seed 1.
_STAND_IN = """
import json, sys
for line in sys.stdin:
    seed = json.loads(line)["task"]["seed"]
    print(json.dumps({"doing": "training", "share": 0.5}), flush=True)
    if seed == 1:
        sys.exit(3)
    print(json.dumps({"done": None if seed == 0 else "ValueError: broken"}), flush=True)
"""


class _StandIns(TaskProcesses):
    """TaskProcesses whose processes train nothing."""

    started = 0

    def _start(self, place):
        self.started += 1
        return subprocess.Popen(
            [sys.executable, "-c", _STAND_IN],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )


def test_a_worker_that_dies_takes_only_its_own_task_with_it(tmp_path):
    with _StandIns(ReproductionFolder(tmp_path), TINY, 1) as workers:
        news = [item for item in workers.run(TASKS) if item is not None]
    assert [item.task for item in news if isinstance(item, TaskUnderWay)] == TASKS
    ended = {item.task: item.problem for item in news if isinstance(item, Ended)}
    assert ended[TASKS[0]] is None
    assert "code 3" in ended[TASKS[1]]
    assert ended[TASKS[2]] == "ValueError: broken"
    assert workers.started == 2


def test_leaving_early_ends_the_processes(tmp_path):
    def leave():
        with _StandIns(ReproductionFolder(tmp_path), TINY, 1) as workers:
            processes.append(workers._processes)
            for _ in workers.run(TASKS):
                raise KeyboardInterrupt

    processes = []
    with pytest.raises(KeyboardInterrupt):
        leave()
    assert processes[0][0].wait(10) is not None


def test_the_time_left_follows_the_cost_of_what_is_done(monkeypatch):
    now = [100.0]
    monkeypatch.setattr("search.reproduction.progress.time.monotonic", lambda: now[0])
    pace = Pace(TASKS[:2], finished=4, total=6)
    assert pace.state.seconds_left is None
    now[0] += 30
    pace.take(TaskUnderWay(TASKS[0], "training", 0.5))
    assert pace.state.share == pytest.approx(0.25)
    assert pace.state.seconds_left == pytest.approx(90)
    pace.end(TASKS[0], failed=True)
    assert pace.state.share == pytest.approx(0.5)
    assert "5 of 6 tasks done, 1 failed" in pace.state.parts[0]
    pace.end(TASKS[1], failed=False)
    assert pace.state.seconds_left is None


def test_a_pipe_gets_lines_and_a_terminal_a_live_display():
    stream = io.StringIO()
    assert isinstance(make_display(stream), PlainLines)
    pace = Pace(TASKS, finished=0, total=3)
    pace.take(TaskUnderWay(TASKS[0], "training", 0.1))
    lines = PlainLines(stream)
    lines.show(pace.state)
    lines.show(pace.state)
    assert stream.getvalue().count("\n") == 1
    assert "mCAD, σ 0.001, seed 0: training" in stream.getvalue()
    terminal = io.StringIO()
    with LiveDisplay(Console(file=terminal, force_terminal=True)) as live:
        live.say("a [/message] with brackets")
        live.show(pace.state)
    assert "a [/message] with brackets" in terminal.getvalue()
    with Silent() as silent:
        silent.say("nothing")
        silent.show(pace.state)
