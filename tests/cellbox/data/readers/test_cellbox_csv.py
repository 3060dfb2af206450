"""The 2020 CellBox's files: signs, activity nodes, structural zeros, and bad files."""

import logging
from functools import partial

import numpy as np
import pytest

from cellbox.data.readers import cellbox_2020_edges, read_cellbox_csv, read_data
from cellbox.errors import InputError
from tests.refusals import refusal

PERT = "0,0,-0.5\n0,0,0\n0,0,-1.5\n"
EXPR = "0.1,0.2,-0.4\n0.3,,0\nNA,NaN,-0.9\n"
NODES = "Pax6\nSp8\naDrug\n"


@pytest.fixture
def files(tmp_path):
    folder = tmp_path / "trial"
    folder.mkdir()

    def write(pert=PERT, expr=EXPR, nodes=NODES):
        contents = {"pert.csv": pert, "expr.csv": expr, "node_Index.csv": nodes}
        for name, content in contents.items():
            if content is not None:
                raw = content if isinstance(content, bytes) else content.encode()
                (folder / name).write_bytes(raw)
        return folder

    return write


def read(folder, **options):
    paths = [folder / name for name in ("pert.csv", "expr.csv", "node_Index.csv")]
    return read_cellbox_csv(*paths, **options)


refused = partial(refusal, read)


def test_files_become_a_dataset_with_one_time_point_and_missing_values_as_nan(files):
    data = read_data(files())
    assert data.nodes == ("Pax6", "Sp8", "aDrug")
    assert data.row_names == ("row 1", "row 2", "row 3")
    assert data.name == "trial"
    np.testing.assert_array_equal(data.times, [10.0])
    expected = [[[0.1, 0.2, -0.4]], [[0.3, np.nan, 0.0]], [[np.nan, np.nan, -0.9]]]
    np.testing.assert_array_equal(data.measurements, expected)
    assert data.allowed_edges is None
    assert data.truth is None


def test_the_sign_of_perturbations_is_converted_and_logged(files, caplog):
    with caplog.at_level(logging.INFO, logger="cellbox"):
        data = read_data(files())
    expected = np.array([[0, 0, 0.5], [0, 0, 0], [0, 0, 1.5]])
    np.testing.assert_array_equal(data.perturbations, expected)
    assert not np.signbit(data.perturbations).any()
    assert "u = -pert" in caplog.text


def test_the_time_of_measurement_can_be_chosen_and_has_to_be_positive(files):
    np.testing.assert_array_equal(read_data(files(), time=3.0).times, [3.0])
    assert "positive time of measurement, found 0" in refused(files(), time=0)


def test_activity_nodes_are_nonzero_exactly_where_they_are_perturbed(files):
    np.testing.assert_array_equal(read_data(files()).activity_nodes, [False, False, True])


def test_a_node_that_every_row_perturbs_is_no_activity_node(files):
    data = read_data(files(pert="-1,0\n-2,0\n", expr="1,1\n1,1\n", nodes="a\nb\n"))
    assert not data.activity_nodes.any()


def test_skmel133_reads_as_is_with_its_twelve_drug_nodes(skmel133):
    data = read_data(skmel133)
    assert (data.n_rows, data.n_nodes) == (89, 99)
    assert data.measurements.shape == (89, 1, 99)
    assert data.name == "skmel133"
    np.testing.assert_array_equal(np.flatnonzero(data.activity_nodes), np.arange(87, 99))
    assert data.nodes[87] == "aMEK"
    pert = np.loadtxt(skmel133 / "pert.csv", delimiter=",")
    np.testing.assert_array_equal(data.perturbations, -pert)
    assert data.perturbations.max() > 0
    assert data.perturbations.min() == 0


def test_skmel133_has_the_structural_zeros_of_the_2020_model(skmel133):
    data = read_data(skmel133, structural_zeros=True)
    allowed = np.ones((99, 99), dtype=bool)
    np.fill_diagonal(allowed, False)
    allowed[87:, :] = False
    allowed[:, 82:87] = False
    allowed[82:87, 87:] = False
    np.testing.assert_array_equal(data.allowed_edges, allowed)


