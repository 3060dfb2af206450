"""Commands and flags as people type them."""

import pytest

from search.cli.main import main
from search.cli.nearest import with_dashes
from search.cli.text_tables import fitting_table
from tests.search.cli_helpers import refused


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("swep", "--system", "LI"), "found 'swep'. Did you mean sweep?"),
        (("zzz",), "Known are systems,"),
        (("sweep", "--system", "LI", "--trails", "8"), "found '--trails'. Did you mean --trials?"),
        (("best", "studies/LI", "--frobnicate"), "See cellbox best --help"),
        (("sweep", "--system", "LI", "--out", "x"), "found '--out'. Did you mean --study?"),
        (("sweep", "--system", "LI", "-o", "x"), "found '-o'. Did you mean --study?"),
        (("fit", "x", "--output", "y"), "found '--output'. Did you mean --out?"),
        (("best", "studies/LI", "--out", "x"), "found '--out'. See cellbox best --help"),
        (("sweep", "--system", "LI", "--time-limit", "2"), "Did you mean --hours?"),
        (("simulate", "--system", "LI"), "Give it without a flag: cellbox simulate SYSTEM."),
        (("export", "x", "--out", "y"), "Give it without a flag: cellbox export FILE."),
        (("fit", "x", "--structural_zero"), "Did you mean --structural-zeros?"),
    ],
)
def test_what_is_nearly_right_is_told_the_nearest(arguments, said, capsys):
    assert said in refused(capsys, *arguments)


def test_underscores_in_flags_are_dashes_and_values_stay():
    given = ["fit", "my_data", "--split_by=a_b", "--time_unit", "h_r", "--", "--a_b"]
    assert with_dashes(given) == [
        "fit",
        "my_data",
        "--split-by=a_b",
        "--time-unit",
        "h_r",
        *given[-2:],
    ]


def test_quiet_says_no_notes(tmp_path, capsys):
    folder = tmp_path / "matrix"
    folder.mkdir()
    files = {
        "pert.csv": "0,-1\n-1,0\n",
        "expr.csv": "0.1,0.2\n0.3,0.4\n",
        "node_Index.csv": "a\nb\n",
    }
    for name, text in files.items():
        (folder / name).write_text(text)
    main(["lint", str(folder)])
    assert "note: " in capsys.readouterr().err
    main(["lint", str(folder), "-q"])
    captured = capsys.readouterr()
    assert "note: " not in captured.err
    assert captured.out


def test_a_table_leaves_out_what_a_terminal_has_no_place_for():
    rows = [("1", 0.5, "cosine"), ("2", 0.25, "constant")]
    header = ("trial", "error", "schedule")
    assert "no place" not in fitting_table(header, rows, None)
    narrow = fitting_table(header, rows, 16)
    assert "no place for: schedule" in narrow
    assert "cosine" not in narrow
    assert "0.25" in narrow
