"""PEtab problems: read, and written so that they read back and pass PEtab's own checks."""

from dataclasses import replace

import numpy as np
import pytest

from cellbox.data.dataset import Dataset
from cellbox.data.readers import read_data, write_petab
from cellbox.data.simulation import simulate_system
from cellbox.errors import InputError
from cellbox.networks.known_systems import system


@pytest.fixture(scope="module")
def data() -> Dataset:
    complete = simulate_system(system("CY"), n_conditions=6, n_times=2)
    measurements = complete.measurements.copy()
    measurements[3, 1, 2] = np.nan
    return replace(complete, measurements=measurements)


@pytest.fixture
def problem(data, tmp_path):
    write_petab(data.truth, data, tmp_path / "problem")
    return tmp_path / "problem"


def test_what_is_written_reads_back_the_same(data, problem):
    again = read_data(problem / "problem.yaml")
    assert again.nodes == data.nodes
    np.testing.assert_array_equal(again.times, data.times)
    np.testing.assert_array_equal(again.perturbations, data.perturbations)
    np.testing.assert_array_equal(again.measurements, data.measurements)
    assert again.name == "problem"


def test_the_linter_of_petab_finds_nothing(problem):
    petab = pytest.importorskip("petab.v1")
    found = petab.Problem.from_yaml(str(problem / "problem.yaml"))
    assert not petab.lint_problem(found)


def test_it_is_overwritten_when_asked_and_nothing_else_is(data, problem):
    with pytest.raises(InputError, match="new or empty folder"):
        write_petab(data.truth, data, problem)
    write_petab(data.truth, data, problem, overwrite=True)
    (problem / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match=r"of the same form to overwrite, found mine\.txt"):
        write_petab(data.truth, data, problem, overwrite=True)


def tables(folder, version, **changed):
    """A problem on two proteins, as another program may write it."""
    texts = {
        "measurements.tsv": "observableId\tsimulationConditionId\tmeasurement\ttime\n"
        "pERK\tdrug\t-0.4\t5\npERK\tdrug\t-0.5\t5\npAKT\tdrug\t0.1\t5\npAKT\tcontrol\t0.01\t5\n",
        "conditions.tsv": "conditionId\tMEKi\tmedium\ndrug\tfull\t3\ncontrol\t0\t3\n",
        "observables.tsv": "observableId\tobservableFormula\tnoiseFormula\n"
        "pERK\tERK_p\t1\npAKT\tAKT_p\t1\n",
        "parameters.tsv": "parameterId\tnominalValue\nfull\t0.7\n",
        "problem.yaml": "format_version: 1\nparameter_file: parameters.tsv\nproblems:\n"
        "- measurement_files: [measurements.tsv]\n  condition_files: [conditions.tsv]\n"
        "  observable_files: [observables.tsv]\n  sbml_files: [m.xml]\n",
    }
    if version == 2:
        texts |= {
            "measurements.tsv": texts["measurements.tsv"]
            .replace("simulationConditionId", "experimentId")
            .replace("\tdrug", "\twith_drug"),
            "conditions.tsv": "conditionId\ttargetId\ttargetValue\ndrug\tMEKi\tfull\n"
            "drug\tmedium\t3\ncontrol\tMEKi\t0\ncontrol\tmedium\t3\n",
            "experiments.tsv": "experimentId\ttime\tconditionId\nwith_drug\t0\tdrug\n"
            "control\t0\tcontrol\n",
            "problem.yaml": "format_version: 2.0.0\nparameter_files: [parameters.tsv]\n"
            "measurement_files: [measurements.tsv]\ncondition_files: [conditions.tsv]\n"
            "observable_files: [observables.tsv]\nexperiment_files: [experiments.tsv]\n",
        }
    for name, text in (texts | changed).items():
        (folder / name).write_text(text)
    return folder / "problem.yaml"


@pytest.mark.parametrize("version", [1, 2])
def test_a_problem_of_another_program_is_read(version, tmp_path):
    read = read_data(tables(tmp_path, version))
    assert read.nodes == ("pERK", "pAKT", "MEKi")  # the drug's target is no observable
    # Values of one observable, condition and time are replicates; what all share is no dose.
    assert read.n_rows == 3
    np.testing.assert_array_equal(read.perturbations[:, 2], [0.7, 0.7, 0.0])
    np.testing.assert_array_equal(read.measurements[:2, 0, 0], [-0.4, -0.5])
    assert np.isnan(read.measurements[2, 0, 0])


