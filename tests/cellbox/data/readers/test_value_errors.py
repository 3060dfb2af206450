import logging

import numpy as np
import pytest

from cellbox.data.readers.tidy import read_tidy
from cellbox.data.readers.tidy_writer import write_tidy
from cellbox.data.units import Units
from cellbox.errors import InputError

PERTURBED = "condition,node,value\na,g1,1\nb,,\n"


@pytest.fixture
def read(tmp_path):
    def of(measurements, **units):
        (tmp_path / "measurements.csv").write_text(measurements)
        (tmp_path / "perturbations.csv").write_text(PERTURBED)
        return read_tidy(tmp_path, units=Units(**units))

    return of


def test_standard_deviations_become_the_errors_of_values_and_are_said(read, caplog):
    with caplog.at_level(logging.INFO, logger="cellbox"):
        data = read("condition,time,node,value,sd\na,4,g1,1,0.1\nb,4,g1,,\na,4,g2,2,0.4\n")
    np.testing.assert_array_equal(data.errors, [[[0.1, 0.4]], [[np.nan, np.nan]]])
    assert data.typical_error == pytest.approx(0.2)
    assert "values count by their errors, sd (0.1 to 0.4)" in caplog.text


def test_a_number_of_values_makes_a_standard_deviation_the_error_of_their_mean(read):
    data = read("condition,time,node,value,StDev,n\na,4,g1,1,0.4,16\nb,4,g1,0,0.4,4\n")
    np.testing.assert_allclose(data.errors.ravel(), [0.1, 0.2])


def test_a_standard_error_is_taken_rather_than_a_standard_deviation(read):
    data = read("condition,time,node,value,sd,sem\na,4,g1,1,0.4,0.3\nb,4,g1,0,0.4,0.2\n")
    np.testing.assert_allclose(data.errors.ravel(), [0.3, 0.2])


def test_an_empty_column_tells_no_errors(read, caplog):
    with caplog.at_level(logging.INFO, logger="cellbox"):
        data = read("condition,time,node,value,sd\na,4,g1,1,\nb,4,g1,0,\n")
    assert data.errors is None
    assert "ignored the column sd, which is empty" in caplog.text


@pytest.mark.parametrize(
    ("cell", "found"), [("0", "found 0"), ("-1", "found -1"), ("", "found an empty cell")]
)
def test_a_value_without_an_error_above_zero_is_refused_with_its_place(read, cell, found):
    with pytest.raises(InputError) as refused:
        read(f"condition,time,node,value,sd\na,4,g1,1,0.1\na,4,g2,1,{cell}\nb,4,g1,0,0.1\n")
    [problem] = refused.value.problems
    assert problem.where.endswith("measurements.csv, row 3, column 'sd' (node 'g2')")
    assert problem.found == f"expected an error above 0, {found}"


def test_errors_that_are_wrong_in_every_row_are_said_once_and_counted(read):
    rows = "".join(f"a,{time},g{node},1,0.0\n" for time in (1, 2) for node in range(9))
    with pytest.raises(InputError) as refused:
        read("condition,time,node,value,sd\n" + rows + "b,4,g0,0,0\n")
    [problem] = refused.value.problems
    assert "and none in 19 rows in all (2, 3, 4, 5, 6, 7, ...)" in problem.found


def test_errors_of_nodes_with_underscores_are_no_nodes(read):
    data = read("condition,time,AKT_pS473,AKT_pS473_sd\na,4,1,0.1\nb,4,0,0.3\n")
    assert data.nodes == ("AKT_pS473", "g1")
    np.testing.assert_array_equal(data.errors[:, 0, 0], [0.1, 0.3])


def test_wide_tables_tell_errors_in_columns_beside_those_of_nodes(read, caplog):
    with caplog.at_level(logging.INFO, logger="cellbox"):
        data = read("condition,time,g1,g1_sd,g2,g2 (SD),sd\na,4,1,0.1,2,0.2,7\nb,4,0,0.3,,,7\n")
    assert data.nodes == ("g1", "g2")
    np.testing.assert_array_equal(data.errors, [[[0.1, 0.2]], [[0.3, np.nan]]])
    assert "ignored the columns sd" in caplog.text


def test_errors_of_a_ratio_are_those_of_its_logarithm(read):
    data = read("condition,time,node,value,sd\na,4,g1,2,0.2\nb,4,g1,1,0.1\n", transform="log2")
    np.testing.assert_allclose(data.measurements.ravel(), [1.0, 0.0])
    np.testing.assert_allclose(data.errors.ravel(), 0.1 / np.log(2))


def test_errors_come_back_from_a_written_folder(read, tmp_path):
    data = read("condition,time,node,value,sd\na,4,g1,1,0.1\nb,4,g1,0.5,0.3\n")
    write_tidy(data, tmp_path / "again")
    np.testing.assert_array_equal(read_tidy(tmp_path / "again").errors, data.errors)