def test_structural_zeros_of_named_phenotypes():
    allowed = cellbox_2020_edges(
        ("protein", "growth", "drug"), np.array([False, False, True]), ("growth",)
    )
    expected = [[False, False, True], [True, False, False], [False, False, False]]
    np.testing.assert_array_equal(allowed, expected)


def test_an_unknown_phenotype_is_refused_with_the_nearest_node(files):
    message = refused(files(), structural_zeros=True, phenotypes=["Pax7"])
    assert "phenotypes: expected a known node, found 'Pax7'" in message
    assert "Did you mean 'Pax6'" in message


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (
            {"pert": "0,0,-0.5\n0,0,0\n"},
            ["pert.csv with 2 rows and 3 columns", "expr.csv with 3 rows", "with 3 names"],
        ),
        ({"nodes": "Pax6\nSp8\n"}, ["node_Index.csv with 2 names", "name each column"]),
        (
            {"pert": "0,0,NaN\n0,0,0\n0,,-1\n"},
            ["pert.csv, row 1, column 3 (aDrug)", "'NaN'", "row 3, column 2 (Sp8)", "an empty"],
        ),
        ({"nodes": "Pax6\nSp8\nPax6\n"}, ["node_Index.csv, row 3", "'Pax6' again", "row 1"]),
        ({"nodes": "Pax6,Sp8,aDrug\n"}, ["node_Index.csv, row 1", "one node name", "found 3"]),
        ({"expr": "1,2,x\n1,2,0\n1,2,3\n"}, ["expr.csv, row 1, column 3 (aDrug)", "'x'", "empty"]),
        ({"expr": "1,inf,1\n1,2,0\n1,2,3\n"}, ["row 1, column 2 (Sp8)", "finite", "'inf'"]),
        ({"expr": '1,"0,5",1\n1,2,0\n1,2,3\n'}, ["row 1, column 2", "'0,5'", "decimal point"]),
        ({"expr": "1,2,3\n1,2\n1,2,3\n"}, ["expr.csv, row 2", "expected 3 cells", "found 2"]),
        ({"expr": ",,\n,,\n,,\n"}, ["expr.csv", "found none in the whole file"]),
        ({"expr": "Sp8,Pax6,aDrug\n" + EXPR}, ["expr.csv, row 1", "header", "Remove", "order"]),
        ({"expr": "1 2 3\n"}, ["expr.csv, row 1", "spaces", "commas"]),
        ({"expr": "0,1;1.5;0,3\n"}, ["expr.csv, row 1, column 1", "'0,1'", "decimal point"]),
        ({"expr": "1,1e39,1\n1,2,0\n1,2,3\n"}, ["row 1, column 2 (Sp8)", "beyond what can be"]),
        ({"pert": ""}, ["pert.csv", "an empty file", "Fill"]),
        ({"nodes": ""}, ["node_Index.csv", "an empty file"]),
        ({"nodes": None}, ["node_Index.csv", "found none of that name", "Check the path"]),
        ({"expr": b"\x89PNG\0\0"}, ["expr.csv", "binary", "UTF-8"]),
    ],
)
def test_bad_files_are_refused_with_file_place_and_fix(files, changed, words):
    message = refused(files(**changed))
    assert all(word in message for word in words), message


HEADER = "Pax6,Sp8,aDrug\n"


