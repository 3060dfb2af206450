"""Metrics against cases worked out by hand."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cellbox.errors import InputError
from cellbox.networks.network import Network, in_order_of
from cellbox.scores.metrics import (
    mean_absolute_error,
    pearson_correlation,
    prediction_score,
    recovery,
    unsteady_share,
    wrong_basin_share,
)

NAN = float("nan")


def network(weights, amplitudes=None, nodes=None):
    weights = np.array(weights, dtype=float)
    count = len(weights)
    return Network(
        nodes=tuple(nodes or (f"g{number}" for number in range(count))),
        weights=weights,
        amplitudes=np.ones(count) if amplitudes is None else np.array(amplitudes, dtype=float),
    )


# Off-diagonal, in row order: true edges 1, 0, 0, -1, 0, 0; learned strengths 3, 2, 2, 2, 0, 0.
TRUTH = network([[0, 1, 0], [0, 0, -1], [0, 0, 0]], [1, 2, 3])
LEARNED = network([[9, 3, 2], [-2, 0, 2], [0, 0, 0]], [2, 4, 6])


def test_mean_absolute_error_leaves_out_what_was_not_measured():
    error = mean_absolute_error(np.array([1.0, 5.0, 2.0]), np.array([0.0, NAN, 4.0]))
    assert error == pytest.approx(1.5)


def test_mean_absolute_error_is_none_where_nothing_was_measured():
    assert mean_absolute_error(np.ones(2), np.full(2, NAN)) is None


def test_failed_prediction_of_a_measured_value_is_infinitely_wrong():
    assert mean_absolute_error(np.array([NAN, 1.0]), np.ones(2)) == float("inf")
    assert mean_absolute_error(np.array([NAN, 1.0]), np.array([NAN, 1.0])) == 0


@pytest.mark.wrong_types
def test_shapes_that_numpy_would_broadcast_are_refused():
    with pytest.raises(InputError, match=r"\(2, 1\) and \(2,\)"):
        mean_absolute_error(np.ones((2, 1)), np.ones(2))


def test_pearson_correlation_agrees_with_hand_computed_case():
    # Deviations (-1, 0, 1) and (-1, 1, 0): r = 1 / sqrt(2 · 2).
    r = pearson_correlation(np.array([1.0, 2.0, 3.0, NAN]), np.array([1.0, 3.0, 2.0, 7.0]))
    assert r == pytest.approx(0.5)


@pytest.mark.parametrize("values", [[], [1.0], [0.1] * 10, [1.0, NAN]])
def test_pearson_correlation_is_none_where_undefined(values):
    values = np.array(values)
    other = np.arange(len(values), dtype=float)
    assert pearson_correlation(values, other) is None
    assert pearson_correlation(other, values) is None


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(-1e3, 1e3), st.floats(-1e3, 1e3)),
        min_size=3,
        max_size=20,
        unique_by=(lambda pair: round(pair[0], 2), lambda pair: round(pair[1], 2)),
    ),
    st.sampled_from([1e-180, 1.0, 1e180]),
)
def test_pearson_correlation_agrees_with_numpy_at_any_scale(pairs, scale):
    a, b = np.array(pairs).T
    assert pearson_correlation(a * scale, b) == pytest.approx(np.corrcoef(a, b)[0, 1], abs=1e-9)


def test_prediction_score_counts_only_masked_nodes():
    measured = np.array([[[0.0, 1.0, 100.0]], [[1.0, NAN, 100.0]]])
    predicted = np.array([[[0.5, 1.0, 0.0]], [[1.0, 3.0, 0.0]]])
    score = prediction_score(predicted, measured, measured + 0.25, np.array([True, True, False]))
    assert score.test_mae == pytest.approx(0.5 / 3)
    assert score.test_mae_noise_free == pytest.approx((0.25 + 0.25 + 0.25) / 3)
    assert score.test_pearson == pytest.approx(np.corrcoef([0, 1, 1], [0.5, 1, 1])[0, 1])


def test_only_determined_rows_are_compared_with_the_exact_response():
    exact = np.zeros((3, 1, 2))
    predicted = np.array([[[0.1, 0.1]], [[0.3, 0.3]], [[NAN, 9.0]]])
    nodes, judged = np.ones(2, bool), np.array([True, True, False])
    score = prediction_score(predicted, exact, exact, nodes, judged)
    assert score.test_mae_noise_free == pytest.approx(0.2)
    assert score.test_mae == float("inf")
    none = prediction_score(predicted, exact, exact, nodes, np.zeros(3, bool))
    assert none.test_mae_noise_free is None


def test_a_row_is_in_a_wrong_basin_where_a_node_is_off_by_more_than_half_its_amplitude():
    exact = np.array([[0.8, 0.1], [0.8, 0.1], [0.8, 0.1], [0.8, NAN]])
    predicted = np.array([[0.4, 0.1], [0.8, 0.25], [-0.8, 0.1], [0.8, 5.0]])
    # The second node's amplitude is small, and so is half of it.
    assert wrong_basin_share(predicted, exact, np.array([1.0, 0.2])) == 0.5
    assert wrong_basin_share(exact[:3], exact[:3], np.array([1.0, 0.2])) == 0.0


def test_a_prediction_that_is_not_finite_is_in_a_wrong_basin():
    exact = np.zeros((2, 2))
    predicted = np.array([[NAN, 0.0], [0.0, np.inf]])
    assert wrong_basin_share(predicted, exact, np.ones(2)) == 1.0


def test_without_an_exact_state_no_basin_is_wrong_or_right():
    assert wrong_basin_share(np.zeros((0, 2)), np.zeros((0, 2)), np.ones(2)) is None
    assert wrong_basin_share(np.zeros((1, 2)), np.full((1, 2), NAN), np.ones(2)) is None


def test_a_row_is_unsteady_where_a_node_still_moves_or_was_not_solved():
    # dx/dt = α tanh(−u) − x where nothing acts on anything.
    apart, u = network(np.zeros((2, 2)), amplitudes=[1.0, 0.5]), np.full((4, 2), -0.3)
    rest = np.array([1.0, 0.5]) * np.tanh(0.3)
    off = np.array([[0.0, 0.0], [0.0, 2e-3], [5e-4, 0.0], [0.0, NAN]])
    states = rest + off
    assert unsteady_share(apart, u, states) == 0.5
    assert unsteady_share(apart, u[:0], states[:0]) is None


def test_prediction_score_of_a_failed_model_has_no_correlation():
    measured = np.arange(4.0).reshape(1, 2, 2)
    predicted = measured.copy()
    predicted[0, 0, 0] = NAN
    score = prediction_score(predicted, measured, None, np.ones(2, bool))
    assert (score.test_mae, score.test_mae_noise_free, score.test_pearson) == (
        float("inf"),
        None,
        None,
    )


def test_perfect_recovery_scores_one_and_the_inverse_density():
    score = recovery(TRUTH, TRUTH)
    assert score.pearson == score.pearson_off_diagonal == score.pearson_alpha == pytest.approx(1)
    assert score.auprc == score.sign_accuracy == 1
    assert score.auprc_ratio == score.early_precision_ratio == pytest.approx(3)


def test_recovery_with_ties_agrees_with_hand_computed_case():
    score = recovery(LEARNED, TRUTH)
    # At strength 3: 1 of 1; at 2: 2 of 4. Average precision 1/2 · 1 + 1/2 · 1/2.
    assert score.auprc == pytest.approx(0.75)
    assert score.auprc_ratio == pytest.approx(0.75 * 3)
    # k = 2: the strongest is true, and of the three that tie for second place one is.
    assert score.early_precision_ratio == pytest.approx((1 + 1 / 3) / 2 * 3)
    # The learned second edge has the wrong sign.
    assert score.sign_accuracy == 0.5
    off_diagonal = np.corrcoef([3, 2, -2, 2, 0, 0], [1, 0, 0, -1, 0, 0])[0, 1]
    assert score.pearson_off_diagonal == pytest.approx(off_diagonal)
    every = np.corrcoef(LEARNED.weights.ravel(), TRUTH.weights.ravel())[0, 1]
    assert score.pearson == pytest.approx(every)
    assert score.pearson_alpha == pytest.approx(1)


def test_early_precision_with_ties_is_the_mean_over_their_orders():
    rng = np.random.default_rng(0)
    truth = network(rng.choice([0, 1, -1], (4, 4), p=[0.6, 0.2, 0.2]))
    learned = network(rng.integers(0, 3, (4, 4)))
    pairs = ~np.eye(4, dtype=bool)
    is_edge, strength = truth.weights[pairs] != 0, learned.weights[pairs]
    k = is_edge.sum()
    tied = np.flatnonzero(strength == np.sort(strength)[-k])
    above = np.flatnonzero(strength > np.sort(strength)[-k])
    choices = list(itertools.combinations(tied, k - len(above)))
    mean = np.mean([is_edge[[*above, *choice]].mean() for choice in choices])
    ratio = recovery(learned, truth).early_precision_ratio
    assert ratio == pytest.approx(mean / is_edge.mean())


def test_network_without_edges_scores_as_a_random_ranking():
    score = recovery(network(np.zeros((3, 3))), TRUTH)
    assert score.auprc_ratio == pytest.approx(1)
    assert score.early_precision_ratio == pytest.approx(1)
    assert score.sign_accuracy == 0
    assert score.pearson is None


def test_random_rankings_have_ratios_of_about_one():
    rng = np.random.default_rng(0)
    truth = network((rng.random((30, 30)) < 0.2).astype(float))
    scores = [recovery(network(rng.normal(size=(30, 30))), truth) for _ in range(30)]
    assert np.mean([score.auprc_ratio for score in scores]) == pytest.approx(1, abs=0.1)
    assert np.mean([score.early_precision_ratio for score in scores]) == pytest.approx(1, abs=0.1)
    assert np.mean([score.sign_accuracy for score in scores]) == pytest.approx(0.5, abs=0.05)


def test_self_regulation_counts_only_for_pearson_over_all_entries():
    changed = network(LEARNED.weights + 5 * np.eye(3), LEARNED.amplitudes)
    before, after = recovery(LEARNED, TRUTH), recovery(changed, TRUTH)
    assert before.pearson != after.pearson
    assert before.pearson_off_diagonal == after.pearson_off_diagonal
    assert before.auprc == after.auprc
    assert before.early_precision_ratio == after.early_precision_ratio


def test_equal_true_amplitudes_leave_their_correlation_undefined():
    truth = network(TRUTH.weights, [0.2, 0.2, 0.2])
    assert recovery(LEARNED, truth).pearson_alpha is None


def test_truth_without_edges_leaves_edge_metrics_undefined():
    score = recovery(LEARNED, network(np.eye(3)))
    assert score.auprc is score.auprc_ratio is score.early_precision_ratio is None
    assert score.sign_accuracy is None


def test_network_that_is_not_finite_has_no_recovery():
    broken = network(np.full((3, 3), NAN))
    assert all(value is None for value in vars(recovery(broken, TRUTH)).values())


def test_nodes_are_matched_by_name():
    order = [2, 0, 1]
    shuffled = network(
        LEARNED.weights[np.ix_(order, order)],
        LEARNED.amplitudes[order],
        [LEARNED.nodes[index] for index in order],
    )
    assert recovery(shuffled, TRUTH) == recovery(LEARNED, TRUTH)
    assert (in_order_of(shuffled, LEARNED.nodes).weights == LEARNED.weights).all()


def test_networks_of_different_nodes_are_refused_by_name():
    other = network(np.zeros((3, 3)), nodes=["g0", "g1", "Pax6"])
    with pytest.raises(InputError, match="missing: g2; unknown: Pax6"):
        recovery(other, TRUTH)
