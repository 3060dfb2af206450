"""Trials that found the same optimum."""

from search.study.ties import TieWatch, tie_sentences, tied_with
from tests.search.fake_study import make_pruned, make_record
from tests.search.tiny import TWO_OBJECTIVES, spec


def record(number, error, **parameters):
    return make_record(number, objectives={"selection_error": error}, parameters=parameters)


def test_trials_tie_where_all_objectives_differ_by_rounding_alone():
    best = record(0, 0.01, peak_rate=0.1)
    records = [
        best,
        record(1, 0.01 * (1 + 1e-12), peak_rate=0.2),
        record(2, 0.01 * (1 + 1e-4), peak_rate=0.3),
        make_pruned(3),
        make_record(4, status="diverged", objectives={"selection_error": 0.01}),
    ]
    assert [one.number for one in tied_with(best, records)] == [0, 1]


def test_an_equal_cost_at_the_target_is_no_tie_of_networks():
    best = make_record(0, objectives={"cost_at_target": 5.0}, metrics={"validation_mae": 0.1})
    other = make_record(1, objectives={"cost_at_target": 5.0}, metrics={"validation_mae": 0.11})
    assert tied_with(best, [best, other]) == [best]


def test_another_cost_is_no_tie():
    best = make_record(0, objectives={"validation_mae": 0.1, "cost": 5.0})
    dearer = make_record(1, objectives={"validation_mae": 0.1, "cost": 6.0})
    assert tied_with(best, [best, dearer]) == [best]


def test_a_tie_names_what_made_no_difference_and_only_that():
    tied = [
        record(0, 0.01, **{"peak_rate": 0.1, "l1": 1e-6, "budget.conditions": 10}),
        record(1, 0.01, **{"peak_rate": 0.2, "l1": 1e-6, "budget.conditions": 20}),
    ]
    (sentence,) = tie_sentences(tied, 7)
    assert sentence.startswith("2 of 7 completed trials")
    assert sentence.endswith("made no difference: peak rate, conditions.")
    assert tie_sentences(tied[:1], 7) == []


def test_a_tie_of_equal_settings_says_so():
    (sentence,) = tie_sentences([record(0, 0.01), record(1, 0.01)], 2)
    assert sentence.endswith("found the same optimum.")


def tied_trials(count, error=0.01, first=0):
    return [record(number, error, peak_rate=0.01 * (1 + number)) for number in range(first, count)]


def test_after_enough_identical_optima_a_study_stops_and_says_why():
    watch = TieWatch(spec(sampler={"stop_when_tied": 3}))
    assert [watch.add(one) for one in tied_trials(4)] == [False, False, True, False]
    assert watch.enough
    assert "3 of the first 3 trials found the same optimum" in watch.sentence


def test_a_better_optimum_begins_the_count_anew():
    watch = TieWatch(spec(sampler={"stop_when_tied": 3}))
    trials = [*tied_trials(2), *tied_trials(4, error=0.005, first=2)]
    assert not any(watch.add(one) for one in trials)
    assert watch.add(record(4, 0.005, peak_rate=0.5))


def test_the_same_point_again_is_no_further_optimum():
    watch = TieWatch(spec(sampler={"stop_when_tied": 2}))
    assert not any(watch.add(record(number, 0.01, peak_rate=0.1)) for number in range(5))


def test_a_study_of_two_objectives_or_with_0_never_stops_for_ties():
    for going_on in (
        spec(sampler={"stop_when_tied": 0}),
        spec(sampler={"stop_when_tied": 2}, **TWO_OBJECTIVES),
    ):
        watch = TieWatch(going_on)
        assert not any(watch.add(one) for one in tied_trials(30))
