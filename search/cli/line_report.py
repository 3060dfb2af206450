"""What `cellbox fit` tells of cell lines."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from search.cli.output import Output
from search.cli.text_tables import text_table

if TYPE_CHECKING:
    from cellbox.models.model import FittedModel

_SHOWN = 20


def say_lines(model: FittedModel, output: Output) -> None:
    """Print what differs between lines; nothing where the data tell of one alone."""
    if not model.lines:
        return
    from cellbox.networks.line_networks import shown_differences

    found = shown_differences(model.network)
    names = ", ".join(model.lines)
    if not found:
        output.say(f"\nCell lines {names}: the model takes all as one.")
        return
    output.say(f"\nWhat differs from {model.lines[0]} ({len(found)} in all; lines: {names}):")
    header = ("line", "what", "of", "from", f"in {model.lines[0]}", "in the line", "error")
    rows = [
        (one.line, one.kind, one.node, one.source, one.in_reference, one.in_line, one.error)
        for one in found[:_SHOWN]
    ]
    output.say(text_table(header, rows))
    if len(found) > _SHOWN:
        output.say("All of them are in line_differences.csv.")


def described_lines(model: FittedModel) -> dict[str, Any]:
    """What --json writes of lines; nothing where the data tell of one alone."""
    if not model.lines:
        return {}
    from cellbox.networks.line_networks import COLUMNS, row_of, shown_differences

    rows = [
        dict(zip(COLUMNS, row_of(one), strict=True)) for one in shown_differences(model.network)
    ]
    return {"lines": {"names": list(model.lines), "differences": rows}}
