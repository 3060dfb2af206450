"""Cell lines, or batches, in files: a column, lines.csv, and what cannot be."""

import logging
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from cellbox.data.dataset import split_rows, with_reference_line
from cellbox.data.line_warnings import line_sentence
from cellbox.data.plausibility import data_warnings
from cellbox.data.readers import read_data, write_tidy
from cellbox.data.simulation import simulate
from cellbox.data.units import Units
from cellbox.errors import InputError
from cellbox.networks.line_networks import of_line, shown_differences
from cellbox.networks.random_lines import with_lines
from tests.cellbox.formed import NETWORK
from tests.refusals import refusal

refused = partial(refusal, read_data)

MEASURED = (
    "condition,cell_line,time,node,value\n"
    "AKTi,A549,5,g1,0.1\nAKTi,A549,5,g2,-0.2\nAKTi,MCF7,5,g1,0.3\nAKTi,MCF7,5,g2,0.1\n"
    "MEKi,A549,5,g1,0.2\nMEKi,A549,5,g2,0.0\n"
)
PERTURBED = "condition,node,value\nAKTi,g1,0.5\nMEKi,g2,0.5\n"


@pytest.fixture
def folder(tmp_path):
    def write(measured=MEASURED, perturbed=PERTURBED, **others):
        files = {"measurements": measured, "perturbations": perturbed, **others}
        for name, text in files.items():
            (tmp_path / f"{name}.csv").write_text(text)
        return tmp_path

    return write


def test_a_column_tells_lines_and_one_condition_may_be_of_several(folder, caplog):
    with caplog.at_level(logging.INFO, logger="cellbox"):
        data = read_data(folder())
    assert data.lines == ("A549", "MCF7", "A549")
    assert data.row_names == ("AKTi, A549", "AKTi, MCF7", "MEKi")
    # The same doses in two lines are two conditions, and one combination.
    assert data.condition_of_row.tolist() == [0, 1, 2]
    assert data.combination_of_row.tolist() == [0, 0, 1]
    assert "'cell_line' as line" in caplog.text
    assert data.measurements[1].tolist() == [[0.3, 0.1]]


def test_wide_tables_have_a_column_of_lines_too(folder):
    wide = "condition,batch,g1,g2\nAKTi,1,0.1,-0.2\nAKTi,2,0.3,0.1\n"
    data = read_data(folder(measured=wide, perturbed="condition,batch,g1\nAKTi,1,0.5\n"))
    assert data.nodes == ("g1", "g2")
    assert data.lines == ("1", "2")


def test_lines_csv_tells_them_of_tidy_tables_and_of_cellbox_files(folder, tmp_path):
    measured = "condition,time,node,value\nAKTi,5,g1,0.1\nMEKi,5,g1,0.2\n"
    lines = "condition,line\nMEKi,MCF7\nAKTi,A549\n"
    assert read_data(folder(measured=measured, lines=lines)).lines == ("A549", "MCF7")
    old = tmp_path / "old"
    old.mkdir()
    contents = {
        "pert.csv": "0,-1\n-1,0\n",
        "expr.csv": "0.1,0.2\n0.3,0.4\n",
        "node_Index.csv": "g1\ng2\n",
        "lines.csv": "condition,line\n1,A549\nrow 2,MCF7\n",
    }
    for name, text in contents.items():
        (old / name).write_text(text)
    assert read_data(old).lines == ("A549", "MCF7")


def test_what_is_wrong_with_lines_is_said_all_at_once(folder):
    measured = "condition,time,node,value\nAKTi,5,g1,0.1\nMEKi,5,g1,0.2\n"
    said = refused(folder(measured=measured, lines="condition,line\nAKTI,A549\nMEKi,\n"))
    assert "unknown" not in said
    assert "expected a known condition, found 'AKTI'. Did you mean 'AKTi'" in said
    assert "expected the name of a cell line, found an empty cell" in said
    assert "expected a line for each condition, found none for 1: AKTi" in said


def test_lines_are_told_once_and_of_all_values(folder):
    assert "expected the lines once" in refused(folder(lines="condition,line\nAKTi,A\nMEKi,B\n"))
    said = refused(folder(measured=MEASURED.replace("MEKi,A549,5,g1", "MEKi,,5,g1"), lines=""))
    assert "expected the name of a line, found an empty cell" in said


