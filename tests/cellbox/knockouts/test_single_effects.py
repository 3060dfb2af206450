import numpy as np
import pytest

from cellbox.knockouts.single_effects import single_effects


def posterior(sources, response, noise=0.1, effects=3, prior=0.1):
    curvature = sources.T @ sources / noise**2
    projection = sources.T @ response / noise**2
    n = len(curvature)
    return single_effects(
        np.broadcast_to(curvature, (n, n, n)).copy(),
        np.tile(projection, (n, 1)),
        np.full((n, n), np.log(prior / (1 - prior))),
        np.ones((n, n)),
        effects,
    )


def test_the_sources_of_a_response_are_found_with_their_sizes():
    draw = np.random.default_rng(0)
    sources = draw.normal(size=(200, 6))
    response = 0.8 * sources[:, 1] - 0.5 * sources[:, 4] + 0.1 * draw.normal(size=200)
    found = posterior(sources, response)
    assert (found.inclusion[0, [1, 4]] > 0.99).all()
    assert (found.inclusion[0, [0, 2, 3, 5]] < 0.2).all()
    assert found.weights[0, [1, 4]] == pytest.approx([0.8, -0.5], abs=0.05)


def test_sources_that_are_alike_share_the_probability():
    draw = np.random.default_rng(1)
    sources = draw.normal(size=(100, 4))
    sources[:, 3] = sources[:, 2]
    found = posterior(sources, sources[:, 2] + 0.1 * draw.normal(size=100), effects=1)
    assert found.inclusion[0, [2, 3]] == pytest.approx([0.5, 0.5], abs=0.01)


def test_log_odds_still_differ_where_probabilities_round_to_1():
    sources = np.eye(4) * 20
    response = sources @ np.array([1.0, 2.0, 0.0, 0.0])
    found = posterior(sources, response)
    assert found.inclusion[0, 0] == found.inclusion[0, 1] == 1
    assert found.log_odds[0, 1] > found.log_odds[0, 0] > 30


def test_log_odds_are_those_of_the_probability():
    draw = np.random.default_rng(2)
    sources = draw.normal(size=(20, 5))
    found = posterior(sources, 0.1 * draw.normal(size=20), noise=0.5)
    odds = np.log(found.inclusion / (1 - found.inclusion))
    assert found.log_odds == pytest.approx(odds, abs=1e-6)


def test_noise_alone_has_no_sources():
    draw = np.random.default_rng(3)
    found = posterior(draw.normal(size=(200, 5)), 0.1 * draw.normal(size=200))
    assert found.inclusion.max() < 0.5
