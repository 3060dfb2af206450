"""Samplers see what they need of a long study, and no more."""

import optuna
from optuna.trial import TrialState, create_trial

from search.proposals.samplers import make_sampler
from search.proposals.seen import abridged
from tests.search.tiny import spec


def trials(values, state=TrialState.COMPLETE):
    made = [
        create_trial(state=state, value=value if state == TrialState.COMPLETE else None)
        for value in values
    ]
    for number, trial in enumerate(made):
        trial.number = number
    return made


def numbers(found):
    return [trial.number for trial in found]


def test_a_short_study_is_seen_whole():
    made = trials(range(300))
    assert abridged(made) is made


def test_of_a_long_study_the_best_and_the_latest_are_seen_in_their_order():
    made = trials([1000 - number if number < 40 else 2000 + number for number in range(900)])
    found = numbers(abridged(made))
    assert found == [*range(15, 40), *range(625, 900)]


def test_pruned_trials_are_seen_only_among_the_latest():
    made = trials(range(900), TrialState.PRUNED)
    assert numbers(abridged(made)) == list(range(625, 900))


def proposal(study, number):
    study.sampler = make_sampler(spec(sampler={"in_flight": 3}), number)
    trial = study.ask()
    return trial.suggest_float("x", 0, 1)


def test_a_long_study_still_learns_from_its_first_trials():
    study = optuna.create_study()
    distributions = {"x": optuna.distributions.FloatDistribution(0, 1)}
    for number in range(700):
        # Only the first thirty are near the best place.
        x = 0.8 + 0.001 * number if number < 30 else (0.37 * number) % 0.6
        study.add_trial(
            create_trial(params={"x": x}, distributions=distributions, value=(x - 0.81) ** 2)
        )
    found = [proposal(study, 700 + repeat) for repeat in range(20)]
    assert sum(0.7 < x < 0.95 for x in found) > 15


def test_proposals_are_those_of_a_sampler_that_looks_at_every_trial():
    """As far as TPE's search space goes, where trials have dimensions of several kinds."""
    found = []
    for make in (
        lambda number: make_sampler(spec(sampler={"in_flight": 3}), number),
        lambda number: optuna.samplers.TPESampler(
            seed=(3 * 1_000_003 + number) % 2**32,
            n_startup_trials=3,
            multivariate=True,
            group=True,
            constant_liar=True,
        ),
    ):
        study = optuna.create_study()
        for number in range(40):
            study.sampler = make(number)
            trial = study.ask()
            kind = trial.suggest_categorical("kind", ["a", "b", "c"])
            x = trial.suggest_float(f"x_{kind}", 0, 1) if kind != "c" else 0.5
            y = trial.suggest_float("y", 0.1, 1, log=True) if number % 3 else 0.2
            study.tell(trial, (x - 0.3) ** 2 + y)
        found.append([trial.params for trial in study.trials])
    assert found[0] == found[1]
