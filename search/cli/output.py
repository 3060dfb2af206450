"""Where results go: readable text, JSON, and folders that appear whole or not at all."""

from __future__ import annotations

import json
import math
import os
import shutil
import sys
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from cellbox.errors import DataWarning, refuse
from cellbox.storage.files import atomic_write
from search.cli.command import EXIT_INTERRUPTED
from search.cli.text_tables import shown, shown_seconds
from search.console.interrupts import Interrupted, stopped_by_signals
from search.console.quiet import progress_is_shown

STANDARD_OUTPUT = "-"
# Of progress in a log or a pipe.
_SECONDS_BETWEEN_LINES = 15.0

if TYPE_CHECKING:
    from cellbox.refinement.rounds import Round


class _Answer(Protocol):
    """What a command found, as a person and as a program reads it."""

    def sentences(self) -> Iterable[str]:
        """Readable lines."""

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""


class Output:
    """The readable text of a command, and the JSON beside it.

    json_file: what the user gave with --json: a file, "-" for standard output, or None. The
        text makes room on standard output for JSON and goes to standard error then.
    """

    def __init__(self, json_file: str | None):
        self._json_file = json_file
        if json_file is not None and json_file != STANDARD_OUTPUT:
            check_file_target(json_file)

    @property
    def json_on_stdout(self) -> bool:
        """Whether standard output belongs to JSON."""
        return self._json_file == STANDARD_OUTPUT

    def say(self, text: str = "") -> None:
        """Print readable text."""
        print(text, file=sys.stderr if self.json_on_stdout else sys.stdout)

    def answer(self, found: _Answer) -> None:
        """Print what was found in sentences, and write it as JSON where that was asked for."""
        for sentence in found.sentences():
            self.say(sentence)
        self.write_json(found.as_dict())

    def write_json(self, content: Any) -> None:
        """Write the result where --json asked for it, if it did."""
        if self._json_file is None:
            return
        text = json.dumps(plain(content), indent=2, allow_nan=False, ensure_ascii=False) + "\n"
        if self.json_on_stdout:
            sys.stdout.write(text)
            return
        with atomic_write(self._json_file) as handle:
            handle.write(text)


class _Result(Protocol):
    """What a run found."""

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""


_Found = TypeVar("_Found", bound=_Result)


def run_and_say(
    run: Callable[[], _Found], say: Callable[[_Found, Output], None], output: Output
) -> int:
    """Run what signals may stop, say what it found and write it as JSON; the exit code."""
    try:
        with stopped_by_signals():
            result = run()
    except Interrupted as stopped:
        return say_interrupted(stopped, output)
    say(result, output)
    output.write_json(result.as_dict())
    return 0


def say_interrupted(stopped: Interrupted, output: Output) -> int:
    """Tell what was kept of a run that was stopped, and how it goes on; the exit code."""
    said = str(stopped)
    output.say(f"\n{said[0].upper()}{said[1:]}.\nTo go on, run the same command again.")
    return EXIT_INTERRUPTED


def say_warnings(warnings: Sequence[DataWarning], output: Output) -> None:
    """Print what speaks against taking the data as they are, if anything does."""
    if warnings:
        output.say("\nWhat the numbers can hardly mean:")
    for warning in warnings:
        output.say(f"  warning: {warning}")


def warnings_as_json(warnings: Sequence[DataWarning]) -> list[dict[str, str]]:
    """Warnings as --json has them."""
    return [asdict(warning) for warning in warnings]


def plain(value: Any) -> Any:
    """The value as JSON can hold it; numbers that are not finite become null."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    return value


def check_file_target(path: str | os.PathLike[str]) -> None:
    """Refuse a file that could not be written, before work is spent on what goes into it."""
    target = Path(path)
    if target.is_dir():
        raise refuse(str(path), "expected a file to write, found a folder", "Add a file name")
    if target.exists() and not target.is_file():
        # Writing whole or not at all replaces what is there, and would take a device's place.
        found = "expected an ordinary file to write, found a device or a pipe"
        raise refuse(str(path), found, "Name a file, or use --json - for standard output")
    if not target.parent.is_dir():
        raise refuse(
            str(path),
            f"expected an existing folder to write to, found none at {target.parent}",
            "Create the folder, or choose another place",
        )


def check_folder_target(
    folder: str | os.PathLike[str], known_names: Collection[str], kind: str
) -> None:
    """Refuse a folder that holds anything but an earlier result of the same kind.

    known_names: the files that such a result consists of. kind: its name in messages.
    """
    target = Path(folder)
    if target.exists() and not target.is_dir():
        raise refuse(str(folder), "expected a folder to write, found a file", "Choose another name")
    strange = (
        sorted(entry.name for entry in target.iterdir() if entry.name not in known_names)
        if target.exists()
        else []
    )
    if strange:
        raise refuse(
            str(folder),
            f"expected an absent or empty folder or {kind} to replace, "
            f"found {', '.join(strange[:5])}{', ...' if len(strange) > 5 else ''}",
            "Choose another folder with --out, or move these files away",
        )


class ProgressLine:
    """One line on a terminal that shows how far a training is; a line now and then elsewhere."""

    def __init__(self, total_steps: int):
        self._total = total_steps
        self._started = time.perf_counter()
        self._first: tuple[int, float] | None = None
        self._terminal = sys.stderr.isatty()
        self._last_said = self._started
        self._write("preparing: checking gradients and compiling (up to a minute at first use)")

    def update(self, step: int, best_validation: float) -> None:
        """Show a step and the best validation error so far."""
        now = time.perf_counter()
        # The first call comes after compilation, which says nothing about the speed of steps.
        first_step, then = self._first = self._first or (step, now)
        left = ""
        if step > first_step:
            seconds = (now - then) / (step - first_step) * max(self._total - step, 0)
            left = f", {shown_seconds(seconds)} left"
        error = shown(float(best_validation))
        self._write(f"step {step:,} of {self._total:,}, best validation MAE {error}{left}")

    def refining(self, done: Round) -> None:
        """Show what a round of least squares has come to."""
        self._write(
            f"least squares, round {done.number}: residual {shown(done.residual)}, "
            f"{done.n_edges:,} edges, {shown_seconds(done.seconds)}"
        )

    def close(self) -> None:
        """Take the line away."""
        self._write("")

    def _write(self, text: str) -> None:
        if not progress_is_shown():
            return
        now = time.perf_counter()
        if not self._terminal and text and now - self._last_said >= _SECONDS_BETWEEN_LINES:
            self._last_said = now
            print(text, file=sys.stderr, flush=True)
        if self._terminal:
            width = shutil.get_terminal_size().columns
            sys.stderr.write(f"\r\x1b[K{text[: width - 1]}")
            sys.stderr.flush()
