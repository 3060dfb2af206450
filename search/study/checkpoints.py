"""How far trainings under way are, a file for each, with which they go on after a crash or a stop.

It only saves time: whatever goes wrong with it is said in a line, and a training begins anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from cellbox.errors import InputError
from cellbox.storage.files import atomic_write, is_leftover
from cellbox.training.lane_state import UnusableState, check_bytes
from search.study.folder import StudyFolder


class Checkpoints:
    """The files of one study, for the process that holds it. say: told what goes wrong, once."""

    def __init__(self, folder: StudyFolder, say: Callable[[str], None]):
        self._folder = folder
        self._say = say
        self._said = False
        self._known = set(folder.saved_trainings())

    def keep(self, trial: int, repeat: int, content: bytes) -> None:
        """Write how far a training is, in the place of what was kept of it before."""
        try:
            self._folder.checkpoints.mkdir(exist_ok=True)
            with atomic_write(self._folder.saved_training(trial, repeat), "wb") as handle:
                handle.write(content)
        except (OSError, InputError) as error:
            self._tell("could not be written", error)
        else:
            self._known.add((trial, repeat))

    def of(self, key: tuple[int, int]) -> bytes | None:
        """What was kept of a training, by trial and repeat; None where nothing was."""
        if key not in self._known:
            return None
        try:
            return self._folder.saved_training(*key).read_bytes()
        except OSError as error:
            self._tell("could not be read", error)
            return None

    def forget(self, trial: int) -> None:
        """Remove what was kept of a trial that has ended."""
        self._remove({key for key in self._known if key[0] == trial})

    def clear(self) -> None:
        """Remove all, of a study that has ended."""
        self._remove(set(self._known))

    def _remove(self, gone: set[tuple[int, int]]) -> None:
        self._known -= gone
        try:
            for key in gone:
                self._folder.saved_training(*key).unlink(missing_ok=True)
            if gone and not self._known and not any(self._folder.checkpoints.iterdir()):
                self._folder.checkpoints.rmdir()
        except OSError as error:
            # The next run clears it away.
            self._tell("could not be removed", error)

    def _tell(self, what: str, error: Exception) -> None:
        if not self._said:
            self._said = True
            reason = getattr(error, "strerror", None) or error
            self._say(
                f"the checkpoint of a training {what} ({reason}); the sweep goes on, and trainings "
                "that are interrupted may start again"
            )


def damaged_checkpoints(folder: StudyFolder) -> Iterator[tuple[str, str]]:
    """Names of files that are no checkpoints as they were written, and what is wrong with each."""
    if folder.checkpoints.is_dir():
        wanted = set(folder.saved_trainings().values())
        for file in sorted(folder.checkpoints.iterdir()):
            # What a killed write left is cleared by the next run.
            if is_leftover(file.name):
                continue
            try:
                if file not in wanted or not file.is_file():
                    raise UnusableState("expected the checkpoint of a training, found another file")
                check_bytes(file.read_bytes())
            except (UnusableState, OSError) as error:
                yield str(file.relative_to(folder.path)), f"{file}: {error}."
