"""Files with one mistake in each: no other error than ours, no waiting, nothing broken accepted."""

import pytest

from tests.cellbox.data.readers.mutated_files import UNMISTAKABLE, mutated, outcome


def read(numbers, folder):
    """Forms, files and kinds of mistakes that were taken without a word."""
    silent = []
    for number in numbers:
        what = mutated(number, folder / str(number))
        said, _ = outcome(folder / str(number))
        if said == "silent":
            silent.append((number, *what))
    return silent


def unmistakable(silent):
    return [one for one in silent if one[3] in UNMISTAKABLE and one[2] != "node_Index.csv"]


def test_mistakes_are_refused_or_told(tmp_path):
    assert unmistakable(read(range(5000, 5060), tmp_path)) == []


@pytest.mark.slow
def test_a_thousand_mistakes_are_refused_or_told(tmp_path):
    assert unmistakable(read(range(1000), tmp_path)) == []
