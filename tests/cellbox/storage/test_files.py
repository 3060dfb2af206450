"""Files that appear whole or not at all, and what killed writes leave."""

import os

import pytest

from cellbox.storage.files import atomic_write, clear_leftovers, is_leftover, whole_folder


def test_what_killed_writes_left_is_removed_and_nothing_else(tmp_path):
    for name in (".record.json.0123456789ab.tmp", "record.json", ".hidden", ".a.tmp"):
        (tmp_path / name).write_text("kept")
    left = tmp_path / ".000001.0123456789ab.tmp"
    left.mkdir()
    (left / "record.json").write_text("half")
    clear_leftovers(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".a.tmp", ".hidden", "record.json"]


def test_a_folder_that_was_moved_away_for_one_that_never_came_is_put_back(tmp_path):
    for name in (".data.0123456789ab.old", ".models.0123456789ab.old", "models"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_text(name)
    clear_leftovers(tmp_path)
    assert (tmp_path / "data" / "file").read_text() == ".data.0123456789ab.old"
    assert (tmp_path / "models" / "file").read_text() == "models"
    assert not any(is_leftover(path.name) for path in tmp_path.iterdir())


def test_a_folder_that_is_not_there_has_no_leftovers(tmp_path):
    clear_leftovers(tmp_path / "none")


def test_files_of_a_whole_folder_are_on_the_disk_before_it_has_its_name(tmp_path, monkeypatch):
    synced, real = [], os.fsync

    def fsync(descriptor):
        assert not (tmp_path / "whole").exists()
        synced.append(os.path.basename(os.readlink(f"/proc/self/fd/{descriptor}")))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fsync)
    with whole_folder(tmp_path / "whole") as new:
        (new / "plain.csv").write_text("a,b\n")
        (new / "below").mkdir()
        (new / "below" / "picture.png").write_bytes(b"png")
    assert {"plain.csv", "picture.png"} <= set(synced)
    assert (tmp_path / "whole" / "below" / "picture.png").read_bytes() == b"png"


def test_a_write_that_fails_leaves_what_was_there(tmp_path):
    file = tmp_path / "file"
    file.write_text("before")

    def fail():
        with atomic_write(file) as handle:
            handle.write("after")
            raise OSError

    with pytest.raises(OSError):  # noqa: PT011
        fail()
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert file.read_text() == "before"
