"""Arguments that several commands share, and the kinds of value that they take."""

from __future__ import annotations

import math
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from cellbox.errors import InputError, Problem

if TYPE_CHECKING:
    # A parser or a group of arguments in one; argparse has no public name for that.
    from argparse import _ActionsContainer as Arguments

_LARGEST_SEED = 2**32 - 1


def add_choice_group(parser: ArgumentParser, title: str) -> tuple[Arguments, Arguments]:
    """A group of arguments, and in it those of which one has to be given."""
    group = parser.add_argument_group(f"{title} (one of these)")
    return group, group.add_mutually_exclusive_group(required=True)


def add_options(parser: Arguments, *options: tuple[str, Callable[[str], Any], str, str]) -> None:
    """Declare options that take a value each: flag, type, what it stands for, help."""
    for flag, kind, metavar, text in options:
        parser.add_argument(flag, type=kind, metavar=metavar, help=text)


def add_spec(parser: Arguments, what: str) -> None:
    """Declare a spec's file, which may be left out; `what` says what is in it."""
    parser.add_argument(
        "spec", nargs="?", metavar="SPEC.toml", help=f"{what} (see search/README.md)"
    )


def add_study(parser: Arguments) -> None:
    """Declare a study's folder."""
    parser.add_argument("study", metavar="STUDY", help="the study's folder, such as studies/LI")


def add_json(parser: Arguments) -> None:
    """Declare --json."""
    what = "also write the result as JSON for other programs; with - it goes to standard output, "
    parser.add_argument("--json", metavar="FILE", help=what + "and nothing else does")


def add_kept(parser: Arguments, what: str, folder: str) -> None:
    """Declare --out, the folder that keeps what a command finds; `what` says what that is."""
    parser.add_argument("--out", metavar="FOLDER", help=f"{what} (default: {folder})")


def add_study_and_json(parser: Arguments) -> None:
    """Declare a study's folder and --json, which is all that some commands take."""
    add_study(parser)
    add_json(parser)


def add_seed(parser: Arguments, what: str) -> None:
    """Declare --seed; `what` says what is drawn from it."""
    parser.add_argument(
        "--seed",
        type=whole_number(0, _LARGEST_SEED),
        default=0,
        metavar="N",
        help=f"number from which {what} is drawn; the same seed gives the same result (default: 0)",
    )


def whole_number(low: int, high: int | None = None) -> Callable[[str], int]:
    """A type for argparse: a whole number from `low`, at most `high`."""

    def read(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = low - 1
        if value < low or (high is not None and value > high):
            limit = f"from {low} to {high}" if high is not None else f"from {low} up"
            raise ArgumentTypeError(f"expected a whole number {limit}, found {text!r}")
        return value

    return read


def real_number(low: float, high: float = math.inf, *, open_ends: bool) -> Callable[[str], float]:
    """A type for argparse: a finite number between `low` and `high`.

    open_ends: whether the two themselves are left out.
    """

    def read(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        inside = low < value < high if open_ends else low <= value <= high
        if not inside or math.isinf(value):
            limit = f"above {low:g}" if open_ends else f"from {low:g} up"
            if math.isfinite(high):
                limit = f"between {low:g} and {high:g}"
            raise ArgumentTypeError(f"expected a number {limit}, found {text!r}")
        return value

    return read


def times(text: str) -> list[float]:
    """A type for argparse: ascending positive times, separated by commas."""
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError:
        values = []
    ascending = all(before < after for before, after in pairwise(values))
    if not values or not ascending or values[0] <= 0 or not all(map(math.isfinite, values)):
        raise ArgumentTypeError(f"expected ascending times above 0 such as 4,8,12, found {text!r}")
    return values


def refuse_flags(given: Mapping[str, bool], found: str) -> None:
    """Raise InputError with each flag that was given and may not be. found: why not."""
    problems = [Problem(flag, found, "Leave it out") for flag, there in given.items() if there]
    if problems:
        raise InputError(problems)
