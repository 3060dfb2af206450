"""Problems of files, collected so that all are told at once, and names that may have been meant."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import TypeVar

from cellbox.errors import InputError, Problem

SHOWN_OF_A_KIND = 20
# Of more than that a few examples say what is amiss, and a count how often.
_SHOWN_OF_MANY = 5
# An unknown name costs a search among the known ones, and a few examples show what is amiss.
SHOWN_UNKNOWN = 5
_MOST_COMPARED = 2_000

Item = TypeVar("Item")


class _Kind:
    """The problems of one kind: the first ones, the last one, and how many there are."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.first: list[Problem] = []
        self.last: Problem | None = None
        self.count = 0


class Problems:
    """What was found wrong so far, to be raised all together."""

    def __init__(self) -> None:
        self._by_kind: dict[str, _Kind] = {}

    def __bool__(self) -> bool:
        return bool(self._by_kind)

    def add(
        self,
        where: str,
        found: str,
        fix: str,
        *,
        kind: str | None = None,
        most: int = SHOWN_OF_A_KIND,
    ) -> None:
        """Note a problem; those of one kind (by default: with one fix) are shown together.

        most: how many of this kind are shown.
        """
        alike = self._by_kind.setdefault(kind or fix, _Kind(most))
        alike.count += 1
        alike.last = Problem(where, found, fix)
        if len(alike.first) < alike.most:
            alike.first.append(alike.last)

    def add_all(
        self, items: Sequence[Item], describe: Callable[[Item], Problem], *, kind: str
    ) -> None:
        """Note a problem for each item, describing only those that are shown."""
        for item in items[:SHOWN_OF_A_KIND]:
            problem = describe(item)
            self.add(problem.where, problem.found, problem.fix, kind=kind)
        if len(items) > SHOWN_OF_A_KIND:
            alike = self._by_kind[kind]
            alike.count += len(items) - SHOWN_OF_A_KIND
            alike.last = describe(items[-1])

    def count(self, kind: str) -> int:
        """How many problems of a kind have been noted."""
        return self._by_kind[kind].count if kind in self._by_kind else 0

    def extend(self, problems: Iterable[Problem]) -> None:
        """Note problems that were found elsewhere."""
        for problem in problems:
            self.add(problem.where, problem.found, problem.fix)

    def take(self, others: Problems) -> None:
        """Note what others have noted, as many of each kind as there are."""
        for kind, alike in others._by_kind.items():
            own = self._by_kind.setdefault(kind, _Kind(alike.most))
            own.first += alike.first[: max(0, own.most - len(own.first))]
            own.last, own.count = alike.last, own.count + alike.count

    def raise_any(self) -> None:
        """Raise InputError with the problems noted, if there are any.

        A file with one systematic mistake would print thousands of lines, so each kind of which
        there are too many is cut after the first ones, with a count of the rest.
        """
        shown: list[Problem] = []
        for alike in self._by_kind.values():
            all_shown = alike.count == len(alike.first)
            shown += alike.first if all_shown else alike.first[:_SHOWN_OF_MANY]
            n_more = 0 if all_shown else alike.count - len(alike.first[:_SHOWN_OF_MANY])
            if n_more > 0 and alike.last is not None:
                found = f"... and {n_more} more of this kind, the last of them here"
                shown.append(Problem(alike.last.where, found, alike.last.fix))
        if shown:
            raise InputError(shown)


def same_name(name: str) -> str:
    """What two spellings of one name have in common: letters and digits, whatever their case."""
    folded = unicodedata.normalize("NFKC", name).casefold()
    return "".join(character for character in folded if character.isalnum()) or folded


def nearest(name: str, names: Iterable[str], cutoff: float = 0.6) -> str:
    """The up to three names like `name`, in words; empty if none is alike.

    cutoff: how alike, from 0 to 1 (`difflib.get_close_matches`).
    """
    names = tuple(names)
    key = same_name(name)
    alike = [other for other in names if same_name(other) == key][:3]
    if alike:
        return " or ".join(map(repr, alike))
    if len(names) > _MOST_COMPARED:
        # The search is long among many names; those that begin alike are the likely ones.
        start = name.casefold()[:3]
        names = tuple(other for other in names if other.casefold()[:3] == start)[:_MOST_COMPARED]
    folded = {other.casefold(): other for other in names}
    return " or ".join(
        repr(folded[key]) for key in get_close_matches(name.casefold(), folded, cutoff=cutoff)
    )


def closest(name: str, names: Iterable[str]) -> str:
    """The name most like `name`, however little."""
    folded = {other.casefold(): other for other in names}
    [key] = get_close_matches(name.casefold(), folded, n=1, cutoff=0.0)
    return folded[key]


def note_unknown(
    name: str, names: Sequence[str], where: str, what: str, problems: Problems
) -> None:
    """Note that `name` is none of `names`, with those it may have been meant for."""
    kind = f"unknown {what}"
    found = f"expected a known {what}, found {name!r}"
    alike = nearest(name, names) if problems.count(kind) < SHOWN_UNKNOWN else ""
    known = ", ".join(names[:10]) + (", ..." if len(names) > 10 else "")
    fix = f"Did you mean {alike}" if alike else f"Use one of {known}"
    problems.add(where, found, fix, kind=kind, most=SHOWN_UNKNOWN)


def note_spellings(places: Mapping[str, str], problems: Problems) -> None:
    """Note node names that differ only by case or blanks; `places` says where each is first."""
    first: dict[str, str] = {}
    for name, where in places.items():
        folded = "".join(name.casefold().split())
        other = first.setdefault(folded, name)
        if other != name:
            problems.add(
                where,
                f"expected one spelling of each node, found {name!r} and {other!r} "
                f"({places[other]})",
                "Spell a node's name alike everywhere, or rename one of two different nodes",
            )
