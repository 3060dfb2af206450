"""Files of arrays, whose names, shapes and numbers are checked as they are read."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from cellbox.errors import InputError, Problem, refuse


def read_arrays(
    file: Path,
    shapes: Mapping[str, Sequence[int | None]],
    *,
    fix: str,
    content: bytes | None = None,
    finite: bool = True,
) -> dict[str, np.ndarray]:
    """The arrays of an .npz file: numbers of these shapes as float64, and truth values.

    shapes: of each array by name; None for a length that is not known before.
    fix: what the user can do where it is something else. content: the file's, where it was read.
    finite: whether all numbers have to be finite.

    Raises InputError with everything that is wrong.
    """
    arrays = _stored(file, shapes, fix, content)
    problems = [
        Problem(f"{file}, array {name}", found, fix)
        for name, shape in shapes.items()
        if (found := _wrong(arrays.get(name), shape, finite)) is not None
    ]
    if problems:
        raise InputError(problems)
    return {
        name: array if array.dtype == bool else array.astype(float, copy=False)
        for name, array in arrays.items()
    }


def read_some_arrays(
    file: Path, shapes: Mapping[str, Sequence[int | None]], *, fix: str
) -> dict[str, np.ndarray]:
    """Those of these arrays that an .npz file has; their numbers need not be finite.

    Raises InputError for what `read_arrays` refuses.
    """
    known = {name: shapes[name] for name in _stored(file, shapes, fix, None)}
    return read_arrays(file, known, fix=fix, finite=False)


def stored_arrays(file: Path, content: bytes, *, fix: str) -> dict[str, np.ndarray]:
    """All arrays of an .npz file with this content, of the types that they have.

    Raises InputError where it is none.
    """
    return _stored(file, None, fix, content)


def _stored(
    file: Path, names: Iterable[str] | None, fix: str, content: bytes | None
) -> dict[str, np.ndarray]:
    """Those arrays of these names that a file has, whatever they are; None for all."""
    try:
        whole = file.read_bytes() if content is None else content
        with np.load(io.BytesIO(whole), allow_pickle=False) as stored:
            return {
                name: stored[name]
                for name in (stored if names is None else names)
                if name in stored
            }
    # NumPy, its zip files and its headers each have their own way to say that a file is damaged.
    except (
        *(ValueError, KeyError, TypeError, OSError, EOFError, BadZipFile, zlib.error),
        *(NotImplementedError, SyntaxError, MemoryError, OverflowError, RuntimeError),
        *(AttributeError, RecursionError, struct.error),
    ) as error:
        found = f"expected arrays as this program writes them, found {type(error).__name__}"
        raise refuse(str(file), f"{found}: {error}", fix) from error


def _wrong(array: np.ndarray | None, shape: Sequence[int | None], finite: bool) -> str | None:
    """What is wrong with an array; None where nothing is."""
    if array is None:
        return "expected an array of this name, found none"
    if array.dtype.kind not in "fiub":
        return f"expected numbers, found the type {array.dtype}"
    fits = len(array.shape) == len(shape) and all(
        wanted in (None, length) for wanted, length in zip(shape, array.shape, strict=True)
    )
    if not fits:
        shown = ", ".join("any" if length is None else str(length) for length in shape)
        return f"expected the shape ({shown}), found {array.shape}"
    if finite and not np.isfinite(array).all():
        count = int((~np.isfinite(array)).sum())
        return f"expected finite numbers, found {count} that are not"
    return None
