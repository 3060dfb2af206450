"""One seeded history: a study that is disturbed, resumed until it has finished, and compared.

The loop, the queue of workers, proposals, journal, records, models and MLflow's writer are the real
ones. What must be the same as in the undisturbed study is told in `tests.simulation.essence`.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cellbox.errors import InputError
from search.console.interrupts import Interrupted
from search.study.access import DiskFailed
from search.study.folder import StudyFolder
from search.study.stopping import ask_to_stop
from search.sweeping.display import Silent
from search.sweeping.run import sweep
from search.tracking.background import TrackingStatus
from search.tracking.loop import LoopState, TrackingLoop
from tests.simulation import disk as disks
from tests.simulation.essence import difference, essence
from tests.simulation.scenarios import SCENARIOS, Place, spec_of
from tests.simulation.server import SEND_FAULTS, Client, Server, WriterKilled, repository_of
from tests.simulation.world import PretendedWorkers, World, study_data

# Of how many runs something goes wrong, as shares.
_DISTURBED_RUNS = (0.65, 0.25, 0.1)


_FINDINGS = json.dumps(
    {
        **{key: [] for key in ("confounded_nodes", "sentences", "nodes", "edges")},
        **dict.fromkeys(("not_judged", "n_edges_determined", "criticism")),
    }
)


class Lost(AssertionError):
    """A history that did not end as the undisturbed study."""


def _folder_of_histories() -> str | None:
    """In memory, where a machine has that."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


class _Asleep(BaseException):
    """MLflow's writer waits."""


class _Loop(TrackingLoop):
    """The real loop, which returns where it would wait."""

    def _wait_for_news(self) -> None:
        raise _Asleep

    def _pause(self, delay: float) -> None:
        raise _Asleep


class Tracking:
    """As `search.tracking.background.BackgroundTracking`, with the writer in this process."""

    def __init__(self, place: Place, client: Client, random: np.random.Generator, trouble: float):
        self._place, self._client, self._random, self._trouble = place, client, random, trouble
        self._state = LoopState()
        self._loop = self._begin()

    def _begin(self) -> _Loop:
        return _Loop(StudyFolder(self._place.study), "pretended", self._note)

    def _note(self, state: LoopState) -> None:
        self._state = state

    def _work(self) -> None:
        try:
            self._loop.run()
        except _Asleep:
            return
        except WriterKilled:
            self._loop = self._begin()

    def notify(self) -> None:
        """Sometimes it writes at once, sometimes later."""
        if self._random.uniform() < 0.1 + self._trouble:
            self._work()

    def end_soon(self, best: Any) -> None:
        """All trials are there."""

    def models_there(self, best: Any) -> None:
        """All models are there."""

    def finish(self, best: Any) -> str | None:
        """Some attempts to write everything."""
        for _ in range(3):
            self._loop.finish(best)
            self._work()
            if self.complete:
                return None
        return "MLflow lacks something"

    @property
    def complete(self) -> bool:
        """Whether MLflow has everything."""
        return self._state.complete

    def status_of(self, n_finished: int) -> TrackingStatus:
        """How far it is."""
        return TrackingStatus(self._state.written, 0, self._state.error)


@contextmanager
def _simulated(place: Place, world: World, client: Client) -> Iterator[None]:
    """Everything that a sweep meets outside of itself is the world's, for a block."""

    @contextmanager
    def workers(*_: Any) -> Iterator[PretendedWorkers]:
        yield PretendedWorkers(world)

    @contextmanager
    def tracking(*_: Any) -> Iterator[Tracking]:
        yield Tracking(place, client, world.random, world.trouble)

    data = study_data()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {
            "search.sweeping.run.started_workers": workers,
            "search.sweeping.run.started_tracking": tracking,
            "search.sweeping.preparation.load_study_data": lambda spec: data,
            "search.sweeping.preparation.check_gradient": lambda *_: None,
            "search.sweeping.preparation.keep_compiled_programs": lambda: None,
            "search.sweeping.beginning.evaluate_baselines": lambda *_: {"ridge": None},
            # Pictures and standard errors take longer than all the rest together.
            "cellbox.models.model_files.write_pictures": lambda *_, **__: None,
            "cellbox.models.model_files.write_network_files": lambda *_: None,
            "search.study.identifiability._judge": _judge,
            "search.tracking.study_runs.MlflowClient": lambda **_: client,
            "search.tracking.mlflow_writer.get_artifact_repository": repository_of(client),
            "search.tracking.mlflow_writer.MlflowWriter.draw": lambda *_: Path(),
            "search.tracking.mlflow_writer.MlflowWriter.rehearse": lambda *_: None,
            "search.tracking.mlflow_writer.MlflowWriter.write_models": lambda *_: {},
            "search.tracking.mlflow_writer.study_candidates": lambda *_: [],
            "search.tracking.mlflow_writer.summarise": _summarise,
        }.items():
            patch.setattr(name, value)
        patch.setattr(time, "time", world.clock)
        patch.setattr(time, "monotonic", world.uptime)
        patch.setattr(time, "sleep", lambda seconds: None)
        yield


