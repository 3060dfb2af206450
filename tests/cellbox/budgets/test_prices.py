"""What experiments cost, and which are out of reach."""

from cellbox.budgets.prices import Limits, Prices, samples_of

CELL = {
    "conditions": 10, "perturbed_nodes": 2, "time_points": 3, "replicates": 2, "noise": 0.01,
}  # fmt: skip


def test_every_part_has_its_price():
    prices = Prices(
        fixed=1, condition=10, perturbed_node=100, sample=1_000, time_point=10_000,
        replicate=100_000, plate=1_000_000, wells=30, noise={0.01: 0.5},
    )  # fmt: skip
    assert samples_of(CELL) == 60
    # 20 series, 40 perturbed nodes, 60 samples, 3 times, 2 replicates, 2 plates.
    assert prices.cost(CELL) == 1 + 200 + 4_000 + 60_030 + 30_000 + 200_000 + 2_000_000


def test_a_plate_that_is_begun_is_paid():
    assert Prices(wells=96).plates({"conditions": 97}) == 2


def test_limits_leave_out_what_exceeds_any_of_them():
    prices = Prices(sample=1)
    assert Limits().allow(CELL, prices)
    assert Limits(conditions=10, samples=60, plates=1, cost=60).allow(CELL, prices)
    for limits in (Limits(conditions=9), Limits(samples=59), Limits(cost=59.0)):
        assert not limits.allow(CELL, prices)
