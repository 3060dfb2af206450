"""What edges cost by a prior, and how much it is found to be worth."""

import numpy as np
import pytest

from cellbox.networks.network import Network
from cellbox.networks.prior import AUTO, EdgePrior
from cellbox.refinement.edge_prices import LEAST_PRICE, MOST_PRICE, Surcharges, edge_prices
from cellbox.refinement.edge_selection import Minimum, leave_out, missing_edge
from cellbox.refinement.prior_strength import prices_for, reliability
from cellbox.refinement.refined import Refined

N = 8
NODES = tuple(f"g{number}" for number in range(N))
EVERY = np.ones((N, N), bool)


def network(seed=0, share=0.25):
    random = np.random.default_rng(seed)
    edges = (random.random((N, N)) < share) & ~np.eye(N, dtype=bool)
    return Network(NODES, edges * random.choice([-1.0, 1.0], (N, N)), np.ones(N))


def shuffled(prior, seed):
    order = np.random.default_rng(seed).permutation(N)
    return EdgePrior(NODES, prior.confidence[order][:, order], prior.signs[order][:, order])


def test_listed_edges_cost_less_and_others_more_but_never_nothing():
    truth = network()
    prices = edge_prices(EdgePrior.of(truth), 3.0, 200, EVERY, density=0.25)
    right, there = prices.of(truth.weights), truth.weights != 0
    assert (right[there] < 0).all()
    assert (prices.of(-truth.weights)[there] > 0).all()
    assert (right[~there & ~np.eye(N, dtype=bool)] > 0).all()
    assert (np.diag(right) == 0).all()
    strong = edge_prices(EdgePrior.of(truth), 14.0, 200, EVERY, density=0.25)
    every = strong.of(truth.weights)[strong.of(truth.weights) != 0] + np.log(200)
    assert every.min() == pytest.approx(LEAST_PRICE)
    assert every.max() <= MOST_PRICE * np.log(200) + 1e-9


def test_prices_say_by_how_much_a_network_is_likelier_with_the_prior():
    truth = network()
    prior = EdgePrior.of(truth)
    prices = edge_prices(prior, 2.0, 10**6, EVERY, density=0.25)
    assert prices.total(truth.weights) < 0
    others = np.mean([edge_prices(shuffled(prior, seed), 2.0, 10**6, EVERY, density=0.25).total(
        truth.weights
    ) for seed in range(20)])  # fmt: skip
    assert others > 0
    nothing = edge_prices(prior, 0.0, 10**6, EVERY, density=0.25)
    assert nothing.total(truth.weights) == pytest.approx(0.0, abs=1e-9)


def test_the_odds_of_listed_edges_are_counted_by_sign_and_confidence():
    truth = network()
    prior = EdgePrior.of(truth)
    assert reliability(prior, truth.weights, EVERY).strength > 2.0
    assert reliability(prior, -truth.weights, EVERY).strength == 0.0
    told = [reliability(shuffled(prior, seed), truth.weights, EVERY) for seed in range(40)]
    assert np.mean([one.strength for one in told]) < 0.2
    unsure = EdgePrior.of(truth, confidence=0.5)
    assert (
        reliability(unsure, truth.weights, EVERY).log_odds_ratio
        < reliability(prior, truth.weights, EVERY).log_odds_ratio
    )


def fits_of(plain, with_prior, gain):
    """Fits that find one network without prices and another with any."""

    def found(network, information):
        return Refined(network, 0.01, 10, 200, 1, information)

    return lambda prices: (
        found(plain, 0.0)
        if prices is None
        else found(with_prior, prices.total(with_prior.weights) - gain)
    )


def test_a_prior_that_helps_is_weighed_and_one_that_does_not_plays_no_part():
    truth = network()
    prior = EdgePrior.of(truth)
    kept = prices_for(prior, AUTO, fits_of(truth, truth, 0.0), 200, EVERY)
    assert kept is not None
    assert kept.strength >= 2.0
    for seed in range(5):
        other = shuffled(prior, seed)
        assert prices_for(other, AUTO, fits_of(truth, truth, 0.0), 200, EVERY) is None
    assert prices_for(prior, 0.0, fits_of(truth, truth, 0.0), 200, EVERY) is None


def test_a_strength_that_is_asked_for_is_taken_whatever_the_data_say():
    truth = network()
    other = shuffled(EdgePrior.of(truth), 1)
    kept = prices_for(other, 1.5, fits_of(truth, truth, 0.0), 200, EVERY)
    assert kept is not None
    assert kept.strength == 1.5


@pytest.fixture
def regression():
    """A regression on 6 alike columns, of which the data ask for the first two."""
    random = np.random.default_rng(3)
    columns = random.standard_normal((60, 6))
    values = columns @ np.array([1.0, -1.0, 0.25, 0, 0, 0]) + random.standard_normal(60)
    curvature = columns.T @ columns
    best = np.linalg.solve(curvature, columns.T @ values)
    left = values - columns @ best
    return Minimum(curvature, float(left @ left), 60), best, columns, values


def test_what_is_likely_is_kept_and_what_is_not_goes_first(regression):
    minimum, best, _, _ = regression
    plain, _ = leave_out(minimum, best, np.ones(6, bool))
    free = np.full(6, -3.9)
    kept, _ = leave_out(minimum, best, np.ones(6, bool), surcharges=Surcharges(free, free))
    assert kept.sum() > plain.sum()
    dear = np.where(np.arange(6) < 2, 1e3, 0.0)
    kept, _ = leave_out(minimum, best, np.ones(6, bool), surcharges=Surcharges(dear, dear))
    assert not kept[:2].any()


def test_no_surcharge_is_as_none(regression):
    minimum, best, _, _ = regression
    zero = Surcharges(np.zeros(6), np.zeros(6))
    plain = leave_out(minimum, best, np.ones(6, bool))
    alike = leave_out(minimum, best, np.ones(6, bool), surcharges=zero)
    np.testing.assert_array_equal(plain[0], alike[0])
    np.testing.assert_array_equal(plain[1], alike[1])


def test_an_edge_is_let_in_with_the_sign_that_is_likely(regression):
    minimum, _, columns, values = regression
    total = float(values @ values)
    nothing = np.zeros(6, bool)
    at_zero = minimum._replace(sum_of_squares=total)
    slope = -columns.T @ values
    first = missing_edge(at_zero, slope, nothing)
    assert first in (0, 1)
    # The likely sign is the other one than the data ask for.
    sign = 1.0 if first == 0 else -1.0
    price = np.where(np.arange(6) == first, 1e3, 0.0)
    none = np.zeros(6)
    wrong = Surcharges(price, none) if sign > 0 else Surcharges(none, price)
    right = Surcharges(none, price) if sign > 0 else Surcharges(price, none)
    assert missing_edge(at_zero, slope, nothing, wrong) != first
    assert missing_edge(at_zero, slope, nothing, right) == first
