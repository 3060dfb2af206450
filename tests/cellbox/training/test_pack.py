"""A lane's numbers are its own, and lanes that differ share one compiled program."""

from dataclasses import replace

import hypothesis
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cellbox.data.simulation import simulate
from cellbox.settings import Settings
from cellbox.training.fit import pool_of
from cellbox.training.lane import Status
from cellbox.training.pack import (
    Harvest,
    Pack,
    compiled_programs,
    hyperparameters_of,
    round_up,
    shape_of,
)
from tests.cellbox.small import LOOP

N_ROWS, N_TIMES, N_LANES = 8, 3, 3
WIDE = 16
SETTINGS = Settings(steps=15, validate_every=5)
ONE_STEP = replace(SETTINGS, steps=1, validate_every=1, schedule="constant")
ROWS, TIMES = np.arange(N_ROWS), np.arange(N_TIMES)


@pytest.fixture(scope="module")
def pool():
    data = simulate(LOOP, n_conditions=N_ROWS, n_times=N_TIMES, n_held_out=2, horizon=6.0)
    return pool_of(data, data.split, SETTINGS)


def new_pack(pool, n_lanes=N_LANES, settings=SETTINGS) -> Pack:
    return Pack(pool, shape_of(settings, N_ROWS, N_TIMES), n_lanes)


def new_drawing_pack(pool) -> Pack:
    """A pack whose steps draw minibatches, of all there is where a lane wants all."""
    shape = shape_of(SETTINGS, N_ROWS, N_TIMES)._replace(draws_rows=True, draws_times=True)
    return Pack(pool, shape, N_LANES)


def insert(
    pack: Pack, pool, slot: int, seed=0, settings=SETTINGS, rows=ROWS, times=TIMES, state=None
) -> None:
    pack.insert(slot, seed, hyperparameters_of(settings, rows, times, pool), state)


def finish(pack: Pack, slot: int) -> Harvest:
    for _ in range(100):
        if pack.harvest(slot).status != Status.RUNNING:
            break
        pack.advance()
    return pack.harvest(slot)


@pytest.fixture(scope="module")
def alone(pool) -> Harvest:
    """The training that the tests below look for, beside two empty lanes."""
    pack = new_pack(pool)
    insert(pack, pool, 0, seed=7)
    return finish(pack, 0)


def assert_same_to_the_bit(one: Harvest, other: Harvest) -> None:
    np.testing.assert_array_equal(one.weights, other.weights)
    np.testing.assert_array_equal(one.amplitudes, other.amplitudes)
    assert one.validation_mae == other.validation_mae
    assert (one.step, one.status) == (other.step, other.status)


@pytest.mark.parametrize("slot", range(N_LANES))
def test_a_lane_is_the_same_to_the_bit_in_every_slot(slot, pool, alone):
    pack = new_pack(pool)
    insert(pack, pool, slot, seed=7)
    assert_same_to_the_bit(finish(pack, slot), alone)


PLAIN = {"seed": 1}
OF_FEW_ROWS = {"rows": ROWS[:3], "times": TIMES[:1]}
DIVERGES = {"settings": replace(SETTINGS, peak_rate=100.0, schedule="constant")}
STIFF = {"settings": replace(SETTINGS, peak_rate=10.0, schedule="constant", gradient_clip=1e5)}


# All lanes at work and some of them idle are different cases: diffrax treats the first step of
# one lane as a first step of all.
@pytest.mark.parametrize(
    "neighbours",
    [(PLAIN,), (PLAIN, PLAIN), (DIVERGES, PLAIN), (OF_FEW_ROWS, PLAIN), (STIFF, OF_FEW_ROWS)],
    ids=["one idle", "none idle", "one diverging", "small budgets", "many solver steps"],
)
def test_a_lane_is_the_same_to_the_bit_whatever_its_neighbours(neighbours, pool, alone):
    pack = new_pack(pool)
    insert(pack, pool, 1, seed=7)
    for slot, neighbour in zip((0, 2), neighbours, strict=False):
        insert(pack, pool, slot, **neighbour)
    assert_same_to_the_bit(finish(pack, 1), alone)


def test_a_lane_does_not_notice_that_its_neighbours_are_replaced_and_stopped(pool, alone):
    pack = new_pack(pool)
    insert(pack, pool, 1, seed=7)
    insert(pack, pool, 0, **DIVERGES)
    insert(pack, pool, 2, **PLAIN)
    pack.advance()
    assert pack.harvest(0).status == Status.NOT_FINITE
    insert(pack, pool, 0, seed=3)
    pack.advance()
    pack.stop(2)
    assert_same_to_the_bit(finish(pack, 1), alone)


