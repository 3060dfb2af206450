"""`cellbox benchmark skmel133`: what is learned how, what is kept, and what is said of it."""

from dataclasses import replace
from pathlib import Path

import pytest

import search
from cellbox.evaluation.held_out_predictions import ADDITIVE, ENSEMBLE, MEAN, RIDGE
from cellbox.evaluation.paired_comparison import Difference, NodesReport
from cellbox.scores.baselines import baselines
from cellbox.settings import Settings
from search.benchmark.skmel133 import SCHEMES, learning_of
from search.benchmark.skmel133_sentences import verdicts_of
from search.cli.main import main
from search.cli.settings_flags import settings_of_file
from search.comparison import running
from tests.search.benchmark.small_drugs import write_drugs
from tests.search.cli_helpers import matrix_folder, read_json, refused, tidy_folder

ROOT = Path(__file__).resolve().parents[3]
SKMEL133 = ROOT.parent / "shared" / "data" / "skmel133"
COMBINATIONS, NEW_DRUGS = "single-to-combination", "leave-one-out-without-singles"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_drugs(tmp_path_factory.mktemp("drugs") / "small")


@pytest.fixture
def trained(monkeypatch):
    """The splits that were trained, in order, with how; CellBox lies halfway from ridge to data."""
    done = []

    def predict(data, split, entrant, on_progress):
        done.append((split.scheme, split.name, entrant))
        simple = baselines(data, split.split)
        halfway = (simple[RIDGE] + data.measurements[split.test]) / 2
        return {ENSEMBLE: halfway, **{name: simple[name] for name in (MEAN, RIDGE, ADDITIVE)}}

    monkeypatch.setattr(running, "predict_held_out", predict)
    return done


def asked(folder, out, *more):
    return ["benchmark", "skmel133", str(folder), "--out", str(out), *map(str, more)]


def test_new_drugs_are_learned_as_the_settings_for_them_say():
    new = learning_of(NEW_DRUGS).entrant
    assert new.settings == settings_of_file(str(ROOT / "deploy" / "skmel133.toml"))
    assert new.total_dose
    for scheme in set(SCHEMES) - {NEW_DRUGS}:
        known = learning_of(scheme).entrant
        assert known.settings.refinement == "select_edges"
        assert not known.total_dose


def test_given_settings_hold_in_every_scheme_and_leave_the_total_dose_to_its_flag():
    settings = Settings(steps=70)
    for scheme in SCHEMES:
        entrant = learning_of(scheme, settings=settings, members=2, seed=5).entrant
        assert (entrant.settings, entrant.members, entrant.seed) == (settings, 2, 5)
        assert not entrant.total_dose
        assert learning_of(scheme, settings=settings, total_dose=True).entrant.total_dose


@pytest.mark.slow
def test_the_command_learns_prints_and_writes_what_it_found(folder, tmp_path, capsys):
    out, file = tmp_path / "out", tmp_path / "found.json"
    given = asked(folder, out, "--schemes", COMBINATIONS, "--members", 2, "--json", file)
    assert main(given) == 0
    said = capsys.readouterr()
    assert "Against ridge, CellBox is " in said.out
    assert "Against the additive rule, where that applies, CellBox is " in said.out
    assert "not the published SK-MEL-133 data" in said.out
    assert "now single-to-combination, combinations" in said.err
    content = read_json(file)
    assert content == read_json(out / "benchmark.json")
    [scheme] = content["schemes"]
    assert scheme["learning"] == "known drugs"
    assert scheme["published"] is None
    scores = scheme["measured_nodes"]["scores"]
    assert set(scores) == {ENSEMBLE, MEAN, RIDGE, ADDITIVE, "ridge with total dose"}
    assert scores[ENSEMBLE]["pearson"] > scores[MEAN]["pearson"]
    assert "difference" in (out / "benchmark.csv").read_text().splitlines()[0]
    page = (out / "index.html").read_text("utf-8")
    # Differences of two scores, and predicted against measured values of two models.
    assert page.count("data:image/svg+xml") == 4
    assert "http://" not in page.split("<body", 1)[1].replace("http://www.w3.org", "")
    # The same command trains nothing, and finds the same.
    assert main(given) == 0
    assert "now single-to-combination" not in capsys.readouterr().err
    assert read_json(file) == content


def test_all_schemes_by_default_each_learned_in_its_way(folder, trained, tmp_path, capsys):
    assert main(asked(folder, tmp_path / "out", "--seeds", 2)) == 0
    assert [scheme for scheme, *_ in trained] == [
        *["random"] * 2, *["leave-one-out"] * 3, *[NEW_DRUGS] * 3, COMBINATIONS,
    ]  # fmt: skip
    assert {scheme for scheme, _, how in trained if how.total_dose} == {NEW_DRUGS}
    said = capsys.readouterr().out
    assert "Against ridge, CellBox is better on " in said
    result = search.benchmark_skmel133(folder, out=tmp_path / "out", seeds=2)
    assert len(trained) == 9
    frame = result.to_frame()
    assert set(frame["held_out"]) == set(SCHEMES)
    own = frame[(frame["model"] == RIDGE) & (frame["nodes"] == "measured")]
    assert (own["mae_difference"] < 0).all()


def test_flags_choose_what_is_held_out_and_how_it_is_learned(folder, trained, tmp_path):
    (tmp_path / "mine.toml").write_text("steps = 70\n")
    more = ("--schemes", "random", "--seeds", 1, "--members", 3, "--seed", 4, "--total-dose")
    assert main(asked(folder, tmp_path / "out", *more, "--settings", tmp_path / "mine.toml")) == 0
    [(scheme, name, entrant)] = trained
    assert (scheme, name) == ("random", "0")
    assert (entrant.members, entrant.seed, entrant.total_dose) == (3, 4, True)
    assert entrant.settings == Settings(steps=70)