def _judge(folder: StudyFolder, best: Any, data: Any) -> None:
    from cellbox.storage.files import atomic_write

    # In the order in which the real ones are written.
    for file in reversed(folder.identifiability_files(best[0])):
        with atomic_write(file) as handle:
            handle.write(_FINDINGS)


def _summarise(folder: StudyFolder, best: Any, target: Path, *_: Any) -> Any:
    from search.tracking.summary import Summary
    from search.tracking.trial_content import MetricValue

    records = list(folder.records())
    values = [MetricValue("trials", float(len(records)), len(records))]
    return Summary(values, {"cellbox.stopped": folder.stopped or ""}, "a study", 1)


@contextmanager
def _given_up(random: np.random.Generator, place: Place, world: World) -> Iterator[None]:
    """In some runs someone presses Ctrl-C, or asks the sweep to stop, at some answer."""
    at, what = int(random.integers(60)), str(random.choice(["ctrl-c", "stop", "none", "none"]))
    seen = 0

    def between() -> None:
        nonlocal seen
        seen += 1
        if seen == at and what == "ctrl-c":
            raise KeyboardInterrupt
        if seen == at and what == "stop":
            ask_to_stop(StudyFolder(place.study))

    world.between = between
    yield
    world.between = lambda: None


@dataclass(frozen=True)
class Reference:
    """An undisturbed study: what it found, and how many changes and requests that took."""

    essence: dict[str, Any]
    changes: int
    requests: int


@cache
def reference(scenario: int) -> Reference:
    """The undisturbed study of a scenario."""
    with tempfile.TemporaryDirectory(dir=_folder_of_histories()) as folder:
        place = place_of(Path(folder), scenario)
        disk = disks.Disk(str(place.study), None, np.random.default_rng(0))
        client = Client(place.server, None)
        run(place, World(np.random.default_rng(0), 0.0, place.tied), client, disk)
        return Reference(essence(place), disk.changes, client.requests)


_EARLIER: list[tempfile.TemporaryDirectory[str]] = []


def _earlier() -> Path:
    """A finished study whose trials others carry over."""
    if not _EARLIER:
        _EARLIER.append(tempfile.TemporaryDirectory(dir=_folder_of_histories()))
        place = Place(Path(_EARLIER[0].name) / "earlier", Server(), *spec_of(0, Path()))
        disk = disks.Disk(str(place.study), None, np.random.default_rng(0))
        world = World(np.random.default_rng(0), 0.0, False)
        run(place, world, Client(place.server, None), disk)
    return Path(_EARLIER[0].name) / "earlier"


def place_of(folder: Path, scenario: int) -> Place:
    """A new place in this folder for a study of this scenario."""
    earlier = _earlier() if SCENARIOS[scenario].get("earlier") else Path()
    return Place(folder / "simulated", Server(), *spec_of(scenario, earlier))


def run(
    place: Place, world: World, client: Client, disk: disks.Disk, hours: float | None = None
) -> None:
    with _simulated(place, world, client), disks.on(disk):
        sweep(place.spec, study=place.study, hours=hours, display=Silent(), report=False)


