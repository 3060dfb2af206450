"""The report of a comparison, from what `comparison.json` has."""

import json

from search.report.folders import write_report
from tests.search.report.small import Seen


def score(pearson, mae):
    return {
        "pearson": pearson, "mae": mae, "pearson_by_split": [pearson, None],
        "pearson_mean": None, "pearson_median": None, "mae_mean": mae,
    }  # fmt: skip


def difference(known):
    keys = ("pearson", "pearson_low", "pearson_high", "mae", "mae_low", "mae_high")
    return (
        dict.fromkeys(keys) if not known else dict(zip(keys, (0.1, 0, 0.2, -1, -2, 0), strict=True))
    )


def test_every_model_of_the_record_is_shown(tmp_path):
    names = ("CellBox", "mean", "ridge", "additive rule")
    nodes = {
        "n_nodes": 3,
        "scores": {name: score(0.9, 0.1) for name in names},
        "differences": {name: difference(name != "mean") for name in names[1:]},
    }
    scheme = {
        "scheme": "random", "splits": ["0", "1"], "n_values": 10, "measured_nodes": nodes,
        "all_nodes": None, "sentences": ["CellBox predicts better than ridge."],
    }  # fmt: skip
    entrant = {"members": 4, "seed": 0, "settings": {"steps": 10, "solver": {"rtol": 0.1}}}
    content = {"data": "mine", "cellbox": entrant, "schemes": [scheme]}
    (tmp_path / "comparison.json").write_text(json.dumps(content))
    page = Seen(write_report(tmp_path).read_text("utf-8"))
    assert "Random conditions: CellBox predicts better than ridge." in page.text
    assert "additive rule r" in page.text
    assert any("additive rule: -1.0000" in image["alt"] for image in page.all("img"))
    assert "solver.rtol" in page.text
