"""`cellbox simulate`, `cellbox lint` and `cellbox convert`, as a user meets them."""

import re
import shutil

import numpy as np

from cellbox.data.readers import read_data
from search.cli.main import main
from tests.search.cli_helpers import (
    matrix_folder,
    read_json,
    refused,
    tidy_folder,
)

QUICK = ("--steps", "50", "--validate-every", "25")


# simulate and lint


def test_simulate_writes_what_lint_reads(experiment, capsys, tmp_path):
    assert main(["lint", str(experiment), "--json", str(tmp_path / "lint.json")]) == 0
    facts = read_json(tmp_path / "lint.json")
    assert (facts["rows"], facts["nodes"], facts["truth_known"]) == (10, 4, True)
    assert facts["split"] == {"training": 6, "validation": 2, "test": 2}
    assert "can be used" in capsys.readouterr().out


def test_simulate_says_what_doses_do_to_other_nodes(tmp_path, capsys):
    arguments = ["simulate", "LI", "--off-targets", "2", "--seed", "3", "--conditions", "4"]
    told = tmp_path / "told.json"
    assert main([*arguments, "--out", str(tmp_path / "data"), "--json", str(told)]) == 0
    effects = read_json(told)["off_targets"]
    assert len(effects) == 2
    assert all(one["dose_of"] != one["on"] for one in effects)
    assert f"{effects[0]['dose_of']} on {effects[0]['on']}" in capsys.readouterr().out
    said = refused(capsys, *arguments, "--kinetics", "hill", "--out", tmp_path / "other")
    assert "expected --kinetics eq1" in said


def test_simulation_follows_its_seed_and_options(tmp_path):
    arguments = ("simulate", "LI", "--replicates", "2", "--noise", "0.1", "--amplitude", "0.5")
    for name, seed in (("first", "1"), ("again", "1"), ("other", "2")):
        assert main([*arguments, "--seed", seed, "--out", str(tmp_path / name)]) == 0
    first, again, other = (read_data(tmp_path / name) for name in ("first", "again", "other"))
    assert np.array_equal(first.measurements, again.measurements)
    assert not np.array_equal(first.measurements, other.measurements)
    assert first.n_rows == 2 * first.n_conditions == 60
    assert (first.truth.amplitudes == 0.5).all()


def test_simulate_and_lint_say_how_many_conditions_are_rounding_sensitive(capsys, tmp_path):
    out, file = str(tmp_path / "data"), tmp_path / "facts.json"
    for arguments in (["simulate", "BF", "--replicates", "2", "--out", out], ["lint", out]):
        assert main([*arguments, "--json", str(file)]) == 0
        found = read_json(file)["rounding_sensitive_conditions"]
        assert 0 < found < 60
        assert re.search(
            rf"rounding-sensitive conditions.* {found} of 60\n", capsys.readouterr().out
        )
    assert main(["lint", str(tidy_folder(tmp_path)), "--json", str(file)]) == 0
    assert read_json(file)["rounding_sensitive_conditions"] is None
    assert "rounding-sensitive" not in capsys.readouterr().out


def test_a_balanced_design_leaves_no_node_out(capsys, tmp_path):
    # The paper's draw of this seed leaves some out.
    found = {}
    for design in ("paper", "balanced"):
        file = tmp_path / f"{design}.json"
        arguments = ("simulate", "GSD", "--conditions", "12", "--design", design)
        out = str(tmp_path / design)
        assert main([*arguments, "--out", out, "--json", str(file)]) == 0
        found[design] = read_json(file)["unperturbed_nodes"]
    assert found["paper"]
    assert found["balanced"] == []


def test_simulate_takes_a_network_of_ones_own(tmp_path, capsys):
    edges = tmp_path / "mine.csv"
    edges.write_text("source,target,sign\nA,B,1\nB,C,-1\nC,A,activation\n")
    out = tmp_path / "data"
    assert main(["simulate", "--network", str(edges), "--out", str(out)]) == 0
    data = read_data(out)
    assert data.nodes == ("A", "B", "C")
    assert data.truth.weights[2, 1] == -1
    capsys.readouterr()
    said = refused(capsys, "simulate", "LI", "--out", out)
    assert str(out) in said
    assert main(["simulate", "LI", "--out", str(out), "--overwrite"]) == 0


def test_lint_tells_which_nodes_no_condition_perturbs(tmp_path, capsys):
    folder = tidy_folder(tmp_path)
    assert main(["lint", str(folder)]) == 0
    said = capsys.readouterr().out
    assert "g2 is never perturbed: its amplitude and its row of W are confounded." in said
    assert f"cellbox design check {folder}" in said


