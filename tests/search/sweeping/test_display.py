"""What a sweep shows while it runs."""

import io

import pytest
from rich.console import Console

from search.study.ranking import TrialCounts
from search.sweeping.display import LiveDisplay, PlainLines, Silent, SweepState, make_display
from search.tracking.background import TrackingStatus
from tests.search.fake_study import make_record

BEST = make_record(4, objectives={"validation_mae": 0.01234})


def state(complete=0, *, total=10, best=None, error=None, **changes):
    return SweepState(
        **{
            "total": total,
            "counts": TrialCounts(complete=complete, pruned=0, diverged=0, best=best),
            "running": 3,
            "workers": 2,
            "programs": 0,
            "compile_seconds": 0.0,
            "training_share": None,
            "filled_share": None,
            "tracking": None if error is None else TrackingStatus(1, 2, error),
            **changes,
        }
    )


STATES = [
    state(),
    state(total=0),
    state(3, best=BEST),
    state(3, best=BEST, programs=2, compile_seconds=12.3),
    state(3, best=BEST, error="[Errno 111] refused [/by] the server"),
    state(12, best=BEST),
]


def live(width=100):
    stream = io.StringIO()
    return LiveDisplay(Console(file=stream, force_terminal=True, width=width)), stream


@pytest.mark.parametrize("given", STATES)
def test_every_state_can_be_shown(given):
    plain = PlainLines(io.StringIO(), every=0.0)
    for display in (plain, live()[0], live(20)[0], Silent()):
        with display as shown:
            shown.say("starting [/x] [bold]")
            shown.show(state(0, total=given.total))
            shown.show(given)


def test_plain_lines_tell_counts_best_pace_and_time_left(monkeypatch):
    clock = [100.0]
    monkeypatch.setattr("search.sweeping.display.time.monotonic", lambda: clock[0])
    stream = io.StringIO()
    display = PlainLines(stream, every=15)
    display.show(state(0))
    clock[0] += 60
    display.show(state(4, best=BEST))
    line = stream.getvalue().splitlines()[-1]
    assert "4 of 10 done: 4 complete, 0 pruned, 0 diverged" in line
    assert "best validation mae 0.01234 (trial 4)" in line
    assert "4.0 trials per minute, 1 min 30 s left" in line


def test_plain_lines_are_few_but_the_last_one_comes(monkeypatch):
    clock = [100.0]
    monkeypatch.setattr("search.sweeping.display.time.monotonic", lambda: clock[0])
    stream = io.StringIO()
    display = PlainLines(stream, every=15)
    for finished in range(11):
        display.show(state(finished))
        clock[0] += 1
    lines = stream.getvalue().splitlines()
    assert len(lines) == 2
    assert lines[-1].startswith("10 of 10 done")


def test_the_live_display_shows_error_messages_as_they_are():
    display, stream = live()
    with display:
        display.show(state(3, error="[Errno 111] refused"))
    assert "[Errno 111] refused" in stream.getvalue()


def test_a_pipe_gets_plain_lines():
    assert isinstance(make_display(io.StringIO()), PlainLines)
