"""Reading the files of a model: whatever is in them is checked before it is used."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from cellbox.arrays import Times
from cellbox.errors import InputError, Problem, refuse
from cellbox.models.training_record import Training
from cellbox.networks.network import Network
from cellbox.storage.seals import digest_of, seal_holds
from cellbox.storage.stored_arrays import read_arrays

# In a description, the digest of the file with its arrays.
ARRAYS_DIGEST = "arrays_digest"


def read_described(
    folder: Path, names: tuple[str, str], version: int, fix: str, *, written_by: str
) -> tuple[Path, dict[str, Any]]:
    """The description of a folder's model, and the file it was read from.

    names: of the files of arrays and of the description. written_by: what writes such a folder,
    told where one of them is missing. Raises InputError then, and as `read_description` does.
    """
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise refuse(
            str(folder),
            f"expected the files {' and '.join(names)}, found no {' and no '.join(missing)}",
            f"Give the folder that {written_by}",
        )
    where = folder / names[1]
    return where, read_description(where, version, fix)


def read_description(file: Path, version: int, fix: str) -> dict[str, Any]:
    """The JSON object that describes a model, as this version of its format has it.

    fix: what the user can do where it is something else. Raises InputError then.
    """
    try:
        text = file.read_text(encoding="utf-8")
        content = json.loads(text)
    except (OSError, ValueError, RecursionError) as error:
        found = f"expected JSON as this program writes it, found {type(error).__name__}: {error}"
        raise refuse(str(file), found, fix) from error
    if not isinstance(content, dict):
        raise refuse(str(file), f"expected an object, found {type(content).__name__}", fix)
    if not seal_holds(text):
        found = "expected the content that was written, found a digest that is not its own"
        raise refuse(str(file), found, fix)
    if content.get("format") != version:
        found = f"expected the format {version}, found {content.get('format')!r}"
        raise refuse(str(file), found, fix)
    return content


def read_model_arrays(
    file: Path, description: Mapping[str, Any], shapes: Mapping[str, Any], fix: str
) -> dict[str, np.ndarray]:
    """The arrays beside a description, of these shapes and with the digest that it names.

    Raises InputError where they are others.
    """
    try:
        content = file.read_bytes()
    except OSError as error:
        raise refuse(str(file), f"expected a readable file: {error}", fix) from error
    digest = description.get(ARRAYS_DIGEST)
    if digest is not None and digest != digest_of(content):
        found = "expected the content that was written, found another digest"
        raise refuse(str(file), found, fix)
    return read_arrays(file, shapes, fix=fix, content=content)


def nodes_of(description: Mapping[str, Any], file: Path, fix: str) -> tuple[str, ...]:
    """The names of a model's nodes. Raises InputError where they are not different texts."""
    nodes = description.get("nodes")
    texts = isinstance(nodes, list) and all(isinstance(node, str) and node for node in nodes)
    if not texts or not nodes or len(set(nodes)) < len(nodes):
        found = f"expected a list of different names, found {_shortened(nodes)}"
        raise refuse(f"{file}, key nodes", found, fix)
    return tuple(nodes)


def check_numbers(file: Path, amplitudes: Float[np.ndarray, "..."], times: Times, fix: str) -> None:
    """Raise InputError where amplitudes are not positive, or times do not ascend from above 0."""
    problems = []
    if (amplitudes <= 0).any():
        found = f"expected amplitudes above 0, found {float(amplitudes.min()):g}"
        problems.append(Problem(f"{file}, array amplitudes", found, fix))
    if not len(times) or times[0] <= 0 or (np.diff(times) <= 0).any():
        found = f"expected ascending times above 0, found {_shortened(times.tolist())}"
        problems.append(Problem(f"{file}, array times", found, fix))
    if problems:
        raise InputError(problems)


def network_and_times(
    file: Path, description: Mapping[str, Any], described_in: Path, fix: str
) -> tuple[Network, Times]:
    """The network, without a form, and the times of a model; InputError where they cannot be."""
    nodes = nodes_of(description, described_in, fix)
    n_nodes = len(nodes)
    shapes = {"weights": (n_nodes, n_nodes), "amplitudes": (n_nodes,), "times": (None,)}
    arrays = read_model_arrays(file, description, shapes, fix)
    check_numbers(file, arrays["amplitudes"], arrays["times"], fix)
    return Network(nodes, arrays["weights"], arrays["amplitudes"]), arrays["times"]


_NUMBER, _MAYBE = (int, float), (int, float, type(None))
_KINDS: dict[str, tuple[type, ...]] = {
    **dict.fromkeys(("status", "message", "refinement"), (str,)),
    **dict.fromkeys(("seconds", "compile_seconds"), _NUMBER),
    **dict.fromkeys(("validation_mae", "selection_error", "noise", "noise_freedom"), _MAYBE),
    "prior_strength": _MAYBE,
    **{"steps": (int,), "history": (dict,), "refined": (bool,), "form": (dict, type(None))},
}


def training_of(content: Any, where: str, fix: str) -> Training:
    """How a training went, of its plain values. Raises InputError where they are others."""
    if not isinstance(content, dict):
        raise refuse(where, f"expected an object, found {_shortened(content)}", fix)
    problems = [
        Problem(f"{where}.{name}", f"expected something else than {_shortened(value)}", fix)
        for name, value in content.items()
        if name not in _KINDS
        or not isinstance(value, _KINDS[name])
        or (isinstance(value, bool) and bool not in _KINDS[name])
    ]
    history = content.get("history")
    if isinstance(history, dict) and not all(isinstance(one, list) for one in history.values()):
        problems.append(Problem(f"{where}.history", "expected lists, found something else", fix))
    if problems:
        raise InputError(problems)
    try:
        return Training(**content)
    except TypeError as error:
        raise refuse(where, f"expected all that is told of a training: {error}", fix) from error


def whole_number_of(description: Mapping[str, Any], key: str, where: str, fix: str) -> int:
    """A whole number from 0 up. Raises InputError where it is something else."""
    value = description.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        found = f"expected a whole number from 0 up, found {_shortened(value)}"
        raise refuse(f"{where}, key {key}", found, fix)
    return value


def _shortened(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:59]}…"


def lines_from(content: Any, where: str, fix: str) -> tuple[str, ...]:
    """The cell lines of a description; none where it has none. Raises InputError for others."""
    if content is None:
        return ()
    names = content if isinstance(content, list) else []
    if not names or not all(isinstance(name, str) for name in names):
        raise refuse(where, f"expected names of cell lines, found {content!r}", fix)
    return tuple(names)
