"""PEtab values on several scales: series do not mix them, and comparing them is warned of."""

import numpy as np
import pytest

from cellbox.data.plausibility import data_warnings
from cellbox.data.readers import read_data
from cellbox.data.units import Units
from cellbox.errors import InputError
from tests.cellbox.data.readers.test_petab import tables

# One blot was exposed ten times as long, and lacks the first time after the start.
ROWS = [
    *(("control", "pERK", 0, 2, "s1"), ("control", "pERK", 1, 2, "s1")),
    *(("control", "pERK", 5, 2, "s1"), ("control", "pAKT", 0, 8, "s3")),
    *(("control", "pAKT", 5, 8, "s3"),),
    *(("drug", "pERK", 0, 20, "s2"), ("drug", "pERK", 5, 40, "s2")),
    *(("drug", "pERK", 0, 2, "s1"), ("drug", "pERK", 1, 4, "s1"), ("drug", "pERK", 5, 8, "s1")),
    *(("drug", "pAKT", 0, 8, "s3"), ("drug", "pAKT", 5, 4, "s3")),
]
HEADER = "observableId\tsimulationConditionId\ttime\tmeasurement\tobservableParameters\n"


def problem(folder, rows=ROWS):
    text = "".join(f"{o}\t{c}\t{time}\t{value}\t{scale}\n" for c, o, time, value, scale in rows)
    tables(folder, 1, **{"measurements.tsv": HEADER + text})
    return folder / "problem.yaml"


def kinds(data):
    return [warning.kind for warning in data_warnings(data)]


def test_a_series_is_of_one_scale_and_starts_from_its_own_value(tmp_path):
    data = read_data(problem(tmp_path), units=Units("log2-ratio", ("time 0",)))
    rows = dict(zip(data.row_names, data.measurements[:, :, 0].tolist(), strict=True))
    assert set(rows) == {"control", "drug, replicate 1", "drug, replicate 2"}
    np.testing.assert_array_equal(rows["drug, replicate 1"], [1, 2])
    np.testing.assert_array_equal(rows["drug, replicate 2"], [np.nan, 1])
    assert "several_scales" not in kinds(data)


def test_a_control_on_another_scale_is_warned_of(tmp_path):
    data = read_data(problem(tmp_path), units=Units("log2-ratio", ("control",)))
    [said] = [warning for warning in data_warnings(data) if warning.kind == "several_scales"]
    assert said.found.startswith("Values of pERK are on several scales each")
    assert "s1, s2" in said.found
    assert "--control 'time 0'" in said.fix


def test_values_on_one_scale_are_replicates_as_before(tmp_path):
    rows = [(*row[:4], "s1" if row[1] == "pERK" else "s3") for row in ROWS]
    data = read_data(problem(tmp_path, rows), units=Units("log2-ratio", ("control",)))
    assert "several_scales" not in kinds(data)
    assert "drug, replicate 2" in data.row_names


def test_problems_name_the_columns_of_the_measurement_table(tmp_path):
    with pytest.raises(InputError, match=r"row 2, column 'measurement' \(node 'pERK'\)"):
        read_data(problem(tmp_path))
