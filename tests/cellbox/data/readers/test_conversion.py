"""Conversion: what is written reads as what was read, whatever its form."""

import numpy as np
import pytest

from cellbox.data.readers import convert, read_data
from cellbox.data.units import Units
from cellbox.errors import InputError


def wide_folder(path):
    path.mkdir()
    (path / "measurements.tsv").write_text("treatment\thours\tg1\tg2\na\t2\t0,5\t\nb\t2\t0\t-1,5\n")
    (path / "perturbations.csv").write_text("treatment;g1;g2\na;0;1\nb;0;0\n")
    return path


def matrix_folder(path):
    path.mkdir()
    (path / "pert.csv").write_text("0,-1\n-1,0\n")
    (path / "expr.csv").write_text("0.1,0.2\n0.3,0.4\n")
    (path / "node_Index.csv").write_text("g1\ng2\n")
    return path


@pytest.mark.parametrize("make", [wide_folder, matrix_folder])
def test_any_form_becomes_tidy_tables_with_the_same_data(make, tmp_path):
    source = make(tmp_path / "source")
    data = convert(source, tmp_path / "tidy")
    again = read_data(tmp_path / "tidy")
    assert (again.nodes, again.row_names) == (data.nodes, data.row_names)
    for array in ("times", "perturbations", "measurements"):
        np.testing.assert_array_equal(getattr(again, array), getattr(read_data(source), array))
    assert (tmp_path / "tidy" / "measurements.csv").read_text().startswith("condition,time,node,")


def test_what_is_written_is_in_the_units_of_the_model(tmp_path):
    convert(wide_folder(tmp_path / "source"), tmp_path / "tidy", units=Units(time_unit="30min"))
    np.testing.assert_allclose(read_data(tmp_path / "tidy").times, [2 / 30])


def test_an_earlier_folder_is_replaced_only_when_asked(tmp_path):
    source, tidy = wide_folder(tmp_path / "source"), tmp_path / "tidy"
    convert(source, tidy)
    with pytest.raises(InputError, match="ask to overwrite"):
        convert(source, tidy)
    convert(source, tidy, overwrite=True)
    with pytest.raises(InputError, match="found nothing of that name"):
        convert(tmp_path / "absent", tidy, overwrite=True)
    assert read_data(tidy).nodes == ("g1", "g2")
