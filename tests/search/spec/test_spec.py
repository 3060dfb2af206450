"""What a sweep file may say, and how mistakes in it are told."""

import json

import pytest

from cellbox.errors import InputError
from search.cli.main import main
from search.spec.reading import make_spec, read_spec
from search.spec.sampler_table import SamplerTable
from search.spec.space import Fixed, Space
from search.spec.tables import Spec
from search.study.access import differences
from tests.search.tiny import TWO_OBJECTIVES, values


def problems(**changes):
    with pytest.raises(InputError) as caught:
        make_spec(values(**changes))
    return caught.value.problems


def only_problem(**changes):
    (problem,) = problems(**changes)
    return problem


TOML = """
name = "mine"
seed = 4
trials = 7
repeats = 2

[data]
system = "CY"
conditions = 6
noise = 0

[training]
steps = 200

[space]
peak_rate = { low = 0.01, high = 0.1, log = true }
schedule = ["cosine", "constant"]
l1 = 1e-5
conditions_per_step = { low = 2, high = 6 }

[space.budget]
conditions = [3, 6]

[objective]
minimise = ["validation_mae", "cost"]
prices = { condition = 2.0 }

[pruner]
name = "none"
"""

OBJECTS = {
    "name": "mine",
    "seed": 4,
    "trials": 7,
    "repeats": 2,
    "data": {"system": "CY", "conditions": 6, "noise": 0},
    "training": {"steps": 200},
    "space": {
        "peak_rate": {"low": 0.01, "high": 0.1, "log": True},
        "schedule": ["cosine", "constant"],
        "l1": 1e-5,
        "conditions_per_step": {"low": 2, "high": 6},
        "budget": {"conditions": [3, 6]},
    },
    "objective": {"minimise": ["validation_mae", "cost"], "prices": {"condition": 2.0}},
    "pruner": {"name": "none"},
}


@pytest.fixture
def sweep_file(tmp_path):
    def write(text, name="mine.toml"):
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


def test_a_file_and_python_objects_give_the_same_spec(sweep_file):
    assert read_spec(sweep_file(TOML)) == make_spec(OBJECTS)


def test_a_spec_survives_its_json_form():
    spec = make_spec(OBJECTS)
    assert Spec.model_validate(json.loads(json.dumps(spec.model_dump(mode="json")))) == spec


def test_a_file_without_a_name_gives_the_study_its_own(sweep_file):
    text = TOML.replace('name = "mine"\n', "", 1)
    assert read_spec(sweep_file(text, "my study!.toml")).name == "my-study-"


def test_paths_in_a_file_are_relative_to_the_file(sweep_file, tmp_path, monkeypatch):
    (tmp_path / "net.csv").write_text("source,target,weight\na,b,1\n")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    spec = read_spec(sweep_file('[data]\nnetwork = "net.csv"\n'))
    assert spec.data.network == str((tmp_path / "net.csv").resolve())


def test_a_relative_path_means_the_same_study_from_any_folder(tmp_path, monkeypatch):
    (tmp_path / "net.csv").write_text("source,target,weight\na,b,1\n")
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir(tmp_path)
    here = make_spec({"name": "x", "data": {"network": "net.csv"}})
    monkeypatch.chdir(tmp_path / "sub")
    there = make_spec({"name": "x", "data": {"network": "../net.csv"}})
    assert here.identity() == there.identity()


FIVE_MISTAKES = """
seed = -1
trails = 10

[data]
system = "LI"

[training]
steps = 0

[space]
l1 = { low = 1.0, high = 0.1 }
budget = { conditions = [5, 10] }
"""


def test_five_mistakes_are_five_problems_each_with_its_place(sweep_file, capsys, tmp_path):
    path = sweep_file(FIVE_MISTAKES)
    assert main(["sweep", str(path), "--study", str(tmp_path / "study")]) == 2
    captured = capsys.readouterr()
    lines = captured.err.splitlines()
    assert "5 problems" in lines[0]
    assert len(lines) == 6
    for place in ("seed", "trails", "steps", "space.l1", "space.budget (conditions)"):
        assert any(str(path) in line and place in line for line in lines[1:])
    assert "Traceback" not in captured.err
    assert captured.out == ""
    assert not (tmp_path / "study").exists()


