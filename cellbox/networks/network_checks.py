"""What the parts of a network have to be, whoever made it: names, shapes and numbers.

A descent that diverged leaves numbers that are not finite, and is a network all the same. What
writes or simulates one asks for more (`cellbox.networks.network.check_numbers`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from cellbox.errors import InputError, Problem, listed

_NAMED = 5
_AXES = "Give W with a row for each target and a column for each source, and an amplitude for each"


def checked_names(nodes: Any, problems: list[Problem], where: str = "network") -> tuple[str, ...]:
    """The names of nodes as a tuple; notes what cannot be their names."""
    if isinstance(nodes, str) or not hasattr(nodes, "__iter__"):
        found = f"expected the names of all nodes, found {nodes!r}"
        problems.append(Problem(f"{where}, nodes", found, 'Give them as ("AKT", "MEK")'))
        return ()
    names = tuple(nodes)
    other = [name for name in names if not isinstance(name, str) or not name.strip()]
    if other:
        found = f"expected names that are words, found {listed([repr(one) for one in other], 5)}"
        problems.append(Problem(f"{where}, nodes", found, "Give each node a name"))
        return ()
    names = tuple(str(name) for name in names)
    twice = [name for name, count in Counter(name.strip() for name in names).items() if count > 1]
    if twice:
        found = f"expected each name once, found again: {listed([repr(one) for one in twice], 5)}"
        problems.append(Problem(f"{where}, nodes", found, "Give each node a name of its own"))
    return names


def as_array(values: Any, where: str, problems: list[Problem]) -> Any:
    """Numbers as an array of floats; as they are where they are an array of floats already.

    Notes what is no array of real numbers.
    """
    if isinstance(values, np.ndarray) and values.dtype.kind == "f":
        return values
    if hasattr(values, "aval"):
        # An array of JAX, which may be traced and have no values yet.
        return values
    try:
        array = np.asarray(values)
    except ValueError:
        array = np.array(None)
    if array.dtype.kind in "fiu":
        return array.astype(float)
    numbers = array.ravel().tolist()
    if array.dtype.kind == "O" and all(type(one) in (int, float) for one in numbers):
        return array.astype(float)
    found = f"expected an array of numbers, found {_kind(values, array)}"
    problems.append(Problem(where, found, "Give a numpy array of floats"))
    return None


def _kind(values: Any, array: np.ndarray) -> str:
    if values is None or array.ndim == 0:
        return f"{values!r:.40}"
    words = {"U": "words", "S": "words", "c": "complex numbers", "b": "True and False"}
    return words.get(array.dtype.kind, f"values of the type {array.dtype}")


def checked_parts(nodes: Any, weights: Any, amplitudes: Any) -> tuple[tuple[str, ...], Any, Any]:
    """Names, W and α as they are to be. Raises InputError with all that is wrong with them."""
    problems: list[Problem] = []
    names = checked_names(nodes, problems)
    n = len(names)
    found = {
        "weights": (as_array(weights, "network, weights", problems), (n, n)),
        "amplitudes": (as_array(amplitudes, "network, amplitudes", problems), (n,)),
    }
    for name, (values, expected) in found.items():
        if names and values is not None and np.shape(values) != expected:
            shapes = f"expected shape {expected} for {n} nodes, found {np.shape(values)}"
            problems.append(Problem(f"network, {name}", shapes, f"{_AXES} node"))
    given, _ = found["amplitudes"]
    if isinstance(given, np.ndarray) and given.shape == (n,) and (given < 0).any():
        problems.append(_amplitudes_below(names, given, given < 0))
    if problems:
        raise InputError(problems)
    return names, found["weights"][0], given


def unusable_numbers(
    nodes: Sequence[str], weights: np.ndarray, amplitudes: np.ndarray
) -> list[Problem]:
    """What is wrong where a number is not finite, or an amplitude is not above 0."""
    problems = []
    unusable = ~((amplitudes > 0) & np.isfinite(amplitudes))
    if unusable.any():
        problems.append(_amplitudes_below(nodes, amplitudes, unusable))
    places = np.argwhere(~np.isfinite(weights))
    if len(places):
        named = [f"{nodes[source]} → {nodes[target]}" for target, source in places]
        found = f"expected finite weights, found others for {listed(named, _NAMED)}"
        problems.append(Problem("network, weights", found, "Give 0 where there is no edge"))
    return problems


def _amplitudes_below(nodes: Sequence[str], amplitudes: np.ndarray, which: np.ndarray) -> Problem:
    named = [f"{nodes[node]} {amplitudes[node]:g}" for node in np.flatnonzero(which).tolist()]
    found = f"expected amplitudes above 0, found {listed(named, _NAMED)}"
    fix = "An amplitude is how far a node can respond, in either direction: signs belong to weights"
    return Problem("network, amplitudes", found, fix)
