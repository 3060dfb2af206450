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


def examples_of(name: str) -> list[doctest.DocTest]:
    found = doctest.DocTestFinder(recurse=False).find(PUBLIC[name], name, globs={})
    return [one for one in found if one.examples]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """One folder for all examples: what they write has a name of its own in each."""
    return tmp_path_factory.mktemp("examples")


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
