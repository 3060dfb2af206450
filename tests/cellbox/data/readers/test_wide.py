"""Wide tables and other names of columns: read as the tidy tables with the same values."""

import logging
from functools import partial

import numpy as np
import pytest

from cellbox.data.readers import read_data
from cellbox.data.units import Units
from cellbox.errors import InputError
from tests.refusals import refusal

refused = partial(refusal, read_data)

MEASUREMENTS = """condition,time,replicate,g1,g2
low,4,1,0.2,NA
low,8,1,0.1,-0.5
low,4,2,0.3,
control,4,1,0,0.1
"""
PERTURBATIONS = """condition,g2,g3
low,0.5,-0.25
control,0,
"""
LONG_MEASUREMENTS = """condition,replicate,time,node,value
low,1,4,g1,0.2
low,1,4,g2,NA
low,1,8,g1,0.1
low,1,8,g2,-0.5
low,2,4,g1,0.3
control,1,4,g1,0
control,1,4,g2,0.1
"""
LONG_PERTURBATIONS = "condition,node,value\nlow,g2,0.5\nlow,g3,-0.25\ncontrol,,\n"


@pytest.fixture
def folder(tmp_path):
    def write(measurements=MEASUREMENTS, perturbations=PERTURBATIONS):
        (tmp_path / "measurements.csv").write_text(measurements, encoding="utf-8")
        (tmp_path / "perturbations.csv").write_text(perturbations, encoding="utf-8")
        return tmp_path

    return write


def assert_same(data, other):
    assert (data.nodes, data.row_names) == (other.nodes, other.row_names)
    for array in ("times", "perturbations", "measurements"):
        np.testing.assert_array_equal(getattr(data, array), getattr(other, array))


def test_wide_tables_are_read_as_the_long_ones_and_said(folder, caplog):
    long = read_data(folder(LONG_MEASUREMENTS, LONG_PERTURBATIONS))
    with caplog.at_level(logging.INFO, logger="cellbox"):
        assert_same(read_data(folder()), long)
    assert "a row for each condition, time, replicate and a column for each of 2" in caplog.text
    assert_same(read_data(folder(LONG_MEASUREMENTS)), long)
    assert_same(read_data(folder(perturbations=LONG_PERTURBATIONS)), long)


def test_semicolons_and_decimal_commas_in_wide_tables(folder):
    expected = read_data(folder())
    german = [text.replace(",", ";").replace(".", ",") for text in (MEASUREMENTS, PERTURBATIONS)]
    assert_same(read_data(folder(*german)), expected)


@pytest.mark.parametrize(
    ("measurements", "perturbations", "said"),
    [
        (
            LONG_MEASUREMENTS.replace(
                "condition,replicate,time,node,", "Treatment,Rep,Hours,Gene,"
            ),
            LONG_PERTURBATIONS.replace("node,value", "target,dose"),
            ["'Treatment' as condition", "'Hours' as time", "'Gene' as node", "'target' as node"],
        ),
        (
            LONG_MEASUREMENTS.replace("time,node,value", "time (min),analyte,log2 FC"),
            LONG_PERTURBATIONS.replace("node,value", "protein,concentration"),
            ["'time (min)' as time", "'analyte' as node", "'log2 FC' as value"],
        ),
        (
            MEASUREMENTS.replace("condition,time", "treatment,hours"),
            PERTURBATIONS.replace("condition", "treatment"),
            ["'treatment' as condition", "'hours' as time"],
        ),
    ],
)
def test_usual_names_of_columns_are_taken_and_said(
    folder, caplog, measurements, perturbations, said
):
    expected = read_data(folder(LONG_MEASUREMENTS, LONG_PERTURBATIONS))
    with caplog.at_level(logging.INFO, logger="cellbox"):
        assert_same(read_data(folder(measurements, perturbations)), expected)
    assert all(words in caplog.text for words in said), caplog.text


def test_a_proper_name_leaves_the_others_alone(folder):
    both = LONG_MEASUREMENTS.replace("value\n", "value,intensity\n").replace("0.2\n", "0.2,9\n")
    both = "\n".join(line + ",7" * (4 - line.count(",") + 1) for line in both.splitlines())
    assert read_data(folder(both, LONG_PERTURBATIONS)).measurements[0, 0, 0] == 0.2


def test_an_index_of_pandas_names_the_conditions_of_a_wide_table(folder):
    expected = read_data(folder())
    tables = [text.replace("condition", "", 1) for text in (MEASUREMENTS, PERTURBATIONS)]
    assert_same(read_data(folder(*tables)), expected)


def test_two_columns_that_could_be_one_are_refused(folder):
    said = refused(folder("condition,time,gene,protein,value\nlow,4,a,b,1\n", LONG_PERTURBATIONS))
    assert "measurements.csv, row 1: expected one column node, found 'gene' and 'protein'" in said


