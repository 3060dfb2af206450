"""Tables that people take for data, and mistakes that a whole table has: what is said of them."""

import pytest

from cellbox.data.readers import read_data
from cellbox.errors import InputError

DOSES = "condition,node,value\nlow,g1,0.5\nhigh,g2,1\n"
ROWS = "".join(
    f"{condition},{time},{node},{0.1 * time - 0.7}\n"
    for condition in ("low", "high")
    for time in (1, 2, 8)
    for node in ("g1", "g2", "g3")
)
MEASURED = "condition,time,node,value\n" + ROWS


def said(folder, measured=MEASURED, doses=DOSES):
    (folder / "measurements.csv").write_text(measured)
    (folder / "perturbations.csv").write_text(doses)
    with pytest.raises(InputError) as refused:
        read_data(folder)
    return refused.value.problems


@pytest.mark.parametrize(
    "cell", ["ND", "n.d.", "not detected", "below LOD", "<LOQ", "< 0.01", ">=5", "OOR <", "UD"]
)
def test_a_cell_beyond_a_limit_is_said_to_be_so_three_times_and_counted(tmp_path, cell):
    rows = "".join(f"low,{time},g1,{cell}\n" for time in range(10, 19))
    problems = said(tmp_path, MEASURED + rows)
    assert len(problems) == 4
    assert "which says that it could not be measured" in problems[0].found
    assert "--detection-limit" in problems[0].fix
    assert "and 6 more" in problems[-1].found


def test_the_limit_that_a_cell_names_is_the_one_to_write(tmp_path):
    [problem] = said(tmp_path, MEASURED + "low,9,g1,<0.01\n")
    assert "Write the limit itself (0.01) where values are intensities" in problem.fix


def test_a_wide_column_of_values_below_a_limit_is_no_column_of_words(tmp_path):
    [problem] = said(tmp_path, "condition,time,g1,g2\nlow,4,<0.01,1\nhigh,4,,0\n")
    assert "column 'g1': expected a number, found '<0.01'" in str(problem)


@pytest.mark.parametrize("turned", ["measurements", "perturbations"])
def test_exchanged_columns_of_conditions_and_nodes_are_told_once(tmp_path, turned):
    measured, doses = MEASURED, DOSES
    if turned == "measurements":
        measured = measured.replace("condition,time,node", "node,time,condition", 1)
    else:
        doses = doses.replace("condition,node", "node,condition", 1)
    [problem] = said(tmp_path, measured, doses)
    assert "columns condition and node are exchanged in measurements.csv or in" in problem.fix


def test_exchanged_columns_of_times_and_values_are_told(tmp_path):
    rows = "".join(
        f"low,{time},g{node},{time / 7 - node}\n" for time in (1, 2) for node in range(9)
    )
    problems = said(tmp_path, "condition,value,node,time\n" + rows)
    assert "columns time and value, which look exchanged" in problems[0].fix


def test_times_before_the_perturbation_are_not_said_to_be_exchanged(tmp_path):
    [problem] = said(tmp_path, MEASURED + "low,-1,g1,0\n")
    assert "exchange" not in problem.fix


def test_names_that_merged_cells_have_once_are_to_stand_in_each_row(tmp_path):
    doses = "condition,node,value\nlow,g1,0.5\n,g2,0.5\nhigh,g2,1\n,g3,0.2\n"
    for problem in said(tmp_path, doses=doses):
        assert problem.fix.startswith("Name the condition in each row: merged cells")


def test_a_single_row_without_a_name_is_no_merged_cell(tmp_path):
    [problem] = said(tmp_path, MEASURED + ",9,g1,0.1\n")
    assert problem.fix == "Name the condition"


@pytest.mark.parametrize(
    ("header", "words"),
    [
        (
            "cell_line\tagent\tConc (uM)\thours\tcount",
            r"condition \(here agent\), time \(here hours",
        ),
        ("cell_line\tagent\tConc (uM)\thours\tcount", r"how strongly \(here Conc \(uM\)\)"),
        ("COSMIC_ID\tDrug_1_IC50\tDrug_2_IC50", "results of curves, from which no network"),
        ("observableId\tsimulationConditionId\tmeasurement\ttime", "Name the .yaml of the PEtab"),
        ("well\tAKT\tERK", r"Make two tables of it: measurements.csv with the columns condition,"),
    ],
)
def test_a_table_alone_is_told_by_its_columns_and_what_becomes_of_them(tmp_path, header, words):
    path = tmp_path / "table.tsv"
    path.write_text("\n".join([header, *["\t".join(["1"] * (header.count("\t") + 1))] * 3]))
    with pytest.raises(InputError, match=words) as refused:
        read_data(path)
    assert "found one table with the columns" in str(refused.value)


def test_a_file_that_is_no_table_is_still_refused(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("Measured on Monday\n")
    with pytest.raises(InputError, match=r"found a file: known are .*Name the folder that holds"):
        read_data(path)
