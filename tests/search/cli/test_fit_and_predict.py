"""`cellbox fit`, `cellbox predict` and `cellbox report`, as a user meets them."""

import csv
import json
import re
from dataclasses import replace

import numpy as np
import pytest

from cellbox.data.readers import read_data
from cellbox.data.units import Units
from cellbox.models.saved_models import load_model
from search.cli.fit_report import caveat_sentences
from search.cli.main import main
from tests.search.cli_helpers import (
    read_json,
    refused,
    tidy_folder,
)

QUICK = ("--steps", "50", "--validate-every", "25")
FIT_KEYS = {
    *("status", "validation_mae", "test_mae", "test_mae_noise_free", "test_pearson"),
    *("pearson", "pearson_off_diagonal", "pearson_alpha", "auprc_ratio"),
    *("early_precision_ratio", "sign_accuracy", "baselines", "better_than_ridge", "model"),
    *(
        "seconds",
        "compile_seconds",
        "rounding_sensitive_share",
        "wrong_basin_share",
        "unsteady_share",
    ),
}
MODEL_FILES = {
    *("model.npz", "model.json", "draws.npz", "network.csv", "network.graphml", "network.sif"),
    *("identifiability.json", "identifiability.csv", "evaluation.json", "data", "report.html"),
    *("network.png", "trajectories.png", "predicted_against_measured.png", "loss_history.png"),
}


@pytest.fixture(scope="module")
def fitted(experiment, tmp_path_factory):
    """The folder of a fit: the model, and result.json."""
    folder = tmp_path_factory.mktemp("fitted")
    out, report = str(folder / "model"), str(folder / "result.json")
    assert main(["fit", str(experiment), *QUICK, "--out", out, "--json", report]) == 0
    return folder


def test_fit_reports_under_stable_names(fitted):
    report = read_json(fitted / "result.json")
    assert set(report) >= FIT_KEYS
    assert set(report["baselines"]) == {"mean", "ridge", "additive", "persistence"}
    for name, score in report["baselines"].items():
        counts = {"conditions_predicted", "conditions"} if name == "additive" else set()
        assert set(score) == {"test_mae", "test_mae_noise_free", "test_pearson", *counts}
        assert report["better_than"][name] in (True, False, None)
    assert report["status"] == "completed"
    assert report["better_than_ridge"] in (True, False)
    assert report["all_nodes"] is None
    assert report["data_warnings"] == []
    assert report["settings"]["steps"] == 50


def test_fit_leaves_a_model_its_network_and_pictures(fitted, experiment):
    folder = fitted / "model"
    assert {path.name for path in folder.iterdir()} == MODEL_FILES
    assert (folder / "network.png").read_bytes().startswith(b"\x89PNG")
    model = load_model(folder)
    assert model.settings.steps == 50
    report = read_json(fitted / "result.json")
    data = read_data(experiment)
    predicted = model.predict(data.perturbations[data.split.test], data.times)
    errors = np.abs(predicted - data.measurements[data.split.test])
    assert report["test_mae"] == pytest.approx(errors.mean())
    assert model.provenance["errors"]["test_mae"] == report["test_mae"]
    assert not list(fitted.glob(".*"))


def test_fit_says_plainly_what_it_found_and_replaces_only_models(experiment, fitted, capsys):
    again = ("fit", str(experiment), *QUICK, "--out", str(fitted / "model"))
    assert main(list(again)) == 0
    said = capsys.readouterr().out
    assert "CellBox predicts held-out conditions " in said
    assert re.search(r"(better|worse) than \S.*: MAE \S+ against ", said)
    assert "the model there was replaced" in said
    assert "What the training data determine:" in said
    assert "Strongest" in said
    assert said.splitlines()[-1] == f"Report: {fitted / 'model' / 'report.html'}"
    (fitted / "model" / "my notes.txt").write_text("keep me")
    try:
        assert "my notes.txt" in refused(capsys, *again)
    finally:
        (fitted / "model" / "my notes.txt").unlink()
    assert {path.name for path in (fitted / "model").iterdir()} == MODEL_FILES


@pytest.mark.parametrize(
    ("rounding_sensitive", "wrong", "words"),
    [
        (None, None, []),
        (0.0, 0.0, []),
        (0.4, 0.0, ["40 % of the held-out conditions are rounding-sensitive"]),
        (0.0, 0.25, ["Wrong basin in 25 % of the held-out conditions"]),
        (0.4, 0.5, ["40 % of the held-out conditions", "Wrong basin in 50 % of the others"]),
    ],
)
def test_rounding_sensitive_conditions_and_wrong_basins_are_told_where_there_are_any(
    rounding_sensitive, wrong, words
):
    report = {"rounding_sensitive_share": rounding_sensitive, "wrong_basin_share": wrong}
    sentences = caveat_sentences(report)
    assert len(sentences) == len(words)
    assert all(word in said for word, said in zip(words, sentences, strict=True))


