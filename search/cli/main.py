"""The program `cellbox`: finds the command, and turns what goes wrong into clear lines.

Exit codes: 0 done; 2 the user's input or surroundings cannot be used; 130 interrupted; 141 the
reader of our output went away. Anything unexpected keeps its traceback: it is a bug.
"""

from __future__ import annotations

import argparse
import errno
import importlib.util
import logging
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TextIO

from cellbox.errors import InputError
from search.cli import science, service, steering_commands
from search.cli.benchmark_command import BENCHMARK
from search.cli.budget_command import BUDGET
from search.cli.command import EXIT_INTERRUPTED, Command
from search.cli.doctor_command import DOCTOR
from search.cli.nearest import parse, with_dashes
from search.cli.report_command import REPORT
from search.cli.reproduce_command import REPRODUCE
from search.console.quiet import shown_progress

EXIT_REFUSED = 2
EXIT_BROKEN_PIPE = 141

# Which extra brings each package that the core install does without.
EXTRA_OF = {
    **dict.fromkeys(("ray", "optuna", "mlflow", "pydantic", "rich"), "search"),
    **dict.fromkeys(("matplotlib", "pandas", "jinja2", "markupsafe"), "plots"),
    **dict.fromkeys(("openpyxl", "pyarrow"), "formats"),
    **dict.fromkeys(("torch", "cmaes"), "samplers"),
}

COMMANDS: tuple[Command, ...] = (
    *(*science.COMMANDS, *service.COMMANDS, *steering_commands.COMMANDS),
    *(BENCHMARK, BUDGET, DOCTOR, REPORT, REPRODUCE),
)

# Of the libraries of linear algebra: on matrices as small as ours several wait for each other.
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")

# What can be wrong with a path or a disk, as opposed to with this program.
_SURROUNDINGS = {
    *(errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.EFBIG),
    *(errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENAMETOOLONG),
    *(errno.ELOOP, errno.EIO),
}

_DESCRIPTION = """\
Learn molecular interaction networks from perturbation experiments.

Give CellBox how the nodes of a network (genes, proteins, phenotypes) responded to
perturbations (drugs, knock-downs). It learns who acts on whom and how strongly, and
predicts perturbations that nobody has tried yet."""

_EPILOG = """\
to begin with:
  cellbox systems                              the known networks to try things on
  cellbox simulate LI --out my_experiment      make an experiment on one of them
  cellbox lint my_experiment                   check data before using them
  cellbox fit my_experiment                    learn the network

Each command explains itself: cellbox COMMAND --help"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line with these arguments (by default the program's); the exit code."""
    try:
        return _main(argv)
    except KeyboardInterrupt:
        # Before a command has begun, which has more to say.
        print("\nStopped before anything was begun.", file=sys.stderr)
        return EXIT_INTERRUPTED


def _main(argv: Sequence[str] | None) -> int:
    for name in _THREADS:
        # Before numpy is loaded, which asks once.
        os.environ.setdefault(name, "1")
    commands = {command.name: command for command in COMMANDS}
    parser = build_parser(tuple(commands.values()))
    _complete(parser)
    try:
        arguments = parse(parser, with_dashes(sys.argv[1:] if argv is None else argv))
    except SystemExit as leaving:
        # argparse has said what it had to say: help (0), or what is wrong (2).
        return leaving.code if isinstance(leaving.code, int) else EXIT_REFUSED
    if arguments.command is None:
        parser.print_help(sys.stderr)
        return EXIT_REFUSED
    with _notes_on_stderr(quiet=arguments.quiet), shown_progress(not arguments.quiet):
        return _run(commands[arguments.command], arguments)


def build_parser(commands: Sequence[Command]) -> argparse.ArgumentParser:
    """The parser with a subparser for each command."""
    parser = argparse.ArgumentParser(
        prog="cellbox",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--version", action=_Version, nargs=0, help="print the installed version and leave"
    )
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    for command in commands:
        subparser = subparsers.add_parser(
            command.name,
            help=command.summary,
            description=command.description or command.summary,
            epilog=command.epilog,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        command.add_arguments(subparser)
        _add_quiet(subparser, default=False)
    return parser


def _add_quiet(parser: argparse.ArgumentParser, default: bool | str) -> None:
    """Declare --quiet on a command and on its actions, which leave the command's as it is."""
    text = "no progress and no notes: the result alone"
    parser.add_argument("-q", "--quiet", action="store_true", default=default, help=text)
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for inner in action.choices.values():
                _add_quiet(inner, argparse.SUPPRESS)


def _complete(parser: argparse.ArgumentParser) -> None:
    """Answer a shell that asks what may come next, and leave; nothing where none asks."""
    if "_ARGCOMPLETE" in os.environ and importlib.util.find_spec("argcomplete") is not None:
        import argcomplete

        argcomplete.autocomplete(parser)


class _Version(argparse.Action):
    """Looks the version up only when it is asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        from importlib.metadata import PackageNotFoundError, version

        try:
            print(f"cellbox {version('cellbox')}")
        except PackageNotFoundError:
            print("cellbox (not installed; run from its source)")
        parser.exit()


def _run(command: Command, arguments: argparse.Namespace) -> int:
    """Run a command; what the user can mend becomes lines on stderr instead of a traceback."""
    try:
        code = command.run(arguments)
        # Here rather than at exit, where a reader that went away could not be handled.
        sys.stdout.flush()
        return code
    except InputError as error:
        count = len(error.problems)
        lines = [str(problem) for problem in error.problems]
        return _complain(command, "1 problem" if count == 1 else f"{count} problems", lines)
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in EXTRA_OF:
            raise
        fix = f'Install it with: pip install "cellbox[{EXTRA_OF[package]}]"'
        return _complain(command, f"needs the package {package}, which is not installed", [fix])
    except KeyboardInterrupt:
        return _say_interrupted(command)
    except BrokenPipeError:
        _forget(sys.stdout)
        return EXIT_BROKEN_PIPE
    except OSError as error:
        if error.errno not in _SURROUNDINGS:
            raise
        place = error.filename if error.filename is not None else "the disk or the output"
        return _complain(command, "1 problem", [f"{place}: {error.strerror}."])
    except Exception as error:
        # Some libraries put an exception of their own in its place, as when they are loaded.
        if not _is_interrupt(error):
            raise
        return _say_interrupted(command)


def _say_interrupted(command: Command) -> int:
    print(f"\n{command.interrupted}", file=sys.stderr)
    return EXIT_INTERRUPTED


def _is_interrupt(error: BaseException | None) -> bool:
    """Whether an exception was raised because of an interrupt."""
    while error is not None:
        if isinstance(error, KeyboardInterrupt):
            return True
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return False


def _complain(command: Command, headline: str, lines: Sequence[str]) -> int:
    print(f"cellbox {command.name}: {headline}", file=sys.stderr)
    for line in lines:
        print(f"  {line}", file=sys.stderr)
    return EXIT_REFUSED


def _forget(stream: TextIO) -> None:
    """Send what is still buffered nowhere, so that Python does not fail on it at exit."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


@contextmanager
def _notes_on_stderr(*, quiet: bool) -> Iterator[None]:
    """Show what readers have to say about data, such as that signs were converted."""
    # It has much to say of a home that it cannot write, and draws all the same.
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    logger = logging.getLogger("cellbox")
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("note: %(message)s"))
    level, propagate = logger.level, logger.propagate
    logger.addHandler(handler)
    logger.setLevel(logging.WARNING if quiet else logging.INFO)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
        logger.propagate = propagate


if __name__ == "__main__":
    sys.exit(main())
