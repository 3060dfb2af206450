"""JSON files of a study, whose values are checked as they are read."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cellbox.errors import refuse
from cellbox.scores.metric_names import current_metric_names
from cellbox.storage.seals import seal_holds


@dataclass(frozen=True)
class Kind:
    """What a value may be: in words, and as a test."""

    expected: str
    holds: Callable[[Any], bool]

    def or_null(self) -> Kind:
        """The same, or nothing."""
        return Kind(f"{self.expected} or null", lambda value: value is None or self.holds(value))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_table(value: Any) -> bool:
    return isinstance(value, Mapping)


def _is_list(value: Any) -> bool:
    return isinstance(value, list)


NUMBER = Kind("a number", _is_number)
WHOLE = Kind("a whole number", _is_whole)
TEXT = Kind("a text", lambda value: isinstance(value, str))
TRUTH = Kind("true or false", lambda value: isinstance(value, bool))
TABLE = Kind("an object", _is_table)
LIST = Kind("a list", _is_list)
TEXTS = Kind("a list of texts", lambda value: _is_list(value) and all(map(TEXT.holds, value)))
TABLES = Kind("a list of objects", lambda value: _is_list(value) and all(map(_is_table, value)))
NUMBERS = Kind(
    "an object of numbers", lambda value: _is_table(value) and all(map(_is_number, value.values()))
)


def one_of(*names: str) -> Kind:
    """One of these texts."""
    return Kind(" or ".join(repr(name) for name in names), lambda value: value in names)


@dataclass(frozen=True)
class CheckedTable:
    """An object of a JSON file. Keys that nobody asks for may be there.

    where: the file, to name it in problems. fix: what the user can do about a damaged one.
    """

    content: Mapping[str, Any]
    where: str
    fix: str
    place: str = ""

    def take(self, key: str, kind: Kind) -> Any:
        """The value of a key. Raises InputError where it is absent or not of this kind."""
        where = f"{self.where}, key {self.place}{key}"
        if key not in self.content:
            raise refuse(where, f"expected {kind.expected}, found no such key", self.fix)
        value = self.content[key]
        if not kind.holds(value):
            raise refuse(where, f"expected {kind.expected}, found {_shortened(value)}", self.fix)
        return value

    def tables(self, key: str) -> list[CheckedTable]:
        """A list of objects, to be read in turn."""
        return [
            CheckedTable(content, self.where, self.fix, f"{self.place}{key}[{number}].")
            for number, content in enumerate(self.take(key, TABLES))
        ]

    def table(self, key: str) -> CheckedTable:
        """An object inside this one."""
        content = self.take(key, TABLE)
        return CheckedTable(content, self.where, self.fix, f"{self.place}{key}.")


def read_table(file: Path, fix: str, *, sealed: bool = False) -> CheckedTable:
    """The object that a JSON file holds; metrics of earlier versions have their current names.

    Raises InputError where that cannot be read.
    fix: what the user can do about it. sealed: whether the file may have a digest, as
    `cellbox.storage.seals` puts it there, which then has to be that of its content.
    """
    try:
        text = file.read_text(encoding="utf-8")
        content = json.loads(text, object_hook=current_metric_names)
    except FileNotFoundError as error:
        raise refuse(str(file), "expected this file, found none", fix) from error
    except IsADirectoryError as error:
        raise refuse(str(file), "expected a file, found a folder", fix) from error
    except (ValueError, RecursionError) as error:
        # Neither JSON nor, maybe, UTF-8; or lists in lists without end.
        raise refuse(str(file), f"expected JSON, found {error}", fix) from error
    if sealed and not seal_holds(text):
        found = "expected the content that was written, found a digest that is not its own"
        raise refuse(str(file), found, fix)
    if not isinstance(content, Mapping):
        raise refuse(str(file), f"expected an object, found {_shortened(content)}", fix)
    return CheckedTable(content, str(file), fix)


def _shortened(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else f"{text[:59]}…"
