"""Rows, tables and pages from what tasks left behind."""

import csv
import json

import pytest

from search.reproduction.folder import ReproductionFolder
from search.reproduction.page import page
from search.reproduction.result import Reproduction
from search.reproduction.summary import METRICS, rows_of, spread, typical
from search.reproduction.tables import explanation, tables_of
from tests.search.reproduction.small import TINY, failed, record, result


def test_seeds_become_median_lowest_and_highest():
    assert spread([3.0, 1.0, 2.0]) == {"median": 2.0, "low": 1.0, "high": 3.0}
    assert spread([3.0, 1.0]) == {"median": 2.0, "low": 1.0, "high": 3.0}


def test_seeds_without_a_number_do_not_count():
    assert spread([None, 1.0]) == {"median": 1.0, "low": 1.0, "high": 1.0}
    assert spread([None]) == {"median": None, "low": None, "high": None}


def test_a_row_holds_the_seeds_of_one_system_at_one_noise():
    results = [
        *(result(seed, value) for seed, value in enumerate((0.7, 0.9, 0.8))),
        result(sigma=0.01),
        result(system="LI"),
    ]
    rows = rows_of(results, "tiny")
    assert [(row["system"], row["sigma"]) for row in rows] == [
        ("mCAD", 0.001),
        ("mCAD", 0.01),
        ("LI", 0.001),
    ]
    first = rows[0]
    assert (first["seeds"], first["seed_numbers"], first["finished"]) == (3, [0, 1, 2], 3)
    assert first["design"] == "balanced"
    for name in METRICS:
        assert first[name] == {"median": 0.8, "low": 0.7, "high": 0.9}
    assert first["bound"]["r"] == first["bound"]["rmse_known_support"] == 0.8
    assert first["baselines"]["ridge"]["test_mae"]["high"] == 0.9


def test_a_task_that_failed_is_told_and_leaves_the_others_their_numbers():
    (row,) = rows_of([result(0, 0.9), failed(1)], "tiny")
    assert (row["seeds"], row["finished"]) == (2, 1)
    assert row["pearson"]["median"] == 0.9
    assert row["problems"] == ["seed 1 failed: LinAlgError: Singular matrix"]


def test_a_system_of_which_nothing_is_known_still_has_a_row():
    (row,) = rows_of([failed(0)], "tiny")
    assert row["pearson"] == {"median": None, "low": None, "high": None}
    (table,) = tables_of([row])
    assert any("Singular matrix" in note for note in table.notes)
    assert table.recovery.rows[0][2] == "-"


def test_the_typical_seed_is_that_of_the_lower_median():
    results = [result(seed, value) for seed, value in enumerate((0.7, 0.95, 0.8, 0.9))]
    assert typical([*results, failed(4)]).task.seed == 2
    assert typical([failed(0)]) is None


def test_tables_stand_apart_by_kind_and_beside_the_papers_claims():
    rows = rows_of([result(system=name) for name in ("LI", "TF", "mCAD")], "tiny")
    abstract, biological = tables_of(rows)
    assert abstract.title == "Abstract systems"
    assert [row[0] for row in abstract.prediction.rows] == ["LI", "TF"]
    assert any("1e-3" in note and "0.9" in note for note in abstract.notes)
    # TF is not in the paper, so it has no part in what is set beside it.
    assert any("over LI at" in note for note in abstract.notes)
    assert [row[0] for row in biological.recovery.rows] == ["mCAD"]


def test_tables_show_the_range_where_seeds_differ():
    (table,) = tables_of(rows_of([result(0, 0.91), result(1, 0.93)], "tiny"))
    assert table.recovery.rows[0][2] == "0.9200 (0.9100 to 0.9300)"
    assert table.prediction.rows[0][4] == "0.92 (0.91 to 0.93)"


@pytest.mark.parametrize("seeds", [1, 3])
def test_tables_are_narrow_enough_for_a_terminal(seeds):
    from search.cli.text_tables import text_table

    results = [result(seed, 0.9 + 0.01 * seed, system="BFC") for seed in range(seeds)]
    for part in tables_of(rows_of(results, "tiny"))[0].parts:
        assert max(len(line) for line in text_table(part.header, part.rows).splitlines()) <= 120


def test_rounding_sensitive_conditions_and_wrong_basins_are_told():
    changes = {
        "metrics": {
            **record()["metrics"],
            "rounding_sensitive_share": 0.4,
            "wrong_basin_share": 0.1,
        },
        "rounding_sensitive_training_conditions": 23,
    }
    (table,) = tables_of(rows_of([result(system="BF", changes=changes)], "tiny"))
    (note,) = [note for note in table.notes if "rounding" in note]
    assert "40%" in note
    assert "10%" in note
    assert "23 of 50" in note


def test_the_design_and_the_seeds_are_told():
    said = " ".join(explanation(rows_of([result(3), result(4)], "tiny")))
    assert "balanced" in said
    assert "seeds 3 to 4" in said


def test_the_page_needs_no_other_file_and_escapes_what_it_shows():
    rows = rows_of([failed(0)], "tiny")
    rows[0]["problems"] = ["<b>bold</b>"]
    text = page(rows, {"mCAD at σ 0.001": b"picture"})
    assert "data:image/png;base64,cGljdHVyZQ==" in text
    assert "&lt;b&gt;" in text
    assert "<b>" not in text
    assert "http" not in text


def test_results_are_written_as_json_and_as_a_flat_table(tmp_path):
    found = Reproduction(ReproductionFolder(tmp_path), TINY, (failed(0),))
    found.write()
    written = json.loads((tmp_path / "reproduce.json").read_text())
    assert written["rows"][0]["system"] == "mCAD"
    assert written["tasks"][0]["status"] == "failed"
    (line,) = csv.DictReader((tmp_path / "reproduce.csv").open())
    columns = {"system", "sigma", "design", "seeds", "pearson", "pearson_low", "pearson_high"}
    assert columns | {"bound_r", "bound_r_known_support", "ridge_test_mae"} <= set(line)


def test_a_notebook_gets_a_table_and_a_frame(tmp_path):
    found = Reproduction(ReproductionFolder(tmp_path), TINY, (result(0), result(1, 0.8)))
    assert "<table" in found._repr_html_()
    frame = found.to_frame()
    assert frame.loc[0, "pearson_low"] == 0.8
    with pytest.raises(KeyError, match="LI"):
        found.network("LI")