@pytest.mark.parametrize(("unsteady", "n_sentences"), [(None, 0), (0.0, 0), (0.25, 1)])
def test_a_model_that_has_not_come_to_rest_is_told_so_with_its_share(unsteady, n_sentences):
    nothing = {"rounding_sensitive_share": None, "wrong_basin_share": None}
    sentences = caveat_sentences({**nothing, "unsteady_share": unsteady})
    assert len(sentences) == n_sentences
    assert all("In 25 % of the held-out conditions" in sentence for sentence in sentences)


def test_fit_tells_edge_by_edge_what_its_data_determine(fitted):
    told = read_json(fitted / "result.json")["identifiability"]
    model = load_model(fitted / "model")
    assert [edge["weight"] for edge in told["edges"]] == pytest.approx(
        np.ravel(model.network.weights).tolist()
    )
    assert all(edge["least_error"] is not None for edge in told["edges"])
    assert told["guess"] == "the learned network"
    assert "median |residual|" in told["noise_from"]
    assert read_json(fitted / "model" / "identifiability.json") == told
    with (fitted / "model" / "identifiability.csv").open() as handle:
        rows = list(csv.DictReader(handle))
    errors = [float(row["least_error"]) for row in rows]
    assert errors == [edge["least_error"] for edge in told["edges"]]


@pytest.mark.slow
def test_fit_says_again_which_rows_of_w_are_confounded(tmp_path, capsys):
    folder, report = tidy_folder(tmp_path, conditions=8), tmp_path / "result.json"
    # Refinement would leave every edge out: these data hold no network.
    arguments = ["fit", str(folder), *QUICK, "--refinement", "none"]
    arguments += ["--out", str(tmp_path / "m"), "--json", str(report)]
    assert main(arguments) == 0
    assert read_json(report)["identifiability"]["confounded_nodes"] == ["g2"]
    said = capsys.readouterr().out
    assert "g2 is never perturbed: its amplitude and its row of W are confounded." in said
    assert "scale confounded" in said.split("Strongest", 1)[1]


@pytest.mark.slow
def test_fit_takes_settings_from_a_file_and_flags_win(experiment, tmp_path, capsys):
    file = tmp_path / "settings.toml"
    file.write_text('steps = 100\nvalidate_every = 25\nl1 = 1e-4\n[solver]\nsolver = "tsit5"\n')
    pictures, out = tmp_path / "pictures", tmp_path / "model"
    arguments = ["fit", str(experiment), "--settings", str(file), "--steps", "50", "--json", "-"]
    arguments += ["--split-by", "combination", "--test", "0.4", "--plots", str(pictures)]
    assert main([*arguments, "--out", str(out)]) == 0
    captured = capsys.readouterr()
    report = json.loads(captured.out)
    assert (report["settings"]["steps"], report["settings"]["l1"]) == (50, 1e-4)
    assert "random split by combination, seed 0" in captured.err
    assert len(list(pictures.iterdir())) == 4
    assert not (out / "network.png").exists()


@pytest.mark.slow
def test_fit_without_a_truth_has_nulls(tmp_path, capsys):
    folder, report = tidy_folder(tmp_path, conditions=8), tmp_path / "result.json"
    arguments = ["fit", str(folder), *QUICK, "--out", str(tmp_path / "m"), "--json", str(report)]
    assert main(arguments) == 0
    content = read_json(report)
    for name in ("pearson", "auprc_ratio", "sign_accuracy", "test_mae_noise_free"):
        assert content[name] is None
    assert "true network" not in capsys.readouterr().out


def test_ctrl_c_says_that_nothing_was_kept(experiment, tmp_path, capsys, monkeypatch):
    def interrupted(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("cellbox.training.fit.fit", interrupted)
    assert main(["fit", str(experiment), "--out", str(tmp_path / "m")]) == 130
    assert "interrupted: nothing was kept" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("package", "extra"), [("ray", "search"), ("matplotlib", "plots"), ("torch", "samplers")]
)
def test_an_absent_package_is_named_with_the_extra(
    package, extra, experiment, tmp_path, capsys, monkeypatch
):
    def absent(*arguments, **options):
        raise ModuleNotFoundError(f"No module named '{package}.air'", name=f"{package}.air")

    monkeypatch.setattr("cellbox.training.fit.fit", absent)
    said = refused(capsys, "fit", experiment, "--out", tmp_path / "m")
    assert f"needs the package {package}" in said
    assert f'pip install "cellbox[{extra}]"' in said


