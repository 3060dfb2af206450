"""The network of one cell line, of those that share one W."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from cellbox.arrays import RowNumbers
from cellbox.networks.fitted_form import FittedForm
from cellbox.networks.form import Form
from cellbox.networks.line_differences import KINDS, Difference, line_numbers
from cellbox.networks.network import Network


def names_of_lines(network: Network) -> tuple[str, ...]:
    """The lines that differ somewhere, the reference first; none where nothing differs."""
    form = network.form
    return () if form is None or form.lines is None else form.lines.names


def of_line(network: Network, line: int) -> Network:
    """The network of one line, by its number: that of the reference with what differs.

    Where an offset differs it has a drive of each node, as a form.
    """
    fitted = network.form
    if fitted is None or fitted.lines is None:
        return network
    weights, amplitudes = network.weights.copy(), network.amplitudes.copy()
    drive, driven = np.zeros(network.n_nodes), False
    for one in fitted.lines.of_line(line):
        if one.kind == "edge":
            weights[one.node, one.source] += one.value
        elif one.kind == "amplitude":
            amplitudes[one.node] *= np.exp(one.value)
        else:
            drive[one.node] += one.value
            driven = True
    plain = replace(fitted, form=replace(fitted.form, lines=False), lines=None)
    if driven:
        plain = _with_drive(plain, drive)
    return Network(network.nodes, weights, amplitudes, plain.kept())


def _with_drive(fitted: FittedForm, drive: np.ndarray) -> FittedForm:
    values = {**fitted.values, "drive": fitted.values.get("drive", 0.0) + drive}
    form = fitted.form
    if "drive" not in form.parts:
        form = form.with_part("drive") or Form(("drive", *form.parts), form.curve)
    return FittedForm(form, {part: values[part] for part in form.parts})


def networks_of_lines(network: Network) -> dict[str, Network]:
    """The network of each line by name, the reference first."""
    return {name: of_line(network, line) for line, name in enumerate(names_of_lines(network))}


def rows_of_lines(network: Network, n_rows: int, lines: Sequence[str] | None) -> RowNumbers:
    """The number of each row's line; the reference's where that is not told.

    Raises InputError for a line that the network does not know.
    """
    if lines is None:
        return np.zeros(n_rows, int)
    return line_numbers(lines, names_of_lines(network))


class ShownDifference(NamedTuple):
    """A difference as people read it.

    node: the target of an edge; source: "" where it is none. in_reference, in_line: α, W or b.
    error: the standard error of how far they are apart, None where it is not known.
    """

    line: str
    kind: str
    node: str
    source: str
    in_reference: float
    in_line: float
    error: float | None


#: The columns of a table of `ShownDifference`.
COLUMNS = (
    *("line", "kind", "node", "source", "value_in_reference", "value_in_line"),
    *("difference", "standard_error"),
)


def shown_differences(network: Network) -> tuple[ShownDifference, ...]:
    """What differs between lines, in their order, the amplitudes first, then offsets, then edges.

    Example:
        >>> import cellbox
        >>> from cellbox.networks.line_networks import shown_differences
        >>> shown_differences(cellbox.random_network(3, density=0.5, seed=0))
        ()
    """
    fitted = network.form
    if fitted is None or fitted.lines is None:
        return ()
    base = np.asarray(fitted.values.get("drive", np.zeros(network.n_nodes)))
    names = fitted.lines.names
    return tuple(
        _shown(one, network, base, names) for one in sorted(fitted.lines.entries, key=_order)
    )


def _order(one: Difference) -> tuple[int, int, int, int]:
    return one.line, KINDS.index(one.kind), one.node, -1 if one.source is None else one.source


def _shown(
    one: Difference, network: Network, drive: np.ndarray, names: Sequence[str]
) -> ShownDifference:
    source, error = "", one.error
    if one.kind == "edge":
        assert one.source is not None
        source = network.nodes[one.source]
        before = float(network.weights[one.node, one.source])
        after = before + one.value
    elif one.kind == "amplitude":
        before = float(network.amplitudes[one.node])
        after = before * float(np.exp(one.value))
        # Of the logarithm, to first order.
        error = None if error is None else after * error
    else:
        before = float(drive[one.node])
        after = before + one.value
    line, node = names[one.line], network.nodes[one.node]
    return ShownDifference(line, one.kind, node, source, before, after, error)


def row_of(one: ShownDifference) -> tuple[str | float | None, ...]:
    """The cells of a difference under `COLUMNS`."""
    apart = one.in_line - one.in_reference
    return (*one[:6], apart, one.error)
