"""Which dimensions are asked for, and as what."""

import pytest

from search.spec.space import Space, suggest


class Recorder:
    """Answers with the lower end, and remembers what it was asked."""

    def __init__(self, **answers):
        self.asked = {}
        self._answers = answers

    def suggest_float(self, name, low, high, *, log):
        self.asked[name] = (float, low, high, log)
        return self._answers.get(name, low)

    def suggest_int(self, name, low, high, *, log):
        self.asked[name] = (int, low, high, log)
        return self._answers.get(name, low)

    def suggest_categorical(self, name, choices):
        self.asked[name] = (list, choices)
        return self._answers.get(name, choices[0])


def point(space=None, *, several_times=True, **answers):
    trial = Recorder(**answers)
    return suggest(space or Space(), trial, several_times=several_times), trial.asked


@pytest.mark.parametrize(
    ("schedule", "final_share", "warmup_share"),
    [
        ("constant", False, False),
        ("cosine", True, False),
        ("exponential", True, False),
        ("warmup_cosine", True, True),
    ],
)
def test_parameters_of_a_schedule_are_asked_for_only_beside_it(schedule, final_share, warmup_share):
    found, asked = point(schedule=schedule)
    assert found["schedule"] == schedule
    assert ("final_share" in asked) == final_share
    assert ("warmup_share" in asked) == warmup_share
    assert set(found) == set(asked)


def test_interval_shooting_is_asked_for_only_where_there_are_intervals():
    assert "interval_share" in point()[1]
    found, asked = point(Space(times_per_step=[1, 2]), several_times=False)
    assert not {"interval_share", "times_per_step"} & {*found, *asked}


def test_a_fixed_value_is_in_the_point_and_not_asked_for():
    found, asked = point(Space(l1=1e-5, schedule="constant", final_share=0.5))
    assert found["l1"] == 1e-5
    assert "final_share" not in found
    assert not {"l1", "schedule", "final_share"} & set(asked)


def test_ranges_and_choices_are_asked_for_as_such():
    space = Space(
        peak_rate={"low": 0.01, "high": 0.1, "log": True},
        l1=[1e-5, 1e-4],
        conditions_per_step={"low": 2, "high": 8},
        budget={"conditions": {"low": 1, "high": 9, "log": True}, "time_points": [1, 5]},
    )
    _, asked = point(space)
    assert asked["peak_rate"] == (float, 0.01, 0.1, True)
    assert asked["l1"] == (list, [1e-5, 1e-4])
    assert asked["conditions_per_step"] == (int, 2, 8, False)
    assert asked["budget.conditions"] == (int, 1, 9, True)
    assert asked["budget.time_points"] == (list, [1, 5])


def test_a_budget_axis_with_one_value_is_not_searched():
    space = Space(budget={"conditions": 5, "time_points": [3], "perturbed_nodes": [1, 2]})
    assert space.searched_budget_axes() == ["perturbed_nodes"]


def test_a_grid_holds_the_lists_that_apply():
    space = Space(l1=[1e-5, 1e-4, 1e-3], interval_share=[0.0, 1.0], peak_rate=0.1)
    assert space.grid_size() == 4 * 3 * 2 * 2
    assert space.grid_size(several_times=False) == 4 * 3 * 2
    assert "interval_share" not in space.grid(several_times=False)
