"""A table that stands alone: what its columns look like, and how the two tables are made of it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from cellbox.data.readers.usual_layouts import PERTURBATION_LAYOUT, measurement_layout
from cellbox.errors import listed
from cellbox.storage.delimited import clean_name
from cellbox.storage.problems import Problems, same_name
from cellbox.storage.typed_tables import TABLE_SUFFIXES, open_table

_NAMED = 8
# What tells a treatment beside the usual names of conditions, as `same_name` gives them.
_GIVEN = (
    *("drug", "drugs", "drugname", "agent", "compound", "inhibitor", "ligand", "stimulus"),
    *("pertiname", "pertdose", "smallmolecule", "condition"),
)
_OF_CURVES = re.compile(r"(^|[^a-z])(p?[ieg][cr]50|gr50|auc|gi50|emax|grmax|hill ?slope)", re.I)
_OF_PETAB = {"observableid", "measurement"}


def lone_table(path: Path) -> tuple[str, str] | None:
    """What was found, and what helps, of a table that is no data by itself; None of other files."""
    names = _columns(path)
    if len(names) < 2:
        return None
    found = f"one table with the columns {listed(names, _NAMED)}"
    if {same_name(name) for name in names} >= _OF_PETAB:
        return found, "Name the .yaml of the PEtab problem, which names all its tables"
    if any(_OF_CURVES.search(name) for name in names):
        return found, (
            "Concentrations of half the effect and areas are results of curves, from which no "
            "network is learned: take what was measured of each node under each dose, as "
            f"{_two_tables([])}"
        )
    return found, f"Make two tables of it: {_two_tables(names)}"


def _columns(path: Path) -> list[str]:
    """The names of a table's columns; none where the file is no table of text."""
    if path.suffix.casefold() not in TABLE_SUFFIXES:
        return []
    # What is wrong with a file that is not read is not asked for.
    source = open_table(path, Problems())
    for chunk in source.chunks(Problems()) if source is not None else ():
        for row in chunk.rows:
            names = [clean_name(cell) for cell in row]
            if sum(map(bool, names)) > 1:
                return [name for name in names if name]
    return []


def _two_tables(names: Sequence[str]) -> str:
    """How measurements and perturbations are made of columns of these names."""
    conditions = [*PERTURBATION_LAYOUT.synonyms["condition"], *_GIVEN]
    doses = ["value", *PERTURBATION_LAYOUT.synonyms["value"]]
    times = ["time", *measurement_layout(None).synonyms["time"]]

    def of(known: Sequence[str]) -> str:
        own = [name for name in names if same_name(re.sub(r"\(.*\)", "", name)) in known]
        return f" (here {' and '.join(own[:_NAMED])})" if own else ""

    told = of(conditions)
    return (
        f"measurements.csv with the columns condition{told}, time{of(times)}, and one for each "
        "measured node; and perturbations.csv with condition, node and value: the node that each "
        f"condition acts on, and how strongly{of([one for one in doses if one != 'value'])}; both "
        "in one folder"
    )
