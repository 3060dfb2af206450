"""Nodes that seem to be no nodes: misspelt names, numbers and marks in the place of one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import numpy as np

from cellbox.data.dataset import Dataset
from cellbox.errors import DataWarning
from cellbox.storage.problems import nearest

# What spreadsheets and people write where there is nothing; numbers, with a unit or without.
_NO_NAME = re.compile(
    r"#\S+[!?]|n/?a|nan|null|none|true|false|unknown|-?inf|[^\w]+"
    # Seven digits, E and two digits are a clone of RIKEN.
    r"|(?!\d{7}e\d\d$)[<>~]?\s*[-+]?\d[\d\s.,]*(e[-+]?\d+)?"
    r"\s*(%|[numµμ]m|[numµμ]?g(/m?l)?|(?-i:M|h|hrs?|min|s|x))?"
    r"|0x[0-9a-f]+|<\s*lod",
    re.IGNORECASE,
)
# A unit behind a name: of doses or of values, but not of nodes.
_WITH_UNIT = re.compile(r".*\w\s+(%|[numµμ]M|[numµμ]?g/m?l|hrs?|min)", re.IGNORECASE)
# A node with so few values, where the others have so many more, may be another one misspelt.
_SELDOM, _OFTEN = 2, 10
_NAMED = 6
# How alike two names are that may be meant for one, and how many are compared.
_ALIKE, _MOST_COMPARED = 0.85, 200


def name_warnings(data: Dataset) -> Iterator[DataWarning]:
    """Everything that speaks against the names of nodes."""
    measured = np.isfinite(data.measurements).sum(axis=(0, 1))
    perturbed = (data.perturbations != 0).sum(axis=0)
    # Where all names are numbers, someone numbers nodes.
    odd = [bool(_NO_NAME.fullmatch(node)) and not _told(data, node) for node in data.nodes]
    named = [node for node, so in zip(data.nodes, odd, strict=True) if not so]
    with_unit = [node for node in named if _WITH_UNIT.fullmatch(node)]
    if with_unit:
        yield DataWarning(
            "odd_names",
            f"{_nodes(with_unit)} called by a name with a unit: {_listed(with_unit)}",
            "Take units out of the column of nodes; --dose-transform and --time-unit say them",
        )
    if any(odd) and not all(odd):
        yield from _odd(data, np.flatnonzero(odd).tolist())
    empty = np.flatnonzero((measured == 0) & (perturbed == 0))
    if len(empty):
        names = [data.nodes[node] for node in empty]
        yield DataWarning(
            "nodes_without_data",
            f"{_nodes(names)} neither measured nor perturbed: {_listed(names)}",
            "Leave such nodes out, or check their columns",
        )
    unmeasured = np.flatnonzero((measured == 0) & (perturbed > 0) & ~np.array(odd))
    yield from _misspelt(data, [data.nodes[node] for node in unmeasured])
    often = np.median(measured[measured > 0]) if measured.any() else 0
    seldom = np.flatnonzero((measured > 0) & (measured <= _SELDOM) & (often >= _OFTEN)).tolist()
    seldom = [node for node in seldom if not odd[node]]
    if seldom:
        yield from _seldom(data, seldom, int(often))


def _told(data: Dataset, node: str) -> bool:
    """Whether a spreadsheet's name was told when the data were read."""
    warnings = data.reading_warnings
    return any(w.kind == "spreadsheet_names" and f"{node} (was it" in w.found for w in warnings)


def _odd(data: Dataset, nodes: Sequence[int]) -> Iterator[DataWarning]:
    names = [repr(data.nodes[node]) for node in nodes]
    yield DataWarning(
        "odd_names",
        f"{_nodes(names)} called by what is no name: {_listed(names)}",
        "Look for the cells that hold it in the column of nodes, or in the list of their names",
    )


def _misspelt(data: Dataset, names: Sequence[str]) -> Iterator[DataWarning]:
    """Perturbed nodes that nobody measured, under names much like those of others."""
    others = [name for name in data.nodes if name not in names]
    told = []
    for name in names[:_MOST_COMPARED]:
        words = [other for other in re.split(r"[\s,;()]+", name) if other in others]
        alike = repr(words[0]) if words else nearest(name, others, _ALIKE)
        # A drug is often called by its target: MEKi, aMEK.
        called = {name[1:], name[:-1], name.lower().removesuffix("_inhibitor")}
        if alike and not called & {*others, *map(str.lower, others)}:
            told.append(f"{name} (is it {alike}?)")
    if told:
        yield DataWarning(
            "perturbed_never_measured",
            f"{_nodes(told)} perturbed, never measured, and called much like another: "
            f"{_listed(told)}",
            "Correct the names where they are misspelt",
        )


def _seldom(data: Dataset, nodes: Sequence[int], often: int) -> Iterator[DataWarning]:
    others = [name for number, name in enumerate(data.nodes) if number not in nodes]
    told = []
    for node in nodes[:_NAMED]:
        alike = nearest(data.nodes[node], others)
        told.append(data.nodes[node] + (f" (is it {alike}?)" if alike else ""))
    more = f" and {len(nodes) - _NAMED} more" if len(nodes) > _NAMED else ""
    yield DataWarning(
        "seldom_measured",
        f"{_nodes(nodes)} measured once or twice, the others {often:,} times: "
        f"{', '.join(told)}{more}",
        "Correct the names where they are misspelt; so few values tell nothing of a node",
    )


def _nodes(names: Sequence) -> str:
    return "1 node is" if len(names) == 1 else f"{len(names):,} nodes are"


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
