"""Names that spreadsheets make of genes."""

import pytest

from cellbox.data.readers.excel_names import excel_warnings, likely_genes


@pytest.mark.parametrize(
    ("name", "gene"),
    [
        ("2-Sep", "SEPT2"),
        ("Sep-02", "SEPT2"),
        ("1-Mar", "MARCH1"),
        ("01.mar", "MARCH1"),
        ("1-Dec-2021", "DEC1"),
        ("2020-09-07", "SEPT7"),
        ("2020-03-01 00:00:00", "MARCH1"),
        ("43892", "MARCH2"),
        ("4-Oct", "OCT4"),
        ("2.31E+19", "231????E13"),
        ("2-Sep-2026", "SEPT2"),
        ("02.09.2026", "SEPT2"),
        ("9/2/2026", "SEPT2"),
        ("1/3/26", "MARCH1"),
    ],
)
def test_the_likely_gene_is_named(name, gene):
    assert gene in likely_genes(name)


@pytest.mark.parametrize(
    "name", ["TP53", "g1", "SEPT2", "MARCHF1", "12345", "1433E", "4-1BB", "E2F1", "3-May-x", "p38"]
)
def test_names_of_genes_are_left_in_peace(name):
    assert likely_genes(name) == ()


def test_nodes_that_are_all_numbered_are_no_dates():
    assert excel_warnings(["43891", "43892", "43893"]) == ()
    assert excel_warnings(["43891", "TP53"])
