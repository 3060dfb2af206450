"""The processes of a test's cluster: each on a machine, ended by their ids and by nothing else."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tests.cluster.network import Network
from tests.deploy.fakes import kill

_MARK = "CELLBOX_TEST_MACHINE"
_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "grpc_proxy")


class Processes:
    """Starts programs on machines, and ends all that they have begun.

    folder: where their logs are, and all that they write.
    """

    def __init__(self, folder: Path, network: Network):
        self.folder, self._network = folder, network
        self._started: list[subprocess.Popen[Any]] = []
        self.logs: list[Path] = []

    def start(
        self,
        machine: str,
        name: str,
        command: list[str],
        environment: Mapping[str, str] | None = None,
        user: str | None = None,
    ) -> tuple[subprocess.Popen[Any], Path]:
        """Start a program, whose output goes into a log of its own."""
        log = self.folder / f"{name}.log"
        if log not in self.logs:
            self.logs.append(log)
        if user is not None:
            command = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", *command]
        with log.open("ab") as stream:
            process = subprocess.Popen(
                self._network.on(machine, command),
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                cwd=self.folder,
                env=clean_environment(environment or {}, {_MARK: self._mark(machine)}),
            )
        self._started.append(process)
        return process, log

    def on(self, machine: str) -> list[int]:
        """All processes on a machine."""
        wanted = f"{_MARK}={self._mark(machine)}".encode()
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                inside = wanted in (entry / "environ").read_bytes().split(b"\0")
            except OSError:
                continue
            if inside:
                found.append(int(entry.name))
        return found

    def kill_machine(self, machine: str) -> None:
        """End a machine as a failing power supply does."""
        kill(self.on(machine))

    def stop(self, machines: list[str]) -> list[int]:
        """End everything; the processes that had to be killed."""
        for process in reversed(self._started):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        until = time.monotonic() + 15
        while time.monotonic() < until and any(map(self.on, machines)):
            for process in self._started:
                process.poll()
            time.sleep(0.2)
        left = [pid for machine in machines for pid in self.on(machine)]
        kill(left)
        for process in self._started:
            process.wait(10)
        return left

    def _mark(self, machine: str) -> str:
        return f"{self.folder}:{machine}"


def clean_environment(*more: Mapping[str, str]) -> dict[str, str]:
    """This process's environment without what would lead elsewhere, and with more."""
    clean = {
        name: value
        for name, value in os.environ.items()
        if name.lower() not in _PROXIES and not name.startswith(("PG", "RAY_", "MLFLOW_"))
    }
    for one in more:
        clean |= one
    return clean


def wait_for(
    what: str, works: Callable[[], bool], seconds: float, log: Path | None = None
) -> float:
    """Wait until something holds; the seconds that took. Raises AssertionError with the log."""
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        try:
            if works():
                return time.monotonic() - began
        except OSError:
            pass
        time.sleep(0.2)
    said = "" if log is None or not log.exists() else f":\n{log.read_text()[-3000:]}"
    raise AssertionError(f"{what}: not within {seconds:.0f} s{said}")
