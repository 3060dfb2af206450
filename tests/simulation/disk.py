"""A disk on which things go wrong: any change below one folder can be the last, torn or refused.

Python's own ways to change files are replaced for the length of a block. Every change (a write, an
fsync, a rename, a file made or removed) has a number, and a plan says at which of them what goes
wrong. After a kill nothing that the program still does has an effect, as after SIGKILL.
"""

from __future__ import annotations

import builtins
import errno
import io
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

#: What may go wrong at a change. "repeated": done, and then done again, as by a file server that
#: lost its answer. "unsure": done, and then reported as failed. "full": refused, like all after it.
FAULTS = ("kill before", "kill after", "torn", "power", "refused", "full", "unsure", "repeated")
_REFUSED = (errno.ENOSPC, errno.EIO, errno.EDQUOT)


class Killed(BaseException):
    """The process is gone."""


@dataclass(frozen=True)
class Fault:
    """What goes wrong at the change with this number, counted from 0."""

    at: int
    kind: str


class Disk:
    """Changes of files below `root`, of which one goes wrong.

    random: decides how much of a torn write arrives, and which error is reported.
    """

    def __init__(self, root: str, fault: Fault | None, random: np.random.Generator):
        self.root = os.path.realpath(root)
        self.changes = 0
        self.dead = False
        self.log: list[str] = []
        self._fault = fault
        self._random = random
        self._full = False
        self._away = False
        # How to take back what a power cut loses: since the last fsync, in order.
        self._undo: list[Callable[[], None]] = []
        # Sizes that files are sure to have after a power cut.
        self._sure: dict[str, int] = {}

    def is_ours(self, path: Any) -> bool:
        """Whether a path is below the root."""
        if self._away or not isinstance(path, str | os.PathLike):
            return False
        return os.path.abspath(os.fspath(path)).startswith(self.root + os.sep)

    def change(
        self,
        what: str,
        path: Any,
        do: Callable[[], Any],
        *,
        part: Callable[[], Any] | None = None,
        undo: Callable[[], None] | None = None,
        frees: bool = False,
    ) -> Any:
        """Make a change, unless something goes wrong with it.

        part: does a part of it; where there is one, it can be torn. undo: what a power cut may
        take back. frees: whether a full disk allows it.
        """
        if self.dead:
            raise Killed
        number, self.changes = self.changes, self.changes + 1
        kind = self._fault.kind if self._fault is not None and self._fault.at == number else None
        self.log.append(f"{number} {what} {os.fspath(path)[len(self.root) + 1 :]} {kind or ''}")
        if kind in ("kill before", "power"):
            self._die(power=kind == "power")
        if kind == "torn":
            if part is not None:
                part()
            self._die()
        if kind == "full":
            self._full = True
        if (kind == "refused" or self._full) and not frees:
            if part is not None:
                part()
            raise self._error(path, errno.ENOSPC if self._full else None)
        result = do()
        if undo is not None:
            self._undo.append(undo)
        if kind == "kill after":
            self._die()
        if kind == "unsure":
            raise self._error(path, errno.EIO)
        if kind == "repeated" and what != "write":
            # The second time it finds its own result.
            do()
        return result

    def _error(self, path: Any, number: int | None) -> OSError:
        number = int(self._random.choice(_REFUSED)) if number is None else number
        return OSError(number, os.strerror(number), os.fspath(path))

    def _die(self, *, power: bool = False) -> None:
        if power:
            self.cut_power()
        self.dead = True
        raise Killed

    def synced(self, path: str) -> None:
        """A file is on the disk with all that was changed before, as on a journalling one."""
        self._undo.clear()
        self._sure[path] = os.path.getsize(path) if os.path.isfile(path) else 0

    def cut_power(self) -> None:
        """Take back a random part of what is not sure yet, the latest first."""
        self._away = True
        kept = int(self._random.integers(len(self._undo) + 1))
        for undo in reversed(self._undo[kept:]):
            undo()
        for path, sure in self._sure.items():
            if os.path.isfile(path) and (size := os.path.getsize(path)) > sure:
                os.truncate(path, int(self._random.integers(sure, size + 1)))
        self._away = False

    def unsure(self, path: str, sure: int) -> None:
        """What a file has beyond `sure` bytes may be lost."""
        self._sure[path] = min(sure, self._sure.get(path, sure))

    def moved(self, source: str, target: str) -> None:
        """What is unsure of a file goes with it, and of a folder what is in it."""
        for path in list(self._sure):
            if path == source or path.startswith(source + os.sep):
                self._sure[target + path[len(source) :]] = self._sure.pop(path)


class _File(io.FileIO):
    """A file that is written below the root."""

    def __init__(self, disk: Disk, path: str, mode: str):
        self._disk, self._path = disk, path
        super().__init__(path, mode)

    def write(self, content: Any) -> int:
        whole = bytes(content)
        if self._disk.dead:
            # What is still buffered when a process is killed is gone.
            return len(whole)
        size = os.path.getsize(self._path)
        self._disk.unsure(self._path, size)
        cut = int(self._disk._random.integers(len(whole) + 1))

        def write(part: bytes) -> int:
            return super(_File, self).write(part) or 0

        def write_part() -> None:
            # As reported: nothing of it was taken.
            at = self.tell()
            write(whole[:cut])
            self.seek(at)

        return self._disk.change("write", self._path, lambda: write(whole), part=write_part)

    def truncate(self, size: int | None = None) -> int:
        return self._disk.change(
            "truncate", self._path, lambda: super(_File, self).truncate(size), frees=True
        )


