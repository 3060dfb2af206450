"""Commands and flags as people type them: with underscores, or nearly right."""

from __future__ import annotations

import argparse
import difflib
import re
from collections.abc import Iterable, Sequence

# One letter: a longer one may be a number below zero, or something that a flag takes.
_SHORT = re.compile(r"-[A-Za-z]")
# What people call a flag elsewhere, and what it is here; the first that a command has.
_SAME_MEANING = (
    (("out", "output", "o", "folder", "dir", "directory", "output-dir"), ("--study", "--out")),
    (("time-limit", "timeout", "max-time", "walltime"), ("--hours",)),
    (("jobs", "n-jobs", "j", "cores", "cpus", "processes", "num-workers"), ("--workers",)),
    (("n-trials", "n", "num-trials", "max-trials"), ("--trials",)),
    (("resume", "warm-start", "continue"), ("--from",)),
)


def with_dashes(argv: Sequence[str]) -> list[str]:
    """The arguments with `-` for `_` in the names of flags."""
    found: list[str] = []
    for place, argument in enumerate(argv):
        if argument == "--":
            return [*found, *argv[place:]]
        name, equals, value = argument.partition("=")
        found.append(
            f"{name.replace('_', '-')}{equals}{value}" if name.startswith("--") else argument
        )
    return found


def parse(parser: argparse.ArgumentParser, argv: Sequence[str]) -> argparse.Namespace:
    """Parse the arguments; what is not known is refused with the nearest that is.

    parser: as `build_parser` makes it. Raises SystemExit as argparse does.
    """
    commands = _commands(parser)
    words = [argument for argument in argv if not argument.startswith("-")]
    if words and words[0] not in commands:
        near = _nearest(words[0], commands)
        others = "" if near else f" Known are {', '.join(commands)}."
        parser.error(f"expected a command, found {words[0]!r}.{near}{others}")
    command = _innermost(parser, words)
    if words and (unknown := _unknown_flag(command, argv)) is not None:
        flags = command._option_string_actions
        near = _without_flag(unknown, command) or _near_flag(unknown, flags)
        others = "" if near else f" See {command.prog} --help."
        command.error(f"expected a flag, found {unknown!r}.{near}{others}")
    return parser.parse_args(argv)


def _innermost(parser: argparse.ArgumentParser, words: Sequence[str]) -> argparse.ArgumentParser:
    """The parser of a command, or of the action that it names first, as `design check`."""
    for word in words:
        actions = _commands(parser)
        if word not in actions:
            break
        parser = actions[word]
    return parser


def _commands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            return dict(action.choices)
    return {}


def _unknown_flag(parser: argparse.ArgumentParser, argv: Sequence[str]) -> str | None:
    """The first flag that this command does not have; None where all are known."""
    for argument in argv:
        if argument == "--":
            return None
        flag = argument.partition("=")[0]
        is_flag = (len(flag) > 2 and flag.startswith("--")) or _SHORT.fullmatch(argument)
        if is_flag and flag not in parser._option_string_actions:
            return flag
    return None


def _without_flag(unknown: str, command: argparse.ArgumentParser) -> str:
    """That what the flag would give is an argument that needs none, where it is."""
    for action in command._actions:
        name = str(action.metavar or action.dest.upper())
        if not action.option_strings and unknown.lstrip("-") in (name.lower(), action.dest):
            return f" Give it without a flag: {command.prog} {name}."
    return ""


def _near_flag(unknown: str, flags: Iterable[str]) -> str:
    """The flag that was meant, as `_nearest` says it: one of the same meaning, or alike."""
    known = [flag for flag in flags if flag.startswith("--")]
    asked = unknown.lstrip("-")
    for words, meant in _SAME_MEANING:
        if asked in words:
            return next((f" Did you mean {flag}?" for flag in meant if flag in known), "")
    # Without the dashes, which make every two flags alike.
    near = _nearest(asked, [flag.lstrip("-") for flag in known])
    return near.replace("mean ", "mean --") if near else ""


def _nearest(word: str, known: Iterable[str]) -> str:
    """ " Did you mean ...?", or "" where nothing is near."""
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f" Did you mean {near[0]}?" if near else ""