def test_what_was_finished_is_kept_when_stopped(folder, trained, tmp_path, monkeypatch, capsys):
    whole = running.predict_held_out

    def stopped(data, split, entrant, on_progress):
        if split.name == "aB":
            raise KeyboardInterrupt
        return whole(data, split, entrant, on_progress)

    given = asked(folder, tmp_path / "out", "--schemes", "leave-one-out")
    with monkeypatch.context() as patch:
        patch.setattr(running, "predict_held_out", stopped)
        assert main(given) == 130
    assert "topped with 1 of 3 splits finished" in capsys.readouterr().out
    assert main(given) == 0
    assert [name for _, name, _ in trained] == ["aA", "aB", "aC"]


def test_another_setting_in_the_same_folder_is_refused(folder, trained, tmp_path, capsys):
    given = asked(folder, tmp_path / "out", "--schemes", COMBINATIONS)
    assert main(given) == 0
    capsys.readouterr()
    said = refused(capsys, *given, "--members", "3")
    assert "another members" in said
    assert "--out" in said
    said = refused(capsys, "compare", folder, "--scheme", "random", "--out", tmp_path / "out")
    assert "expected a new or empty folder or that of a comparison, found other files" in said
    said = refused(capsys, "report", tmp_path / "out")
    assert "index.html, which is its report" in said


def test_other_folders_are_refused_with_what_to_do(tmp_path, capsys):
    tidy = tidy_folder(tmp_path)
    said = refused(capsys, *asked(tidy, tmp_path / "out"))
    found = "measurements.csv, perturbations.csv"
    assert f"expected a folder with pert.csv, expr.csv and node_Index.csv, found {found}" in said
    assert "`cellbox compare` holds" in said
    assert "found nothing of that name" in refused(capsys, *asked("nowhere", tmp_path / "out"))
    damaged = matrix_folder(tmp_path, expr="0.1,x\n0.3,0.4,0.5\n")
    for place in (tmp_path, damaged / "pert.csv"):
        assert f"Name {damaged} instead" in refused(capsys, *asked(place, tmp_path / "out"))
    said = refused(capsys, *asked(damaged, tmp_path / "out"))
    assert "expr.csv, row 1" in said
    assert "expr.csv, row 2" in said
    (damaged / "expr.csv").write_text("0.1,0.2\n0.3,0.4\n")
    only = ("--schemes", COMBINATIONS)
    assert "Choose another scheme" in refused(capsys, *asked(damaged, tmp_path / "out", *only))
    assert not (tmp_path / "out").exists()


def verdict(by_r, by_error):
    """A difference whose intervals say so."""
    low, high = (-0.1 + 0.15 * by_r, 0.1 + 0.15 * by_r)
    error_low, error_high = (-0.1 - 0.15 * by_error, 0.1 - 0.15 * by_error)
    return Difference(
        9, 9, 0.9, 0.1, 0.8, 0.2, 0.15 * by_r, low, high, -0.15 * by_error, error_low, error_high
    )


def test_verdicts_say_where_it_is_better_alike_and_worse(folder, trained, tmp_path):
    result = search.benchmark_skmel133(folder, out=tmp_path / "out", seeds=1)
    schemes = [
        replace(
            scheme,
            report=replace(
                scheme.report,
                measured_nodes=NodesReport(5, {}, {RIDGE: found}),
            ),
        )
        for scheme, found in zip(
            result.schemes,
            (verdict(1, 1), verdict(0, 0), verdict(-1, -1), verdict(0, 1)),
            strict=True,
        )
    ]
    said = verdicts_of(schemes)
    assert said[:2] == [
        "Against ridge, CellBox is better on random conditions; alike on combinations of each "
        "drug; worse on new drugs; better by MAE and alike by r on all combinations.",
        "Alike: the 95 % interval of the paired difference holds 0.",
    ]


@pytest.mark.skipif(not SKMEL133.is_dir(), reason=f"no SK-MEL-133 data in {SKMEL133}")
def test_published_figures_stand_beside_the_published_data_alone(trained, tmp_path):
    result = search.benchmark_skmel133(SKMEL133, out=tmp_path / "out", seeds=1)
    assert result.is_published
    assert [len(scheme.report.splits) for scheme in result.schemes] == [1, 12, 12, 1]
    _, rows = result.published_rows()
    assert [row[2] for row in rows] == ["0.926", "0.935", "0.780", "0.924"]
    frame = result.to_frame()
    assert (frame["model"] == "published CellBox").sum() == 4
    assert any("leads may be a little flattered" in sentence for sentence in result.sentences())
    for scheme in result.as_dict()["schemes"]:
        like, every = scheme["like_published"][RIDGE], scheme["all_nodes"]["scores"][RIDGE]
        of = {"random": "pearson", COMBINATIONS: None}.get(scheme["scheme"], "pearson_mean")
        assert of is None or like == pytest.approx(every[of])
    (tmp_path / "other").mkdir()
    for name in ("pert.csv", "node_Index.csv"):
        (tmp_path / "other" / name).write_bytes((SKMEL133 / name).read_bytes())
    changed = (SKMEL133 / "expr.csv").read_text().replace("-0.435", "-0.534", 1)
    (tmp_path / "other" / "expr.csv").write_text(changed)
    other = search.benchmark_skmel133(
        tmp_path / "other", out=tmp_path / "out2", schemes=[COMBINATIONS]
    )
    assert not other.is_published
