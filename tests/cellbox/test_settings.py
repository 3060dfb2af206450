"""Settings are refused all at once, and come back from plain values as they were."""

from dataclasses import asdict

import pytest

from cellbox.equation.solver_settings import SolverSettings
from cellbox.errors import InputError
from cellbox.settings import Settings, check_seed, settings_from_dict

CHANGED = Settings(
    steps=120,
    schedule="exponential",
    conditions_per_step=4,
    solver=SolverSettings(solver="dopri5", rtol=1e-4, precision="float64"),
)


def test_plain_values_come_back_as_the_settings_they_were():
    assert settings_from_dict(asdict(CHANGED)) == CHANGED


def test_solver_settings_may_stand_beside_the_others():
    nested = asdict(CHANGED)
    flat = {**nested, **nested.pop("solver")}
    flat = {name: value for name, value in flat.items() if not isinstance(value, dict)}
    assert settings_from_dict(flat) == CHANGED


def test_what_is_not_given_has_its_default():
    assert settings_from_dict({}) == Settings()
    assert settings_from_dict({"solver": "dopri8"}).solver == SolverSettings(solver="dopri8")


@pytest.mark.wrong_types
def test_unknown_names_and_impossible_values_are_refused_together():
    values = {
        "stepps": 10,
        "peak_rate": -1.0,
        "schedule": "linear",
        "patience": True,
        "solver": {"rtol": "small", "adjiont": "direct"},
    }
    with pytest.raises(InputError) as refused:
        settings_from_dict(values, where="model.json")
    text = str(refused.value)
    assert len(refused.value.problems) == 6
    for found in ("'stepps'", "-1.0", "'linear'", "patience", "'small'", "'adjiont'"):
        assert found in text
    assert all(problem.where.startswith("model.json") for problem in refused.value.problems)


@pytest.mark.wrong_types
@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("steps", 0),
        ("steps", 10.5),
        ("peak_rate", float("nan")),
        ("warmup_share", 1.0),
        ("interval_share", 1.1),
        ("validate_every", None),
        ("gradient_clip", float("inf")),
        ("schedule", ["cosine"]),
        ("solver", "tsit5"),
    ],
)
def test_a_value_that_cannot_be_is_refused_by_name(setting, value):
    with pytest.raises(InputError, match=f"setting {setting}.*found"):
        Settings(**{setting: value})


@pytest.mark.parametrize(("steps", "total"), [(1, 50), (50, 50), (51, 100), (3000, 3000)])
def test_steps_are_rounded_up_to_whole_validation_intervals(steps, total):
    assert Settings(steps=steps, validate_every=50).total_steps == total


@pytest.mark.wrong_types
@pytest.mark.parametrize("seed", [-1, 2**32, 1.0, True, None])
def test_what_is_no_seed_is_refused(seed):
    with pytest.raises(InputError, match="seed"):
        check_seed(seed)


def test_the_smallest_and_the_largest_seed_are_seeds():
    check_seed(0)
    check_seed(2**32 - 1)
