"""Writing files so that a reader never sees half of one."""

from __future__ import annotations

import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import IO, Any, BinaryIO, Literal, TextIO, overload

from cellbox.errors import refuse

#: How a place on disk may be given.
AnyPath = str | os.PathLike[str]

# What a write is called until it is whole, and a folder while another takes its place.
_LEFTOVER = re.compile(r"\.(?P<name>.+)\.[0-9a-f]{12}\.(tmp|old)(-journal|-wal|-shm)?")


@overload
def atomic_write(path: AnyPath, mode: Literal["w"] = "w") -> AbstractContextManager[TextIO]: ...


@overload
def atomic_write(path: AnyPath, mode: Literal["wb"]) -> AbstractContextManager[BinaryIO]: ...


def atomic_write(path: AnyPath, mode: Literal["w", "wb"] = "w") -> AbstractContextManager[IO]:
    """A handle whose content appears at `path` when the block ends, whole or not at all.

    Where the block raises, or the process dies, a file already at `path` stays as it was.
    mode: "w" gives UTF-8 text with line ends as written, "wb" gives bytes.

    Raises InputError where the folder does not exist or `path` is not a plain file.
    """
    # A link stays a link, and the file that it points to is replaced.
    target = Path(os.path.realpath(path))
    if not target.parent.is_dir():
        raise refuse(
            str(path),
            f"expected an existing folder to write to, found none at {target.parent}",
            "Create the folder, or choose another place",
        )
    if target.is_dir():
        raise refuse(str(path), "expected a file to write, found a folder", "Add a file name")
    if target.exists() and not target.is_file():
        # Renaming onto a device or a pipe would replace it with a plain file.
        raise refuse(str(path), "expected a file to write, found a device or pipe", "Name a file")
    return _replacing(target, mode)


@contextmanager
def _replacing(target: Path, mode: str) -> Iterator[IO]:
    """Write beside `target`, then rename; only within one folder is a rename atomic."""
    temporary = target.with_name(temporary_name(target.name))
    text: dict[str, Any] = {} if "b" in mode else {"encoding": "utf-8", "newline": ""}
    try:
        # Not `tempfile`: its files are private to the user, and a result is often shared.
        with open(temporary, mode.replace("w", "x"), **text) as handle:
            yield handle
            handle.flush()
            os.fsync(handle.fileno())
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def whole_folder(folder: AnyPath) -> Iterator[Path]:
    """A new folder to fill, that takes the place of `folder` when the block ends well."""
    # A link stays a link, and the folder that it points to is replaced.
    target = Path(os.path.realpath(folder))
    target.parent.mkdir(parents=True, exist_ok=True)
    # Beside the target, since only within one file system is a rename atomic.
    new = target.with_name(temporary_name(target.name))
    old = new.with_suffix(".old")
    try:
        new.mkdir()
        yield new
        _settle(new)
        if target.exists():
            os.replace(target, old)
        try:
            os.replace(new, target)
        except OSError:
            if old.exists():
                os.replace(old, target)
            raise
    finally:
        shutil.rmtree(new, ignore_errors=True)
    shutil.rmtree(old, ignore_errors=True)


def _settle(folder: Path) -> None:
    """Let all files of a folder reach the disk, whoever wrote them.

    A folder that has its name is taken to be whole, also after the power was cut.
    """
    for file in folder.rglob("*"):
        if file.is_file() and not file.is_symlink():
            with open(file, "rb") as handle:
                os.fsync(handle.fileno())


def temporary_name(name: str) -> str:
    """What a file is called until it is whole; see `clear_leftovers`."""
    return f".{name}.{secrets.token_hex(6)}.tmp"


def is_leftover(name: str) -> bool:
    """Whether a file or folder of this name is what a killed write left.

    Example:
        >>> is_leftover(".record.json.0123456789ab.tmp"), is_leftover("record.json")
        (True, False)
    """
    return _LEFTOVER.fullmatch(name) is not None


def clear_leftovers(folder: AnyPath) -> None:
    """Remove what killed writes left in a folder, not in those below it.

    What had been moved out of the way of a folder that never came is put back. Nobody may be
    writing there.
    """
    place = Path(folder)
    if not place.is_dir():
        return
    for name in os.listdir(place):
        found = _LEFTOVER.fullmatch(name)
        if found is None:
            continue
        entry, target = place / name, place / found["name"]
        if entry.name.endswith(".old") and not target.exists():
            os.replace(entry, target)
        elif entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()
