"""What a command of the command line is."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from dataclasses import dataclass

#: Exit code of a command that was stopped by Ctrl-C.
EXIT_INTERRUPTED = 130


@dataclass(frozen=True)
class Command:
    """One command, such as `cellbox fit`.

    name: what the user types.
    summary: one line for `cellbox --help`.
    add_arguments: declares arguments on the command's parser; imports nothing heavy, so that
        help answers at once.
    run: does the work and returns the exit code; imports what it needs when it is called.
    description: what `cellbox NAME --help` says before the arguments; the summary if empty.
    epilog: examples, shown after the arguments as they stand.
    interrupted: what Ctrl-C prints, where `run` does not handle it itself.
    """

    name: str
    summary: str
    add_arguments: Callable[[ArgumentParser], None]
    run: Callable[[Namespace], int]
    description: str = ""
    epilog: str = ""
    interrupted: str = "interrupted"
