"""The examples in the docstrings of what both packages export."""

import doctest
import inspect

import pytest

import cellbox
import search

OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
PUBLIC = {
    f"{package.__name__}.{name}": getattr(package, name)
    for package in (cellbox, search)
    for name in package.__all__
}

TINY = """
trials = 2
data = { system = "CY", conditions = 6, time_points = 2, held_out = 2 }
training = { steps = 50, refinement = "none" }
workers = { executor = "inline", lanes = 2 }
tracking.enabled = false
"""


def examples_of(name: str) -> list[doctest.DocTest]:
    found = doctest.DocTestFinder(recurse=False).find(PUBLIC[name], name, globs={})
    return [one for one in found if one.examples]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """One folder for all examples, with the files that a user of theirs would have.

    What the examples write has a name of its own in each.
    """
    folder = tmp_path_factory.mktemp("examples")
    network = cellbox.random_network(3, density=0.5, seed=0)
    experiment = cellbox.simulate(network, n_conditions=6, n_times=2, n_held_out=2)
    cellbox.write_tidy(experiment, folder / "my_experiment")
    (folder / "tiny.toml").write_text(TINY)
    return folder


@pytest.mark.parametrize("name", [name for name in PUBLIC if inspect.isfunction(PUBLIC[name])])
def test_every_public_function_has_an_example(name):
    assert examples_of(name)


# Programs are compiled once, since nearly all examples have data of one shape.
@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in PUBLIC if examples_of(name)])
def test_examples_give_what_they_say(name, place, monkeypatch):
    monkeypatch.chdir(place)
    runner = doctest.DocTestRunner(optionflags=OPTIONS)
    said: list[str] = []
    for one in examples_of(name):
        runner.run(one, out=said.append)
    assert runner.failures == 0, "".join(said)