def test_bugs_keep_their_traceback(experiment, tmp_path, monkeypatch):
    def broken(*arguments, **options):
        raise ModuleNotFoundError("No module named 'cellbox.typo'", name="cellbox.typo")

    monkeypatch.setattr("cellbox.training.fit.fit", broken)
    with pytest.raises(ModuleNotFoundError):
        main(["fit", str(experiment), "--out", str(tmp_path / "m")])


def test_fit_without_matplotlib_keeps_the_model(experiment, tmp_path, capsys, monkeypatch):
    def find_spec(name):
        return None

    monkeypatch.setattr("importlib.util.find_spec", find_spec)
    said = refused(capsys, "fit", experiment, *QUICK, "--plots", tmp_path / "p")
    assert 'pip install "cellbox[plots]"' in said
    assert main(["fit", str(experiment), *QUICK, "--out", str(tmp_path / "m")]) == 0
    assert "no pictures" in capsys.readouterr().out
    assert {path.name for path in (tmp_path / "m").iterdir()} == {
        name for name in MODEL_FILES if not name.endswith((".png", ".html"))
    }


# predict


def test_predict_from_a_table_and_from_the_command_line_agree(fitted, tmp_path, capsys):
    table = tmp_path / "plan.csv"
    table.write_text("condition,node,value\nx,g1,0.5\nx,g3,0.2\ncontrol,,\n")
    out = tmp_path / "predictions.csv"
    model = str(fitted / "model")
    assert main(["predict", model, str(table), "--times", "4,8", "--out", str(out)]) == 0
    assert "2 conditions, 2 times, 4 nodes" in capsys.readouterr().out
    with out.open() as handle:
        rows = list(csv.DictReader(handle))
    assert [row["condition"] for row in rows[:1] + rows[-1:]] == ["x", "control"]
    assert all(float(row["value"]) == 0 for row in rows if row["condition"] == "control")
    assert main(["predict", model, "--perturb", "g1=0.5,g3=0.2", "--times", "4,8"]) == 0
    printed = list(csv.DictReader(capsys.readouterr().out.splitlines()))
    assert [float(row["value"]) for row in printed] == pytest.approx(
        [float(row["value"]) for row in rows if row["condition"] == "x"], rel=1e-6
    )
    loaded = load_model(model)
    states = loaded.predict(np.array([[0.5, 0, 0.2, 0]]), np.array([4.0, 8.0]))
    assert [float(row["value"]) for row in printed] == pytest.approx(states.ravel().tolist())


def test_predict_as_json(fitted, tmp_path, capsys):
    arguments = ["predict", str(fitted / "model"), "--perturb", "g1=0.5", "--perturb", "g2=1"]
    assert main([*arguments, "--json", "-"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert np.shape(content["predictions"]) == (2, 3, 4)
    assert content["conditions"] == ["g1=0.5", "g2=1"]


def test_predict_ranks_all_pairs_of_the_nodes_that_the_data_perturb(fitted, tmp_path, capsys):
    asked = ["predict", str(fitted / "model"), "--all-pairs", "--node", "g4", "--dose", "0.3"]
    assert main(asked) == 0
    assert "g4 at time 20, 0.3 of each: the lowest 3 of 3 pairs" in capsys.readouterr().out
    out, picture = tmp_path / "pairs.csv", tmp_path / "pairs.png"
    assert main([*asked, "--out", str(out), "--plot", str(picture), "--json", "-"]) == 0
    pairs = json.loads(capsys.readouterr().out)["pairs"]
    with out.open() as handle:
        rows = list(csv.DictReader(handle))
    assert [float(row["response"]) for row in rows] == [pair["response"] for pair in pairs]
    assert picture.read_bytes().startswith(b"\x89PNG")
    states = load_model(fitted / "model").predict({pairs[0]["first"]: 0.3, pairs[0]["second"]: 0.3})
    assert pairs[0]["response"] == pytest.approx(float(states[0, -1, 3]), abs=1e-6)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--all-pairs"], "expected --node beside --all-pairs"),
        (["--perturb", "g1=1", "--node", "g2"], "expected --all-pairs beside --node"),
        (["--all-pairs", "--node", "g2", "--times", "4,8"], "expected one time"),
        (["--all-pairs", "--node", "G2"], "Did you mean 'g2'"),
    ],
)
def test_predict_refuses_pairs_that_are_not_asked_for_rightly(fitted, capsys, flags, words):
    assert words in refused(capsys, "predict", fitted / "model", *flags)


def test_report_writes_the_page_again_where_it_is_told(fitted, tmp_path, capsys):
    page = tmp_path / "page.html"
    assert main(["report", str(fitted / "model"), "--out", str(page)]) == 0
    assert capsys.readouterr().out == f"{page}\n"
    assert page.read_text("utf-8") == (fitted / "model" / "report.html").read_text("utf-8")
    assert "folder of a fit, a sweep, a budget study or" in refused(capsys, "report", tmp_path)


