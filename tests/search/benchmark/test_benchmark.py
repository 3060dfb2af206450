import json
from pathlib import Path

import numpy as np
import pytest

import search
from cellbox.errors import InputError
from search.benchmark.folder import write_benchmark
from search.benchmark.sentences import sentences_of
from search.cli.main import main
from tests.cellbox.knockouts.small import N_GENES, true_weights, write_dream4

DREAM4 = Path(__file__).resolve().parents[4] / "shared" / "data" / "dream4"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("dream") / "nets"
    write_dream4(path / "small_1")
    write_dream4(path / "small_2", truth=False, doubles=())
    return path


@pytest.fixture(scope="module")
def result(folder):
    return search.benchmark_dream4(folder)


def test_what_judges_is_not_learned_from(folder, result, tmp_path):
    write_dream4(tmp_path / "small_1", truth=False, doubles=())
    [without] = search.benchmark_dream4(tmp_path).networks
    assert np.array_equal(without.network.evidence, result.networks[0].network.evidence)


def test_a_network_without_truth_is_ranked_and_not_judged(result):
    judged, ranked = result.networks
    assert set(judged.rankings) == {"CellBox", "z-score"}
    assert ranked.rankings == {}
    assert ranked.doubles == {}
    assert len(ranked.network.to_frame()) == N_GENES * (N_GENES - 1)
    assert result.to_frame()["AUPR CellBox"].isna().tolist() == [False, True]


def test_the_command_prints_and_writes_what_was_found(folder, tmp_path, capsys):
    out, file = tmp_path / "out", tmp_path / "found.json"
    given = ["benchmark", "dream4", str(folder), "--out", str(out), "--json", str(file)]
    assert main(given) == 0
    said = capsys.readouterr().out
    assert "Edges are ranked better than by the knock-out z-score on the network" in said
    assert "Ranked without a true network to judge by: small_2." in said
    content = json.loads(file.read_text())
    assert [one["name"] for one in content["networks"]] == ["small_1", "small_2"]
    assert content == json.loads((out / "benchmark.json").read_text())
    page = (out / "index.html").read_text()
    assert page.count("<svg") + page.count("data:image/svg+xml") >= 3
    assert "http://" not in page.split("<body", 1)[1].replace("http://www.w3.org", "")


def test_predictions_are_in_the_challenges_form(result, tmp_path):
    write_benchmark(result, tmp_path)
    lines = (tmp_path / "small_1_prediction.tsv").read_text().splitlines()
    rows = [line.split("\t") for line in lines]
    assert len(rows) == N_GENES * (N_GENES - 1)
    confidence = [float(row[2]) for row in rows]
    assert confidence == sorted(confidence, reverse=True)
    assert 0 < min(confidence) <= max(confidence) == 1
    true = true_weights() != 0
    best = [(int(target[1:]) - 1, int(source[1:]) - 1) for source, target, _ in rows[:3]]
    assert all(true[place] for place in best)


def test_networks_are_chosen_by_name(folder, tmp_path, capsys):
    given = ["benchmark", "dream4", str(folder), "--out", str(tmp_path / "out")]
    assert main([*given, "--networks", "small_2"]) == 0
    assert not (tmp_path / "out" / "small_1_edges.csv").exists()
    assert main([*given, "--networks", "small_3"]) == 2
    assert "expected some of small_1, small_2, found small_3" in capsys.readouterr().err


def test_networks_that_settings_were_chosen_on_do_not_count_as_held_out(tmp_path):
    write_dream4(tmp_path / "size10_1")
    alone = search.benchmark_dream4(tmp_path)
    assert not any("held-out" in sentence for sentence in sentences_of(alone))
    write_dream4(tmp_path / "other")
    both = search.benchmark_dream4(tmp_path)
    area = both.networks[0].rankings["CellBox"].aupr
    [said] = [sentence for sentence in sentences_of(both) if "held-out" in sentence]
    assert f"held-out networks have {area:.3f} instead of" in said


def test_problems_of_all_networks_are_told_before_any_is_learned(folder, tmp_path):
    for name in ("a", "b"):
        write_dream4(tmp_path / name)
        (tmp_path / name / "knockdowns.tsv").write_text("")
    begun = []
    with pytest.raises(InputError) as refused:
        search.benchmark_dream4(tmp_path, on_network=begun.append)
    named = " ".join(problem.where for problem in refused.value.problems)
    assert "a/knockdowns.tsv" in named
    assert "b/knockdowns.tsv" in named
    assert begun == []


@pytest.mark.skipif(not DREAM4.is_dir(), reason=f"no DREAM4 data in {DREAM4}")
def test_on_dream4_edges_and_doubles_are_better_than_by_simple_rules():
    result = search.benchmark_dream4(DREAM4)
    assert len(result.networks) >= 2
    for one in result.networks:
        assert one.rankings["CellBox"].aupr > one.rankings["z-score"].aupr, one.name
        for error in ("mean_squared_error", "mean_absolute_error"):
            errors = {rule: getattr(score, error) for rule, score in one.doubles.items()}
            assert not errors or errors["CellBox"] <= errors["additive"], one.name
    large = [one.rankings["CellBox"].aupr for one in result.networks if one.n_edges > 100]
    assert np.mean(large) > 0.55
