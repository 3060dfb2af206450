"""What a page says of cell lines: what differs between them."""

from __future__ import annotations

from cellbox.models.model import FittedModel
from cellbox.networks.line_differences import KINDS
from cellbox.networks.line_networks import names_of_lines, row_of, shown_differences
from cellbox.networks.line_tables import LINE_DIFFERENCES
from search.report.blocks import Section, Table, Text

_ROWS_SHOWN = 12


def line_sections(model: FittedModel) -> list[Section]:
    """The section about lines; none where the data tell of one alone."""
    names = model.lines or names_of_lines(model.network)
    if not names:
        return []
    found = shown_differences(model.network)
    if not found:
        said = f"The data are of {', '.join(names)}, and the model takes all of these as one."
        return [Section("lines", "Cell lines", (Text((said,)),))]
    counts = {kind: sum(one.kind == kind for one in found) for kind in KINDS}
    told = [f"{n} {kind if n == 1 else f'{kind}s'}" for kind, n in counts.items() if n]
    what = " An offset is a constant inside the tanh." if counts["offset"] else ""
    said = (
        f"All lines ({', '.join(names)}) share one network, that of {names[0]}, but for "
        f"{' and '.join([', '.join(told[:-1]), told[-1]] if told[1:] else told)}.{what} The "
        f"network, its edges and the sliders of this page are those of {names[0]}; predictions of "
        "held-out conditions are by their lines."
    )
    rows = tuple(row_of(one) for one in found)
    header = (
        *("line", "what", "of", "from", f"in {names[0]}", "in the line", "difference"),
        "standard error",
    )
    table = Table(
        f"What differs from {names[0]}",
        header,
        rows[:_ROWS_SHOWN],
        file=LINE_DIFFERENCES,
        more_rows=rows[_ROWS_SHOWN:],
    )
    return [Section("lines", "Cell lines", (Text((said,)), table))]