def play(seed: int, say: Any = lambda line: None) -> None:
    """Play the history with this seed. Raises Lost where it does not end as it should."""
    random = np.random.default_rng(seed)
    scenario = int(random.integers(len(SCENARIOS)))
    whole = reference(scenario)
    say(f"seed {seed}: scenario {scenario}, {SCENARIOS[scenario]}")
    with tempfile.TemporaryDirectory(dir=_folder_of_histories()) as folder:
        place = place_of(Path(folder), scenario)
        for number in range(1 + int(random.choice(len(_DISTURBED_RUNS), p=_DISTURBED_RUNS))):
            _disturbed(place, random, whole, number, say)
            _rot(place, random, say)
        client = Client(place.server, None)
        # Two runs: the first may find what the last one left, the second finds nothing to do.
        for _ in range(2):
            world = World(random, 0.0, place.tied, now=1_800_000_000.0)
            disk = disks.Disk(str(place.study), None, random)
            try:
                run(place, world, client, disk)
            except (Exception, disks.Killed) as error:
                raise Lost(f"resuming failed: {traceback.format_exc()}") from error
        if disk.changes > 6:
            raise Lost("a finished study was written again:\n" + "\n".join(disk.log))
        try:
            found = essence(place)
        except (InputError, OSError) as error:
            raise Lost(f"the study cannot be read: {traceback.format_exc()}") from error
        wrong = difference(whole.essence, found)
        if wrong is not None:
            raise Lost(wrong)


def failures(seeds: range) -> list[tuple[int, str]]:
    """The histories of these seeds that did not end as they should, with what was wrong."""
    found = []
    for seed in seeds:
        try:
            play(seed)
        except Lost as error:
            found.append((seed, str(error)))
    return found


def _disturbed(
    place: Place, random: np.random.Generator, whole: Reference, number: int, say: Any
) -> None:
    """One run in which something goes wrong."""
    fault = disks.Fault(int(random.integers(whole.changes + 5)), str(random.choice(disks.FAULTS)))
    lost = (int(random.integers(whole.requests + 5)), str(random.choice(SEND_FAULTS)))
    disk = disks.Disk(str(place.study), fault if random.uniform() < 0.85 else None, random)
    client = Client(place.server, lost if random.uniform() < 0.6 else None)
    world = World(random, float(random.choice([0.0, 0.02, 0.1])), place.tied, 1.7e9 + 1e5 * number)
    hours = float(random.uniform(0.0005, 0.03)) if random.uniform() < 0.3 else None
    say(
        f"run {number}: {fault if disk._fault else 'no fault'}, "
        f"{lost if client._fault else 'MLflow is well'}, trouble {world.trouble}, hours {hours}"
    )
    try:
        with _given_up(random, place, world):
            run(place, world, client, disk, hours)
    except disks.Killed:
        say("  killed")
    except Interrupted:
        say("  interrupted")
    except DiskFailed as error:
        say(f"  the disk: {error.problems[0].fix}")
        if fault.kind not in ("refused", "full", "unsure"):
            raise Lost(f"an error without a cause: {traceback.format_exc()}") from error
    except OSError as error:
        # What was done twice finds nothing, or its own result, the second time.
        say(f"  {error.strerror}")
        if fault.kind != "repeated":
            raise Lost(f"an error without a cause: {traceback.format_exc()}") from error
    except InputError as error:
        raise Lost(f"refused to go on: {traceback.format_exc()}") from error
    except Exception as error:
        raise Lost(f"a traceback: {traceback.format_exc()}") from error
    client.settle()


def _rot(place: Place, random: np.random.Generator, say: Any) -> None:
    """Sometimes a record, or how far a training is, is not what was written."""
    folder = StudyFolder(place.study)
    numbers = folder.finished_numbers()
    saved = sorted(folder.saved_trainings().values())
    if saved and random.uniform() < 0.5:
        file, other = saved[int(random.integers(len(saved)))], saved[0].read_bytes()
        _spoil(place, file, random, say, other=other)
    if not numbers or random.uniform() > 0.15:
        return
    trial = folder._trial(int(random.choice(numbers)))
    files = sorted(trial.iterdir())
    if files:
        _spoil(place, files[int(random.integers(len(files)))], random, say)


def _spoil(
    place: Place, file: Path, random: np.random.Generator, say: Any, other: bytes | None = None
) -> None:
    """Damage a file, or remove it, of a trial with all that is beside it.

    other: what it may have instead, of another training.
    """
    content = bytearray(file.read_bytes())
    ways = ["cut", "flipped", "gone", "empty"] + (["another's"] if other is not None else [])
    how = str(random.choice(ways))
    say(f"  {how}: {file.relative_to(place.study)}")
    if how == "gone" and other is None:
        shutil.rmtree(file.parent)
    elif how == "gone":
        file.unlink()
    elif how == "another's" and other is not None:
        file.write_bytes(other)
    elif how == "empty" or not content:
        file.write_bytes(b"")
    elif how == "cut":
        file.write_bytes(content[: int(random.integers(len(content)))])
    else:
        content[int(random.integers(len(content)))] ^= 1 << int(random.integers(8))
        file.write_bytes(content)