@pytest.mark.parametrize(
    ("changes", "place", "found"),
    [
        ({"seed": True}, "seed", "whole number"),
        ({"name": "a/b"}, "name", "letters"),
        ({"trials": "many"}, "trials", "'many'"),
        ({"data": 3}, "data", "table"),
        ({"data": {"folder": "x"}}, "data", "exactly one"),
        ({"data": {"split_by": "combination"}}, "data", "split_by"),
        ({"data": {"amplitude": 1.0}}, "data", "amplitude"),
        ({"workers": 3}, "workers", "table"),
        ({"sampler": {"name": "best"}}, "sampler.name", "'best'"),
        ({"sampler": {"names": "tpe"}}, "sampler.names", "unknown"),
        ({"space": {"l1": {"low": 1e-3}}}, "space.l1.high", "missing"),
        ({"space": {"l1": {"values": 3}}}, "space.l1.values", "unknown"),
        ({"space": {"l1": {"value": [1]}}}, "space.l1.value", "number"),
        ({"space": {"l1": {"low": "a", "high": 1}}}, "space.l1.low", "number"),
        ({"space": {"l1": []}}, "space.l1.values", "at least one"),
        ({"space": {"l1": [1.0, 1.0]}}, "space.l1", "differ"),
        ({"space": {"l1": {"low": 0.0, "high": 1.0, "log": True}}}, "space.l1", "above 0"),
        ({"space": {"speed": 1}}, "space.speed", "unknown"),
        ({"training": {"speed": 1}}, "training", "speed"),
        ({"objective": {"minimise": ["cost"]}}, "objective", "cost alone"),
        ({"objective": {"prices": {"condition": -1}}}, "objective.prices.condition", "-1"),
    ],
)  # fmt: skip
def test_a_setting_that_cannot_be_is_refused_at_its_place(changes, place, found):
    told = problems(**changes)
    assert any(problem.where.endswith(f", {place}") for problem in told), told
    assert any(found in problem.found for problem in told), told


def test_a_setting_in_training_is_not_searched_by_the_built_in_space():
    spec = make_spec(values(training={"l1": 3e-5, "schedule": "constant"}))
    assert spec.space.l1.values == (3e-5,)
    assert spec.space.schedule.values == ("constant",)
    assert len(spec.space.peak_rate.values) == 2
    # A study that goes on reads its spec back.
    assert Spec.model_validate(spec.model_dump(mode="json")).identity() == spec.identity()


def test_a_setting_in_training_and_space_is_refused():
    problem = only_problem(training={"l1": 1e-4}, space={"l1": 1e-5})
    assert "training.l1" in problem.where


def test_a_file_that_is_no_toml_is_refused_with_its_line(sweep_file):
    with pytest.raises(InputError, match="line 1"):
        read_spec(sweep_file("name = \n"))


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"nothing\.toml"):
        read_spec(tmp_path / "nothing.toml")


@pytest.mark.parametrize(
    ("changes", "place", "found"),
    [
        ({"data": {"system": "XX"}}, "data.system", "'XX'"),
        ({"space": {"budget": {"conditions": [3, 6]}}}, "space.budget", "largest"),
        ({"objective": {"error_target": 0.1}}, "objective.error_target", "no budget"),
        ({**TWO_OBJECTIVES, "pruner": {"name": "median"}}, "pruner.name", "several"),
        (
            {**TWO_OBJECTIVES, "objective": {"error_target": 0.1}, "pruner": {"name": "asha"}},
            "pruner.name",
            "error_target",
        ),
        (
            {
                **TWO_OBJECTIVES,
                "objective": {
                    "minimise": ["validation_mae", "cost"],
                    "prices": {"measurement": 0.0},
                },
            },
            "objective.prices",
            "every price is 0",
        ),
        ({"pruner": {"name": "wilcoxon"}, "repeats": 4}, "pruner.name", "at least 5"),
        ({**TWO_OBJECTIVES, "sampler": {"name": "cmaes"}}, "sampler.name", "one objective"),
        ({"space": {"schedule": ["cosine", "linear"]}}, "space.schedule", "'linear'"),
        ({"space": {"conditions_per_step": {"low": 1.5, "high": 4}}}, "conditions_per_step", "1.5"),
        ({"space": {"peak_rate": [0.1, -1.0]}}, "space.peak_rate", "-1.0"),
        ({"space": {"budget": {"conditions": 0}}}, "space.budget.conditions", "found 0"),
        ({"space": {"budget": {"perturbed_nodes": 9}}}, "perturbed_nodes", "6 nodes"),
        ({"workers": {"executor": "ray", "gpus_per_worker": 0.4}}, "gpus_per_worker", "0.4"),
        ({"workers": {"gpus_per_worker": 1.0}}, "gpus_per_worker", "inline"),
    ],
)  # fmt: skip
def test_a_rule_over_several_settings_is_told_with_its_place(changes, place, found):
    problem = only_problem(**changes)
    assert place in problem.where
    assert found in problem.found


def test_a_missing_network_file_is_refused():
    with pytest.raises(InputError, match=r"data\.network: nothing is at"):
        make_spec({"name": "x", "data": {"network": "no/such.csv"}})


def test_a_grid_needs_lists_without_repeated_points():
    told = problems(sampler={"name": "grid"})
    assert {problem.where for problem in told} >= {"spec, space.peak_rate", "spec, space.l1"}
    fixed = dict.fromkeys(("peak_rate", "l1", "interval_share", "warmup_share"), 0.1)
    space = {**fixed, "schedule": ["constant", "cosine"], "final_share": [0.1, 0.2]}
    problem = only_problem(sampler={"name": "grid"}, space=space)
    assert "space.final_share" in problem.where
    assert "constant" in problem.found


