"""How the package tells users that something they gave cannot be used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """One thing wrong with what a user gave.

    where: the place, as exactly as it is known ("pert.csv, row 3, node 'Pax6'").
    found: what was expected there and what was found instead.
    fix: what the user can do about it.

    Example:
        >>> import cellbox
        >>> print(cellbox.Problem("pert.csv, row 3", "expected a number, found 'x'", "Correct it"))
        pert.csv, row 3: expected a number, found 'x'. Correct it.
    """

    where: str
    found: str
    fix: str

    def __str__(self) -> str:
        return f"{self.where}: {self.found}. {self.fix}."


@dataclass(frozen=True)
class DataWarning:
    """Something that data can hardly mean as a model would take it.

    Unlike a problem it stops nothing, but is told with everything that is made of the data.

    kind: a short name of it, the same in every version ("doses_saturate").
    found: what the data have, with counts and names.
    fix: what the user can do about it.

    Example:
        >>> import cellbox
        >>> print(cellbox.DataWarning("constant_node", "g8 never changes", "Leave it out"))
        g8 never changes. Leave it out.
    """

    kind: str
    found: str
    fix: str

    def __str__(self) -> str:
        return f"{self.found}. {self.fix}."


class InputError(ValueError):
    """A user's input cannot be used; carries every problem found, not only the first.

    Command-line programs print it and leave with exit code 2; it never needs a traceback.

    Example:
        >>> import cellbox
        >>> try:
        ...     cellbox.Settings(l1=-1, steps=0)
        ... except cellbox.InputError as error:
        ...     [problem.where for problem in error.problems]
        ['setting steps', 'setting l1']
    """

    def __init__(self, problems: Sequence[Problem]):
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))

    def __reduce__(self) -> tuple[type[InputError], tuple[tuple[Problem, ...]]]:
        """Rebuild from the problems: an error may come from another process."""
        return InputError, (self.problems,)


def refuse(where: str, found: str, fix: str) -> InputError:
    """The error for a single problem, to be raised by the caller."""
    return InputError([Problem(where, found, fix)])


def listed(names: Sequence[str], most: int) -> str:
    """The first names, and how many there are besides; semicolons part names with commas.

    >>> listed(["AKT", "MEK", "ERK"], 2)
    'AKT, MEK and 1 more'
    """
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    between = "; " if any(", " in name for name in names[:most]) else ", "
    return between.join(names[:most]) + more