@pytest.fixture(scope="module")
def wide(pool) -> tuple[Pack, Harvest]:
    """A pack of as many lanes as a core trains, and what one training gives alone in it."""
    pack = new_pack(pool, WIDE)
    insert(pack, pool, 0, seed=7)
    return pack, finish(pack, 0)


STORIES = st.lists(
    st.lists(
        st.tuples(
            st.integers(0, WIDE - 1), st.sampled_from([PLAIN, OF_FEW_ROWS, DIVERGES, STIFF, None])
        ),
        max_size=WIDE,
    ),
    min_size=3,
    max_size=3,
)


@given(slot=st.integers(0, WIDE - 1), story=STORIES)
@hypothesis.settings(max_examples=25, deadline=None, derandomize=True)
def test_a_lane_is_the_same_to_the_bit_whatever_happens_around_it(pool, wide, slot, story):
    pack, alone_in_it = wide
    for other in range(WIDE):
        pack.stop(other)
    insert(pack, pool, slot, seed=7)
    for events in story:
        for other, neighbour in events:
            if other == slot:
                continue
            if neighbour is None:
                pack.stop(other)
            else:
                insert(pack, pool, other, **neighbour)
        pack.advance()
    assert_same_to_the_bit(pack.harvest(slot), alone_in_it)


def test_neighbours_with_nothing_but_missing_values_do_not_matter(pool, alone):
    data = simulate(LOOP, n_conditions=N_ROWS, n_times=N_TIMES, n_held_out=2, horizon=6.0)
    extra = replace(
        data,
        perturbations=np.vstack([data.perturbations, np.ones((1, 3))]),
        measurements=np.vstack([data.measurements, np.full((1, N_TIMES, 3), np.nan)]),
        noise_free=None,
        rounding_sensitive=None,
        row_names=(*data.row_names, "nothing measured"),
    )
    with_gaps = pool_of(
        extra,
        replace(data.split, training=np.append(data.split.training, len(data.perturbations))),
        SETTINGS,
    )
    harvests = []
    for rows_of_neighbour in (ROWS, np.array([N_ROWS])):
        pack = Pack(with_gaps, shape_of(SETTINGS, N_ROWS, N_TIMES), N_LANES)
        insert(pack, with_gaps, 1, seed=7)
        insert(pack, with_gaps, 0, rows=rows_of_neighbour)
        harvests.append(finish(pack, 1))
    assert_same_to_the_bit(*harvests)


def test_a_later_training_in_a_used_lane_is_the_same_to_the_bit(pool, alone):
    pack = new_pack(pool)
    insert(pack, pool, 0, seed=9)
    pack.advance()
    insert(pack, pool, 0, seed=7)
    assert_same_to_the_bit(finish(pack, 0), alone)