def _content_of(path: str) -> bytes | None:
    if not os.path.isfile(path) or os.path.islink(path):
        return None
    with _REAL_OPEN(path, "rb") as handle:
        return handle.read()


def _put_back(path: str, content: bytes | None) -> None:
    if content is None:
        if os.path.lexists(path):
            _REAL["unlink"](path)
        return
    if os.path.isdir(os.path.dirname(path)):
        with _REAL_OPEN(path, "wb") as handle:
            handle.write(content)


_REAL_OPEN = io.open
_REAL = {
    name: getattr(os, name)
    for name in ("replace", "rename", "unlink", "mkdir", "rmdir", "symlink", "fsync", "truncate")
}


@contextmanager
def on(disk: Disk) -> Iterator[None]:
    """Let all changes below the disk's root be its own for the length of a block."""
    with pytest.MonkeyPatch.context() as patch:
        opened = _opener(disk)
        patch.setattr(builtins, "open", opened)
        patch.setattr(io, "open", opened)
        for name, change in _changes(disk).items():
            patch.setattr(os, name, change)
        patch.setattr(os, "remove", os.unlink)
        # By path, and by Python's own writes.
        patch.setattr(shutil, "_use_fd_functions", False)
        patch.setattr(shutil, "_USE_CP_SENDFILE", False)
        yield


def _opener(disk: Disk) -> Callable[..., Any]:
    def opened(file: Any, mode: str = "r", buffering: int = -1, *rest: Any, **named: Any) -> Any:
        if not (set(mode) & set("wax+") and disk.is_ours(file)):
            return _REAL_OPEN(file, mode, buffering, *rest, **named)
        path = os.path.abspath(os.fspath(file))
        plain = mode.replace("b", "").replace("t", "")
        before, existed = _content_of(path), os.path.exists(path)

        def make() -> _File:
            return _File(disk, path, plain)

        if existed and "w" not in plain:
            raw = make()
        else:
            raw = disk.change("open", path, make, undo=lambda: _put_back(path, before))
            disk.unsure(path, 0)
        if buffering == 0:
            return raw
        buffered = io.BufferedRandom(raw) if "+" in plain else io.BufferedWriter(raw)
        return buffered if "b" in mode else io.TextIOWrapper(buffered, *rest, **named)

    return opened


def _moving(disk: Disk, name: str) -> Callable[..., None]:
    def move(source: Any, target: Any, **rest: Any) -> None:
        if not disk.is_ours(target):
            return _REAL[name](source, target, **rest)
        here, there = (os.path.abspath(os.fspath(path)) for path in (source, target))
        before = _content_of(there)

        def do() -> None:
            _REAL[name](here, there)
            disk.moved(here, there)

        def undo() -> None:
            if os.path.lexists(there) and os.path.isdir(os.path.dirname(here)):
                _REAL["rename"](there, here)
                disk.moved(there, here)
            if before is not None:
                _put_back(there, before)

        return disk.change(name, there, do, undo=undo)

    return move


def _on_path(
    disk: Disk,
    name: str,
    undo_of: Callable[[str], Callable[[], None] | None],
    *,
    frees: bool,
) -> Callable[..., Any]:
    def change(path: Any, *arguments: Any, **rest: Any) -> Any:
        if not disk.is_ours(path):
            return _REAL[name](path, *arguments, **rest)
        place = os.path.abspath(os.fspath(path))
        undo = undo_of(place)
        return disk.change(
            name, place, lambda: _REAL[name](place, *arguments), undo=undo, frees=frees
        )

    return change


def _restored(path: str) -> Callable[[], None] | None:
    content = _content_of(path)
    return None if content is None else lambda: _put_back(path, content)


def _changes(disk: Disk) -> dict[str, Callable[..., Any]]:
    """Each of the functions of `os` that changes something, below the root as the disk does it."""

    def folder_removed(path: str) -> Callable[[], None]:
        return lambda: shutil.rmtree(path, ignore_errors=True)

    def folder_made(path: str) -> Callable[[], None]:
        return lambda: os.makedirs(path, exist_ok=True)

    def symlink(source: Any, target: Any, **rest: Any) -> None:
        if not disk.is_ours(target):
            return _REAL["symlink"](source, target, **rest)
        return disk.change("symlink", target, lambda: _REAL["symlink"](source, target))

    def fsync(descriptor: Any) -> None:
        number = descriptor if isinstance(descriptor, int) else descriptor.fileno()
        path = os.readlink(f"/proc/self/fd/{number}")
        if not disk.is_ours(path):
            return _REAL["fsync"](number)
        return disk.change("fsync", path, lambda: disk.synced(path))

    return {
        "replace": _moving(disk, "replace"),
        "rename": _moving(disk, "rename"),
        "unlink": _on_path(disk, "unlink", _restored, frees=True),
        "mkdir": _on_path(disk, "mkdir", folder_removed, frees=False),
        "rmdir": _on_path(disk, "rmdir", folder_made, frees=True),
        "truncate": _on_path(disk, "truncate", lambda _: None, frees=True),
        "symlink": symlink,
        "fsync": fsync,
    }