def test_a_wide_table_without_times_is_of_a_steady_state(folder, caplog):
    steady = "condition,g1,g2\nlow,0.2,0.1\ncontrol,0,0.1\n"
    with caplog.at_level(logging.INFO, logger="cellbox"):
        np.testing.assert_array_equal(read_data(folder(steady)).times, [10.0])
    assert "no column time and is read as of time 10" in caplog.text
    np.testing.assert_array_equal(read_data(folder(steady), time=25.0).times, [25.0])
    said = refused(folder(steady), units=Units(time_unit="30min"))
    assert "Give the time of measurement in that unit" in said
    assert "measurements.csv tells it" in refused(folder(), time=25.0)


def test_columns_of_words_are_no_nodes_and_a_column_without_values_is_one(folder, caplog):
    text = "condition,supplier,g1,g2\nlow,Acme,0.2,\ncontrol,Acme,0,NA\n"
    with caplog.at_level(logging.INFO, logger="cellbox"):
        data = read_data(folder(text))
    assert data.nodes == ("g1", "g2", "g3")
    assert np.isnan(data.measurements[:, :, 1]).all()
    assert "ignored the columns supplier" in caplog.text


def test_a_column_of_doses_with_nothing_in_it_is_said(folder, caplog):
    with caplog.at_level(logging.WARNING, logger="cellbox"):
        read_data(folder(perturbations="condition,g2,g3\nlow,0.5,\ncontrol,0,NA\n"))
    assert "nothing stands in the columns g3, which counts as 0 in every row" in caplog.text


def test_wide_perturbations_may_repeat_a_condition_with_the_same_doses(folder):
    again = (
        "condition,time,replicate,g2,g3\nlow,4,1,0.5,-0.25\nlow,8,1,0.5,-0.25\ncontrol,4,1,0,0\n"
    )
    assert_same(read_data(folder(perturbations=again)), read_data(folder()))
    said = refused(folder(perturbations=again.replace("8,1,0.5", "8,1,0.7")))
    assert "row 3: expected each node once in a condition, found 'g2' in condition 'low'" in said
    said = refused(folder(perturbations=again.replace("8,1,0.5", "8,1,")))
    assert "row 3: expected each node once in a condition" in said


@pytest.mark.parametrize(
    ("measurements", "words"),
    [
        (MEASUREMENTS.replace("0.3", "high"), ["row 4, column 'g1'", "found 'high'"]),
        (MEASUREMENTS.replace("0.3", "inf"), ["row 4, column 'g1'", "'inf'"]),
        (MEASUREMENTS.replace("0.3,", "0.3"), ["row 4: expected 5 cells", "found 4"]),
        (MEASUREMENTS.replace("low,4,2", "low,4,1"), ["row 4", "time 4, node 'g1' again", "row 2"]),
        (MEASUREMENTS.replace("low,8", "low,soon"), ["row 3, column 'time'", "'soon'"]),
        (MEASUREMENTS.replace("low,8", ",8"), ["row 3, column 'condition'", "Name the condition"]),
        (MEASUREMENTS.replace("g2", "g1"), ["row 1", "column for each node, found g1"]),
        (MEASUREMENTS.replace("g2", "G1"), ["'G1' and 'g1'", "column 'G1'"]),
        ("condition,time,g1\n", ["rows below the header"]),
    ],
)
def test_what_is_wrong_in_a_wide_table_is_said_with_row_and_column(folder, measurements, words):
    said = refused(folder(measurements))
    assert all(word in said for word in words), said


@pytest.mark.parametrize(
    ("cell", "fix"),
    [
        ("8,123.45", "without marks between thousands"),
        ("0.53 ± 0.05", r"the value alone \(0.53\), and its error in a column sd or sem \(0.05\)"),
        ("0.53 (0.05)", "its error in a column"),
        ("0.53**", r"the number alone \(0.53\), without its mark"),
    ],
)
def test_a_column_of_numbers_written_otherwise_is_no_column_of_words(folder, cell, fix):
    table = f'condition,time,g1,g2\nlow,4,"{cell}",1\ncontrol,4,"{cell}",0\n'
    with pytest.raises(InputError, match=fix):
        read_data(folder(table))


def test_what_a_header_says_in_brackets_is_no_part_of_a_name(folder):
    table = LONG_PERTURBATIONS.replace("node,value", "target,Dose [uM]")
    assert_same(read_data(folder(perturbations=table)), read_data(folder()))


def test_columns_of_errors_may_begin_with_what_they_are(folder):
    table = "condition,g1,g2,sd_g1,std(g2)\nlow,0.2,1,0.1,0.2\ncontrol,0,0,0.1,0.3\n"
    data = read_data(folder(table))
    assert data.nodes == ("g1", "g2", "g3")
    np.testing.assert_array_equal(data.errors[:, 0, :2], [[0.1, 0.2], [0.1, 0.3]])


def test_a_name_that_adds_a_letter_to_another_is_a_node(folder):
    data = read_data(folder("condition,RAS,N-RAS,K-RAS\nlow,1,0.5,0\ncontrol,0,0,0\n"))
    assert data.nodes[:3] == ("RAS", "N-RAS", "K-RAS")


def test_a_transposed_table_without_a_name_is_called_so(folder):
    said = refused(folder(",low,control\ng1,0.2,0\ng2,0.1,0\n"))
    assert "found columns of them: 'control', 'low'. Transpose the table" in said
