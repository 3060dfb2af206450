"""Trainings under way: saved as workers say how far they are, and gone on with from there."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from search.study.checkpoints import Checkpoints
from search.study.folder import StudyFolder
from search.workers.executor import Executor
from search.workers.job import Continued, Saved

# Seconds in which workers may say how far they are when a run is to end.
_LAST_WORDS = 4.0
_MOST_NAMED = 8


class UnderWay:
    """What is known of trainings under way beyond this run. say: tells people."""

    def __init__(self, folder: StudyFolder, executor: Executor, say: Callable[[str], None]):
        self._executor = executor
        self._say = say
        self._checkpoints = Checkpoints(folder, say)
        self._continued: list[Continued] = []
        executor.saved = self._checkpoints.of

    def take(self, event: Saved | Continued) -> None:
        """Keep how far a training is, or note that one goes on."""
        if isinstance(event, Saved):
            self._checkpoints.keep(event.trial, event.repeat, event.content)
        else:
            self._continued.append(event)

    def tell(self) -> None:
        """Say which trainings go on, and which do not though they were saved."""
        going_on = [event for event in self._continued if event.trouble is None]
        if going_on:
            steps = sorted({event.step for event in going_on})
            shown = f"step {steps[0]}" if len(steps) == 1 else f"steps {steps[0]} to {steps[-1]}"
            self._say(f"{_trials(going_on, 'goes on', 'go on')} at {shown}")
        for event in self._continued:
            if event.trouble is not None:
                self._say(
                    f"trial {event.trial} starts again: its checkpoint is not used "
                    f"({event.trouble})"
                )
        self._continued = []

    def ended(self, number: int) -> None:
        """Forget how far a trial was."""
        self._checkpoints.forget(number)

    def save(self) -> None:
        """Keep how far all trainings are, as the run ends before its study."""
        for event in self._executor.save(_LAST_WORDS):
            # All else is said again by the run that goes on.
            if isinstance(event, Saved):
                self.take(event)

    def close(self) -> None:
        """Forget all, at the end of a study."""
        self._checkpoints.clear()


def _trials(events: Sequence[Continued], one: str, several: str) -> str:
    numbers = sorted({event.trial for event in events})
    if len(numbers) == 1:
        return f"trial {numbers[0]} {one}"
    if len(numbers) > _MOST_NAMED:
        return f"{len(numbers)} trials {several}"
    return f"trials {', '.join(map(str, numbers[:-1]))} and {numbers[-1]} {several}"
