"""A worker's number of lanes is measured, limited by memory and by use, and remembered."""

import jax
import pytest

from cellbox.equation.solver_settings import SolverSettings
from cellbox.training.lane import Shape
from search.workers import plan
from search.workers.plan import FEWEST_LANES, choose_lanes, device_plan, lanes_to_try

SHAPE = Shape(4, 2, 25, SolverSettings(solver="heun", step=0.5))
TRIED = (4, 16, 64)


def everything_fits(n_lanes):
    return True


def rates(**by_lanes):
    """A device with these gradients per second, by lanes; KeyError for another number."""
    known = {int(name.removeprefix("of_")): rate for name, rate in by_lanes.items()}
    return lambda n_lanes: (known[n_lanes], 1.0)


def test_lanes_grow_while_they_bring_enough():
    device = rates(of_4=100, of_16=150, of_64=160)
    lanes, measured, _ = choose_lanes(TRIED, device, everything_fits)
    assert lanes == 16
    assert measured == {4: 100, 16: 150, 64: 160}


def test_lanes_that_leave_the_cache_are_not_chosen():
    assert choose_lanes(TRIED, rates(of_4=100, of_16=60), everything_fits)[0] == 4


@pytest.mark.parametrize(
    ("most", "one_by_one", "tried"),
    [
        (64, False, (16, 64)),
        (255, False, (16, 64)),
        (10**6, False, (16, 64, 256, 1024, 4096)),
        (3, False, (3,)),
        (64, True, (4,)),
        (1, True, (1,)),
    ],
)
def test_no_more_lanes_are_tried_than_could_be_busy(most, one_by_one, tried):
    assert lanes_to_try(most, one_by_one=one_by_one) == tried


def test_no_more_lanes_are_tried_than_fit():
    assert choose_lanes(TRIED, rates(of_4=1, of_16=4), lambda n: n <= 16)[0] == 16


def test_where_not_even_the_first_fit_fewer_are_taken():
    lanes, measured, _ = choose_lanes((16, 64), rates(of_4=1), lambda n: n <= 6)
    assert lanes == 4
    assert measured == {4: 1}


def test_running_out_of_memory_ends_the_trying_and_not_the_study():
    def device(n_lanes):
        if n_lanes > 16:
            raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory")
        return n_lanes, 1.0

    lanes, measured, _ = choose_lanes(TRIED, device, everything_fits)
    assert lanes == 16
    assert 64 not in measured


def test_other_failures_are_not_taken_for_a_lack_of_memory():
    def device(n_lanes):
        raise jax.errors.JaxRuntimeError("INTERNAL: something else")

    with pytest.raises(jax.errors.JaxRuntimeError, match="something else"):
        choose_lanes(TRIED, device, everything_fits)


@pytest.mark.parametrize(("n_nodes", "tried"), [(3, {"16", "64"}), (40, {"4"})])
def test_a_device_is_measured_once_and_then_remembered(tmp_path, monkeypatch, n_nodes, tried):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    found = device_plan(SHAPE, n_nodes, most_lanes=64)
    assert str(found.lanes) in tried
    assert set(found.gradients_per_second) == tried
    assert all(rate > 0 for rate in found.gradients_per_second.values())
    assert found.cores_used > 0

    def again(*anything):
        raise AssertionError("measured twice")

    monkeypatch.setattr(plan, "_measure", again)
    assert device_plan(SHAPE, n_nodes, most_lanes=64) == found


def test_more_memory_is_counted_for_larger_packs():
    counted = [plan._bytes(SHAPE, 10, n_lanes) for n_lanes in (FEWEST_LANES, 4 * FEWEST_LANES)]
    assert counted[1] == 4 * counted[0] > 0
    assert plan._memory() > 1e8
