"""A folder in which a run that was stopped goes on.

What is finished is a file or a folder in it that appears whole or not at all, so whatever is there
has happened, and a run does only what is missing. Each kind of run has a folder of its own kind.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

from cellbox.errors import InputError, refuse
from cellbox.scores.metric_names import current_metric_names
from cellbox.storage.files import atomic_write, clear_leftovers, is_leftover
from search.study.locks import is_locked, locked


@dataclass(frozen=True)
class ResumableFolder:
    """The files of one run and of those that go on with it.

    RUN: what runs here, for people. KIND: what it leaves. GIVEN_BY: who told people its folder.
    MARK: the file or folder that is there from the beginning, by which its kind is known. LOCK:
    the file that a process holds while it works here. OPTION: how users choose another folder.
    """

    path: Path

    RUN: ClassVar[str]
    KIND: ClassVar[str] = "study"
    GIVEN_BY: ClassVar[str] = "`cellbox sweep` printed, such as studies/LI"
    MARK: ClassVar[str]
    LOCK: ClassVar[str]
    OPTION: ClassVar[str] = "--out"

    @property
    def name(self) -> str:
        """The run's name: its folder's, also where that was given as `.`."""
        return Path(os.path.abspath(self.path)).name

    @classmethod
    def at(cls, path: str | Path) -> Self:
        """The run in this folder. Raises InputError where there is none."""
        return cls(Path(path)).require()

    def require(self) -> Self:
        """This folder, or InputError where it holds no run of this kind."""
        if not self.exists():
            found = f"expected a {self.KIND}'s folder with a {self.MARK}, found none"
            raise refuse(str(self.path), found, f"Give the folder that {self.GIVEN_BY}")
        return self

    def exists(self) -> bool:
        """Whether a run of this kind was begun here."""
        return (self.path / self.MARK).exists()

    def is_bare(self) -> bool:
        """Whether this is a folder with nothing in it, or nothing but our lock.

        What a run left that was killed before it had begun counts for nothing.
        """
        return self.path.is_dir() and all(
            entry.name == self.LOCK or is_leftover(entry.name) for entry in self.path.iterdir()
        )

    def clear(self) -> None:
        """Remove what killed writes left; for the process that holds the folder."""
        for place in self.written_places():
            clear_leftovers(place)

    def written_places(self) -> Iterator[Path]:
        """The folders in which files and folders appear whole or not at all."""
        yield self.path

    def refuse_others(self) -> None:
        """Raise InputError where there is a file in the folder's place, or another's files."""
        if self.exists() or self.is_bare() or not self.path.exists():
            return
        found = "other files" if self.path.is_dir() else "a file"
        raise refuse(
            str(self.path),
            f"expected a new or empty folder or that of a {self.RUN}, found {found}",
            f"Choose another folder with {self.OPTION}",
        )

    @contextmanager
    def begun(self, refuse_another: Callable[[], None]) -> Iterator[None]:
        """Hold the folder for a run that begins or goes on.

        refuse_another: raises InputError where what is there is another run's.

        A block that ends before its run has begun leaves no folder behind. Raises InputError as
        `refuse_others`, `held` and `refuse_another` do.
        """

        def refuse() -> None:
            self.refuse_others()
            if self.exists():
                refuse_another()

        refuse()
        self.path.mkdir(parents=True, exist_ok=True)
        with self.held():
            # Once more, since another process may have begun a run here in the meantime.
            refuse()
            self.clear()
            try:
                yield
            finally:
                if self.is_bare():
                    self.clear()
                    (self.path / self.LOCK).unlink()
                    self.path.rmdir()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the folder for a block, or as long as this process lives.

        Raises InputError where another process holds it.
        """
        with locked(
            self.path / self.LOCK,
            otherwise=f"another {self.RUN} is running in this folder",
            fix=f"Wait for it, or choose another folder with {self.OPTION}",
        ):
            yield

    def is_held(self) -> bool:
        """Whether a process is at work in the folder."""
        return is_locked(self.path / self.LOCK)

    def has(self, name: str) -> bool:
        """Whether this file is there."""
        return (self.path / name).is_file()

    def write_json(self, name: str, content: Any) -> None:
        """Write a JSON file, whole or not at all."""
        self.path.mkdir(parents=True, exist_ok=True)
        with atomic_write(self.path / name) as handle:
            json.dump(content, handle, indent=2, allow_nan=False)

    def read_json(self, name: str) -> Any:
        """Read a JSON file; metrics of earlier versions come under their current names.

        Raises InputError for a file that was damaged.
        """
        file = self.path / name
        try:
            return json.loads(file.read_text(encoding="utf-8"), object_hook=current_metric_names)
        except (ValueError, RecursionError) as error:
            # Neither JSON nor, maybe, UTF-8.
            found = f"expected JSON, found something else ({error})"
            raise refuse(str(file), found, "Bring the file back") from error

    def read_kept(self, name: str) -> dict[str, Any]:
        """A JSON object that may be made again; nothing where there is none, or a damaged one."""
        try:
            content = self.read_json(name)
        except (FileNotFoundError, IsADirectoryError, InputError):
            return {}
        return content if isinstance(content, dict) else {}


class FolderOfParts(ResumableFolder):
    """A run of many parts, each a JSON file of its own in the folder `MARK`.

    Each part holds its identity: what has to be equal for it to be the one that is asked for.
    """

    LOCK = "run.lock"

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Hold the folder for a block, made where needed.

        Raises InputError where it is no folder or another's, or another process holds it.
        """
        self.refuse_others()
        (self.path / self.MARK).mkdir(parents=True, exist_ok=True)
        with self.held():
            self.clear()
            yield

    def written_places(self) -> Iterator[Path]:
        """The folders in which files appear whole or not at all."""
        yield from (self.path, self.path / self.MARK)

    def part_file(self, name: str) -> Path:
        """Where a part is kept."""
        return self.path / self.MARK / f"{name}.json"

    def write_part(
        self, name: str, identity: Mapping[str, Any], content: Mapping[str, Any]
    ) -> None:
        """Keep a finished part."""
        with atomic_write(self.part_file(name)) as handle:
            json.dump({**identity, **content}, handle, allow_nan=False)

    def read_part(self, name: str) -> dict[str, Any] | None:
        """A part with its identity; None where it is not finished.

        Raises InputError for a file that was damaged.
        """
        try:
            return self.read_json(f"{self.MARK}/{name}.json")
        except FileNotFoundError:
            return None
        except ValueError as error:
            found = f"expected the JSON of a finished part, found something else ({error})"
            raise refuse(str(self.part_file(name)), found, "Remove this file") from error


def differing(kept: Mapping[str, Any], identity: Mapping[str, Any]) -> list[str]:
    """What of its identity a part has otherwise than it is asked for."""
    # As it would have been read.
    wanted = json.loads(json.dumps(identity))
    return [name for name in wanted if kept.get(name) != wanted[name]]
