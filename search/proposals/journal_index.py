"""The index beside a journal: a file of lines, that only grows.

A line that begins with [ is a finished trial, in the order of numbers. One that begins with { ends
a block: it says of which part of the journal the lines so far are, with the digests of both. What
comes after the last such line is what a killed process left, and counts for nothing; an index that
is damaged, or of another journal, counts for nothing as a whole.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import optuna

_VERSION = 1


@dataclass(frozen=True)
class Index:
    """The state of a journal's study after some of its entries.

    n_entries, n_bytes: so much of the journal this tells of. journal: their digest.
    study: the study's name, directions and attributes. lines: its finished trials, of which it has
        n_lines, while those that were written are not kept.
    distributions: those that lines name by their place. running: lines of the other trials.
    best, best_of: (value, number) of the best of so many trials, the first ones.
    size, digest: of the index itself, as far as it holds.
    """

    n_entries: int
    n_bytes: int
    journal: str
    study: dict[str, Any]
    lines: Sequence[bytes]
    distributions: Sequence[str]
    running: Sequence[bytes]
    best: Sequence[tuple[float, int]]
    best_of: int
    n_lines: int = 0
    size: int = 0
    digest: Any = None


def read_index(file: Path) -> Index | None:
    """What an index tells; None where there is none, or one that was damaged."""
    try:
        content = file.read_bytes()
    except OSError:
        return None
    end = content.rfind(b"\n") + 1
    begin = content.rfind(b"\n{", 0, end) + 1
    # What ends the last block, and is followed by the lines of a killed process, if any.
    end = content.find(b"\n", begin) + 1
    try:
        told = json.loads(content[begin:end])
        digest = hashlib.blake2b(memoryview(content)[:begin])
        if told.pop("digest") != digest.hexdigest() or told.pop("version") != _written_by():
            return None
        lines = [line for line in content[:begin].split(b"\n") if line[:1] == b"["]
        if len(lines) != told["n_lines"]:
            return None
        running = [line.encode() for line in told.pop("running")]
        best = [(value, number) for value, number in told.pop("best")]
        digest.update(memoryview(content)[begin:end])
        return Index(lines=lines, running=running, best=best, size=end, digest=digest, **told)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def write_block(file: Path, before: Index | None, index: Index) -> Index:
    """Add a block; returns the whole as `read_index` would.

    before: what the file has; None to begin it. index: the state now, with the lines that are new.
    """
    lines = b"".join(line + b"\n" for line in index.lines)
    digest = hashlib.blake2b() if before is None else before.digest.copy()
    n_lines = len(index.lines) + (0 if before is None else before.n_lines)
    digest.update(lines)
    told = {
        **{key: value for key, value in vars(index).items() if key not in _NOT_TOLD},
        "running": [line.decode() for line in index.running],
        "n_lines": n_lines,
        "version": _written_by(),
        "digest": digest.hexdigest(),
    }
    end = json.dumps(told, separators=(",", ":")).encode() + b"\n"
    size = 0 if before is None else before.size
    # Nobody waits for the disk: what is lost is read from the journal.
    with open(file, "wb" if before is None else "r+b", buffering=0) as handle:
        handle.truncate(size)
        handle.seek(size)
        left = memoryview(lines + end)
        while left:
            left = left[handle.write(left) :]
    digest.update(end)
    return replace(
        index,
        lines=(),
        n_lines=n_lines,
        size=size + len(lines) + len(end),
        digest=digest,
    )


_NOT_TOLD = ("lines", "n_lines", "running", "size", "digest")


def _written_by() -> list[Any]:
    # What Optuna keeps of a trial is its own affair, and may change.
    return [_VERSION, optuna.__version__]
