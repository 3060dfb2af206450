"""Values that have no logarithm, of which a transform was to take one: what they look like."""

from __future__ import annotations

import numpy as np

from cellbox.arrays import Responses
from cellbox.data.dataset import Dataset
from cellbox.storage.problems import Problems

# Up to this share of values at 0 were too small to be measured; more were cut off there on purpose.
_UNDETECTED = 0.1


def note_without_logarithm(data: Dataset, values: Responses, problems: Problems) -> bool:
    """Note once, with the first of them, values that are not above 0; whether there are any.

    values: in the unit of the files, NaN where nothing was measured.
    """
    bad = np.argwhere(values <= 0)
    if not len(bad):
        return False
    row, slot, node = bad[0]
    problems.add(
        f"{data.name}, {data.row_names[row]}, time {data.times[slot]:g}, {data.nodes[node]}",
        f"expected values above 0 to take logarithms of, found {len(bad):,} of "
        f"{int(np.isfinite(values).sum()):,} that are not, {values[row, slot, node]:g} here",
        _fix(values[np.isfinite(values)]),
    )
    return True


def _fix(known: np.ndarray) -> str:
    """What helps. known: the values that were measured."""
    share = float((known <= 0).mean())
    if known.min() >= 0 and 0 < known.max() <= 1 and share >= _UNDETECTED:
        return (
            "These are levels scaled to between 0 and 1, or yes and no, as for logic models, of "
            "which no transform makes log ratios: take the values before they were scaled"
        )
    if known.min() < 0 and (known < 0).mean() >= _UNDETECTED:
        return (
            "So many values below 0 are logarithms or differences already: leave the transform "
            "out, or take the difference from the controls (--transform difference)"
        )
    return (
        "Say from which value on the method can tell a node from nothing: --detection-limit VALUE "
        "counts what is below as VALUE (the smallest value above 0 is "
        f"{known[known > 0].min():.4g}); or leave such cells empty"
        if (known > 0).any()
        else "Correct them, or leave such cells empty"
    )
