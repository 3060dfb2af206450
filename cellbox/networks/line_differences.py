"""What differs between cell lines or batches, as a form has it beside one W.

One line is the reference, whose equation is that of the network. In another line l it is

    dx/dt = α_l ∘ tanh((W + ΔW_l) x − u + b_l) − x,

where α_l, b_l and ΔW_l differ from the reference's in the entries that are listed, and in no
others.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Int

from cellbox.arrays import RowNumbers
from cellbox.errors import InputError, Problem
from cellbox.storage.problems import closest

#: What names a form in which lines may differ.
LINES = "lines"

#: What may differ: α of a node, a constant b inside its tanh, an entry of W.
KINDS = ("amplitude", "offset", "edge")

_NAMED = 4


class Difference(NamedTuple):
    """One entry in which a line differs from the reference.

    line: its number, from 1 on. node: the target of an edge. source: of an edge, else None.
    value: what is added to W or b, or to log α. error: its standard error, None where it is not
    known.
    """

    line: int
    kind: str
    node: int
    source: int | None
    value: float
    error: float | None = None

    @property
    def place(self) -> tuple[int, str, int, int | None]:
        """What it is about, whatever its value."""
        return self[:4]


@dataclass(frozen=True, eq=False)
class LineDifferences:
    """What differs between lines. names: of all lines, the reference first."""

    names: tuple[str, ...]
    entries: tuple[Difference, ...]

    def in_order(self, order: Int[np.ndarray, " n_chosen"]) -> LineDifferences:
        """The same with the nodes in another order, or with some of them."""
        place = {int(node): new for new, node in enumerate(order)}
        kept = [
            one
            for one in self.entries
            if one.node in place and (one.source is None or one.source in place)
        ]
        moved = [
            one._replace(
                node=place[one.node], source=None if one.source is None else place[one.source]
            )
            for one in kept
        ]
        return replace(self, entries=tuple(moved))

    def of_line(self, line: int) -> tuple[Difference, ...]:
        """Those of one line, by its number."""
        return tuple(one for one in self.entries if one.line == line)

    def sentence(self, nodes: Sequence[str]) -> str:
        """What differs in which line, the first few by name."""
        said = []
        for number, name in enumerate(self.names[1:], 1):
            found = self.of_line(number)
            named = [_words(one, nodes) for one in found[:_NAMED]]
            more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
            said.append(f"{name}: {', '.join(named) or 'nothing'}{more}")
        return f"beside {self.names[0]}, {'; '.join(said)}"

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for files."""
        return {
            "names": list(self.names),
            "differences": [one._asdict() for one in self.entries],
        }


def _words(one: Difference, nodes: Sequence[str]) -> str:
    if one.kind == "edge":
        assert one.source is not None
        return f"edge {nodes[one.source]} → {nodes[one.node]} {one.value:+.2g}"
    if one.kind == "amplitude":
        return f"amplitude of {nodes[one.node]} × {np.exp(one.value):.2g}"
    return f"offset of {nodes[one.node]} {one.value:+.2g}"


def line_numbers(lines: Iterable[str], known: Sequence[str], where: str = "line") -> RowNumbers:
    """The number of each of these lines among those that are known.

    Raises InputError for others, with the nearest that is known.

    Example:
        >>> from cellbox.networks.line_differences import line_numbers
        >>> line_numbers(["A549", "MCF7", "A549"], ("MCF7", "A549")).tolist()
        [1, 0, 1]
    """
    asked, place = list(lines), {name: number for number, name in enumerate(known)}
    strange = [name for name in dict.fromkeys(asked) if name not in place]
    if strange:
        raise InputError(
            [
                Problem(
                    where,
                    f"expected a line among {', '.join(known)}, found {name!r}",
                    f"Did you mean {closest(name, known)}?" if known else "Leave it out",
                )
                for name in strange
            ]
        )
    return np.array([place[name] for name in asked], int)


def differences_of(content: Any, n_nodes: int) -> LineDifferences:
    """Those of `LineDifferences.to_dict`. Raises ValueError, TypeError or KeyError for others."""
    names = tuple(str(name) for name in content["names"])
    entries = tuple(Difference(**one) for one in content["differences"])
    for one in entries:
        is_edge = one.kind == "edge"
        places = [one.node, *([one.source] if is_edge else [])]
        sound = (
            one.kind in KINDS
            and 0 < one.line < len(names)
            and (one.source is None) != is_edge
            and all(isinstance(node, int) and 0 <= node < n_nodes for node in places)
            and np.isfinite(one.value)
        )
        if not sound:
            raise ValueError(f"a difference between lines that cannot be: {one}")
    if len(set(names)) < len(names) or not names:
        raise ValueError(f"lines with the names {names}")
    return LineDifferences(names, entries)


def mean_of_differences(
    found: Sequence[LineDifferences | None], names: tuple[str, ...]
) -> LineDifferences:
    """The mean of several networks' differences; what one has not is 0 there, None has none.

    Errors are the standard deviation between them.
    """
    tables = [
        {} if one is None else {entry.place: entry.value for entry in one.entries} for one in found
    ]
    places = dict.fromkeys(place for table in tables for place in table)
    entries = []
    for place in places:
        values = [table.get(place, 0.0) for table in tables]
        error = float(np.std(values, ddof=1)) if len(values) > 1 else None
        entries.append(Difference(*place, float(np.mean(values)), error))
    return LineDifferences(names, tuple(entries))
