"""Ray for one run: a cluster that runs already, or one started here, for it alone.

What is started here listens on the loopback address, asks for a token that nobody else knows, has a
private folder, and is in process groups of its own, so that Ctrl-C or a SIGTERM to everyone reach
the sweep and not Ray. Nothing of it stays behind, however the run ends.
"""

from __future__ import annotations

import logging
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ray
from ray._private import ray_constants
from ray._private import services as ray_services
from ray._private import worker as worker_of_ray

from cellbox.errors import refuse
from search.console.interrupts import STOPPING
from search.workers.ray_address import (
    chosen_address,
    reachable_address,
    refresh_token,
)
from search.workers.ray_signals import answers_kept, signals_as_before

_SECONDS_TO_END = 3.0
# A younger folder may be that of a Ray which is just starting.
_SECONDS_UNTIL_OLD = 600.0
_FOLDERS = "cb-ray-"
# In the environment of every process that a Ray started here has begun.
_MARK = "CELLBOX_RAY_SESSION"
# Type checkers do not see what it has.
ray_worker: Any = worker_of_ray
# What Ray cannot do without.
_ESSENTIAL = ("gcs_server", "raylet")
# Ray's sockets have paths of about 100 characters, of which its own part takes 70.
_LONGEST_FOLDER = 30


class RaySession:
    """Ray as one run sees it. Raises InputError where it cannot be had.

    asked: the address in the spec; None for RAY_ADDRESS, or a Ray of our own where that is not set
    either. options: for `ray.init`, where it is started here.
    """

    def __init__(self, asked: str | None, options: dict[str, Any]):
        self._options = options
        self._started: list[subprocess.Popen[Any]] = []
        self._folder: Path | None = None
        self._environment: dict[str, str | None] = {}
        # A Ray that the caller has started goes on.
        self._joined = ray.is_initialized()
        self.address: str | None = None
        self.owned = False
        if self._joined:
            return
        _set_defaults()
        chosen = chosen_address(asked)
        if chosen is not None:
            # It would end this process, without a word, when its head is away for a minute.
            os.environ.setdefault("RAY_gcs_rpc_server_reconnect_timeout_s", "600")
        self.owned = chosen is None
        if chosen is None:
            self._start()
        else:
            self.address = reachable_address(*chosen)
            self._connect(chosen[1])

    def lost(self) -> str | None:
        """What of a Ray that was started here is gone; None while all is there."""
        for process in self._started:
            name = Path(str(process.args[0])).name  # type: ignore[index]
            if name in _ESSENTIAL and process.poll() is not None:
                return name
        return None

    def start_again(self) -> None:
        """Begin anew with a Ray that was started here."""
        self.close()
        self.owned = True
        self._start()

    def close(self) -> None:
        """End Ray where it was started here, leave it where it was joined by its address."""
        if self._joined:
            return
        try:
            with answers_kept():
                ray.shutdown()
        finally:
            self._end_processes()
            self.owned = False

    def _connect(self, where: str) -> None:
        with signals_as_before(), _without_listener():
            try:
                ray.init(address=self.address, log_to_driver=False, logging_level=logging.ERROR)
            except Exception as error:
                ray.shutdown()
                raise refuse(where, *_why_not_joined(str(self.address), error)) from error

    def _start(self) -> None:
        self._folder = _private_folder()
        mark = str(self._folder)
        self._set_environment({_MARK: mark, **_own_token()})
        refresh_token()
        try:
            with (
                signals_as_before(),
                _without_listener(),
                _on_loopback(),
                _in_groups_of_their_own(self._started),
            ):
                try:
                    ray.init(
                        address="local",
                        include_dashboard=False,
                        log_to_driver=False,
                        logging_level=logging.ERROR,
                        # Ray lets everybody into its own folder, and nobody gets that far.
                        _temp_dir=str(self._folder / "ray"),
                        **self._options,
                    )
                except Exception as error:
                    raise refuse(
                        "workers",
                        f"Ray did not start ({_first_line(error)})",
                        "Try again when the machine is less busy, or train in this process with "
                        "--executor inline",
                    ) from error
        except BaseException:
            self.close()
            raise
        # Of Ray's processes alone: what else this one starts is not to be taken for one of them.
        os.environ.pop(_MARK, None)

    def _set_environment(self, values: dict[str, str]) -> None:
        self._environment = {name: os.environ.get(name) for name in values}
        os.environ.update(values)

    def _end_processes(self) -> None:
        """End what Ray has left of the processes that it began for us, and remove its folder."""
        for process in self._started:
            # Its agents are in the group that it leads, also when it has ended itself.
            _kill_group(process.pid)
            process.wait()
        if self._folder is not None:
            _kill_marked(str(self._folder))
            shutil.rmtree(self._folder, ignore_errors=True)
        for name, value in self._environment.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        if self._environment:
            refresh_token()
        self._started, self._folder, self._environment = [], None, {}


