"""What a model is asked: doses by the names of nodes, or as arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeGuard

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from cellbox.arrays import Perturbations
from cellbox.errors import InputError, Problem, refuse
from cellbox.storage.csv_tables import number
from cellbox.storage.problems import Problems, note_unknown

# Any is a pandas DataFrame, which those who do not have one can do without.
Doses = ArrayLike | Mapping[str, Any] | Sequence[Mapping[str, Any]] | Any


def as_perturbations(doses: Doses, nodes: Sequence[str]) -> Float[np.ndarray, "..."]:
    """u with a row for each condition and a column for each node.

    doses: such an array, whose shape is for the caller to check; or one condition as {"AKT": 0.5},
    or several of them, in which a node that is not named is left alone; or a pandas DataFrame with
    a row for each condition and a column for each node that is perturbed. Raises InputError for
    nodes that are unknown and for doses that are no numbers.
    """
    conditions = _named(doses)
    if conditions is None:
        try:
            return np.asarray(doses, float)
        except (TypeError, ValueError) as error:
            fix = 'Give numbers, or doses by name as in {"AKT": 0.5}'
            raise refuse("perturbations", f"expected numbers ({error})", fix) from error
    place = {node: index for index, node in enumerate(nodes)}
    problems = Problems()
    u = np.zeros((len(conditions), len(nodes)))
    for row, condition in enumerate(conditions):
        for node, dose in condition.items():
            where = f"perturbations, condition {row + 1}"
            if node not in place:
                note_unknown(node, nodes, where, "node", problems)
                continue
            value = number(str(dose), f"{where}, node {node!r}", problems)
            u[row, place[node]] = 0.0 if value is None else value
    problems.raise_any()
    return u


def condition_names(doses: Doses, perturbations: Perturbations) -> list[str]:
    """What each condition is called in a table: its doses, or its number."""
    conditions = _named(doses)
    if _is_frame(doses) and _names_rows(doses):
        return [str(name) for name in doses.index]
    if conditions is None:
        return [f"condition {row + 1}" for row in range(len(perturbations))]
    told = [" ".join(f"{node}={dose:g}" for node, dose in each.items()) for each in conditions]
    return [text or "unperturbed" for text in told]


def _named(doses: Doses) -> list[Mapping[str, Any]] | None:
    """The conditions where doses are given by name, else None."""
    if isinstance(doses, Mapping):
        return [doses]
    if _is_frame(doses):
        names = [str(name) for name in doses.columns]
        return [dict(zip(names, row, strict=True)) for row in doses.to_numpy().tolist()]
    if isinstance(doses, list | tuple) and doses:
        named = [each for each in doses if isinstance(each, Mapping)]
        return named if len(named) == len(doses) else None
    return None


def _is_frame(doses: Any) -> TypeGuard[Any]:
    """Whether doses are a DataFrame, without loading pandas to ask."""
    return hasattr(doses, "columns") and hasattr(doses, "to_numpy")


def _names_rows(frame: Any) -> bool:
    """Whether an index of rows has names, and not just their numbers."""
    return any(not isinstance(name, int | np.integer) for name in frame.index)


def numbers_of(values: ArrayLike, where: str) -> np.ndarray:
    """The values as float64; raises InputError where they are no numbers, or rows differ."""
    try:
        return np.asarray(values, float)
    except (TypeError, ValueError) as error:
        raise refuse(where, f"expected an array of numbers ({error})", "Correct it") from error


def check_request(perturbations: np.ndarray, times: np.ndarray, n_nodes: int) -> None:
    """Raise InputError for doses and times of which no prediction can be made."""
    problems = []
    if perturbations.ndim != 2 or perturbations.shape[1] != n_nodes:
        problems.append(
            Problem(
                "perturbations",
                f"expected shape (rows, {n_nodes}), found {perturbations.shape}",
                "Give one column for each node of the model",
            )
        )
    elif not np.isfinite(perturbations).all():
        row = int(np.flatnonzero(~np.isfinite(perturbations).all(axis=1))[0])
        problems.append(
            Problem(
                f"perturbations, row {row}",
                "expected finite numbers, found NaN or infinity",
                "Use 0 where a node is left alone",
            )
        )
    if times.ndim != 1 or len(times) == 0 or not np.isfinite(times).all() or times[0] <= 0:
        problems.append(
            Problem("times", f"expected positive times, found {times}", "Give at least one")
        )
    elif (np.diff(times) <= 0).any():
        problems.append(Problem("times", f"expected ascending times, found {times}", "Sort them"))
    if problems:
        raise InputError(problems)
