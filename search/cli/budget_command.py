"""`cellbox budget`."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING, Any

from search.cli.arguments import add_json, add_options, add_spec, whole_number
from search.cli.command import Command
from search.cli.service import add_executor, put_into, require_one_source
from search.cli.text_tables import text_table

if TYPE_CHECKING:
    from search.budget.result import BudgetResult
    from search.cli.output import Output
    from search.spec.budget_tables import BudgetSpec, DataBudgetSpec


def _add_budget(parser: ArgumentParser) -> None:
    add_spec(parser, "what to ask: truth, axes, success, prices, limits")
    add_options(
        parser,
        ("--system", str, "NAME", "instead of a file: one of the ten known systems"),
        ("--data", str, "FOLDER",
         "instead of a file: measured data, of which parts are learned from"),
        ("--further", whole_number(1), "N",
         "with --data: how many conditions might be added (default: 20)"),
        ("--experiments", whole_number(1), "N",
         "at most so many experiments in all; a study with fewer goes on (default: 200)"),
        ("--draws", whole_number(2), "N",
         "different draws of design, noise and truth, or of held-out conditions (default: 20, of "
         "data 10)"),
        ("--study", str, "FOLDER", "the study's folder (default: studies/NAME)"),
        ("--seed", whole_number(0, 2**31 - 1), "N",
         "number from which everything is drawn; the same seed in a new folder gives the same "
         "study (default: 0, or what the file says)"),
        ("--workers", whole_number(1), "N",
         "processes that work, each on a core of its own (default: all there are)"),
        ("--tracking-uri", str, "URI",
         "MLflow server to write to (default: a database in the study's folder)"),
    )  # fmt: skip
    add_executor(parser)
    add_json(parser)


def _run_budget(arguments: Namespace) -> int:
    from search.budget.display import make_display
    from search.budget.running import budget_study
    from search.cli.output import Output, run_and_say

    output = Output(arguments.json)
    spec = _spec(arguments)
    return run_and_say(
        lambda: budget_study(spec, study=arguments.study, display=make_display()),
        say_budget,
        output,
    )


def _spec(arguments: Namespace) -> BudgetSpec | DataBudgetSpec:
    """The spec from the file, or the built-in one, with what the command line says instead."""
    from pathlib import Path

    from search.spec.budget_reading import make_budget_spec
    from search.spec.reading import name_from, read_spec_values

    require_one_source(arguments, "cellbox budget --system VSC")
    values: dict[str, Any]
    if arguments.spec is not None:
        values, where = read_spec_values(arguments.spec), arguments.spec
    elif arguments.system is not None:
        name = f"budget-{arguments.system}"
        values, where = {"name": name, "truth": {"system": arguments.system}}, "budget"
    else:
        name = f"budget-{name_from(Path(arguments.data).resolve().name)}"[:100]
        values, where = {"name": name, "data": {"folder": arguments.data}}, "budget"
    for key in ("experiments", "draws", "seed", "further"):
        if getattr(arguments, key) is not None:
            values[key] = getattr(arguments, key)
    put_into(values, "workers", {"count": arguments.workers, "executor": arguments.executor})
    put_into(values, "tracking", {"uri": arguments.tracking_uri})
    return make_budget_spec(values, where=where)


def say_budget(result: BudgetResult, output: Output) -> None:
    """Print the answer, the budgets it rests on, and where the rest is."""
    output.say()
    output.say(result.sentence)
    for sentence in result.sentences:
        output.say(f"  {sentence}")
    answer = result.answer
    output.say()
    if answer["kind"] == "simulated":
        output.say(_front_table(answer))
    else:
        output.say(_parts_table(answer))
    path = result.folder.path
    output.say(f"\nnumbers: {path / 'answer.json'}, cells.csv, experiments.csv")
    if result.folder.has("report.html"):
        output.say(f"Report: {path / 'report.html'}")


def _front_table(answer: dict[str, Any]) -> str:
    """The cost front, cheapest first."""
    names = answer["searched"]
    cost = f"cost ({answer['unit']})" if answer["unit"] else "cost"
    header = (*(name.replace("_", " ") for name in names), cost, "success", "from", "to", "tried")
    rows = []
    for number in answer["front"]:
        cell = answer["cells"][number]
        chances = (f"{cell[key]:.0%}" for key in ("probability", "low", "high"))
        rows.append((*(cell[n] for n in names), cell["cost"], *chances, cell["experiments"]))
    return text_table(header, rows)


def _parts_table(answer: dict[str, Any]) -> str:
    """Mean errors by part of the data."""
    names = answer["searched"]
    models = list(answer["curves"])
    rows = [(*(cell[n] for n in names), *(cell[m] for m in models)) for cell in answer["cells"]]
    return text_table((*(name.replace("_", " ") for name in names), *models), rows)


BUDGET = Command(
    "budget",
    "find the cheapest experiment that is enough, or what more data would bring",
    _add_budget,
    _run_budget,
    description="Simulate many experiments of different sizes on networks like yours, learn from\n"
    "each, and say which is the cheapest whose network is right often enough, with an\n"
    "interval. Of measured data: learn from parts of them, and say what more conditions\n"
    "would bring and whether a simpler model would do as well.",
    epilog="examples:\n"
    "  cellbox budget --system VSC                  a known system, the built-in budgets\n"
    "  cellbox budget question.toml                 truth, prices and limits of your own\n"
    "  cellbox budget --data my_experiment          what 20 more conditions would bring\n\n"
    "Running the same command again goes on where it stopped; Ctrl-C loses nothing that\n"
    "finished.",
)
