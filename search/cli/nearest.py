"""Commands and flags as people type them: with underscores, or nearly right."""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Iterable, Sequence


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
        near = _nearest(unknown, [flag for flag in flags if flag.startswith("--")])
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
    """The first long flag that this command does not have; None where all are known."""
    for argument in argv:
        if argument == "--":
            return None
        flag = argument.partition("=")[0]
        if len(flag) > 2 and flag.startswith("--") and flag not in parser._option_string_actions:
            return flag
    return None


def _nearest(word: str, known: Iterable[str]) -> str:
    """ " Did you mean ...?", or "" where nothing is near."""
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f" Did you mean {near[0]}?" if near else ""
