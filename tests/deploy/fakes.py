"""Stand-ins for what the machine of a test does not have: Slurm's commands, as plain processes."""

import os
import signal
import sys
import time
from pathlib import Path

_SRUN = """\
#!/bin/bash
while [[ $1 == --* ]]; do shift; done
exec "$@"
"""
_SCONTROL = """\
#!/bin/bash
if [[ $1 == show ]]; then
    echo "${3//,/$'\\n'}"
else
    echo "$@" >>"$FAKE_SCONTROL_LOG"
fi
"""
_HOSTNAME = """\
#!/bin/bash
echo 127.0.0.1
"""


def fake_slurm(folder: Path) -> Path:
    """A folder for PATH with `srun` and `scontrol` that use this machine alone."""
    folder.mkdir()
    for name, text in (("srun", _SRUN), ("scontrol", _SCONTROL), ("hostname", _HOSTNAME)):
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    return programs(folder)


def programs(folder: Path) -> Path:
    """Put the programs of the environment that runs the tests into a folder for PATH."""
    folder.mkdir(exist_ok=True)
    for name, module in (
        ("python", ""),
        ("ray", "-m ray.scripts.scripts"),
        ("mlflow", "-m mlflow"),
        ("cellbox", "-m search.cli.main"),
    ):
        (folder / name).write_text(f'#!/bin/sh\nexec {sys.executable} {module} "$@"\n')
        (folder / name).chmod(0o755)
    return folder


def processes_of(marker: str) -> list[int]:
    """Processes in whose command a text stands, this one left out."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            command = (entry / "cmdline").read_bytes().decode("utf-8", "replace")
        except OSError:
            continue
        if marker in command and int(entry.name) != os.getpid():
            found.append(int(entry.name))
    return found


def wait_until_gone(marker: str, seconds: float) -> list[int]:
    """Processes that are still there after so many seconds."""
    until = time.monotonic() + seconds
    while (left := processes_of(marker)) and time.monotonic() < until:
        time.sleep(0.2)
    return left


def kill(pids: list[int]) -> None:
    """End processes by their ids."""
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
