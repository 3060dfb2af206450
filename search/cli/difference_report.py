"""What `cellbox compare A B` tells of two results."""

from __future__ import annotations

from argparse import Namespace
from typing import Any

from cellbox.errors import refuse
from search.cli.output import Output
from search.cli.text_tables import NOTHING, shown, text_table
from search.comparison.differences import Differences, EdgeDifference, differences

_EDGES_SHOWN = 20


def run_difference(arguments: Namespace, used_flags: list[str]) -> int:
    """Compare two results; used_flags: those that hold conditions out, which say nothing here."""
    if len(arguments.data) > 2:
        found = f"expected one folder of data, or two results, found {len(arguments.data)}"
        raise refuse("cellbox compare", found, "Compare two at a time")
    if used_flags:
        raise refuse(
            f"cellbox compare {' '.join(arguments.data)}",
            f"expected no flags that hold conditions out, found {', '.join(used_flags)}",
            "Leave them out, or give a single folder of data",
        )
    output = Output(arguments.json)
    first, second = arguments.data
    result = differences(first, second)
    say_difference(result, output)
    output.write_json(result.to_dict())
    return 0


def say_difference(found: Differences, output: Output) -> None:
    """Print errors, settings and edges side by side."""
    output.say(f"first:  {found.first.name}\nsecond: {found.second.name}\n")
    numbers = [(name, *_side(pair)) for name, pair in found.numbers.items()]
    if numbers:
        output.say(text_table(("", "first", "second"), numbers) + "\n")
    settings = [(name, *_side(pair)) for name, pair in found.settings.items()]
    if settings:
        output.say(text_table(("settings that differ", "first", "second"), settings) + "\n")
    else:
        output.say("All settings are the same.\n")
    if found.edges:
        header = ("source", "target", "edge is", "first W", "second W", "intervals")
        more = len(found.edges) - _EDGES_SHOWN
        rest = f"\n  and {more} more (--json has all)" if more > 0 else ""
        output.say(text_table(header, [_row(edge) for edge in found.edges[:_EDGES_SHOWN]]) + rest)
        output.say()
    for sentence in found.sentences:
        output.say(sentence)
    for place, learned in (("first", found.first), ("second", found.second)):
        if learned.verdict is not None:
            output.say(f"Does Eq. 1 explain the data of the {place}? {learned.verdict}")


def _side(pair: tuple[Any, Any]) -> tuple[str, str]:
    first, second = (NOTHING if value is None else shown(value) for value in pair)
    return first, second


def _row(edge: EdgeDifference) -> tuple[str, ...]:
    weights = (
        _weight(edge.first, edge.first_low, edge.first_high),
        _weight(edge.second, edge.second_low, edge.second_high),
    )
    apart = {None: NOTHING, True: "apart", False: "overlap"}[edge.apart]
    return (edge.source, edge.target, edge.kind, *weights, apart)


def _weight(weight: float, low: float | None, high: float | None) -> str:
    if weight == 0:
        return NOTHING
    return f"{weight:.3g}" if low is None else f"{weight:.3g} [{low:.3g}, {high:.3g}]"