def indexed(table: str, header: str = "") -> str:
    """A table as pandas writes it with its index."""
    rows = [f"{number},{row}" for number, row in enumerate(table.splitlines())]
    return "\n".join([f",{header}"] * bool(header) + rows) + "\n"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"expr": HEADER + EXPR}, ["expr.csv: left out the header in row 1"]),
        ({"pert": indexed(PERT, "Pax6,Sp8,aDrug")}, ["header in row 1", "that numbers"]),
        ({"pert": indexed(PERT, "0,1,2"), "expr": indexed(EXPR)}, ["expr.csv: left out a first"]),
        ({"pert": "0,1,2\n" + PERT}, ["pert.csv: left out the header 0, 1, ..., 2"]),
        ({"pert": "0,1,2\n" + PERT, "expr": "0,1,2\n" + EXPR}, ["expr.csv: left out the header"]),
        ({"expr": EXPR.replace("\n", ",\n")}, ["expr.csv: left out an empty last column"]),
        ({"nodes": "node\n" + NODES}, ["node_Index.csv: left out the header 'node'"]),
        ({"nodes": "x\n" + NODES}, ["node_Index.csv: left out the header 'x'"]),
        ({"nodes": indexed(NODES, "0")}, ["node_Index.csv: left out a first column"]),
        ({"nodes": NODES.replace("\n", ",\n")}, ["node_Index.csv: left out an empty last"]),
        ({"expr": EXPR.replace(",", ";")}, ["expr.csv: read with semicolons"]),
        (
            {"expr": EXPR.replace(",", "\t").replace(".", ",")},
            ["expr.csv: read with tabs between columns and decimal commas"],
        ),
        ({"nodes": "\ufeffPax6\nSp\u200b8\naDrug\n"}, ["as 'Sp8' (ZERO WIDTH SPACE removed)"]),
    ],
)
def test_what_pandas_and_spreadsheets_add_is_left_out_and_said(files, caplog, changed, said):
    with caplog.at_level(logging.INFO, logger="cellbox"):
        data = read_data(files(**changed))
    assert data.nodes == ("Pax6", "Sp8", "aDrug")
    np.testing.assert_array_equal(data.perturbations[:, 2], [0.5, 0, 1.5])
    np.testing.assert_array_equal(data.measurements[:, 0, 0], [0.1, 0.3, np.nan])
    assert all(words in caplog.text for words in said), caplog.text


def test_a_first_condition_that_counts_is_data_where_the_other_table_has_as_many_rows(files):
    data = read_data(files(expr="0,1,2\n0.3,,0\nNA,NaN,-0.9\n"))
    assert data.n_rows == 3
    np.testing.assert_array_equal(data.measurements[0, 0], [0, 1, 2])


def test_activity_nodes_are_seen_in_spite_of_rounding(files):
    rounded = "0.1,0.2,-0.4\n0.3,,1e-9\nNA,NaN,-0.9\n"
    np.testing.assert_array_equal(read_data(files(expr=rounded)).activity_nodes, [0, 0, 1])


def test_problems_of_all_three_files_come_at_once(files):
    message = refused(files(pert="0,0,y\n", expr="1 2 3\n", nodes="a\na\nb\n"))
    assert all(f"{name}, row" in message for name in ("pert.csv", "expr.csv", "node_Index.csv"))
    assert len(message.splitlines()) == 3


def test_a_bad_column_is_cut_with_a_count(files):
    rows = "x,1,1\n" * 100
    message = refused(files(pert="0,0,0\n" * 100, expr=rows))
    assert len(message.splitlines()) == 6
    assert "expr.csv, row 100, column 1 (Pax6): ... and 95 more of this kind" in message


def test_a_folder_of_neither_form_is_refused_with_what_it_holds(tmp_path):
    (tmp_path / "expr.csv").write_text(EXPR)
    with pytest.raises(InputError) as caught:
        read_data(tmp_path)
    message = str(caught.value)
    assert "pert.csv, expr.csv and node_Index.csv" in message
    assert "measurements.csv and perturbations.csv" in message
    assert "found expr.csv." in message


def test_a_folder_that_is_absent_or_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    for name, found in (("absent", "nothing of that name"), ("file", "found a file")):
        with pytest.raises(InputError, match=found):
            read_data(tmp_path / name)


def test_a_folder_of_both_forms_is_refused(files):
    folder = files()
    for name in ("measurements.csv", "perturbations.csv"):
        (folder / name).write_text("")
    with pytest.raises(InputError, match="Keep one of the two forms"):
        read_data(folder)
