"""Response amplitudes α of a network: read from a file, or spread at random."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path

import numpy as np

from cellbox.arrays import NodeValues
from cellbox.errors import refuse
from cellbox.networks.network import Network
from cellbox.storage.csv_tables import number, read_table
from cellbox.storage.problems import Problems, note_unknown

# Amplitudes have a stream of random numbers of their own, which changes no other draw.
_STREAM = 0xA1FA


def with_amplitudes(
    network: Network,
    *,
    file: str | PathLike[str] | None = None,
    spread: float = 0.0,
    seed: int = 0,
) -> Network:
    """The network with other amplitudes.

    file: a CSV with the columns node and amplitude, every node in it once.
    spread: standard deviation of the natural logarithm of α around what it is else.

    Raises InputError for a file that cannot be used, and for a spread below 0.

    Example:
        >>> import cellbox
        >>> network = cellbox.system("LI").network
        >>> spread = cellbox.with_amplitudes(network, spread=0.5, seed=1).amplitudes
        >>> bool((spread > 0).all()), len(set(spread.tolist()))
        (True, 7)
    """
    if not 0 <= spread < np.inf:
        found = f"expected a standard deviation from 0 up, found {spread}"
        raise refuse("amplitude spread", found, "Use for example 0.5")
    amplitudes = network.amplitudes
    if file is not None:
        problems = Problems()
        amplitudes = read_amplitudes(Path(file), network.nodes, problems)
        problems.raise_any()
    if spread:
        random = np.random.default_rng([seed, _STREAM])
        amplitudes = amplitudes * np.exp(spread * random.standard_normal(len(amplitudes)))
    return replace(network, amplitudes=amplitudes)


def read_amplitudes(path: Path, nodes: Sequence[str], problems: Problems) -> NodeValues:
    """α of each node from a CSV with the columns node and amplitude; every node has to have one."""
    amplitudes = np.ones(len(nodes))
    position = {node: index for index, node in enumerate(nodes)}
    places: dict[str, str] = {}
    records = read_table(path, problems, required=("node", "amplitude"))
    for record in records:
        node, where = record["node"], f"{record.where}, column 'amplitude'"
        value = number(record["amplitude"], where, problems)
        if node not in position:
            note_unknown(node, nodes, f"{record.where}, column 'node'", "node", problems)
        elif places.setdefault(node, record.where) != record.where:
            found = f"expected each node once, found {node!r} again ({places[node]})"
            problems.add(record.where, found, "Keep one of the rows")
        elif value is not None and value <= 0:
            problems.add(where, f"expected a positive amplitude, found {value:g}", "Correct it")
        elif value is not None:
            amplitudes[position[node]] = value
    missing = [node for node in nodes if node not in places]
    if records and missing:
        found = f"expected an amplitude for each node, found none for {', '.join(missing)}"
        problems.add(str(path), found, "Add the missing nodes")
    return amplitudes
