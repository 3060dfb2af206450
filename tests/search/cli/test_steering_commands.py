"""`cellbox status`, `stop` and `verify`: what they print, ask for and mend."""

import fcntl
import json
import shutil
import threading
import time

import pytest

from search.cli.main import main
from search.study.folder import StudyFolder
from tests.search.cli_helpers import read_json, refused
from tests.search.fake_study import add_model, fake_study
from tests.search.tiny import run


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    return run(tmp_path_factory.mktemp("steering") / "study", trials=3).folder


def test_the_status_of_a_finished_study_says_so(study, tmp_path, capsys):
    assert main(["status", str(study.path), "--json", str(tmp_path / "s.json")]) == 0
    shown = capsys.readouterr().out
    assert "no sweep is running; the last one on" in shown
    assert "finished" in shown
    assert "3 of 3 trials have ended: 3 complete" in shown
    content = read_json(tmp_path / "s.json")
    assert (content["alive"], content["finished"], content["state"]["phase"]) == (
        *(False, 3, "finished"),
    )


def test_the_status_tells_what_more_trials_would_bring_where_that_was_asked(
    study, tmp_path, capsys
):
    folder = StudyFolder(tmp_path / "study")
    shutil.copytree(study.path, folder.path)
    state = folder.read_json("state.json")
    assert state["outlook"] is None
    outlook = {"chance": 0.25, "trials": 30, "improvement": 0.02, "after": 3}
    folder.write_json("state.json", {**state, "outlook": outlook})
    main(["status", str(folder.path)])
    said = "after 3 trials, another 30 have a chance of at most 25 % to improve the best by 2 %"
    assert said in capsys.readouterr().out
    for damaged in ({**outlook, "chance": "high"}, {"chance": 0.25}, "good"):
        folder.write_json("state.json", {**state, "outlook": damaged})
        main(["status", str(folder.path)])
        assert "no sweep is running; 3 trials have ended" in capsys.readouterr().out


