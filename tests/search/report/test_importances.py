"""Settings get credit for what they decide, and for nothing else."""

import numpy as np
import pytest

from search.report.importances import FEWEST_TRIALS, importances


def trials_of(n, seed):
    """A search in which refinement decides, and a warm-up's length comes along with it."""
    random = np.random.default_rng(seed)
    trials, objective = [], []
    for _ in range(n):
        refined = bool(random.random() < 0.5)
        schedule = str(random.choice(["constant", "warmup_cosine"]))
        trial = {
            "refinement": "select_edges" if refined else "none",
            "schedule": schedule,
            "peak_rate": float(10 ** random.uniform(-2, -1)),
        }
        if schedule == "warmup_cosine":
            # Long warm-ups happen to stand beside trials that are not refined.
            trial["warmup_share"] = float(random.uniform(0, 0.1) + (0.0 if refined else 0.15))
        trials.append(trial)
        objective.append((0.01 if refined else 0.03) * float(random.uniform(0.9, 1.1)))
    return trials, objective


@pytest.mark.parametrize("seed", range(5))
def test_a_setting_that_comes_along_gets_no_credit(seed):
    found = {each.name: each for each in importances(*trials_of(40, seed))}
    assert found["refinement"].share > 0.6
    assert found["warmup_share"].share < 0.05
    assert next(iter(found)) == "refinement"


def test_a_conditional_setting_counts_in_the_trials_that_it_applies_to():
    random = np.random.default_rng(1)
    trials, objective = [], []
    for number in range(60):
        trial = {"schedule": "warmup" if number % 2 else "constant"}
        value = float(random.uniform())
        if number % 2:
            trial["warmup_share"] = value
        trials.append(trial)
        objective.append(1 + (value if number % 2 else 0.5) + 0.01 * float(random.normal()))
    found = {each.name: each for each in importances(trials, objective)}
    assert found["warmup_share"].n_trials == 30
    assert 0.3 < found["warmup_share"].share < 1.0
    assert found["schedule"].share < 0.1


def test_what_means_nothing_explains_no_more_than_chance():
    random = np.random.default_rng(2)
    credited = 0
    for _ in range(20):
        trials = [
            {"a": float(random.uniform()), "b": str(random.choice(["x", "y"]))} for _ in range(30)
        ]
        found = importances(trials, list(random.normal(size=30)))
        credited += any(each.share > 0 for each in found)
    assert credited <= 4


def test_few_trials_say_nothing():
    assert importances(*trials_of(FEWEST_TRIALS - 1, 0)) == []
