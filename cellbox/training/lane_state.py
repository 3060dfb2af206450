"""A training under way as plain arrays, with which another process goes on to the same bits.

All that a `Lane` holds and that does not follow from its settings and data is in it, under the name
of its place there ("optimiser[1].mu.weights"), and what it has reported so far.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array

from cellbox.errors import InputError
from cellbox.storage.seals import digest_of
from cellbox.storage.stored_arrays import stored_arrays
from cellbox.training.lane import Hyperparameters, Lane, Status

# Step, training error and validation error at each validation.
History = list[tuple[int, float, float]]

# Its number rises when a state is laid out in another way.
_FIRST_LINE = b"cellbox training under way 1\n"
_DIGEST_LENGTH = 64
_HISTORY, _NOTES = "history", "notes"
_OF_LANE = "lane."


class UnusableState(ValueError):
    """A state with which a training cannot go on; the message says what was expected and found."""


@dataclass(frozen=True, eq=False)
class LaneState:
    """A lane between two validation intervals.

    arrays: by the name of their place in a `Lane`; of its key the words. history: what the lane has
    reported so far, the latest last.
    """

    arrays: Mapping[str, np.ndarray]
    history: History

    @property
    def step(self) -> int:
        """How many steps it has taken."""
        return int(self.arrays["step"])


@jax.jit
def extract_state(lanes: Lane, slot: Any) -> dict[str, Array]:
    """The arrays of one of many lanes."""
    return _arrays_of(jax.tree.map(lambda all_lanes: all_lanes[slot], lanes))


@partial(jax.jit, donate_argnums=0)
def restore_state(
    lanes: Lane, slot: Any, hyperparameters: Hyperparameters, arrays: dict[str, Array]
) -> Lane:
    """Many lanes, one of which goes on from these arrays."""
    lane = jax.tree.map(lambda all_lanes: all_lanes[slot], lanes)
    lane = eqx.tree_at(lambda tree: tree.hyperparameters, lane, hyperparameters)
    lane = _with_arrays(lane, arrays)
    return jax.tree.map(lambda all_lanes, one: all_lanes.at[slot].set(one), lanes, lane)


def check_state(state: LaneState, like: Lane, n_steps: int) -> None:
    """Raise UnusableState for a state that is none of a lane of these shapes, still under way.

    like: the lane's types and shapes, as `jax.eval_shape` gives them. n_steps: of the training.
    """
    wanted = jax.eval_shape(_arrays_of, like)
    if set(state.arrays) != set(wanted):
        differing = sorted(set(state.arrays) ^ set(wanted))
        raise UnusableState(f"expected the arrays of a training, found others: {differing}")
    for name, array in state.arrays.items():
        expected = wanted[name]
        if (array.shape, array.dtype) != (expected.shape, expected.dtype):
            raise UnusableState(
                f"expected {name} as {expected.dtype} of the shape {expected.shape}, found "
                f"{array.dtype} of {array.shape}"
            )
    reported = state.history[-1][0] if state.history else 0
    if state.arrays["status"] != Status.RUNNING or not 0 < state.step == reported < n_steps:
        raise UnusableState(
            f"expected a training under way before step {n_steps}, found one at step {state.step} "
            f"that has reported step {reported}"
        )


def state_as_bytes(state: LaneState, notes: Mapping[str, Any]) -> bytes:
    """A state and notes beside it (JSON) as the content of a file: a digest, and arrays as .npz."""
    stored: dict[str, Any] = {_OF_LANE + name: array for name, array in state.arrays.items()}
    stored[_HISTORY] = np.array(state.history, float).reshape(-1, 3)
    stored[_NOTES] = np.frombuffer(json.dumps(notes).encode(), np.uint8)
    content = io.BytesIO()
    np.savez(content, **stored)
    arrays = content.getvalue()
    return _FIRST_LINE + digest_of(arrays).encode() + b"\n" + arrays


def check_bytes(content: bytes) -> bytes:
    """The arrays in what `state_as_bytes` gave. Raises UnusableState for anything else."""
    begin = len(_FIRST_LINE)
    end = begin + _DIGEST_LENGTH + 1
    if not content.startswith(_FIRST_LINE):
        raise UnusableState("expected the state of a training as this version writes it")
    if content[begin:end] != digest_of(content[end:]).encode() + b"\n":
        raise UnusableState("expected the content that was written, found another digest")
    return content[end:]


def state_from_bytes(content: bytes) -> tuple[LaneState, dict[str, Any]]:
    """A state and the notes beside it. Raises UnusableState where that is not what was written.

    Example:
        >>> import numpy as np
        >>> state = LaneState({"step": np.int32(5)}, [(5, 0.25, 0.5)])
        >>> again, notes = state_from_bytes(state_as_bytes(state, {"seed": 3}))
        >>> again.step, again.history, notes
        (5, [(5, 0.25, 0.5)], {'seed': 3})
    """
    try:
        arrays = stored_arrays(Path("state"), check_bytes(content), fix="Train anew")
        notes = json.loads(bytes(arrays.pop(_NOTES)))
        history = [
            (int(step), float(training), float(validation))
            for step, training, validation in arrays.pop(_HISTORY)
        ]
    except (InputError, KeyError, TypeError) as error:
        raise UnusableState(f"expected the state of a training, found none: {error}") from error
    named = {name.removeprefix(_OF_LANE): array for name, array in arrays.items()}
    return LaneState(named, history), notes


def _arrays_of(lane: Lane) -> dict[str, Array]:
    places, _ = jax.tree_util.tree_flatten_with_path(_without_settings(lane))
    return {
        _name(path): jax.random.key_data(leaf) if _is_key(leaf) else leaf for path, leaf in places
    }


def _with_arrays(lane: Lane, arrays: Mapping[str, Array]) -> Lane:
    """The lane with such arrays in the place of its own."""
    places, structure = jax.tree_util.tree_flatten_with_path(_without_settings(lane))
    leaves = [
        jax.random.wrap_key_data(arrays[_name(path)]) if _is_key(leaf) else arrays[_name(path)]
        for path, leaf in places
    ]
    state = jax.tree.unflatten(structure, leaves)
    return eqx.tree_at(
        lambda tree: tree.hyperparameters,
        state,
        lane.hyperparameters,
        is_leaf=lambda leaf: leaf is None,
    )


def _without_settings(lane: Lane) -> Lane:
    return eqx.tree_at(lambda tree: tree.hyperparameters, lane, None)


def _name(path: Any) -> str:
    return jax.tree_util.keystr(path).removeprefix(".")


def _is_key(leaf: Any) -> bool:
    return jax.numpy.issubdtype(leaf.dtype, jax.dtypes.prng_key)