def test_an_error_target_or_two_objectives_allow_a_searched_budget():
    make_spec(values(**TWO_OBJECTIVES))
    make_spec(values(**{**TWO_OBJECTIVES, "objective": {"error_target": 0.1}}))


def test_differences_name_what_changed_and_both_values():
    old, new = make_spec(values()), make_spec(values(seed=5, space={"l1": 1e-6}))
    lines = differences(old.identity(), new.identity())
    assert "seed: 3 in the study, 5 now" in lines
    assert any(line.startswith("space.l1") for line in lines)
    assert differences(old.identity(), old.identity()) == []


def test_trials_workers_storage_and_tracking_do_not_make_another_study(tmp_path):
    changed = values(
        trials=99,
        workers={"executor": "ray", "lanes": 8},
        tracking={"enabled": True},
        storage={"url": "sqlite://"},
    )
    assert make_spec(changed).identity() == make_spec(values()).identity()


@pytest.mark.parametrize(
    ("number", "seen"), [(0, 0), (15, 0), (16, 1), (31, 16), (63, 32), (500, 437)]
)
def test_by_default_a_growing_study_has_more_trials_under_way(number, seen):
    assert SamplerTable().seen_by(number) == seen


@pytest.mark.parametrize("name", ["cmaes", "nsga2", "gp"])
def test_samplers_that_learn_in_generations_keep_to_sixteen_under_way(name):
    assert SamplerTable(name=name).seen_by(500) == 485
    assert SamplerTable(name=name).most_in_flight == 16


def test_a_chosen_number_under_way_holds_for_every_trial():
    sampler = SamplerTable(in_flight=5)
    assert [sampler.seen_by(number) for number in (0, 4, 5, 500)] == [0, 0, 1, 496]
    assert sampler.most_in_flight == 5


@pytest.mark.parametrize(
    ("lanes", "trials", "first"), [(16, 64, 24), (32, 64, 32), (32, 200, 48), (4, 64, 16)]
)
def test_by_default_as_many_trials_are_under_way_as_fill_the_lanes(lanes, trials, first):
    sampler = SamplerTable()
    assert sampler.first_in_flight(lanes, trials) == first
    assert [sampler.seen_by(number, first) for number in (0, first - 1, first)] == [0, 0, 1]


def test_lanes_change_no_chosen_number_under_way_and_none_that_goes_by_generations():
    assert SamplerTable(in_flight=5).first_in_flight(32, 64) == 5
    assert SamplerTable(name="cmaes").first_in_flight(32, 64) == 16


def test_a_form_is_fixed_by_a_list_of_parts_and_searched_among_texts():
    data = {"system": "CY"}
    fixed = make_spec({"name": "x", "data": data, "training": {"form": ["drive", "decay"]}})
    assert fixed.training["form"] == ["drive", "decay"]
    forms = ["none", "search", "drive,decay"]
    searched = make_spec({"name": "x", "data": data, "space": {"form": forms}})
    assert searched.space.form.values == tuple(forms)
    with pytest.raises(InputError, match="The nearest is drive"):
        make_spec({"name": "x", "data": data, "space": {"form": ["none", "dirve"]}})


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ("trials = " + "9" * 4500, "a number has more than 300 digits"),
        ("seed = 0x" + "f" * 5000, "a number has more than 300 digits"),
        ("enqueue = " + "[" * 3000 + "]" * 3000, "values are nested deeper than 50 levels"),
        (".".join(["a"] * 3000) + " = 1", "values are nested deeper than 50 levels"),
    ],
)
def test_what_no_person_writes_is_refused_in_a_sentence(tmp_path, content, found):
    file = tmp_path / "huge.toml"
    file.write_text(content)
    with pytest.raises(InputError, match=f"expected TOML: {found}. Correct the file"):
        read_spec(file)


@pytest.mark.parametrize(
    "asked", [{"form": ["none", "offset"]}, {"form": "offset"}, {"prior_strength": ["auto", 0]}]
)
def test_what_only_least_squares_fit_is_searched_with_them(asked):
    told = values(training=None) | {"space": asked}
    assert Spec(**told).space.refinement == Fixed(value="select_edges")
    every = ["select_edges", "none"]
    chosen = Spec(**told | {"space": asked | {"refinement": every}})
    assert chosen.space.refinement.values == tuple(every)
    with pytest.raises(InputError, match="only least squares fit it, and refinement is none"):
        make_spec(told | {"training": {"refinement": "none"}})


def test_a_form_of_several_parts_is_fitted_by_least_squares():
    told = values(training={"form": ["drive", "decay"], "refinement": None})
    assert make_spec(told).space.refinement == Fixed(value="select_edges")
    with pytest.raises(InputError, match=r"training\.form: only least squares fit it"):
        make_spec(values(training={"form": ["drive", "decay"]}))


@pytest.mark.parametrize("asked", [{}, {"form": "none"}, {"prior_strength": 0}])
def test_without_such_a_wish_refinement_is_searched_or_left_out(asked):
    told = values(training=None) | {"space": asked}
    assert make_spec(told).space.refinement == Space().refinement
    assert make_spec(told | {"training": {"refinement": "none"}})
