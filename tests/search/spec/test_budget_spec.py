"""Specs of budget studies: axes in three forms, and every mistake with its place."""

import pytest

from cellbox.errors import InputError
from search.spec.budget_reading import make_budget_spec, read_budget_spec
from search.spec.budget_tables import BudgetSpec, DataBudgetSpec
from tests.search.budget.small import spec, values


def test_an_axis_is_a_value_a_list_or_a_ladder():
    axes = spec(axes={"conditions": {"low": 4, "high": 64, "count": 5}, "noise": [0.1, 0.01]}).axes
    assert axes.conditions == (4, 8, 16, 32, 64)
    assert axes.noise == (0.01, 0.1)
    assert axes.perturbed_nodes == (1,)


def test_a_spec_survives_being_kept_as_json():
    made = spec(panel=["g1", "g2"], success={"threshold": 0.5})
    assert BudgetSpec.model_validate(made.model_dump(mode="json")) == made


def test_a_table_of_data_makes_a_study_of_parts_of_them():
    made = make_budget_spec({"name": "x", "data": {"folder": "here"}})
    assert isinstance(made, DataBudgetSpec)


def test_how_precise_and_how_many_do_not_make_another_study():
    changed = spec(experiments=99, choosing={"in_flight": 4, "interval": 0.3, "fewest": 9})
    assert changed.identity() == spec().identity()
    assert spec(draws=6).identity() != spec().identity()


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"axes": {"conditons": [4]}}, "axes.conditons: unknown setting"),
        ({"axes": {"conditions": [4, 4]}}, "must differ"),
        ({"axes": {"conditions": [0]}}, "axes.conditions"),
        ({"axes": {"conditions": {"low": 9, "high": 3}}}, "0 < low < high"),
        ({"axes": {"spacing": "late"}}, "axes.spacing"),
        ({"truth": {"system": "LI"}}, "exactly one of"),
        ({"success": {"measure": "named_signs"}}, "list of edges"),
        ({"success": {"measure": "named_signs", "edges": ["A B"]}}, "A -> B"),
        ({"success": {"threshold": 1.5}}, "success.threshold"),
        ({"prices": {"noise": {"0.5": 1.0}}}, "prices.noise.0.5"),
        ({"experiments": 0}, "experiments"),
    ],
)
def test_mistakes_are_told_with_their_place(change, where):
    with pytest.raises(InputError, match=where):
        make_budget_spec(values(**change))


def test_paths_are_relative_to_the_file(tmp_path):
    file = tmp_path / "question.toml"
    file.write_text('truth.model = "models/first"\n')
    made = read_budget_spec(file)
    assert made.name == "question"
    assert made.truth.model == str(tmp_path / "models" / "first")


def test_success_is_at_least_the_threshold_and_of_an_error_at_most():
    assert spec().success.reached(0.9)
    assert not spec().success.reached(None)
    error = spec(success={"measure": "prediction_error", "threshold": 0.01}).success
    assert error.reached(0.01)
    assert not error.reached(0.02)