def test_predict_refuses_what_the_model_does_not_know(fitted, tmp_path, capsys):
    model = fitted / "model"
    table, out = tmp_path / "plan.csv", tmp_path / "predictions.csv"
    table.write_text("condition,node,value\nx,G1,0.5\nx,g2,high\n")
    said = refused(capsys, "predict", model, table, "--out", out)
    assert "2 problems" in said
    assert f"{table}, row 2, column 'node': expected a known node, found 'G1'" in said
    assert "Did you mean 'g1'" in said
    assert "row 3" in said
    assert not out.exists()
    said = refused(capsys, "predict", model, "--perturb", "g1=0.5,g9=1,g2", "--times", "4")
    assert "'g9'" in said
    assert "expected node=dose, found 'g2'" in said
    assert "ascending times" in refused(
        capsys, "predict", model, "--perturb", "g1=1", "--times", "8,4"
    )
    said = refused(capsys, "predict", tmp_path, "--perturb", "g1=1")
    assert "model.npz" in said


def test_predict_takes_and_gives_the_units_of_the_data_and_refuses_others(fitted, tmp_path, capsys):
    units = Units(time_unit="30min", dose_transform="scale", ec50=10.0)
    model = load_model(fitted / "model")
    folder = str(replace(model, units=units).save(tmp_path / "in_minutes"))
    node = model.network.nodes[0]
    capsys.readouterr()
    assert main(["predict", folder, "--perturb", f"{node}=5", "--times", "60"]) == 0
    told = capsys.readouterr()
    assert "doses are in the unit of the data (scale, EC50 10), times are in min" in told.err
    arguments = ("--perturb", f"{node}=0.5", "--times", "2", "--model-units")
    assert main(["predict", folder, *arguments]) == 0
    own = capsys.readouterr().out
    assert told.out.replace(f"{node}=5,60.0", f"{node}=0.5,2.0") == own
    again = ("--perturb", f"{node}=5", "--time-unit", "30min")
    assert main(["predict", folder, *again]) == 0
    capsys.readouterr()
    other = refused(capsys, "predict", folder, "--perturb", f"{node}=5", "--time-unit", "1h")
    assert "expected the units that the model was learned in" in other


def test_predict_says_what_goes_beyond_the_training_data(fitted, tmp_path, capsys):
    model = str(fitted / "model")
    node = load_model(model).network.nodes[0]
    report = tmp_path / "predicted.json"
    assert main(["predict", model, "--perturb", f"{node}=500", "--json", str(report)]) == 0
    said = f"{node} = 500 is beyond the doses of training"
    assert f"note: beyond the training data: {said}" in capsys.readouterr().err
    assert said in read_json(report)["beyond_training"][0]


def test_fit_weighs_a_prior_and_tells_what_came_of_it(experiment, tmp_path, capsys):
    truth = read_data(experiment).truth
    target, source = np.argwhere((truth.weights != 0) & ~np.eye(truth.n_nodes, dtype=bool))[0]
    rows = f"{truth.nodes[source]},{truth.nodes[target]},,1\nTP53,{truth.nodes[0]},+,0.5\n"
    (tmp_path / "prior.csv").write_text(f"source,target,sign,confidence\n{rows}")
    out, report = str(tmp_path / "model"), str(tmp_path / "result.json")
    prior = ("--prior", str(tmp_path / "prior.csv"), "--prior-strength", "2")
    assert main(["fit", str(experiment), *QUICK, *prior, "--out", out, "--json", report]) == 0
    told = capsys.readouterr()
    assert "Of 1 edges of the prior the network has" in told.out
    assert "left out 1 of 2 rows, which name 1 other nodes" in told.err
    [edge] = [one for one in read_json(tmp_path / "result.json")["prior"]["edges"]
              if one["confidence"]]  # fmt: skip
    assert edge["source"] == truth.nodes[source]
    assert edge["verdict"] in ("confirmed", "rejected", "not told by the data")
    assert "Beside what was known before" in (tmp_path / "model" / "report.html").read_text("utf-8")
    assert (tmp_path / "model" / "data" / "prior.csv").is_file()


def test_a_strength_without_a_prior_and_a_bad_one_are_refused(experiment, tmp_path, capsys):
    told = refused(capsys, "fit", str(experiment), "--prior-strength", "2")
    assert "--prior-strength: expected edges to weigh, found no prior" in told
    told = refused(capsys, "fit", str(experiment), "--prior-strength", "lots")
    assert "--prior-strength: expected auto or a number from 0 to 14, found 'lots'" in told
