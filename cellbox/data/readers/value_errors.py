"""Columns that tell how sure each measured value is: sd, sem, and n of the values behind a mean."""

from __future__ import annotations

import logging
from collections.abc import Mapping

import numpy as np
from jaxtyping import Float

from cellbox.arrays import RowMask
from cellbox.data.readers.usual_layouts import ERROR_COLUMNS
from cellbox.storage.columns import Columns
from cellbox.storage.problems import Problems

logger = logging.getLogger("cellbox")

_ROWS_SAID = 6
_LEAVE_OUT = "or take the column out, and all values count alike"


def value_errors(
    columns: Columns, needed: RowMask, problems: Problems
) -> Float[np.ndarray, " n_rows"] | None:
    """The standard error of each value; None where the table tells none.

    A column sem is one; sd with n gives sd / √n, the error of a mean of n; sd alone is taken for
    the error, since errors count against one another only.

    needed: the rows whose error is used. Notes, with its place, each of them that has none, or one
    that is not above 0.
    """
    told = {name: columns.values[name] for name in ERROR_COLUMNS if name in columns.values}
    chosen = next((name for name in ("sem", "sd") if _tells(told, name)), None)
    if chosen is None:
        empty = [name for name in told if name != "n"]
        if empty:
            logger.info("%s: ignored the column %s, which is empty", columns.path, empty[0])
        return None
    errors = told[chosen]
    _note_unusable(columns, chosen, needed & ~(errors > 0), problems)
    how = chosen
    if chosen == "sd" and _tells(told, "n"):
        _note_unusable(columns, "n", needed & ~(told["n"] >= 1), problems)
        errors = errors / np.sqrt(np.where(told["n"] >= 1, told["n"], 1.0))
        how = "sd / √n"
    known = errors[needed & (errors > 0)]
    if len(known):
        logger.info(
            "%s: values count by their errors, %s (%.3g to %.3g)",
            *(columns.path, how, known.min(), known.max()),
        )
    return np.where(errors > 0, errors, np.nan)


def _tells(told: Mapping[str, np.ndarray], name: str) -> bool:
    return name in told and bool(np.isfinite(told[name]).any())


def _note_unusable(columns: Columns, name: str, rows: RowMask, problems: Problems) -> None:
    """Note, once for all rows, those whose error in this column cannot be used."""
    bad = np.flatnonzero(rows).tolist()
    if not bad:
        return
    values = columns.values[name]
    least = "a number of values from 1 on" if name == "n" else "an error above 0"
    first = bad[0]
    found = "an empty cell" if np.isnan(values[first]) else f"{values[first]:g}"
    if len(bad) > 1:
        rows_said = ", ".join(str(columns.numbers[row]) for row in bad[:_ROWS_SAID])
        more = ", ..." if len(bad) > _ROWS_SAID else ""
        found += f", and none in {len(bad):,} rows in all ({rows_said}{more})"
    problems.add(
        f"{columns.where(first, name)} (node {columns.names['node'][first]!r})",
        f"expected {least}, found {found}",
        f"Give one, {_LEAVE_OUT}",
        kind=f"unusable {name}",
    )