def test_in_another_number_of_lanes_the_first_step_agrees(pool):
    results = []
    for n_lanes in (1, N_LANES):
        pack = new_pack(pool, n_lanes, ONE_STEP)
        insert(pack, pool, 0, seed=7, settings=ONE_STEP)
        results.append(finish(pack, 0))
    first, second = results
    np.testing.assert_allclose(first.weights, second.weights, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(first.amplitudes, second.amplitudes, rtol=1e-5)
    assert first.validation_mae == pytest.approx(second.validation_mae, rel=1e-5)


def test_lanes_that_differ_in_all_that_is_searched_share_one_program(pool):
    new_drawing_pack(pool)
    before = compiled_programs()
    pack = new_drawing_pack(pool)
    different = [
        {"settings": replace(SETTINGS, peak_rate=0.01, schedule="constant")},
        {"settings": replace(SETTINGS, schedule="exponential", final_share=0.5)},
        {"settings": replace(SETTINGS, schedule="warmup_cosine", warmup_share=0.3)},
        {"settings": replace(SETTINGS, l1=1e-2, weight_decay=0.1, gradient_clip=0.1)},
        {"settings": replace(SETTINGS, interval_share=0.2, steps=10, patience=1)},
        {"rows": ROWS[::2], "times": TIMES[1:]},
        {"rows": ROWS[:7]},
        {"settings": replace(SETTINGS, conditions_per_step=4, times_per_step=2)},
    ]
    harvests = []
    for start in range(0, len(different), N_LANES):
        group = different[start : start + N_LANES]
        for slot, choice in enumerate(group):
            insert(pack, pool, slot, **choice)
        harvests += [finish(pack, slot) for slot in range(len(group))]
    assert all(harvest.status == Status.COMPLETED for harvest in harvests[:4])
    assert len({harvest.weights.tobytes() for harvest in harvests}) == len(different)
    assert compiled_programs() == before


def test_a_minibatch_of_all_there_is_trains_as_no_minibatch_does(pool, alone):
    pack = new_drawing_pack(pool)
    insert(pack, pool, 0, seed=7)
    drawn = finish(pack, 0)
    np.testing.assert_allclose(drawn.weights, alone.weights, atol=1e-4)


def test_a_minibatch_is_refused_by_a_pack_that_draws_none(pool):
    few = replace(SETTINGS, conditions_per_step=4)
    with pytest.raises(ValueError, match="4 of 8 rows per step in a pack that draws none"):
        insert(new_pack(pool), pool, 0, settings=few)


def test_another_number_of_lanes_is_another_program_and_the_same_is_not(pool):
    for n_lanes in (N_LANES, 1):
        new_pack(pool, n_lanes, ONE_STEP)
    before = compiled_programs()
    assert before >= 2
    new_pack(pool, 1, ONE_STEP)
    assert compiled_programs() == before


def test_budgets_of_like_size_are_rounded_to_one_shape():
    shapes = {shape_of(SETTINGS, n_rows, 4) for n_rows in range(41, 51)}
    assert len(shapes) == 1
    assert shapes.pop().rows_per_step == 50
    smaller = replace(SETTINGS, conditions_per_step=7, times_per_step=2)
    assert shape_of(smaller, 50, 5)[:2] == (8, 2)
    assert shape_of(smaller, 3, 1)[:2] == (3, 1)


def test_a_size_is_never_rounded_down():
    for size in range(1, 1000):
        assert size <= round_up(size) < 1.6 * size + 1


def test_every_lane_reports_and_idle_ones_report_no_error(pool):
    pack = new_pack(pool)
    insert(pack, pool, 1)
    progress = pack.advance()
    np.testing.assert_array_equal(progress.status, [Status.EMPTY, Status.RUNNING, Status.EMPTY])
    np.testing.assert_array_equal(progress.step, [0, 5, 0])
    np.testing.assert_array_equal(np.isnan(progress.validation_error), [True, False, True])


def test_a_stopped_lane_is_empty_and_still_has_its_best(pool):
    pack = new_pack(pool)
    insert(pack, pool, 2)
    progress = pack.advance()
    pack.stop(2)
    pack.advance()
    harvest = pack.harvest(2)
    assert (harvest.status, harvest.step) == (Status.EMPTY, 5)
    assert harvest.validation_mae == progress.best_validation[2]


@pytest.mark.parametrize("slot", [-1, N_LANES])
def test_a_slot_that_is_not_there_is_refused(slot, pool):
    pack = new_pack(pool)
    with pytest.raises(IndexError, match=f"slot {slot}"):
        insert(pack, pool, slot)
    with pytest.raises(IndexError):
        pack.stop(slot)
    with pytest.raises(IndexError):
        pack.harvest(slot)


def test_a_minibatch_that_does_not_fit_the_shape_is_refused(pool):
    pack = new_pack(pool)
    pack.shape = pack.shape._replace(rows_per_step=4)
    with pytest.raises(ValueError, match="8 rows per step"):
        insert(pack, pool, 0)


def test_descent_hardly_sees_values_of_large_error():
    data = simulate(LOOP, n_conditions=N_ROWS, n_times=N_TIMES, n_held_out=2, horizon=6.0)
    wild = data.measurements.copy()
    unsure = np.zeros(wild.shape, bool)
    unsure[data.split.training[::2], -1] = True
    wild[unsure] += 5.0

    def trained(errors, measurements=wild):
        changed = replace(data, measurements=measurements, errors=errors)
        pool = pool_of(changed, data.split, SETTINGS)
        pack = new_pack(pool)
        insert(pack, pool, 0)
        return finish(pack, 0).weights

    told = trained(np.where(unsure, 1e4, 0.01))
    np.testing.assert_allclose(told, trained(None, np.where(unsure, np.nan, wild)), atol=1e-3)
    assert np.abs(told - trained(None)).max() > 0.01
