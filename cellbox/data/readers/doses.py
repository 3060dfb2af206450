"""Perturbations alone, for predictions: a tidy table, or written out in one line."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from pathlib import Path

import numpy as np
from jaxtyping import Float

from cellbox.data.readers.dose_tables import read_dose_table
from cellbox.networks.interventions import Interventions, no_interventions
from cellbox.storage.csv_tables import number
from cellbox.storage.delimited import clean_name
from cellbox.storage.problems import Problems, note_unknown


def read_doses(
    path: str | PathLike[str], nodes: Sequence[str], decay_time: float = 1.0
) -> tuple[tuple[str, ...], Float[np.ndarray, "n_conditions n_nodes"], Interventions | None]:
    """Read conditions to predict: a CSV with the columns condition, node and value.

    It has the form of a tidy folder's perturbations.csv: value is u, positive where a node is
    pushed down; a row without a node is an unperturbed control. Returns the conditions in file
    order, u with a column for each of `nodes`, 0 where a node is left alone, and when doses act
    where the columns from and until tell that not all last. decay_time: in their unit.

    Raises InputError with every problem of the file, unknown nodes among them.
    """
    path = Path(path)
    problems = Problems()
    doses = read_dose_table(path, problems)
    for node, where in doses.nodes.items():
        if node not in nodes:
            note_unknown(node, nodes, where, "node", problems)
    problems.raise_any()
    conditions = tuple(doses.conditions)
    done = no_interventions(len(conditions), len(nodes))
    doses.add_spans(done, conditions, nodes, decay_time)
    u = doses.array(conditions, nodes)
    # Until when they are asked for is not known here.
    done = done.seen_until(u, np.inf)
    return conditions, u, done if done.affected.any() else None


def parse_doses(
    texts: Sequence[str], nodes: Sequence[str], where: str, what: str = "dose"
) -> tuple[tuple[str, ...], Float[np.ndarray, "n_conditions n_nodes"]]:
    """Conditions written as "g1=0.5,g3=0.2": each text is one, and names itself.

    where: what to call the place in problems. what: the number after a node.

    Raises InputError with every problem of all texts.
    """
    problems = Problems()
    position = {node: index for index, node in enumerate(nodes)}
    conditions: dict[str, np.ndarray] = {}
    for text in texts:
        u = np.zeros(len(nodes))
        seen: set[str] = set()
        for part in text.split(","):
            node, equals, dose = (clean_name(piece) for piece in part.rpartition("="))
            if not equals or not node:
                found = f"expected node={what}, found {part.strip()!r}"
                problems.add(f"{where} {text!r}", found, 'Write it as in "g1=0.5,g3=0.2"')
                continue
            if node not in position:
                note_unknown(node, nodes, f"{where} {text!r}", "node", problems)
                continue
            if node in seen:
                found = f"expected each node once, found {node!r} again"
                problems.add(f"{where} {text!r}", found, f"Keep one of its {what}s")
            seen.add(node)
            value = number(dose, f"{where} {text!r}, node {node!r}", problems)
            u[position[node]] = 0.0 if value is None else value
        conditions[" ".join(part.strip() for part in text.split(","))] = u
    problems.raise_any()
    return tuple(conditions), np.array(list(conditions.values())).reshape(-1, len(nodes))