def held(folder, until):
    with open(folder.path / folder.LOCK, "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        until()


def test_a_running_sweep_is_told_by_its_lock_and_one_that_was_killed_too(study, tmp_path, capsys):
    folder = StudyFolder(tmp_path / "study")
    shutil.copytree(study.path, folder.path)
    folder.write_json("state.json", {**folder.read_json("state.json"), "phase": "training"})
    held(folder, lambda: main(["status", str(folder.path)]))
    assert "a sweep is training on" in capsys.readouterr().out
    main(["status", str(folder.path)])
    assert "ended without a word, as when killed" in capsys.readouterr().out


def test_stop_leaves_a_request_and_waits_until_the_sweep_has_ended(study, tmp_path, capsys):
    folder = StudyFolder(tmp_path / "study")
    shutil.copytree(study.path, folder.path)

    def until_asked():
        while not folder.has("stop.request"):
            time.sleep(0.02)

    # A lock is of an open file, so that two of one process see each other's.
    sweeping = threading.Thread(target=held, args=(folder, until_asked))
    sweeping.start()
    while not folder.is_held():
        time.sleep(0.02)
    assert main(["stop", str(folder.path)]) == 0
    sweeping.join()
    assert not folder.has("stop.request")
    assert "waiting until it has" in capsys.readouterr().err
    assert main(["stop", str(folder.path), "--no-wait"]) == 0
    assert "No sweep is running" in capsys.readouterr().out


def test_a_whole_study_is_sound(study, capsys):
    assert main(["verify", str(study.path)]) == 0
    shown = capsys.readouterr().out
    assert shown == f"{study.path}: sound (3 records, the sampler's history and 3 models)\n"


def test_each_damage_is_a_line_and_repair_sets_it_aside(study, tmp_path, capsys):
    folder = StudyFolder(tmp_path / "study")
    shutil.copytree(study.path, folder.path)
    record = folder.path / "trials" / "000001" / "record.json"
    record.write_text(record.read_text().replace('"completed"', '"completeD"'))
    best = next(iter(folder.models.iterdir()))
    (best / "model.npz").write_bytes(b"")
    journal = folder.path / "optuna.journal"
    journal.write_text(journal.read_text().replace('"values":[0.', '"values":[1.', 1))
    (folder.path / "ended.json").write_text("[]")
    target = tmp_path / "v.json"
    assert main(["verify", str(folder.path), "--json", str(target)]) == 1
    shown = capsys.readouterr().out
    assert "4 problems" in shown
    parts = [damage["part"] for damage in read_json(target)["damages"]]
    assert parts == ["records", "history", "models", "study"]
    assert main(["verify", str(folder.path), "--repair"]) == 0
    assert "trains it once more" in capsys.readouterr().out
    names = sorted(entry.name.rpartition("-")[0] for entry in (folder.path / "damaged").iterdir())
    assert names == ["000001", "ended.json", "optuna.journal"]
    assert not best.exists()


def test_a_study_is_not_verified_while_a_sweep_runs(study, tmp_path, capsys):
    folder = StudyFolder(tmp_path / "study")
    shutil.copytree(study.path, folder.path)
    held(folder, lambda: refused(capsys, "verify", folder.path))


def test_records_of_earlier_versions_have_no_digest_and_are_read(tmp_path):
    folder = fake_study(tmp_path / "study", 2)
    add_model(folder, 0, pictures=False)
    file = folder.path / "trials" / "000000" / "record.json"
    content = json.loads(file.read_text())
    assert content.pop("digest")
    assert content.pop("network_digest")
    file.write_text(json.dumps(content))
    assert folder.damage(0) is None
    assert folder.record(0).number == 0
    content["parameters"] = 3
    file.write_text(json.dumps(content))
    assert "key parameters: expected an object, found 3" in str(folder.damage(0))
    assert [record.number for record in folder.records()] == [1]


def test_files_that_follow_from_the_records_are_looked_at_and_written_again(
    study, tmp_path, capsys
):
    folder = StudyFolder(tmp_path / "study")
    shutil.copytree(study.path, folder.path)
    with pytest.MonkeyPatch.context() as patch:
        # As a run with MLflow writes them.
        patch.setattr("search.sweeping.derived._table_problem", lambda *_: "it is gone")
        for name in ("trials.csv", "trials.parquet"):
            (folder.path / name).touch()
        assert main(["verify", str(folder.path), "--repair"]) == 0
    assert main(["verify", str(folder.path)]) == 0
    capsys.readouterr()
    table = folder.path / "trials.csv"
    table.write_text(table.read_text().replace("0.", "1.", 1))
    (folder.path / "trials.parquet").write_bytes(b"PAR1")
    (folder.path / "report.html").write_text("<!doctype html><p>half")
    (folder.path / "devices.json").write_text('[{"kind": 3}]')
    assert main(["verify", str(folder.path), "--repair"]) == 0
    shown = capsys.readouterr().out
    assert "4 problems" in shown
    assert "trials.csv: it differs from the records. Mended: written anew from the records" in shown
    assert "report.html: expected a whole page, found another file" in shown
    assert main(["verify", str(folder.path)]) == 0


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("data/network.csv", lambda content: content[: len(content) // 2]),
        ("data/amplitudes.csv", None),
        ("data/noise_free.csv", lambda content: content.replace(b"1", b"2")),
        ("ensemble/model.json", lambda content: b"{}"),
        ("ensemble/model.npz", None),
    ],
)
def test_damage_of_files_that_few_read_is_told(study, tmp_path, capsys, name, damage):
    folder = tmp_path / "study"
    shutil.copytree(study.path, folder)
    file = folder / name
    content = None if damage is None else damage(file.read_bytes())
    file.unlink()
    if content is not None:
        file.write_bytes(content)
    assert main(["verify", str(folder)]) == 1
    assert name.split("/")[0] in capsys.readouterr().out


def test_data_that_were_damaged_are_written_anew_by_the_next_run(tmp_path, capsys):
    from tests.search.tiny import run

    path = tmp_path / "study"
    folder = run(path, trials=3).folder
    file = folder.data / "measurements.csv"
    written = file.read_bytes()
    file.write_bytes(written[: len(written) // 2])
    assert main(["verify", str(path), "--repair"]) == 0
    assert "writes it anew" in capsys.readouterr().out
    run(path, trials=3)
    assert file.read_bytes() == written
    assert main(["verify", str(path)]) == 0


def test_a_model_that_tells_something_else_of_its_making_is_refused(study, tmp_path, capsys):
    model = tmp_path / "model"
    shutil.copytree(next(study.models.iterdir()), model)
    file = model / "model.json"
    content = json.loads(file.read_text())
    for told in (3, {"split": 3}, {"split": {"test": 3}}, {"date": []}):
        file.write_text(
            json.dumps({**{k: v for k, v in content.items() if k != "digest"}, "provenance": told})
        )
        assert main(["predict", str(model), "--perturb", "g1=0.5", "--times", "5"]) == 2
        assert "key provenance" in capsys.readouterr().err
