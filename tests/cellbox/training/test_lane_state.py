"""A training that is taken out of its pack goes on elsewhere to the same bits."""

from dataclasses import replace

import numpy as np
import pytest

from cellbox.equation.solver_settings import SolverSettings
from cellbox.training.fit import pool_of
from cellbox.training.lane_state import (
    LaneState,
    UnusableState,
    check_bytes,
    state_as_bytes,
    state_from_bytes,
)
from cellbox.training.pack import compiled_programs
from tests.cellbox.small import LOOP
from tests.cellbox.training.test_pack import (
    N_ROWS,
    N_TIMES,
    SETTINGS,
    assert_same_to_the_bit,
    finish,
    insert,
    new_drawing_pack,
    new_pack,
    pool,
)

__all__ = ["pool"]

WARMED = replace(
    SETTINGS, steps=20, schedule="cosine", warmup_share=0.3, interval_share=0.5, l1=1e-4
)
DRAWING = replace(WARMED, conditions_per_step=3, times_per_step=2)


def moved(state: LaneState) -> LaneState:
    """As another process reads it."""
    again, _ = state_from_bytes(state_as_bytes(state, {}))
    return again


def whole_and_interrupted(pack_of, pool, settings):
    """The training undisturbed, and from each of its states, in another slot beside others."""
    pack = pack_of()
    insert(pack, pool, 0, seed=7, settings=settings)
    insert(pack, pool, 2, seed=1, settings=settings)
    states = []
    while pack.running:
        pack.advance()
        if (state := pack.state(0)) is not None:
            states.append(moved(state))
    whole = pack.harvest(0)
    others = []
    for state in states:
        pack = pack_of()
        insert(pack, pool, 1, settings=replace(settings, peak_rate=100.0, schedule="constant"))
        pack.advance()
        insert(pack, pool, 2, seed=7, settings=settings, state=state)
        others.append(finish(pack, 2))
    assert [one.step for one in states] == list(range(5, settings.steps, 5))
    return whole, others


@pytest.mark.parametrize("kind", ["plain", "drawing", "float64"])
def test_a_training_goes_on_from_each_interval_to_the_same_bits(kind, pool):
    settings, pack_of = WARMED, lambda: new_pack(pool)
    if kind == "drawing":
        settings, pack_of = DRAWING, lambda: new_drawing_pack(pool)
    if kind == "float64":
        settings = replace(WARMED, solver=SolverSettings(precision="float64"))
        pool = _pool_of(settings)
        pack_of = lambda: new_pack(pool, settings=settings)  # noqa: E731
    whole, others = whole_and_interrupted(pack_of, pool, settings)
    for other in others:
        assert_same_to_the_bit(other, whole)
        assert other.history == whole.history


def _pool_of(settings):
    from cellbox.data.simulation import simulate

    data = simulate(LOOP, n_conditions=N_ROWS, n_times=N_TIMES, n_held_out=2, horizon=6.0)
    return pool_of(data, data.split, settings)


@pytest.fixture(scope="module")
def state(pool):
    pack = new_pack(pool)
    insert(pack, pool, 0, seed=7)
    pack.advance()
    return pack.state(0)


def test_going_on_compiles_no_further_program_that_trains(pool, state):
    pack, before = new_pack(pool), compiled_programs()
    insert(pack, pool, 0, state=state)
    pack.advance()
    assert compiled_programs() == before


def test_there_is_no_state_of_what_has_not_begun_or_is_over(pool):
    pack = new_pack(pool)
    insert(pack, pool, 0)
    assert pack.state(0) is None
    assert pack.state(1) is None
    finish(pack, 0)
    assert pack.state(0) is None


def test_an_interrupt_in_the_middle_of_an_interval_leaves_no_state(pool, monkeypatch):
    pack = new_pack(pool)
    insert(pack, pool, 0)
    pack.advance()

    def interrupted(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("cellbox.training.pack.jax.device_get", interrupted)
        with pytest.raises(KeyboardInterrupt):
            pack.advance()
    assert pack.state(0) is None


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"parameters.weights": np.zeros((4, 4), np.float32)}, r"shape \(3, 3\), found"),
        ({"parameters.weights": np.zeros((3, 3))}, "as float32 of"),
        ({"other": np.zeros(3)}, "others: .'other'"),
        ({"step": np.int32(15)}, "before step 15, found one at step 15"),
        ({"step": np.int32(4)}, "has reported step 5"),
        ({"status": np.int32(4)}, "under way"),
    ],
)
def test_the_state_of_another_training_is_refused(change, found, pool, state):
    pack = new_pack(pool)
    with pytest.raises(UnusableState, match=found):
        insert(pack, pool, 0, state=LaneState({**state.arrays, **change}, state.history))
    assert not pack.running


def test_notes_come_back_with_a_state(state):
    again, notes = state_from_bytes(state_as_bytes(state, {"seed": 7, "of": ["a", None]}))
    assert notes == {"seed": 7, "of": ["a", None]}
    assert again.history == state.history
    for name, array in state.arrays.items():
        np.testing.assert_array_equal(again.arrays[name], array)
        assert again.arrays[name].dtype == array.dtype


def test_every_damage_of_a_state_is_noticed(state):
    content = state_as_bytes(state, {})
    check_bytes(content)
    random = np.random.default_rng(0)
    for _ in range(200):
        damaged = bytearray(content)
        place = int(random.integers(len(content)))
        damaged[place] ^= 1 << int(random.integers(8))
        for one in (bytes(damaged), content[:place]):
            with pytest.raises(UnusableState):
                state_from_bytes(one)


def test_what_has_a_digest_and_is_no_state_is_refused():
    from cellbox.storage.seals import digest_of
    from cellbox.training.lane_state import _FIRST_LINE

    for rest in (b"", b"PK\x03\x04", b"text"):
        with pytest.raises(UnusableState):
            state_from_bytes(_FIRST_LINE + digest_of(rest).encode() + b"\n" + rest)
