"""`cellbox predict`."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from cellbox.errors import refuse
from search.cli.arguments import add_json, real_number, times
from search.cli.command import Command
from search.cli.data_units import add_model_units, refuse_other_units
from search.cli.output import Output, check_file_target
from search.cli.pairs_report import note_beyond, note_no_interval, run_pairs

if TYPE_CHECKING:
    import numpy as np

    from cellbox.models.model import FittedModel
    from cellbox.models.predicted import Predicted
    from cellbox.networks.interventions import Interventions


def _add_predict(parser: ArgumentParser) -> None:
    parser.usage = (
        "%(prog)s MODEL_DIR (PERTURBATIONS.csv | --perturb NODE=VALUE,... | "
        "--clamp NODE=LEVEL,... | --all-pairs --node NODE) [options]"
    )
    parser.add_argument("model", metavar="MODEL_DIR", help="folder that cellbox fit wrote")
    which = parser.add_mutually_exclusive_group()
    which.add_argument(
        "perturbations",
        nargs="?",
        metavar="PERTURBATIONS.csv",
        help="a table with the columns condition, node and value, and from and until where doses "
        "begin later or end; a positive value pushes the node down, a row without a node is an "
        "unperturbed control",
    )
    which.add_argument(
        "--perturb",
        action="append",
        metavar="NODE=VALUE,...",
        help='one condition written out, such as "g1=0.5,g3=0.2"; may be repeated',
    )
    which.add_argument(
        "--all-pairs",
        action="store_true",
        help="every pair of nodes, each at the same dose: the response of --node, the lowest "
        "first, beside both alone, and whether the pair does more than Bliss's independence and "
        "Loewe's additivity expect",
    )
    _add_pairs(parser)
    parser.add_argument(
        "--times",
        type=times,
        metavar="T,T,...",
        help="when to predict, such as 4,8,12 (default: the times that the model was trained on)",
    )
    parser.add_argument(
        "--out", metavar="FILE.csv", help="write the table here instead of printing it"
    )
    parser.add_argument(
        "--clamp",
        action="append",
        metavar="NODE=LEVEL,...",
        help="nodes that are held at a level (log ratio) from time 0 on in every condition, such "
        "as AKT=-3 for a knock-out; may be repeated",
    )
    parser.add_argument(
        "--line",
        metavar="LINE",
        help="of which cell line, or batch, of the model's data (default: the reference)",
    )
    add_model_units(parser)
    add_json(parser)


def _add_pairs(parser: ArgumentParser) -> None:
    """Declare what goes with --all-pairs."""
    pairs = parser.add_argument_group("with --all-pairs")
    pairs.add_argument("--node", metavar="NODE", help="whose response, such as cellviab")
    pairs.add_argument(
        "--dose",
        type=real_number(0, open_ends=True),
        metavar="X",
        help="of each of the two (default: 0.5)",
    )
    pairs.add_argument(
        "--among",
        type=lambda text: [name.strip() for name in text.split(",")],
        metavar="NODE,...",
        help="the nodes to perturb (default: those that the model's data perturb)",
    )
    pairs.add_argument("--plot", metavar="FILE.png", help="draw the pairs as a heat map")


def _run_predict(arguments: Namespace) -> int:
    import numpy as np

    from cellbox.data.units import MODEL_UNITS
    from cellbox.models.saved_ensembles import load_fitted
    from cellbox.storage.compilation import keep_compiled_programs
    from cellbox.storage.files import atomic_write

    _check_pair_flags(arguments)
    if arguments.all_pairs:
        return run_pairs(arguments)
    output = Output(arguments.json)
    if arguments.out is not None:
        check_file_target(arguments.out)
    model = load_fitted(arguments.model)
    refuse_other_units(arguments, model.units)
    if arguments.model_units:
        model = replace(model, units=MODEL_UNITS)
    nodes = model.network.nodes
    conditions, perturbations, interventions = _asked_of(arguments, model)
    moments = model.own_times.tolist() if arguments.times is None else arguments.times
    keep_compiled_programs()
    predicted = model.answer(
        perturbations, np.array(moments), line=arguments.line, interventions=interventions
    )
    if model.units.given:
        print(f"note: {model.units.sentence}, as the model was learned", file=sys.stderr)
    beyond = model.beyond_training(perturbations, np.array(moments, float))
    note_no_interval(model)
    note_beyond(beyond)
    _note_unsolved(conditions, predicted.value)
    table = _table(conditions, moments, nodes, predicted)
    if arguments.out is not None:
        with atomic_write(arguments.out) as handle:
            handle.write(table)
        output.say(
            f"Wrote {arguments.out}: {len(conditions)} conditions, {len(moments)} times, "
            f"{len(nodes)} nodes"
        )
    elif not output.json_on_stdout:
        sys.stdout.write(table)
    output.write_json(
        {
            "model": arguments.model,
            "nodes": nodes,
            "times": moments,
            "conditions": conditions,
            "perturbations": perturbations,
            **_described(interventions, nodes),
            **({"line": arguments.line or model.lines[0]} if model.lines else {}),
            "units": model.units.to_dict() if model.units.given else None,
            "predictions": predicted.value,
            **({} if predicted.low is None else {"low": predicted.low, "high": predicted.high}),
            "no_interval": model.why_no_interval(),
            "beyond_training": beyond,
        }
    )
    return 0


def _asked_of(
    arguments: Namespace, model: FittedModel
) -> tuple[tuple[str, ...], np.ndarray, Interventions | None]:
    """Names of the conditions, their doses, and what is done in them beside doses that last."""
    import numpy as np

    from cellbox.data.readers.doses import parse_doses, read_doses

    nodes, spans = model.network.nodes, None
    if arguments.perturb is not None:
        conditions, perturbations = parse_doses(arguments.perturb, nodes, "--perturb")
    elif arguments.perturbations is None:
        conditions, perturbations = (_held_alone(arguments),), np.zeros((1, len(nodes)))
    else:
        conditions, perturbations, spans = read_doses(
            arguments.perturbations, nodes, model.units.decay_time
        )
    return conditions, perturbations, _with_clamps(arguments, nodes, len(conditions), spans)


def _held_alone(arguments: Namespace) -> str:
    """The name of the one condition that holds nodes and perturbs none."""
    if arguments.clamp is None:
        raise refuse(
            "cellbox predict",
            "expected a table of perturbations, --perturb, --clamp or --all-pairs, found none",
            'Say what to predict, such as --perturb "AKT=0.5"',
        )
    return f"{' '.join(','.join(arguments.clamp).split(','))} held"


def _with_clamps(
    arguments: Namespace, nodes: Sequence[str], n_rows: int, spans: Interventions | None
) -> Interventions | None:
    """What is done in each condition: when doses act, and the nodes that --clamp holds."""
    from cellbox.data.readers.doses import parse_doses
    from cellbox.networks.interventions import held_nodes, together
    from cellbox.storage.delimited import clean_name

    if arguments.clamp is None:
        return spans
    text = ",".join(arguments.clamp)
    _, given = parse_doses([text], nodes, "--clamp", "level")
    # One that is held at 0 is held as well.
    named = [clean_name(part.rpartition("=")[0]) for part in text.split(",")]
    levels = {node: given[0, nodes.index(node)] for node in named}
    return together(held_nodes(levels, nodes, n_rows, "--clamp"), spans)


def _described(interventions: Interventions | None, nodes: Sequence[str]) -> dict[str, list[str]]:
    """What is done in each condition beside doses that last, in words; nothing where all last."""
    if interventions is None:
        return {}
    rows = range(len(interventions.held))
    return {"interventions": [interventions.words(row, nodes) for row in rows]}


def _check_pair_flags(arguments: Namespace) -> None:
    """Refuse what only means something with --all-pairs where it is not given, and the reverse."""
    flags = ("node", "dose", "among", "plot")
    given = [f"--{flag}" for flag in flags if getattr(arguments, flag) is not None]
    if given and not arguments.all_pairs:
        found = f"expected --all-pairs beside {', '.join(given)}, found none"
        raise refuse("cellbox predict", found, "Add it, or leave these out")
    if arguments.all_pairs and arguments.clamp is not None:
        found = "expected pairs of doses with --all-pairs, found --clamp beside it"
        raise refuse("--clamp", found, "Leave one of the two out")
    if arguments.all_pairs and arguments.node is None:
        found = "expected --node beside --all-pairs, found none"
        raise refuse("cellbox predict", found, "Name the node whose response you want")
    if arguments.all_pairs and arguments.times is not None and len(arguments.times) > 1:
        found = f"expected one time with --all-pairs, found {len(arguments.times)}"
        raise refuse("--times", found, "Give one")


def _note_unsolved(conditions: Sequence[str], predicted: np.ndarray) -> None:
    import numpy as np

    unsolved = [
        condition
        for condition, states in zip(conditions, predicted, strict=True)
        if not np.isfinite(states).all()
    ]
    if unsolved:
        print(
            f"note: the equations could not be solved for {', '.join(unsolved)}; "
            "these values are left empty",
            file=sys.stderr,
        )


def _table(
    conditions: Sequence[str],
    moments: Sequence[float],
    nodes: Sequence[str],
    predicted: Predicted,
) -> str:
    """The predictions as a tidy table, in the form of measurements.csv, with their intervals."""
    from cellbox.storage.csv_tables import number_text, table_text

    parts = predicted._asdict()
    told = {name: values for name, values in parts.items() if values is not None}
    rows = (
        (
            condition,
            number_text(time),
            node,
            *(number_text(values[row, slot, column]) for values in told.values()),
        )
        for row, condition in enumerate(conditions)
        for slot, time in enumerate(moments)
        for column, node in enumerate(nodes)
    )
    return table_text(("condition", "time", "node", *told), rows)


PREDICT = Command(
    "predict",
    "predict perturbations with a learned network",
    _add_predict,
    _run_predict,
    description="Predict how every node responds (log ratio to the unperturbed state) to\n"
    "perturbations, also to such as were never measured. The result is a table with the\n"
    "columns condition, time, node and value, and low and high, the 90 % interval of the\n"
    "response without noise, where the model tells it. Doses, times and values are in the\n"
    "units that the model's data had, where these were not the model's own (see cellbox\n"
    "lint --help).",
    epilog="examples:\n"
    '  cellbox predict models/LI-seed0 --perturb "g1=0.5,g3=0.2" --times 5,10,20\n'
    '  cellbox predict models/LI-seed0 --perturb "g1=0.5" --clamp g2=-3\n'
    "  cellbox predict models/LI-seed0 my_plans.csv --out predictions.csv\n"
    "  cellbox predict models/melanoma --all-pairs --dose 0.5 --node cellviab --plot pairs.png",
)