def test_errors_of_values_are_kept_and_pass_the_linter(data, tmp_path):
    told = replace(data, errors=np.where(np.isnan(data.measurements), np.nan, 0.01))
    told.errors[0, 0, 1] = 0.3
    write_petab(told.truth, told, tmp_path / "told")
    np.testing.assert_array_equal(read_data(tmp_path / "told" / "problem.yaml").errors, told.errors)
    petab = pytest.importorskip("petab.v1")
    assert not petab.lint_problem(petab.Problem.from_yaml(str(tmp_path / "told" / "problem.yaml")))


OBSERVABLES = "observableId\tobservableFormula\tnoiseFormula\t"
FIXED = "parameterId\tnominalValue\testimate\nfull\t0.7\t0\nsigma\t0.2\t{}\n"


@pytest.mark.parametrize(
    ("observables", "estimate", "errors"),
    [
        ("\npERK\tERK_p\t0.1\t\npAKT\tAKT_p\tsigma\t\n", 0, [0.1, 0.2]),
        ("\npERK\tERK_p\t0.1\t\npAKT\tAKT_p\tsigma\t\n", 1, None),
        ("\npERK\tERK_p\t0.1\t\npAKT\tAKT_p\ta + 0.1*b\t\n", 0, None),
        (
            "noiseDistribution\npERK\tERK_p\t0.1\tlaplace\npAKT\tAKT_p\t0.5\tlog-normal\n",
            0,
            [0.1 * np.sqrt(2), 0.05],
        ),
    ],
)
def test_noise_in_numbers_is_the_error_of_values(observables, estimate, errors, tmp_path):
    texts = {
        "observables.tsv": OBSERVABLES + observables,
        "parameters.tsv": FIXED.format(estimate),
    }
    read = read_data(tables(tmp_path, 1, **texts))
    if errors is None:
        assert read.errors is None
    else:
        np.testing.assert_allclose(read.errors[0, 0, :2], errors)


def test_a_rest_without_doses_may_come_first_and_no_other(tmp_path):
    experiments = (
        "experimentId\ttime\tconditionId\nwith_drug\t-inf\t{}\nwith_drug\t0\tdrug\n"
        "control\t0\tcontrol\n"
    )
    rested = tables(tmp_path, 2, **{"experiments.tsv": experiments.format("control")})
    np.testing.assert_array_equal(read_data(rested).perturbations[:, 2], [0.7, 0.7, 0.0])
    dosed = tables(tmp_path, 2, **{"experiments.tsv": experiments.format("drug")})
    with pytest.raises(InputError, match="a rest without doses before time 0, found MEKi = full"):
        read_data(dosed)


def test_measurements_of_no_experiment_are_of_one_condition_without_doses(tmp_path):
    measured = "observableId\texperimentId\tmeasurement\ttime\npERK\t\t-0.4\t5\npAKT\t\t0.1\t5\n"
    texts = {
        "measurements.tsv": measured,
        "conditions.tsv": "conditionId\ttargetId\ttargetValue\n",
        "experiments.tsv": "experimentId\ttime\tconditionId\n",
    }
    assert read_data(tables(tmp_path, 2, **texts)).row_names == ("no condition",)


def test_everything_wrong_is_said_with_its_place(tmp_path):
    yaml = tables(
        tmp_path,
        1,
        **{
            "measurements.tsv": "observableId\tsimulationConditionId\tmeasurement\ttime\n"
            "pERK\tdrug\tmuch\t5\npERK\tother\t0.1\t5\npERK\tcontrol\t0.2\t5\n"
        },
    )
    with pytest.raises(InputError) as refused:
        read_data(yaml)
    said = str(refused.value)
    assert "measurements.tsv, row 2" in said
    assert "'other'" in said


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: [", "expected YAML"),
        ("name: workflow\n", "expected a PEtab problem"),
        ("format_version: 1\nproblems: []\n", "expected one problem.*, found 0"),
        ("format_version: 1\nproblems: [text]\n", "expected one problem that names tables"),
        ("format_version: 1\nmeasurement_files: 7\n", "7.*no such file|7.*not|7.*found"),
        ("format_version: 1\nproblems:\n- sbml_files: [m.xml]\n", "under measurement_files"),
    ],
)
def test_other_yaml_is_refused_in_a_sentence(text, expected, tmp_path):
    (tmp_path / "some.yaml").write_text(text)
    with pytest.raises(InputError, match=expected):
        read_data(tmp_path / "some.yaml")


def test_experiments_of_several_periods_are_refused(tmp_path):
    yaml = tables(
        tmp_path,
        2,
        **{
            "experiments.tsv": "experimentId\ttime\tconditionId\nwith_drug\t0\tcontrol\n"
            "with_drug\t5\tdrug\ncontrol\t0\tcontrol\n"
        },
    )
    with pytest.raises(InputError, match="expected one period"):
        read_data(yaml)
