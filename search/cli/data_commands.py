"""`cellbox simulate`, `cellbox lint` and `cellbox convert`."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import TYPE_CHECKING, Any

from search.cli.arguments import add_choice_group, add_json, real_number, refuse_flags
from search.cli.command import Command
from search.cli.data_units import add_units, given_units, units_of
from search.cli.experiment import add_simulation, simulated
from search.cli.output import Output, say_warnings, warnings_as_json
from search.cli.text_tables import shown, shown_list, text_pairs

if TYPE_CHECKING:
    from argparse import _ActionsContainer as Arguments

    from cellbox.data.dataset import Dataset


def _add_simulate(parser: ArgumentParser) -> None:
    parser.usage = "%(prog)s (SYSTEM | --network FILE | --random N) --out DIR [options]"
    _, which = add_choice_group(parser, "the network")
    which.add_argument(
        "system", nargs="?", metavar="SYSTEM", help="a known system; cellbox systems lists them"
    )
    add_simulation(parser, which)
    parser.add_argument("--out", required=True, metavar="DIR", help="folder to write")
    parser.add_argument(
        "--overwrite", action="store_true", help="replace an earlier simulation in that folder"
    )
    add_json(parser)


def _run_simulate(arguments: Namespace) -> int:
    from cellbox.data.readers import write_tidy

    data = simulated(arguments)
    write_tidy(data, arguments.out, overwrite=arguments.overwrite)
    _say_written(
        arguments,
        data,
        f"an experiment on {data.name}",
        f"cellbox lint {arguments.out}\n      cellbox fit {arguments.out}",
        {"folder": arguments.out, "seed": arguments.seed},
    )
    return 0


def _say_written(
    arguments: Namespace, data: Dataset, what: str, following: str, origin: dict[str, Any]
) -> None:
    """Say what data were written, and write the facts about them behind where they come from."""
    output = Output(arguments.json)
    described = _facts(data)
    output.say(f"Wrote {arguments.out}: {what}\n")
    output.say(_readable_facts(described))
    output.say(f"\nNext: {following}")
    output.write_json({**origin, **described})


def _add_convert(parser: ArgumentParser) -> None:
    parser.add_argument("data", metavar="IN", help="data of any form that cellbox lint reads")
    parser.add_argument("out", metavar="OUT", help="folder to write")
    add_cellbox_form(parser)
    parser.add_argument(
        "--overwrite", action="store_true", help="replace earlier data in that folder"
    )
    add_json(parser)


def _run_convert(arguments: Namespace) -> int:
    from cellbox.data.readers import convert

    data = convert(
        arguments.data, arguments.out, overwrite=arguments.overwrite, **_taken(arguments)
    )
    _say_written(
        arguments,
        data,
        "measurements.csv and perturbations.csv",
        f"cellbox lint {arguments.out}",
        {"source": arguments.data, "folder": arguments.out},
    )
    return 0


def _add_lint(parser: ArgumentParser) -> None:
    parser.add_argument("data", metavar="DATA", help="folder with the data files, or a file")
    add_cellbox_form(parser)
    add_json(parser)


def add_cellbox_form(parser: Arguments) -> None:
    """Declare how files of data are to be taken."""
    parser.add_argument(
        "--structural-zeros",
        action="store_true",
        help="forbid the edges that the 2020 CellBox forbids: of a node on itself, of anything "
        "on a drug, of a phenotype on anything, of a drug on a phenotype (pert.csv data only)",
    )
    parser.add_argument(
        "--time",
        type=real_number(0, open_ends=True),
        metavar="T",
        help="when the steady state was measured, in units of a node's decay time; slow networks "
        "need more to come to rest (for pert.csv and wide tables that tell none; default: 10)",
    )
    add_units(parser)


def read_folder(arguments: Namespace) -> Dataset:
    """The folder of data that was named, as its flags say."""
    from cellbox.data.readers import read_data

    return read_data(arguments.data, **_taken(arguments))


def _taken(arguments: Namespace) -> dict[str, Any]:
    """How the data that were named are to be taken, as keywords."""
    return {
        "structural_zeros": arguments.structural_zeros,
        "time": arguments.time,
        "units": units_of(arguments),
    }


def refuse_cellbox_form(arguments: Namespace) -> None:
    """Refuse the flags of `add_cellbox_form` beside a simulated experiment."""
    given = {
        "--structural-zeros": arguments.structural_zeros,
        "--time": arguments.time is not None,
        **given_units(arguments),
    }
    found = "expected data files, found a simulated experiment"
    refuse_flags(given, found)


def _run_lint(arguments: Namespace) -> int:
    from cellbox.data.line_warnings import line_sentence
    from cellbox.data.plausibility import data_warnings

    output = Output(arguments.json)
    data = read_folder(arguments)
    described = _facts(data)
    warnings = data_warnings(data)
    output.say(f"{arguments.data} {_headline(len(warnings))}\n")
    output.say(_readable_facts(described))
    say_warnings(warnings, output)
    if lines := line_sentence(data):
        output.say(f"\n{lines}")
    said = [*described["not_determined"], *described["fixes"]]
    if said:
        output.say("\n" + "\n".join(said))
        output.say(f"More, edge by edge: cellbox design check {arguments.data}")
    if not warnings:
        output.say(f"\nNext: cellbox fit {arguments.data}")
    status = "doubtful" if warnings else "ok"
    output.write_json(
        {
            "status": status,
            "folder": arguments.data,
            **described,
            "data_warnings": warnings_as_json(warnings),
        }
    )
    return 0


def _headline(n_warnings: int) -> str:
    if not n_warnings:
        return "can be used."
    things = "1 thing speaks" if n_warnings == 1 else f"{n_warnings} things speak"
    return f"can be read, but {things} against using it as it is."


def _facts(data: Dataset) -> dict[str, Any]:
    """What there is to know about a dataset before anything is learned from it."""
    import numpy as np

    from cellbox.identifiability.design_findings import (
        by_kind,
        coverage_sentences,
        fix_sentences,
        node_findings,
    )

    found = node_findings(data)
    of_kind = dict(by_kind(found))
    rows_of_condition = np.bincount(data.condition_of_row)
    parts = None
    if data.split is not None:
        parts = {
            part: len(np.unique(data.condition_of_row[getattr(data.split, part)]))
            for part in ("training", "validation", "test")
        }
    return {
        "name": data.name,
        "nodes": data.n_nodes,
        "rows": data.n_rows,
        "conditions": data.n_conditions,
        **_facts_of_lines(data),
        **_facts_of_interventions(data),
        **_facts_of_off_targets(data),
        "combinations": int(data.combination_of_row.max()) + 1,
        "replicated_conditions": int((rows_of_condition > 1).sum()),
        "rounding_sensitive_conditions": (
            None
            if data.rounding_sensitive is None
            else len(np.unique(data.condition_of_row[data.rounding_sensitive]))
        ),
        "times": data.times.tolist(),
        "missing_share": _missing_share(data),
        "activity_nodes": [data.nodes[index] for index in np.flatnonzero(data.activity_nodes)],
        "allowed_edges": None if data.allowed_edges is None else int(data.allowed_edges.sum()),
        "split": parts,
        "truth_known": data.truth is not None,
        "unperturbed_nodes": of_kind["never_perturbed"],
        "unmeasured_nodes": of_kind["never_measured"],
        "nodes_with_too_few_values": of_kind["too_few_values"],
        "not_determined": coverage_sentences(found, data.n_nodes),
        "fixes": fix_sentences(found),
    }


def _missing_share(data: Dataset) -> float:
    """The share of values that are missing, of nodes that were measured at all."""
    import numpy as np

    missing = np.isnan(data.measurements)
    measured = ~missing.all(axis=(0, 1))
    return float(missing[:, :, measured].mean()) if measured.any() else 1.0


def _facts_of_lines(data: Dataset) -> dict[str, Any]:
    """How many rows each cell line has, where the data tell lines."""
    if data.lines is None:
        return {}
    return {"lines": {name: data.lines.count(name) for name in data.line_names}}


def _facts_of_interventions(data: Dataset) -> dict[str, Any]:
    """What was done beside doses that last, where anything was."""
    said = data.interventions_in_words
    return {"interventions": said} if said else {}


def _facts_of_off_targets(data: Dataset) -> dict[str, Any]:
    """What doses did to other nodes in a simulation; the files do not tell it."""
    form = None if data.truth is None else data.truth.form
    if form is None or "off_target" not in form.values:
        return {}
    import numpy as np

    effects = form.values["off_target"]
    return {
        "off_targets": [
            {"dose_of": data.nodes[j], "on": data.nodes[i], "effect": float(effects[i, j])}
            for i, j in np.argwhere(effects).tolist()
        ]
    }


def _readable_facts(facts: dict[str, Any]) -> str:
    times = facts["times"]
    activity, split = facts["activity_nodes"], facts["split"]
    pairs: list[tuple[str, Any]] = [
        ("nodes", facts["nodes"]),
        ("rows (measured series)", facts["rows"]),
        ("conditions (different perturbations)", facts["conditions"]),
        ("combinations (whatever the doses)", facts["combinations"]),
        ("conditions measured repeatedly", facts["replicated_conditions"]),
        ("time points", f"{len(times)}: {shown_list([f'{time:g}' for time in times])}"),
        ("missing values of measured nodes", f"{shown(100 * facts['missing_share'])} %"),
        ("drug activity nodes", f"{len(activity)}: {shown_list(activity)}" if activity else None),
    ]
    if "lines" in facts:
        named = [f"{name} ({rows} rows)" for name, rows in facts["lines"].items()]
        pairs.insert(3, ("cell lines or batches", f"{len(named)}: {shown_list(named)}"))
    if "off_targets" in facts:
        shown_effects = [
            f"{one['dose_of']} on {one['on']} {one['effect']:.3g}" for one in facts["off_targets"]
        ]
        pairs.append(("doses act besides", shown_list(shown_effects)))
    if facts["rounding_sensitive_conditions"] is not None:
        sensitive = f"{facts['rounding_sensitive_conditions']:,} of {facts['conditions']:,}"
        pairs.append(("rounding-sensitive conditions", sensitive))
    if facts["allowed_edges"] is not None:
        possible = facts["nodes"] ** 2
        pairs.append(("edges that may exist", f"{facts['allowed_edges']:,} of {possible:,}"))
    conditions = "conditions for training, validation, test"
    parts = "to be drawn when fitting" if split is None else ", ".join(map(str, split.values()))
    known = "known, to compare with" if facts["truth_known"] else "not known"
    table = text_pairs([*pairs, (conditions, parts), ("true network", known)])
    said = facts.get("interventions", [])
    return "\n".join([table, *(["", *said] if said else [])])


SIMULATE = Command(
    "simulate",
    "make an experiment on a known, random or own network",
    _add_simulate,
    _run_simulate,
    description="Simulate an experiment: perturb random nodes of a network, follow its response\n"
    "over time and add noise. Defaults are in brackets. Writes a folder of plain tables:\n"
    "measurements.csv and perturbations.csv, beside the true network and a split into\n"
    "training, validation and test conditions.",
    epilog="examples:\n"
    "  cellbox simulate LI --out my_experiment\n"
    "  cellbox simulate --network my_edges.csv --conditions 40 --noise 0.05 --out my_experiment\n"
    "  cellbox simulate --random 12 --motif bifurcating --seed 3 --out my_experiment\n"
    "  cellbox simulate GSD --amplitude-spread 0.5 --at 1,2,5,20 --missing 0.1 --out my_experiment",
)
LINT = Command(
    "lint",
    "check data before using them",
    _add_lint,
    _run_lint,
    description="Read a folder of data and report every problem in it at once, with its file and\n"
    "row; or, where there is none, what the data hold. Known are:\n"
    "  measurements.csv (condition, time, node, value, maybe replicate) with\n"
    "  perturbations.csv (condition, node, value, maybe from and until); positive pushes a\n"
    "  node down; and clamped.csv (condition, node, value) where nodes are held, as knock-outs;\n"
    "  or the 2020 CellBox's pert.csv, expr.csv and node_Index.csv, without headers.\n"
    "The first two may be wide (a column for each node), text with any separator, Parquet\n"
    "or .xlsx, or two sheets of these names in one workbook. Files of other programs are named\n"
    "themselves: a PEtab problem (.yaml), MIDAS (.csv), AnnData (.h5ad).\n"
    "Values are log ratios, doses near 1, times in decay times: where the numbers look\n"
    "otherwise (percent, nM, minutes), lint says so, and the flags below make them so.",
    epilog="examples:\n"
    "  cellbox lint my_experiment\n"
    "  cellbox lint my_experiment --transform log2-ratio --control DMSO --time-unit 30min\n"
    "  cellbox lint my_experiment --dose-transform hill --ec50 AKT=100 --ec50 MEK=20",
)
CONVERT = Command(
    "convert",
    "write data of any form as tidy tables",
    _add_convert,
    _run_convert,
    description="Read data of any form that cellbox lint reads (wide tables, Parquet, workbooks,\n"
    "PEtab, MIDAS, AnnData, the 2020 CellBox's files), and write measurements.csv and\n"
    "perturbations.csv, a value a row, in the model's units: log ratios, doses near 1, decay\n"
    "times, positive pushes a node down.",
    epilog="examples:\n"
    "  cellbox convert plate.xlsx my_experiment\n"
    "  cellbox convert raw my_experiment --transform log2-ratio --control DMSO --time-unit 30min",
)
