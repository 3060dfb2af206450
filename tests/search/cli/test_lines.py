"""Cell lines on the command line."""

import pytest

from search.cli.main import main
from tests.search.cli_helpers import read_json, refused

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("lines")
    sizes = ["--conditions", "10", "--held-out", "2", "--times", "4", "--design", "balanced"]
    arguments = ["simulate", "--random", "4", "--lines", "2", *sizes, "--seed", "5"]
    assert main([*arguments, "--out", str(place / "data")]) == 0
    assert main(["fit", str(place / "data"), "--form", "lines", "--out", str(place / "model"),
                 "--json", str(place / "fit.json")]) == 0  # fmt: skip
    return place


def test_a_fit_tells_what_differs(folder):
    told = read_json(folder / "fit.json")
    assert told["lines"]["names"] == ["line1", "line2"]
    table = (folder / "model" / "line_differences.csv").read_text().splitlines()
    assert len(table) - 1 == len(told["lines"]["differences"])
    assert (folder / "data" / "line_differences.csv").is_file()
    page = (folder / "model" / "report.html").read_text()
    assert "Cell lines" in page


def test_lint_says_that_lines_are_taken_as_one(folder, capsys):
    assert main(["lint", str(folder / "data")]) == 0
    said = capsys.readouterr().out
    assert "2: line1 (14 rows), line2 (14 rows)" in said
    assert "unless --form lines" in said


def test_a_prediction_is_of_the_line_that_is_asked_for(folder, capsys):
    asked = ["predict", str(folder / "model"), "--perturb", "g1=0.5", "--times", "5", "--json"]
    of_lines = []
    for line in ("line1", "line2"):
        file = folder / f"{line}.json"
        assert main([*asked, str(file), "--line", line]) == 0
        of_lines.append(read_json(file))
    assert of_lines[0]["line"] == "line1"
    assert of_lines[0]["predictions"] != of_lines[1]["predictions"]
    capsys.readouterr()
    said = refused(capsys, "predict", folder / "model", "--perturb", "g1=0.5", "--line", "lin2")
    assert "expected a line among line1, line2, found 'lin2'" in said


def test_flags_of_lines_that_mean_nothing_are_refused(folder, capsys):
    said = refused(
        capsys, "fit", folder / "data", "--reference-line", "line3", "--out", folder / "other"
    )
    assert "expected a line among line1, line2, found 'line3'" in said
    said = refused(capsys, "simulate", "LI", "--line-differences", "2", "--out", folder / "another")
    assert "--lines 2" in said
