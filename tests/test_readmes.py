"""What the READMEs say works: links lead somewhere, snippets run, commands and specs are taken."""

import importlib.util
import re
import shlex
import textwrap
import tomllib
from contextlib import suppress
from itertools import chain
from pathlib import Path

import mlflow
import pytest

import cellbox
from search.cli.main import COMMANDS, build_parser
from search.spec.budget_reading import make_budget_spec
from search.spec.reading import make_spec
from search.study.good_trials import save_ensemble
from search.tracking.writers import synchronise
from tests.imports import ROOT
from tests.search.fake_study import add_model, fake_study

DOCUMENTS = (
    "README.md",
    "cellbox/README.md",
    "search/README.md",
    "tests/benchmarks/README.md",
    "deploy/README.md",
    ".github/CONTRIBUTING.md",
    ".github/CHANGELOG.md",
)
# So that what a reader trains in minutes takes seconds here; nothing else of a snippet changes.
QUICK = {"steps": 50, "refinement": "none"}
SHORTER = {
    "cellbox.Settings(l1=1e-5)": "cellbox.Settings(l1=1e-5, steps=50, refinement='none')",
    '"trials": 100}': (
        f'"trials": 2, "training": {QUICK}, "tracking": {{"enabled": False}}, '
        '"workers": {"executor": "inline", "lanes": 2}}'
    ),
}

_FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_INDENTED = re.compile(r"(?:(?<=\n\n)|\A)((?: {4}.*\n|\n(?= {4}))+)", re.MULTILINE)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_SPAN = re.compile(r"`([^`]+)`")


def text_of(document: str) -> str:
    return (ROOT / document).read_text(encoding="utf-8")


def blocks_of(document: str, *languages: str) -> list[str]:
    """The fenced blocks in these languages; those that are indented have the language ""."""
    text = text_of(document)
    fenced = [body for language, body in _FENCED.findall(text) if language in languages]
    prose = _FENCED.sub("", text)
    indented = [textwrap.dedent(body) for body in _INDENTED.findall(prose)]
    return fenced + (indented if "" in languages else [])


def prose_of(document: str) -> str:
    return _INDENTED.sub("", _FENCED.sub("", text_of(document)))


def anchors_of(path: Path) -> set[str]:
    """The names that GitHub gives to a document's headings."""
    headings = re.findall(r"^#+ (.+)$", _FENCED.sub("", path.read_text("utf-8")), re.MULTILINE)
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings)
    return {heading.strip().replace(" ", "-") for heading in plain}


def every(kind):
    """A test for each block, span or link of each document, named by where it stands."""
    return [
        pytest.param(document, item, id=f"{document}-{number}")
        for document in DOCUMENTS
        for number, item in enumerate(kind(document))
    ]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_relative_link_leads_to_a_file_and_a_heading_there(document):
    lost = []
    for target in _LINK.findall(prose_of(document)):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        path = (ROOT / document).parent / name if name else ROOT / document
        if not path.exists() or (anchor and anchor not in anchors_of(path)):
            lost.append(target)
    assert lost == []


@pytest.mark.parametrize("document", ["cellbox/README.md", "search/README.md"])
def test_every_python_file_that_a_room_readme_names_is_there(document):
    named = re.findall(r"\b[\w/]+/\w+\.py\b", text_of(document))
    places = ((ROOT / document).parent, ROOT)
    assert named
    assert [name for name in named if not any((place / name).is_file() for place in places)] == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_module_that_is_to_be_run_is_there(document):
    modules = re.findall(r"python -m ((?:tests|search|cellbox)[\w.]*\w)", text_of(document))
    lost = [name for name in modules if name != "tests.benchmarks" and not _is_module(name)]
    assert lost == []


def _is_module(name: str) -> bool:
    return importlib.util.find_spec(name) is not None


def command_lines(document: str) -> list[str]:
    """Lines that begin with the program's name, without what explains them."""
    lines = chain(*(body.splitlines() for body in blocks_of(document, "", "text", "bash")))
    stripped = (line.strip() for line in lines)
    return [re.split(r" {2,}", line)[0] for line in stripped if line.startswith("cellbox ")]


def arguments_of(line: str) -> list[str]:
    """The arguments; N stands for a number."""
    return shlex.split(re.sub(r"\bN\b", "3", line))[1:]


@pytest.mark.parametrize(("document", "line"), every(command_lines))
def test_every_command_line_is_one_that_the_program_takes(document, line):
    build_parser(COMMANDS).parse_args(arguments_of(line))


def command_spans(document: str) -> list[str]:
    spans = (" ".join(span.split()) for span in _SPAN.findall(prose_of(document)))
    return [span for span in spans if span.startswith("cellbox ")]


@pytest.mark.parametrize(("document", "span"), every(command_spans))
def test_every_command_in_a_sentence_is_at_least_the_beginning_of_one(document, span, capsys):
    with suppress(SystemExit):
        build_parser(COMMANDS).parse_args(arguments_of(span))
    said = capsys.readouterr().err
    assert said == "" or "required" in said


@pytest.mark.parametrize(("document", "block"), every(lambda name: blocks_of(name, "toml")))
def test_every_toml_block_is_a_spec_that_a_command_takes(document, block):
    content = tomllib.loads(block)
    make = make_budget_spec if "truth" in content else make_spec
    make(content)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with what the snippets read: a small experiment, and a finished study in MLflow."""
    folder = tmp_path_factory.mktemp("readmes")
    network = cellbox.random_network(4, density=0.5, seed=1)
    data = cellbox.simulate(network, n_conditions=6, n_times=2, n_held_out=2, seed=0)
    cellbox.write_tidy(data, folder / "my_experiment")
    study = fake_study(folder / "studies" / "LI", 3)
    add_model(study, 0, pictures=False)
    save_ensemble(study, [0])
    synchronise(study, None, [0])
    return folder


def python_blocks(document: str) -> list[str]:
    return blocks_of(document, "python")


@pytest.mark.slow
@pytest.mark.parametrize(("document", "snippet"), every(python_blocks))
def test_every_python_snippet_runs(document, snippet, place, monkeypatch):
    monkeypatch.chdir(place)
    for long, short in SHORTER.items():
        snippet = snippet.replace(long, short)
    try:
        exec(compile(snippet, document, "exec"), {})
    finally:
        mlflow.set_tracking_uri(None)


def test_what_is_shortened_in_snippets_stands_in_one():
    snippets = "".join(chain(*(python_blocks(document) for document in DOCUMENTS)))
    assert [long for long in SHORTER if long not in snippets] == []


def test_the_two_bash_blocks_are_those_that_ci_runs():
    install, tests = blocks_of("README.md", "bash")
    assert "cellbox sweep" in install
    assert "pytest" in tests