def test_lint_reads_the_2020_form_and_says_that_signs_were_converted(skmel133, tmp_path, capsys):
    report = tmp_path / "lint.json"
    assert main(["lint", str(skmel133), "--structural-zeros", "--json", str(report)]) == 0
    facts = read_json(report)
    assert (facts["rows"], facts["combinations"], facts["replicated_conditions"]) == (89, 78, 1)
    assert len(facts["activity_nodes"]) == 12
    assert len(facts["unperturbed_nodes"]) == 87
    assert facts["allowed_edges"] < 99**2
    assert "signs converted" in capsys.readouterr().err


def nanomolar(experiment, parent):
    """The experiment with doses in nM instead of near 1."""
    folder = parent / "nanomolar"
    shutil.copytree(experiment, folder)
    file = folder / "perturbations.csv"
    header, *rows = file.read_text().splitlines()
    cells = [row.split(",") for row in rows]
    scaled = [",".join([*cell[:2], str(500 * float(cell[2]))]) for cell in cells]
    file.write_text("\n".join([header, *scaled]) + "\n")
    return folder


def test_lint_says_what_the_numbers_can_hardly_mean_and_units_mend_it(experiment, tmp_path, capsys):
    folder, file = nanomolar(experiment, tmp_path), tmp_path / "lint.json"
    assert main(["lint", str(folder), "--json", str(file)]) == 0
    said = capsys.readouterr().out
    assert "can be read, but 1 thing speaks against using it as it is" in said
    assert "warning: Doses saturate" in said
    report = read_json(file)
    assert report["status"] == "doubtful"
    assert [warning["kind"] for warning in report["data_warnings"]] == ["doses_saturate"]
    mended = ["lint", str(folder), "--dose-transform", "scale", "--ec50", "500"]
    assert main([*mended, "--json", str(file)]) == 0
    assert (read_json(file)["status"], read_json(file)["data_warnings"]) == ("ok", [])
    capsys.readouterr()
    said = refused(capsys, "lint", folder, "--dose-transform", "hill", "--ec50", "G1=x")
    assert "expected NODE=number" in said


def test_simulate_makes_what_real_experiments_have(tmp_path):
    out = str(tmp_path / "data")
    flags = ["--amplitude-spread", "0.5", "--at", "1,2,8", "--missing", "0.1", "--hidden", "1"]
    assert main(["simulate", "CY", "--conditions", "6", *flags, "--out", out]) == 0
    data = read_data(out)
    assert data.times.tolist() == [1, 2, 8]
    assert data.n_nodes == 5
    assert len(set(data.truth.amplitudes)) == 5
    assert 0 < np.isnan(data.measurements).mean() < 0.25


def test_missing_values_are_counted_of_measured_nodes(tmp_path):
    (tmp_path / "measurements.csv").write_text(
        "condition,time,node,value\nlow,4,g1,0.1\nhigh,4,g1,\nlow,4,g2,0.3\nhigh,4,g2,0.2\n"
    )
    (tmp_path / "perturbations.csv").write_text("condition,node,value\nlow,drug,1\nhigh,g1,1\n")
    report = tmp_path / "lint.json"
    main(["lint", str(tmp_path), "--json", str(report)])
    assert read_json(report)["missing_share"] == 0.25


# fit


def test_fit_goes_on_in_spite_of_warnings_and_repeats_them(experiment, tmp_path, capsys):
    folder, report = nanomolar(experiment, tmp_path), tmp_path / "fit.json"
    out = tmp_path / "model"
    assert (
        main(
            [
                "fit",
                str(folder),
                *QUICK,
                "--refinement",
                "none",
                "--out",
                str(out),
                "--json",
                str(report),
            ]
        )
        == 0
    )
    captured = capsys.readouterr()
    assert "warning: Doses saturate" in captured.err
    assert "warning: Doses saturate" in captured.out
    for file in (report, out / "data_warnings.json"):
        content = read_json(file)
        warnings = content["data_warnings"] if file == report else content
        assert [warning["kind"] for warning in warnings] == ["doses_saturate"]


def test_the_time_of_a_steady_state_can_be_told(tmp_path):
    folder, report = matrix_folder(tmp_path), tmp_path / "lint.json"
    assert main(["lint", str(folder), "--time", "40", "--json", str(report)]) == 0
    assert read_json(report)["times"] == [40.0]


def test_convert_writes_what_lint_then_reads(tmp_path, capsys):
    out, report = tmp_path / "tidy", tmp_path / "result.json"
    arguments = ["convert", str(matrix_folder(tmp_path)), str(out), "--time", "40"]
    assert main([*arguments, "--json", str(report)]) == 0
    assert f"Next: cellbox lint {out}" in capsys.readouterr().out
    assert read_json(report)["times"] == [40.0]
    assert main(["lint", str(out)]) == 0
    capsys.readouterr()
    assert "ask to overwrite this one" in refused(capsys, *arguments)
