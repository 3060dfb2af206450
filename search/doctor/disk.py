"""Whether studies can be kept where they are to be: writing, locks, room, time stamps."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from cellbox.storage.cache import cache_folder
from search.doctor.finding import Finding

_GIB = 2**30
# A study of 1,000 trials of LI has some 20 MB with MLflow.
_LITTLE, _TOO_LITTLE = 2 * _GIB, 0.1 * _GIB
# Ray's sockets, logs and what does not fit into its memory.
_LITTLE_FOR_RAY = 1 * _GIB
_SLOW = 0.05  # seconds
_APART = 5.0  # seconds
_NETWORK = (
    "nfs",
    "cifs",
    "smb",
    "lustre",
    "gpfs",
    "beegfs",
    "ceph",
    "afs",
    "9p",
    "sshfs",
    "gluster",
)


def disk_findings(folder: Path) -> Iterator[Finding]:
    """Of the folder in which studies are kept, of Ray's folder, and of the cache."""
    place = folder.absolute()
    while not place.is_dir():
        if place.exists():
            yield Finding("studies", "fail", f"{place} is a file", "Name a folder with --folder")
            return
        place = place.parent
    try:
        with tempfile.TemporaryDirectory(prefix=".cellbox-doctor-", dir=place) as inside:
            yield from _of_writing(place, Path(inside))
    except OSError as error:
        found = f"{place} cannot be written: {error.strerror}"
        yield Finding("studies", "fail", found, "Choose a folder that you can write with --folder")
    yield _room("room for studies", place, _LITTLE, "Make room, or keep studies elsewhere")
    yield _of_cache()
    temporary = Path(os.environ.get("RAY_TMPDIR") or tempfile.gettempdir())
    yield _room("room for Ray", temporary, _LITTLE_FOR_RAY, "Make room, or set RAY_TMPDIR")


def _of_writing(place: Path, inside: Path) -> Iterator[Finding]:
    waits = []
    for number in range(5):
        began = time.perf_counter()
        with open(inside / str(number), "wb") as handle:
            handle.write(b"0" * 4096)
            handle.flush()
            os.fsync(handle.fileno())
        os.replace(inside / str(number), inside / "whole")
        waits.append(time.perf_counter() - began)
    wait = sorted(waits)[2]
    found = f"{place} can be written; a write reaches the disk in {1000 * wait:.1f} ms"
    if wait > _SLOW:
        fix = "A trial waits for three of them; a local disk is faster"
        yield Finding("studies", "warn", found, fix)
    else:
        yield Finding("studies", "ok", found)
    yield _of_locks(inside)
    kind = file_system(place)
    if kind is not None and any(name in kind for name in _NETWORK):
        fix = "Let one machine at a time run a sweep in a study there, and MLflow use a server"
        yield Finding("file system", "warn", f"{kind}, over a network", fix)
    elif kind is not None:
        yield Finding("file system", "ok", kind)
    apart = abs((inside / "whole").stat().st_mtime - time.time())
    if apart > _APART:
        fix = "Set both clocks, as with NTP"
        yield Finding("clock", "warn", f"the disk's is {apart:.0f} s off this machine's", fix)
    elif time.time() < Path(__file__).stat().st_mtime - 86400:
        yield Finding("clock", "warn", "it is earlier than this program", "Set it, as with NTP")
    else:
        yield Finding("clock", "ok", time.strftime("%Y-%m-%d %H:%M:%S %Z"))


def _of_locks(inside: Path) -> Finding:
    try:
        with open(inside / "lock", "w") as one, open(inside / "lock", "w") as other:
            fcntl.flock(one, fcntl.LOCK_EX | fcntl.LOCK_NB)
            try:
                fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return Finding("locks", "ok", "a second sweep in a study is kept out")
    except OSError as error:
        found = f"files cannot be locked: {error.strerror}"
        return Finding("locks", "fail", found, "Keep studies on a file system with locks")
    found = "a lock keeps nobody out"
    return Finding("locks", "fail", found, "Keep studies on a file system with locks")


def _room(what: str, place: Path, little: float, fix: str) -> Finding:
    try:
        free = shutil.disk_usage(place).free
    except OSError as error:
        return Finding(what, "fail", f"{place}: {error.strerror}", fix)
    found = f"{free / _GIB:.1f} GiB free at {place}"
    if free < _TOO_LITTLE:
        return Finding(what, "fail", found, fix)
    return Finding(what, "warn" if free < little else "ok", found, fix if free < little else "")


def _of_cache() -> Finding:
    folder = cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.TemporaryFile(dir=folder):
            return Finding("cache", "ok", f"compiled programs are kept in {folder}")
    except OSError as error:
        found = f"{folder} cannot be written ({error.strerror}): programs are compiled each time"
        return Finding("cache", "warn", found, "Set XDG_CACHE_HOME to a folder that you can write")


def file_system(place: Path, mounts: Path = Path("/proc/mounts")) -> str | None:
    """The kind of the file system that a folder is on; None where the system does not tell."""
    try:
        lines = mounts.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    found: tuple[str, str | None] = ("", None)
    for line in lines:
        _, where, kind, *_ = line.split(" ")
        where = where.replace("\\040", " ")
        if place.is_relative_to(where) and len(where) >= len(found[0]):
            found = (where, kind)
    return found[1]
