"""Data whose numbers no reader has checked, as those that were made in Python."""

from __future__ import annotations

import numpy as np

from cellbox.data.dataset import Dataset
from cellbox.errors import InputError, Problem


def check_numbers(data: Dataset) -> None:
    """Raise InputError for numbers that no reader gives: data may have been made in Python."""
    measured = ~np.isnan(data.measurements)
    problems = []
    if not np.isfinite(data.perturbations).all():
        found = "expected finite doses, found others"
        problems.append(Problem(f"{data.name}, perturbations", found, "0 leaves a node alone"))
    if np.isinf(data.measurements).any():
        found = f"expected numbers or NaN, found {int(np.isinf(data.measurements).sum()):,} others"
        problems.append(Problem(f"{data.name}, measurements", found, "NaN is a missing value"))
    if not (np.isfinite(data.times).all() and (np.diff(data.times, prepend=0.0) > 0).all()):
        found = (
            f"expected ascending times above 0, found {np.array2string(data.times, threshold=9)}"
        )
        problems.append(Problem(f"{data.name}, times", found, "Sort them, and leave out time 0"))
    if data.errors is not None:
        bad = measured & ~((data.errors > 0) & np.isfinite(data.errors))
        if bad.any():
            found = (
                f"expected errors above 0 of all measured values, found {int(bad.sum()):,} others"
            )
            fix = "Correct them, or leave all errors out"
            problems.append(Problem(f"{data.name}, errors", found, fix))
    if problems:
        raise InputError(problems)
