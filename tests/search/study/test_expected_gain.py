"""Searches whose next trials are hardly expected to bring anything."""

import numpy as np
import pytest

from cellbox.errors import InputError
from search.spec.reading import make_spec
from search.study.expected_gain import GainWatch, outlook_sentence
from search.study.lower_tail import chance_of_gain
from tests.search.fake_study import make_pruned, make_record
from tests.search.tiny import TWO_OBJECTIVES, spec, values

WANTED = {"improvement": 0.02, "trials": 30, "confidence": 0.95}


def uniform(n, seed=0):
    return 1 + np.random.default_rng(seed).random(n)


def record(number, error):
    return make_record(number, objectives={"validation_mae": float(error)})


def watched(trials, **changes):
    watch = GainWatch(spec(**{"expected_gain": WANTED, "sampler": {"name": "random"}, **changes}))
    for trial in trials:
        if watch.add(trial):
            break
    return watch


def seen(watch):
    return watch.outlook.after


def test_the_chance_is_that_of_twice_as_many_draws_from_a_law_that_is_known():
    # Of 1 + U(0, 1), 30 draws are below the best less 0.5 % with chance 1 - (1 - p)^30.
    chances, true = [], []
    for seed in range(40):
        errors = uniform(60, seed)
        chances.append(chance_of_gain(errors, 15, 0.005, learns=False))
        true.append(1 - (1 - max(0.0, 0.995 * errors.min() - 1)) ** 30)
    assert np.mean(chances) == pytest.approx(np.mean(true), abs=0.1)


def test_the_chance_falls_with_what_is_asked_and_rises_with_the_trials_ahead():
    errors = uniform(80)
    for learns in (False, True):
        by_share = [chance_of_gain(errors, 30, share, learns=learns) for share in (0.001, 0.01)]
        by_trials = [chance_of_gain(errors, n, 0.005, learns=learns) for n in (10, 100)]
        assert by_share[0] > by_share[1]
        assert by_trials[0] < by_trials[1]


def test_a_sampler_that_learns_is_given_more_chance():
    errors = uniform(80)
    chances = [chance_of_gain(errors, 30, 0.005, learns=learns) for learns in (False, True)]
    assert chances[0] < chances[1]


def test_what_a_learning_sampler_found_last_counts_more():
    better_and_better = np.linspace(2, 1, 80)
    chances = [
        chance_of_gain(errors, 30, 0.01, learns=True)
        for errors in (better_and_better, better_and_better[::-1])
    ]
    assert chances[0] >= 0.5
    assert chances[1] < 0.4


def test_a_better_region_that_nobody_has_found_is_always_allowed_for():
    errors = np.concatenate([[1.0] * 30, uniform(20) + 5])
    assert chance_of_gain(errors, 100, 0.01, learns=False) == pytest.approx(0.15 * 100 / 150)


def test_the_sign_and_the_unit_of_errors_do_not_matter():
    errors = uniform(80)
    chance = chance_of_gain(errors, 30, 0.005, learns=True)
    assert chance_of_gain(1e-9 * errors, 30, 0.005, learns=True) == pytest.approx(chance)
    assert 0 < chance_of_gain(errors - 5, 30, 0.005, learns=True) < 1


def test_of_few_trials_or_of_none_nothing_is_expected_to_be_known():
    assert chance_of_gain(np.full(50, np.inf), 30, 0.5, learns=True) == 1
    assert chance_of_gain(uniform(10), 30, 0.5, learns=True) == 1


def test_a_study_stops_once_little_is_expected_and_says_why():
    trials = [record(number, error) for number, error in enumerate(uniform(300))]
    watch = watched(trials)
    assert watch.enough
    assert 60 <= seen(watch) < 300
    best = int(np.argmin(uniform(300)[: seen(watch)]))
    assert f"after {seen(watch)} trials it is at least " in watch.sentence
    assert "(95 % were asked for) that another 30 would" in watch.sentence
    assert f"of trial {best}, by less than 2 %" in watch.sentence
    assert not watch.add(trials[-1])
    again = watched(trials)
    assert (seen(again), again.sentence) == (seen(watch), watch.sentence)


def test_more_confidence_and_less_improvement_go_on_for_longer():
    trials = [record(number, error) for number, error in enumerate(uniform(400))]
    usual = seen(watched(trials))
    assert seen(watched(trials, expected_gain={**WANTED, "confidence": 0.97})) > usual
    assert seen(watched(trials, expected_gain={**WANTED, "improvement": 0.005})) > usual
    assert seen(watched(trials, sampler={"name": "tpe"})) > usual


def test_trials_without_a_result_are_trials_that_found_nothing():
    trials = [record(number, error) for number, error in enumerate(uniform(40))]
    without = [make_pruned(number) for number in range(40, 80)]
    without += [make_record(number, status="diverged") for number in range(80, 90)]
    without += [make_record(number, excess={"edges": 1.0}) for number in range(90, 100)]
    few, more = watched(trials), watched([*trials, *without], expected_gain={"trials": 30})
    assert not few.enough
    assert more.outlook.after == 100
    assert more.outlook.chance < watched(trials, expected_gain={"trials": 30}).outlook.chance


def test_a_study_that_did_not_ask_looks_at_nothing():
    watch = GainWatch(spec())
    assert not any(watch.add(record(number, 1.0)) for number in range(40))
    assert watch.outlook is None


def test_the_outlook_is_a_sentence():
    told = {"chance": 0.1234, "trials": 100, "improvement": 0.01, "after": 85}
    assert outlook_sentence(told) == (
        "after 85 trials, another 100 have a chance of at most 12.3 % to improve the best by 1 % "
        "or more"
    )


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"expected_gain": {"trails": 5}}, "Use one of improvement, trials, confidence"),
        ({"expected_gain": 1.5}, r"expected_gain\.improvement: expected less than 1, found 1\.5"),
        ({"expected_gain": True}, r"expected_gain\.improvement: expected a number, found True"),
        ({"expected_gain": {"confidence": 1}}, r"expected_gain\.confidence: expected less than 1"),
        ({"expected_gain": 0.1, **TWO_OBJECTIVES}, "of two objectives there is no single best"),
        (
            {
                **{"expected_gain": 0.1, "objective": {"error_target": 0.1, "minimise": None}},
                "space": TWO_OBJECTIVES["space"],
            },
            "expected_gain: with an error_target the cost is minimised",
        ),
    ],
)
def test_what_cannot_be_expected_is_refused(changes, said):
    with pytest.raises(InputError, match=said):
        make_spec(values(**changes))


def test_a_number_alone_is_the_share():
    assert spec(expected_gain=0.02).expected_gain.model_dump() == {
        **{"improvement": 0.02, "trials": 100, "confidence": 0.95},
    }
