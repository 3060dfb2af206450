import numpy as np
import pytest

from cellbox.errors import InputError
from cellbox.knockouts.dream4_folder import network_folders, read_dream4
from tests.cellbox.knockouts.small import EDGES, N_GENES, true_weights, write_dream4


@pytest.fixture
def folder(tmp_path):
    return write_dream4(tmp_path / "all" / "small_1")


def problems_of(folder):
    with pytest.raises(InputError) as refused:
        read_dream4(folder)
    return [str(problem).replace(f"{folder}/", "") for problem in refused.value.problems]


def edit(folder, name, *changes):
    text = (folder / name).read_text()
    for before, after in changes:
        assert before in text
        text = text.replace(before, after, 1)
    (folder / name).write_text(text)


def test_everything_that_a_network_has_is_read(folder):
    network = read_dream4(folder)
    assert network.name == "small_1"
    assert network.experiments.knockdowns.shape == (N_GENES, N_GENES)
    assert network.experiments.courses.values.shape == (5, 21, N_GENES)
    assert network.experiments.courses.drive_ends == 500
    assert np.array_equal(network.experiments.replicates, network.experiments.courses.values[:, 0])
    assert network.doubles.pairs.tolist() == [[0, 3], [1, 4]]
    assert np.array_equal(network.truth, np.sign(true_weights()))
    assert network.signed


def test_series_may_be_parted_by_blank_lines(folder):
    path = folder / "timeseries.tsv"
    before = read_dream4(folder).experiments.courses.values
    path.write_text(path.read_text().replace("\n0\t", "\n\n0\t"))
    assert np.array_equal(read_dream4(folder).experiments.courses.values, before)


def test_knockouts_alone_are_enough(folder):
    for path in folder.iterdir():
        if path.name != "knockouts.tsv":
            path.unlink()
    network = read_dream4(folder)
    assert network.truth is None
    assert network.doubles is None
    assert network.experiments.courses is None


def test_series_whose_drives_nobody_knows_give_replicates_alone(folder, caplog):
    (folder / "timeseries_perturbations.tsv").unlink()
    with caplog.at_level("INFO", "cellbox"):
        network = read_dream4(folder)
    assert network.experiments.courses is None
    assert len(network.experiments.replicates) == 5
    assert "no timeseries_perturbations.tsv tells what drives the series" in caplog.text


def test_a_truth_without_signs_says_where_edges_are(folder):
    (folder / "goldstandard_signed.tsv").unlink()
    lines = [f"G{j + 1}\tG{i + 1}\t1" for i, j, _ in EDGES] + ["G7\tG8\t0"]
    (folder / "goldstandard.tsv").write_text("\n".join(lines))
    network = read_dream4(folder)
    assert not network.signed
    assert np.array_equal(network.truth, true_weights() != 0)


def test_a_header_of_the_truth_is_no_edge(folder):
    path = folder / "goldstandard_signed.tsv"
    path.write_text("Gene1\tGene2\tType\n" + path.read_text())
    assert np.array_equal(read_dream4(folder).truth, np.sign(true_weights()))


def test_all_problems_of_all_tables_are_told_at_once(folder):
    edit(folder, "knockouts.tsv", ("\t0.", "\t?0."))
    lines = (folder / "knockdowns.tsv").read_text().splitlines()
    (folder / "knockdowns.tsv").write_text("\n".join(lines[:-1]) + "\n")
    edit(folder, "goldstandard_signed.tsv", ("G1\t", "G99\t"), ("-", "?"))
    said = problems_of(folder)
    for words in (
        "knockouts.tsv, row 2, column 'G2': expected a finite number, found '?0.",
        "knockdowns.tsv: expected 8 rows, one for each gene, found 7",
        "goldstandard_signed.tsv, row 1: expected a known gene, found 'G99'",
        "expected + or -, or 1 or 0, found '?'",
    ):
        assert any(words in one for one in said), (words, said)


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("knockdowns.tsv", ("\t0.", "\tx0."), "column 'G2': expected a finite number, found 'x0."),
        ("knockouts.tsv", ("G1\tG2", "G1\tG1"), "row 1: expected each gene once"),
        ("knockdowns.tsv", ("G3", "G33"), "found none called 'G3'"),
        ("knockdowns.tsv", ("G1\tG2", "G2\tG1"), "in the same order, found others"),
        ("timeseries.tsv", ('"Time"', "when"), "expected a first column Time, found 'when'"),
        ("timeseries.tsv", ("\n50\t", "\n55\t"), "expected the times of the first series"),
        ("dual_knockouts_indexes.tsv", ("1\t4", "1\t9"), "two numbers of genes from 1 to 8"),
        ("dual_knockouts_indexes.tsv", ("1\t4", "4\t4"), "expected two different genes"),
        ("dual_knockouts_indexes.tsv", ("1\t4\n", ""), "expected 2 rows, one for each of"),
    ],
)
def test_a_mistake_is_named_with_its_place(folder, name, change, words):
    edit(folder, name, change)
    said = problems_of(folder)
    assert any(one.startswith(name) and words in one for one in said), said


def test_doubles_need_their_pairs(folder):
    (folder / "dual_knockouts_indexes.tsv").unlink()
    [said] = problems_of(folder)
    assert "expected a table of which genes were knocked out in dual_knockouts.tsv" in said


def test_negative_values_are_no_raw_expression(folder):
    edit(folder, "knockdowns.tsv", ("\t0.", "\t-0."))
    assert any("expected finite values from 0 up" in one for one in problems_of(folder))


def test_a_folder_is_one_network_or_holds_some(folder, tmp_path):
    assert network_folders(folder) == [folder]
    assert network_folders(folder.parent) == [folder]
    for strange in (tmp_path / "nowhere", folder / "knockouts.tsv"):
        with pytest.raises(InputError, match="found no such folder"):
            network_folders(strange)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"expected a folder with knockouts\.tsv"):
        network_folders(tmp_path / "empty")
