"""What a run is steered by beside its spec, and what it tells others of itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from search.proposals.queue import Queue
from search.study.state import StateWriter
from search.sweeping.display import Pace, SweepState
from search.sweeping.own_parts import OwnParts
from search.sweeping.steering import Steering
from search.tracking.credentials import without_credentials


@dataclass(frozen=True, eq=False)
class Control:
    """What one run of a sweep has at hand.

    own: what the user gave in Python. steering: when the run is to end. state: where it says how it
    gets on. queue: what is tried before the sampler chooses. pace: how fast it goes.
    """

    own: OwnParts
    steering: Steering
    state: StateWriter
    queue: Queue = field(default_factory=Queue)
    pace: Pace = field(default_factory=Pace)

    def tell_state(self, state: SweepState, *, now: bool) -> None:
        """Let others know where the sweep stands."""
        counts, best = state.counts, state.counts.best
        per_minute, seconds_left = self.pace.update(state)
        changes = {} if state.tracking is None else {"error": state.tracking.error}
        self.state.tell(
            now=now,
            phase="training",
            total=state.total,
            **counts.as_dict(),
            running=state.running,
            workers=state.workers,
            per_minute=per_minute,
            seconds_left=seconds_left,
            best=None
            if best is None
            else {"number": best.number, "objectives": dict(best.objectives)},
            outlook=None if state.outlook is None else state.outlook.as_dict(),
            **{key: value for key, value in changes.items() if value is not None},
        )


@contextmanager
def told_state(state: StateWriter) -> Iterator[None]:
    """Write how a run began, and how it ended where it could not say so itself."""
    state.tell(now=True)
    try:
        yield
    except KeyboardInterrupt:
        state.tell(now=True, phase="interrupted", running=0)
        raise
    except Exception as error:
        first = (str(error).splitlines() or [""])[0]
        why = without_credentials(f"{type(error).__name__}: {first}")
        state.tell(now=True, phase="failed", why=why, running=0)
        raise
