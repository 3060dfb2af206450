"""The machine itself: its network, cores and memory."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Mapping
from pathlib import Path

from search.doctor.finding import Finding

_GIB = 2**30
# What the sweep, MLflow's writer and Ray have together, and each worker.
_FOR_ALL, _FOR_A_WORKER = 1.5 * _GIB, 0.6 * _GIB
_PORT_OF_PAGES = 5000
_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "grpc_proxy")


def network_findings(environment: Mapping[str, str]) -> Iterator[Finding]:
    """Whether processes of this machine reach each other, and nothing comes between them."""
    try:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
            with socket.create_connection(("127.0.0.1", port), 5.0):
                yield Finding("loopback", "ok", "processes of this machine reach each other")
    except OSError as error:
        found = f"127.0.0.1 cannot be used: {error.strerror or error}"
        yield Finding(
            "loopback", "fail", found, "Bring the loopback interface up: ip link set lo up"
        )
    names = {name.lower(): value for name, value in environment.items()}
    proxied = [name for name in _PROXIES if names.get(name)]
    if proxied and "127.0.0.1" not in names.get("no_proxy", ""):
        found = f"{', '.join(proxied)} set, and 127.0.0.1 is not in no_proxy"
        yield Finding("proxy", "warn", found, "export no_proxy=127.0.0.1,localhost")
    if _is_taken(_PORT_OF_PAGES):
        found = f"{_PORT_OF_PAGES} is taken: `cellbox ui` takes the next that is free"
        yield Finding("port of MLflow's pages", "warn", found, "Choose another with --port")
    else:
        yield Finding("port of MLflow's pages", "ok", f"{_PORT_OF_PAGES} is free")


def _is_taken(port: int) -> bool:
    try:
        # As servers do: one that has just ended leaves its port for a while.
        with socket.create_server(("127.0.0.1", port), reuse_port=False):
            return False
    except OSError:
        return True


def core_findings(groups: Path = Path("/sys/fs/cgroup")) -> Iterator[Finding]:
    """Cores that this process may use, and whether it gets them."""
    n_cores, n_all = usable_cores(), os.cpu_count() or 1
    of_all = f" of {n_all}" if n_all != n_cores else ""
    share = _share_of_cores(groups)
    if share is not None and share < n_cores:
        found = f"{n_cores}{of_all}, of whose time this container gets {share:g} cores"
        fix = f"Give --workers {max(1, int(share))}, so that workers do not wait for each other"
        yield Finding("cores", "warn", found, fix)
    else:
        yield Finding("cores", "ok", f"{n_cores}{of_all}")
    load = os.getloadavg()[0]
    found = f"{load:.1f} processes want a core at the moment"
    if load > n_cores:
        yield Finding("load", "warn", found, "Others use this machine: sweeps are slower")
    else:
        yield Finding("load", "ok", found)


def usable_cores() -> int:
    """Cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def memory_findings(
    groups: Path = Path("/sys/fs/cgroup"),
    memory: Path = Path("/proc/meminfo"),
    shared: Path = Path("/dev/shm"),
) -> Iterator[Finding]:
    """Memory for one worker on each core, and what processes share."""
    free = _free_memory(groups, memory)
    if free is not None:
        fitting = int((free - _FOR_ALL) // _FOR_A_WORKER)
        wanted = usable_cores()
        found = f"{free / _GIB:.1f} GiB free"
        if fitting < 1:
            fix = "End other programs, or train in one process: --executor inline"
            yield Finding("memory", "warn", found, fix)
        elif fitting < wanted:
            fix = f"Give --workers {fitting}: each takes about 0.6 GiB"
            yield Finding("memory", "warn", found, fix)
        else:
            yield Finding("memory", "ok", found)
    if shared.is_dir():
        usage = os.statvfs(shared)
        size = usage.f_bavail * usage.f_frsize
        found = f"{size / _GIB:.2f} GiB free at {shared}"
        if size < 0.25 * _GIB:
            fix = "Start the container with --shm-size=1g; Ray is slower without it"
            yield Finding("shared memory", "warn", found, fix)
        else:
            yield Finding("shared memory", "ok", found)


def _free_memory(groups: Path, memory: Path) -> float | None:
    """Bytes that can be had, by the machine and by the container."""
    known = []
    try:
        for line in memory.read_text(encoding="utf-8").splitlines():
            if line.startswith("MemAvailable:"):
                known.append(1024.0 * int(line.split()[1]))
        limit = (groups / "memory.max").read_text(encoding="utf-8").strip()
        if limit != "max":
            used = (groups / "memory.current").read_text(encoding="utf-8")
            known.append(float(limit) - float(used))
    except (OSError, ValueError):
        # Where the system tells of no limit there is none.
        return min(known, default=None)
    return min(known, default=None)


def _share_of_cores(groups: Path) -> float | None:
    """Of how many cores a container gets the time; None for all."""
    try:
        quota, period = (groups / "cpu.max").read_text(encoding="utf-8").split()
        return None if quota == "max" else float(quota) / float(period)
    except (OSError, ValueError):
        return None
