"""Cell lines, or batches, of which the data say too little to tell what differs between them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from cellbox.data.dataset import Dataset
from cellbox.errors import DataWarning, listed

_NAMED = 6

# A line of so few conditions on average is no line, but another name of conditions.
_FEWEST_CONDITIONS = 2.0


def line_warnings(data: Dataset) -> Iterator[DataWarning]:
    """A warning for each thing that speaks against the lines of the data."""
    if data.lines is None:
        return
    names, of_row = data.line_names, data.line_of_row
    counts = {
        name: len(np.unique(data.condition_of_row[of_row == number]))
        for number, name in enumerate(names)
    }
    if len(names) > 1 and data.n_conditions < _FEWEST_CONDITIONS * len(names):
        yield DataWarning(
            "as_many_lines_as_conditions",
            f"{data.n_conditions} conditions are of {len(names)} cell lines or batches: nothing "
            "tells what differs between these",
            "Leave the column of lines out if it names samples or conditions",
        )
        return
    alone = [name for name, count in counts.items() if count == 1]
    if alone and len(names) > 1:
        yield DataWarning(
            "line_with_one_condition",
            f"{_of(alone)} one condition alone, which does not tell what differs there",
            "Add conditions, or leave the line out",
        )
    perturbed = np.asarray(data.touched.any(axis=1))
    still = [name for number, name in enumerate(names) if not perturbed[of_row == number].any()]
    if still and len(names) > 1:
        yield DataWarning(
            "line_without_perturbations",
            f"{_of(still)} no perturbed condition, and without one the model stays at 0",
            "Add perturbed conditions, or leave the line out",
        )


def _of(names: list[str]) -> str:
    what, have = ("Line", "has") if len(names) == 1 else ("Lines", "have")
    return f"{what} {listed(names, _NAMED)} {have}"


def line_sentence(data: Dataset) -> str:
    """That several lines are taken as one unless they may differ; "" where there are not several.

    Example:
        >>> import cellbox
        >>> network = cellbox.with_lines(cellbox.system("LI").network, 2, 1)
        >>> data = cellbox.simulate(network, n_conditions=4, n_times=2, n_held_out=1)
        >>> from cellbox.data.line_warnings import line_sentence
        >>> line_sentence(data).split(":")[0]
        'The data are of 2 cell lines or batches (line1, line2)'
    """
    return sentence_of(data.line_names)


def sentence_of(names: tuple[str, ...]) -> str:
    """The same for lines of these names."""
    if len(names) < 2:
        return ""
    return (
        f"The data are of {len(names)} cell lines or batches ({listed(names, _NAMED)}): a fit "
        f'takes all as one, unless --form lines (in Python form="lines") lets them differ from '
        f"{names[0]} where the data ask for it."
    )
