"""Parquet and workbooks: read as the text tables with the same cells, and refused as clearly."""

import sys
from functools import partial

import numpy as np
import pytest

from cellbox.data.readers import read_data
from tests.refusals import refusal

refused = partial(refusal, read_data)

MEASURED = [
    ("condition", "time", "node", "value"),
    ("low", 4.0, "g1", 0.1),
    ("low", 4.0, "g2", None),
    ("low", 8.0, "g2", -0.25),
    ("7", 4.0, "g1", 0.0),
]
PERTURBED = [("condition", "node", "value"), ("low", "g2", 0.5), ("7", None, None)]
WIDE = [("treatment", "g1", "g2"), ("low", 0.1, None), ("7", 0.0, -0.25)]


def as_text(rows):
    cells = (",".join("" if cell is None else str(cell) for cell in row) for row in rows)
    return "\n".join(cells) + "\n"


def text_folder(path, measured=MEASURED):
    path.mkdir()
    (path / "measurements.csv").write_text(as_text(measured))
    (path / "perturbations.csv").write_text(as_text(PERTURBED))
    return path


def write_parquet(path, rows):
    arrow = pytest.importorskip("pyarrow", reason="needs pyarrow (extra formats)")
    from pyarrow import parquet

    header, *cells = rows
    columns = dict(zip(header, map(list, zip(*cells, strict=True)), strict=True))
    parquet.write_table(arrow.table(columns), path)


def write_workbook(path, **sheets):
    openpyxl = pytest.importorskip("openpyxl", reason="needs openpyxl (extra formats)")
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    book.save(path)
    return path


def assert_same(data, other):
    assert (data.nodes, data.row_names) == (other.nodes, other.row_names)
    for array in ("times", "perturbations", "measurements"):
        np.testing.assert_array_equal(getattr(data, array), getattr(other, array))


@pytest.mark.parametrize("measured", [MEASURED, WIDE], ids=["long", "wide"])
def test_parquet_reads_as_the_text_with_the_same_values(tmp_path, measured):
    expected = read_data(text_folder(tmp_path / "text", measured))
    folder = tmp_path / "parquet"
    folder.mkdir()
    write_parquet(folder / "measurements.parquet", measured)
    write_parquet(folder / "perturbations.parquet", PERTURBED)
    assert_same(read_data(folder), expected)


@pytest.mark.parametrize("measured", [MEASURED, WIDE], ids=["long", "wide"])
def test_workbooks_read_as_the_text_with_the_same_values(tmp_path, measured):
    expected = read_data(text_folder(tmp_path / "text", measured))
    sheets = {"Measurements": measured, "perturbations": PERTURBED, "notes": [("by", "A.")]}
    data = read_data(write_workbook(tmp_path / "trial.xlsx", **sheets))
    assert_same(data, expected)
    assert data.name == "trial"
    folder = tmp_path / "two"
    folder.mkdir()
    write_workbook(folder / "measurements.xlsx", Sheet1=measured)
    write_workbook(folder / "perturbations.xlsx", Sheet1=PERTURBED)
    assert_same(read_data(folder), expected)


def test_whole_numbers_and_dates_of_a_spreadsheet_are_the_names_it_shows(tmp_path):
    from datetime import datetime

    measured = [MEASURED[0], (7.0, 4, datetime(2025, 9, 2), 0.5), (7.0, 4, "g2", 0.1)]
    path = tmp_path / "trial.xlsx"
    write_workbook(path, measurements=measured, perturbations=[PERTURBED[0], (7, "g2", 1)])
    data = read_data(path)
    assert data.row_names == ("7",)
    assert data.nodes == ("2-Sep", "g2")
    assert [warning.kind for warning in data.reading_warnings] == ["spreadsheet_names"]


def test_mistakes_are_said_with_sheet_and_row(tmp_path):
    measured = [*MEASURED[:2], ("low", 4.0, "g2", "high")]
    path = write_workbook(tmp_path / "trial.xlsx", measurements=measured, perturbations=PERTURBED)
    said = refused(path)
    assert "trial.xlsx/measurements, row 3, column 'value' (node 'g2')" in said
    assert "'high'" in said
    path = write_workbook(tmp_path / "one.xlsx", measurements=MEASURED)
    assert "expected a sheet 'perturbations', found the sheets 'measurements'" in refused(path)
    path.write_bytes(b"PK\x03\x04rest")
    assert refused(path).count("expected a workbook") == 1


def test_a_broken_parquet_file_and_two_tables_of_one_name_are_refused(tmp_path):
    folder = text_folder(tmp_path / "text")
    pytest.importorskip("pyarrow", reason="needs pyarrow (extra formats)")
    (folder / "measurements.parquet").write_bytes(b"PAR1rest")
    assert "found measurements.csv and measurements.parquet" in refused(folder)
    (folder / "measurements.csv").unlink()
    assert "measurements.parquet: expected a Parquet file" in refused(folder)


@pytest.mark.parametrize(("package", "suffix"), [("pyarrow", "parquet"), ("openpyxl", "xlsx")])
def test_a_missing_library_is_one_sentence_with_what_to_install(
    tmp_path, monkeypatch, package, suffix
):
    folder = text_folder(tmp_path / "text")
    (folder / "measurements.csv").unlink()
    start = {"parquet": b"PAR1", "xlsx": b"PK\x03\x04"}[suffix]
    (folder / f"measurements.{suffix}").write_bytes(start)
    monkeypatch.setitem(sys.modules, package, None)
    said = refused(folder)
    assert f"expected the package {package}" in said
    assert said.splitlines()[0].endswith('Install it with: pip install "cellbox[formats]".')


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("data.rds", ["an R object", "write.csv"]),
        ("data.pkl", ["a pickle", "to_csv"]),
        ("plate.xls", ["an old workbook", "Save it as .xlsx"]),
        ("text/measurements.csv", ["Name its folder", "text, which has the tidy form"]),
    ],
)
def test_what_cannot_be_read_is_told_the_nearest_form(tmp_path, name, words):
    text_folder(tmp_path / "text")
    path = tmp_path / name
    path.touch()
    said = refused(path)
    assert all(word in said for word in words), said


def test_a_folder_around_a_workbook_names_it(tmp_path):
    write_workbook(tmp_path / "trial.xlsx", measurements=MEASURED, perturbations=PERTURBED)
    assert f"Name {tmp_path / 'trial.xlsx'} instead" in refused(tmp_path)
