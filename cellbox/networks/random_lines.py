"""Cell lines that differ from a network in a few entries, drawn at random."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from cellbox.errors import InputError, Problem
from cellbox.networks.fitted_form import FittedForm
from cellbox.networks.form import EQ_1
from cellbox.networks.line_differences import KINDS, Difference, LineDifferences
from cellbox.networks.network import Network

# log of how many times an amplitude is another, an offset inside the tanh, and the weight of an
# edge that only one line has: large enough to matter, and far from saturating.
_LOG_AMPLITUDE, _OFFSET, _WEIGHT = 0.5, 0.4, 0.8


def with_lines(network: Network, n_lines: int, n_differences: int, *, seed: int = 0) -> Network:
    """The network as that of the first of several lines, from which each other differs.

    n_differences: of each line but the first: edges that are lost or won, amplitudes and offsets in
    turn, each in another place. Its lines are called line1, line2 and so on.

    Raises InputError for fewer than 2 lines, and for more differences than there are nodes.

    Example:
        >>> import cellbox
        >>> network = cellbox.with_lines(cellbox.system("LI").network, 2, 3, seed=0)
        >>> network.form.lines.names, len(network.form.lines.entries)
        (('line1', 'line2'), 3)
    """
    problems = []
    if n_lines < 2:
        found = f"expected at least 2 lines, found {n_lines}"
        problems.append(Problem("lines", found, "Leave it out for one line"))
    if not 0 <= n_differences <= network.n_nodes:
        found = f"expected 0 to {network.n_nodes} differences, found {n_differences}"
        problems.append(Problem("line differences", found, "Choose no more than there are nodes"))
    if problems:
        raise InputError(problems)
    random = np.random.default_rng([seed, n_lines, n_differences])
    entries: list[Difference] = []
    for line in range(1, n_lines):
        nodes = random.permutation(network.n_nodes)[:n_differences]
        entries += [
            _drawn(network, line, int(node), number, random) for number, node in enumerate(nodes)
        ]
    names = tuple(f"line{number + 1}" for number in range(n_lines))
    fitted = network.form or FittedForm(EQ_1, {})
    form = replace(fitted.form, lines=True)
    lines = LineDifferences(names, tuple(entries))
    return replace(network, form=replace(fitted, form=form, lines=lines))


def _drawn(
    network: Network, line: int, node: int, number: int, random: np.random.Generator
) -> Difference:
    """The difference of a line in what becomes of one node: edges lost and won, and others."""
    sign = float(random.choice([-1.0, 1.0]))
    kind = ("edge", "amplitude", "edge", "offset")[number % 4]
    assert kind in KINDS
    if kind == "amplitude":
        return Difference(line, kind, node, None, sign * _LOG_AMPLITUDE)
    if kind == "offset":
        return Difference(line, kind, node, None, sign * _OFFSET)
    there = np.flatnonzero(network.weights[node])
    others = np.setdiff1d(np.flatnonzero(network.weights[node] == 0), [node])
    lost = len(there) > 0 and (number % 8 == 0 or not len(others))
    source = int(random.choice(there if lost else others))
    value = -float(network.weights[node, source]) if lost else sign * _WEIGHT
    return Difference(line, kind, node, source, value)
