import numpy as np
import pytest

from cellbox import KnockoutExperiments, KnockoutSettings, TimeCourses, infer_network
from cellbox.errors import InputError
from cellbox.knockouts.experiments import wild_type
from cellbox.scores.ranking import ranking_score
from tests.cellbox.knockouts.small import LEVELS, N_GENES, NOISE, experiments, true_weights

TRUE = true_weights()


@pytest.fixture(scope="module")
def found():
    return infer_network(experiments())


def score_of(evidence):
    return ranking_score(TRUE != 0, np.where(np.isfinite(evidence), evidence, 0.0)).aupr


def test_the_true_edges_are_the_surest_with_their_signs(found):
    assert score_of(found.evidence) > 0.95
    assert np.array_equal(np.sign(found.weights)[TRUE != 0], np.sign(TRUE[TRUE != 0]))


def test_an_indirect_effect_is_no_edge_though_it_is_far_beyond_noise(found):
    # 0 acts on 2 through 1 alone.
    assert abs(experiments().knockouts[0, 2] - LEVELS[2]) > 5 * NOISE
    assert found.inclusion[2, 0] < 0.5 < found.inclusion[2, 1]


def test_time_courses_and_knockdowns_add_evidence(found):
    alone = infer_network(experiments(courses=False, knockdowns=False))
    true = TRUE != 0
    assert np.median(found.evidence[true]) > np.median(alone.evidence[true])


def test_drives_explain_what_would_otherwise_be_edges():
    given = experiments()
    silent = TimeCourses(given.courses.times, given.courses.values, 0 * given.courses.drives, 500.0)
    without = KnockoutExperiments(given.genes, given.knockouts, None, given.replicates, silent)
    driven = KnockoutExperiments(
        given.genes, given.knockouts, None, given.replicates, given.courses
    )
    false = (TRUE == 0) & ~np.eye(N_GENES, dtype=bool)
    wrong = [infer_network(one).inclusion[false].sum() for one in (without, driven)]
    assert wrong[1] < wrong[0]


def test_drive_effects_are_found(found):
    driven = (experiments().courses.drives != 0).any(axis=0)
    assert found.drive_effects[driven] == pytest.approx(0.5, abs=0.1)
    assert (found.drive_effects[~driven] == 0).all()


def test_the_same_data_give_the_same_network(found):
    again = infer_network(experiments())
    assert np.array_equal(again.evidence, found.evidence)


def test_evidence_of_sure_edges_does_not_tie(found):
    sure = np.sort(found.evidence[found.inclusion > 1 - 1e-9])
    assert len(sure) > 2
    assert (np.diff(sure) > 0).all()


def test_the_frame_has_every_pair_once_the_surest_first(found):
    frame = found.to_frame()
    assert len(frame) == len(frame.drop_duplicates(["source", "target"])) == N_GENES * 7
    assert frame["evidence"].is_monotonic_decreasing
    assert (frame["source"] != frame["target"]).all()


def test_the_wild_type_is_that_of_replicates_and_of_unaffected_knockouts():
    base = wild_type(experiments())
    assert np.abs(base.levels - LEVELS).max() < 3 * NOISE / np.sqrt(10)
    assert np.median(base.noise) == pytest.approx(NOISE, rel=0.5)


def test_without_replicates_noise_is_the_spread_over_knockouts():
    n, draw = 40, np.random.default_rng(0)
    knockouts = 0.5 + NOISE * draw.normal(size=(n, n))
    # A few that respond are no noise.
    knockouts[:4] *= 0.5
    np.fill_diagonal(knockouts, 0)
    lone = wild_type(KnockoutExperiments(tuple(map(str, range(n))), knockouts))
    assert lone.levels == pytest.approx(0.5, abs=0.01)
    assert np.median(lone.noise) == pytest.approx(NOISE, rel=0.3)


def test_noise_of_a_value_grows_with_it_and_is_not_below_the_wild_types():
    base = wild_type(experiments())
    assert (base.noise_of(LEVELS * 3) >= base.noise).all()
    assert base.noise_of(LEVELS * 0.0) == pytest.approx(base.noise)


def test_experiments_of_other_shapes_and_log_ratios_are_refused_together():
    with pytest.raises(InputError) as refused:
        KnockoutExperiments(("a", "b"), np.full((2, 2), -1.0), np.ones((3, 2)))
    assert [problem.where for problem in refused.value.problems] == ["knockdowns", "knockouts"]


def test_settings_that_are_not_positive_are_refused():
    with pytest.raises(InputError, match="setting rate: expected a positive number, found -1"):
        KnockoutSettings(rate=-1)
