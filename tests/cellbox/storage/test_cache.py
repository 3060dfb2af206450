"""What may be computed again is kept in the user's cache folder, and only ever saves time."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from cellbox.storage import compilation
from cellbox.storage.cache import cache_folder, remembered
from tests.imports import ROOT


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return cache_folder()


class Computed:
    def __init__(self):
        self.times = 0

    def __call__(self):
        self.times += 1
        return {"value": self.times}


def test_what_was_computed_is_not_computed_again():
    compute = Computed()
    assert remembered("notes.json", "key", compute) == {"value": 1}
    assert remembered("notes.json", "key", compute) == {"value": 1}
    assert remembered("notes.json", "other", compute) == {"value": 2}


def test_what_others_noted_meanwhile_is_kept(folder):
    def compute():
        remembered("notes.json", "theirs", lambda: 1)
        return 2

    assert remembered("notes.json", "ours", compute) == 2
    assert json.loads((folder / "notes.json").read_text()) == {"theirs": 1, "ours": 2}


@pytest.mark.parametrize("content", ["", "{", "[]", "\x00"])
def test_a_damaged_file_is_only_worth_a_new_computation(folder, content):
    folder.mkdir()
    (folder / "notes.json").write_text(content)
    assert remembered("notes.json", "key", lambda: 5) == 5


def test_a_folder_that_cannot_be_written_stops_nobody(tmp_path):
    (tmp_path / "cellbox").write_text("a file where the folder would be")
    assert remembered("notes.json", "key", lambda: 5) == 5


COMPILE = """
import time
import jax, jax.numpy as jnp
from cellbox.storage.compilation import keep_compiled_programs
print(keep_compiled_programs())
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
jax.jit(lambda x: jnp.sin(x) @ x.T)(jnp.ones((3, 3)))
"""


def compile_in_another_process(**environment) -> str:
    return run_in_another_process(COMPILE, **environment)


def run_in_another_process(code: str, **environment) -> str:
    ran = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "JAX_PLATFORMS": "cpu", **environment},
    )
    return ran.stdout.strip()


def test_compiled_programs_are_kept_in_a_private_folder_of_the_machines_type(folder):
    place = compile_in_another_process()
    assert place == str(folder / "programs" / compilation.machine_type())
    assert stat.S_IMODE(os.stat(place).st_mode) == 0o700
    programs = {entry.name for entry in os.scandir(place)}
    assert programs
    compile_in_another_process()
    assert programs <= {entry.name for entry in os.scandir(place)}


def test_a_folder_chosen_for_jax_stays_the_one(tmp_path):
    chosen = tmp_path / "chosen"
    assert compile_in_another_process(JAX_COMPILATION_CACHE_DIR=str(chosen)) == str(chosen)


def test_without_a_folder_to_write_programs_are_not_kept(tmp_path):
    (tmp_path / "cellbox").write_text("a file where the folder would be")
    assert compile_in_another_process() == "None"


PREDICT = """
import jax
import cellbox
network = cellbox.random_network(3, density=0.5, seed=0)
data = cellbox.simulate(network, n_conditions=4, n_held_out=2)
print(jax.config.jax_compilation_cache_dir)
cellbox.fit(data, cellbox.Settings(steps=1, validate_every=1, refinement="none"))
print(jax.config.jax_compilation_cache_dir)
"""


def test_simulating_leaves_jax_as_it_is_and_training_keeps_programs(folder):
    before, after = run_in_another_process(PREDICT).splitlines()
    assert before == "None"
    assert after == str(folder / "programs" / compilation.machine_type())
    # Also what is compiled after JAX has begun to compile without a place to keep it.
    assert list(os.scandir(after))


CROWDED = """
from pathlib import Path
import jax, jax.numpy as jnp
from cellbox.storage import compilation
double = jax.jit(lambda x: 2 * x)
for n in range(1, 40):
    double(jnp.ones(n))
count = lambda: len(Path("/proc/self/maps").read_text().splitlines())
full = count()
print(compilation.make_room_for_programs(), count() == full)
bound = Path("bound")
bound.write_text(str(full))
compilation._MOST_MAPPINGS = bound
print(compilation.make_room_for_programs(), full - count() > 39, double(jnp.ones(2)))
bound.write_text(str(3 * full))
print(compilation.make_room_for_programs())
"""


@pytest.mark.skipif(not Path("/proc/self/maps").is_file(), reason="needs /proc/self/maps")
def test_a_process_with_nearly_all_mappings_it_may_have_drops_its_programs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said = run_in_another_process(CROWDED, PYTHONPATH=str(ROOT)).splitlines()
    assert said == ["False True", "True True [2. 2.]", "False"]


def test_a_system_that_does_not_count_mappings_has_room(monkeypatch, tmp_path):
    monkeypatch.setattr(compilation, "_MOST_MAPPINGS", tmp_path / "not there")
    assert compilation.make_room_for_programs() is False