def test_data_with_lines_and_their_truth_survive_a_round_trip(tmp_path):
    network = with_lines(NETWORK, 2, 4, seed=1)
    data = simulate(network, n_conditions=4, n_times=2, n_held_out=1, seed=0)
    write_tidy(data, tmp_path / "written")
    again = read_data(tmp_path / "written")
    assert again.lines == data.lines
    assert (again.measurements == data.measurements).all()
    assert [one[:4] for one in shown_differences(again.truth)] == [
        one[:4] for one in shown_differences(network)
    ]
    for line in (0, 1):
        mine, theirs = of_line(again.truth, line), of_line(network, line)
        np.testing.assert_allclose(mine.weights, theirs.weights, atol=1e-12)
        np.testing.assert_allclose(mine.amplitudes, theirs.amplitudes, atol=1e-12)
    assert again.split.training.tolist() == data.split.training.tolist()


def test_true_differences_belong_to_lines_however_these_are_told(tmp_path):
    network = with_lines(NETWORK, 2, 4, seed=1)
    data = simulate(network, n_conditions=4, n_times=2, n_held_out=1, seed=0)
    write_tidy(data, tmp_path / "data")
    folder = tmp_path / "data"
    lines, table = folder / "lines.csv", folder / "measurements.csv"
    said_lines = lines.read_text()
    lines.write_text(said_lines.replace("line1", "", 1))
    assert "line_differences" not in refused(folder)
    lines.unlink()
    (folder / "noise_free.csv").unlink()
    assert "expected data that tell the line of each condition, found none" in refused(folder)
    line_of = dict(row.split(",") for row in said_lines.splitlines())
    header, *rows = table.read_text().splitlines()
    of_rows = [f"{row},{line_of[row.split(',')[0]]}" for row in rows]
    table.write_text("\n".join([f"{header},line", *of_rows]) + "\n")
    read = read_data(folder)
    assert read.lines == data.lines
    assert len(shown_differences(read.truth)) == len(shown_differences(network))


def test_parts_of_data_keep_lines_and_the_reference():
    network = with_lines(NETWORK, 3, 1)
    data = simulate(network, n_conditions=4, n_times=2, n_held_out=1)
    part = data.rows(np.array([16, 6]))
    assert part.lines == ("line3", "line2")
    # Rows of the reference are not among them.
    assert part.line_names == ("line1", "line3", "line2")
    other = with_reference_line(data, "line2")
    assert other.line_names == ("line2", "line1", "line3")
    assert other.line_of_row[0] == 1
    with pytest.raises(InputError, match="Did you mean line2"):
        with_reference_line(data, "Line 2")
    plain = replace(data, lines=None, truth=None)
    with pytest.raises(InputError, match="tell the cell line of each condition"):
        with_reference_line(plain, "line2")
    with pytest.raises(InputError, match="expected a name for each of 18 rows, found 2 values"):
        replace(data, lines=("a", "b"))
    assert len(split_rows(data).training) > 0


def test_lines_that_tell_nothing_are_doubted():
    network = with_lines(NETWORK, 2, 1)
    data = simulate(network, n_conditions=4, n_times=2, n_held_out=1)
    assert not data_warnings(data)
    assert "2 cell lines or batches (line1, line2)" in line_sentence(data)
    assert line_sentence(replace(data, lines=("line1",) * data.n_rows)) == ""

    def kinds(lines, perturbations=data.perturbations):
        doubtful = replace(data, lines=tuple(lines), perturbations=perturbations)
        return {warning.kind for warning in data_warnings(doubtful)}

    assert "line_with_one_condition" in kinds(["a"] + ["b"] * 11)
    assert "as_many_lines_as_conditions" in kinds([f"sample{row}" for row in range(12)])
    still = data.perturbations * (np.arange(12) < 6)[:, None]
    assert "line_without_perturbations" in kinds(["a"] * 6 + ["b"] * 6, still)


def test_each_line_is_compared_with_its_own_control(folder):
    measured = (
        "condition,line,time,node,value\n"
        "AKTi,A,5,g1,8\nDMSO,A,5,g1,2\nAKTi,B,5,g1,8\nDMSO,B,5,g1,4\n"
    )
    perturbed = "condition,node,value\nAKTi,g1,0.5\nDMSO,,\n"
    path, units = folder(measured=measured, perturbed=perturbed), Units("log2-ratio", ("DMSO",))
    assert read_data(path, units=units).measurements.ravel().tolist() == [2, 0, 1, 0]
    without = measured.replace("DMSO,B,5,g1,4\n", "")
    with pytest.raises(InputError, match="a control in each cell line, found none of B among DMSO"):
        read_data(folder(measured=without, perturbed=perturbed), units=units)