def _set_defaults() -> None:
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "1")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # By default Ray lets workers give way to every other process.
    os.environ.setdefault("RAY_worker_niceness", "0")


def _own_token() -> dict[str, str]:
    """A token for this run, unless the user has chosen how Ray is to be asked."""
    if any(name.startswith("RAY_AUTH_") for name in os.environ):
        return {}
    return {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}


def _private_folder() -> Path:
    """A folder for Ray's sockets and logs that nobody else may enter."""
    parent = os.environ.get("RAY_TMPDIR") or tempfile.gettempdir()
    if len(parent) > _LONGEST_FOLDER and os.access("/tmp", os.W_OK):
        parent = "/tmp"
    _remove_abandoned(Path(parent))
    return Path(tempfile.mkdtemp(prefix=_FOLDERS, dir=parent))


def _remove_abandoned(parent: Path) -> None:
    """Remove our folders of earlier runs that were killed before they could do that."""
    for folder in parent.glob(f"{_FOLDERS}*"):
        try:
            found = folder.stat()
        except FileNotFoundError:
            continue
        old = time.time() - found.st_mtime > _SECONDS_UNTIL_OLD
        if found.st_uid == os.getuid() and old and not _marked(str(folder)):
            shutil.rmtree(folder, ignore_errors=True)


def _why_not_joined(address: str, error: Exception) -> tuple[str, str]:
    text = str(error)
    if "ersion mismatch" in text:
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        return (
            f"the Ray cluster at {address} has other versions ({' '.join(lines[:8])})",
            "Install the same Python and Ray here and on its nodes, from deploy/constraints.txt",
        )
    return (
        f"the Ray cluster at {address} answers, and cannot be joined from this machine "
        f"({_first_line(error)})",
        f"Start a node of it on this machine with `ray start --address={address} --num-cpus=0`",
    )


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


@contextmanager
def _on_loopback() -> Iterator[None]:
    """Let what Ray starts listen on the loopback address, as it does on a Mac, and nowhere else."""
    before = ray_constants.ENABLE_RAY_CLUSTER
    ray_constants.ENABLE_RAY_CLUSTER = False
    try:
        yield
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = before


@contextmanager
def _without_listener() -> Iterator[None]:
    """Let Ray not print what its processes complain of: what matters becomes a sentence of ours."""
    before = ray_worker.listen_error_messages
    ray_worker.listen_error_messages = lambda *arguments: None
    try:
        yield
    finally:
        ray_worker.listen_error_messages = before


@contextmanager
def _in_groups_of_their_own(started: list[subprocess.Popen[Any]]) -> Iterator[None]:
    """Let each process that Ray starts lead a group, and come into a list."""

    class OwnGroup(subprocess.Popen[Any]):
        def __init__(self, *arguments: Any, **options: Any):
            # It hears signals, which who begins it may not.
            deaf = signal.pthread_sigmask(signal.SIG_UNBLOCK, STOPPING)
            try:
                super().__init__(*arguments, **options, start_new_session=True)
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, deaf)
            started.append(self)

    services: Any = ray_services
    before = services.ConsolePopen
    services.ConsolePopen = OwnGroup
    try:
        yield
    finally:
        services.ConsolePopen = before


def _kill_group(leader: int) -> None:
    try:
        os.killpg(leader, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return


def _kill_marked(mark: str) -> None:
    """Wait for the processes that were begun with this mark, and end those that stay."""
    until = time.monotonic() + _SECONDS_TO_END
    while (left := _marked(mark)) and time.monotonic() < until:
        time.sleep(0.05)
    for pid in left:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


def _marked(mark: str) -> list[int]:
    """Processes that have a mark in the environment they were begun with, where one can look."""
    wanted = f"{_MARK}={mark}".encode()
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if wanted in (entry / "environ").read_bytes().split(b"\0"):
                found.append(int(entry.name))
        except OSError:
            # Another user's, or it has just ended.
            continue
    return found
