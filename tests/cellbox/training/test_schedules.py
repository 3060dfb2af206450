"""Traced schedules give the rates of optax's own, side by side in one program."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from cellbox.settings import SCHEDULES
from cellbox.training.schedules import Schedule, ScheduleKind

N_STEPS, PEAK, FINAL_SHARE, WARMUP_SHARE = 200, 0.05, 0.02, 0.1
STEPS = np.arange(N_STEPS + 50)

OF_OPTAX = {
    ScheduleKind.CONSTANT: optax.constant_schedule(PEAK),
    ScheduleKind.EXPONENTIAL: optax.exponential_decay(
        PEAK, N_STEPS, FINAL_SHARE, end_value=PEAK * FINAL_SHARE
    ),
    ScheduleKind.COSINE: optax.cosine_decay_schedule(PEAK, N_STEPS, alpha=FINAL_SHARE),
    ScheduleKind.WARMUP_COSINE: optax.warmup_cosine_decay_schedule(
        0.0, PEAK, round(WARMUP_SHARE * N_STEPS), N_STEPS, end_value=PEAK * FINAL_SHARE
    ),
}


def schedules(kinds, warmup_share=WARMUP_SHARE, final_share=FINAL_SHARE) -> Schedule:
    """One schedule for each kind, stacked as lanes are."""
    numbers = [jnp.asarray(number) for number in (PEAK, final_share, warmup_share)]
    each = [Schedule(jnp.asarray(int(kind)), *numbers) for kind in kinds]
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *each)


def rates(stacked: Schedule) -> np.ndarray:
    """The rate of each schedule at each of STEPS: (n_schedules, n_steps)."""

    def one(schedule: Schedule):
        return jax.vmap(lambda step: schedule.rate(step, jnp.asarray(N_STEPS)))(jnp.asarray(STEPS))

    return np.asarray(jax.jit(jax.vmap(one))(stacked))


@pytest.fixture(scope="module")
def side_by_side() -> dict[ScheduleKind, np.ndarray]:
    kinds = list(ScheduleKind)
    return dict(zip(kinds, rates(schedules(kinds)), strict=True))


@pytest.mark.parametrize("kind", list(ScheduleKind), ids=lambda kind: kind.name.lower())
def test_each_kind_gives_the_rates_of_optax(kind, side_by_side):
    expected = [float(OF_OPTAX[kind](step)) for step in STEPS]
    np.testing.assert_allclose(side_by_side[kind], expected, rtol=2e-5, atol=1e-9)


def test_every_kind_has_a_name_that_settings_use():
    assert set(SCHEDULES) == {kind.name.lower() for kind in ScheduleKind}


def test_no_warm_up_is_plain_cosine_from_the_first_step():
    cosine, warmed = rates(schedules([ScheduleKind.COSINE, ScheduleKind.WARMUP_COSINE], 0.0))
    np.testing.assert_array_equal(warmed, cosine)
    assert warmed[0] == pytest.approx(PEAK)


def test_a_final_share_of_zero_stays_finite_and_falls_to_nothing():
    falling = rates(schedules(list(ScheduleKind), final_share=0.0))
    assert np.isfinite(falling).all()
    assert (falling[1:, N_STEPS] < 1e-9).all()
    assert (falling[1:3, 0] == np.float32(PEAK)).all()
