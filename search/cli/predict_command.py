"""`cellbox predict`."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from typing import TYPE_CHECKING

from search.cli.arguments import add_json, times
from search.cli.command import Command
from search.cli.output import Output, check_file_target

if TYPE_CHECKING:
    import numpy as np


def _add_predict(parser: ArgumentParser) -> None:
    parser.usage = "%(prog)s MODEL_DIR (PERTURBATIONS.csv | --perturb NODE=VALUE,...) [options]"
    parser.add_argument("model", metavar="MODEL_DIR", help="folder that cellbox fit wrote")
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument(
        "perturbations",
        nargs="?",
        metavar="PERTURBATIONS.csv",
        help="a table with the columns condition, node and value; a positive value pushes the "
        "node down, a row without a node is an unperturbed control",
    )
    which.add_argument(
        "--perturb",
        action="append",
        metavar="NODE=VALUE,...",
        help='one condition written out, such as "g1=0.5,g3=0.2"; may be repeated',
    )
    parser.add_argument(
        "--times",
        type=times,
        metavar="T,T,...",
        help="when to predict, such as 4,8,12 (default: the times that the model was trained on)",
    )
    parser.add_argument(
        "--out", metavar="FILE.csv", help="write the table here instead of printing it"
    )
    add_json(parser)


def _run_predict(arguments: Namespace) -> int:
    import numpy as np

    from cellbox.data.readers.doses import parse_doses, read_doses
    from cellbox.models.ensemble import load_fitted
    from cellbox.storage.compilation import keep_compiled_programs
    from cellbox.storage.files import atomic_write

    output = Output(arguments.json)
    if arguments.out is not None:
        check_file_target(arguments.out)
    model = load_fitted(arguments.model)
    nodes = model.network.nodes
    if arguments.perturb is not None:
        conditions, perturbations = parse_doses(arguments.perturb, nodes, "--perturb")
    else:
        conditions, perturbations = read_doses(arguments.perturbations, nodes)
    moments = model.times.tolist() if arguments.times is None else arguments.times
    keep_compiled_programs()
    predicted = model.predict(perturbations, np.array(moments))
    _note_unsolved(conditions, predicted)
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
            "predictions": predicted,
        }
    )
    return 0


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
    conditions: Sequence[str], moments: Sequence[float], nodes: Sequence[str], predicted: np.ndarray
) -> str:
    """The predictions as a tidy table, in the form of measurements.csv."""
    from cellbox.storage.csv_tables import number_text, table_text

    rows = (
        (condition, number_text(time), node, number_text(predicted[row, slot, column]))
        for row, condition in enumerate(conditions)
        for slot, time in enumerate(moments)
        for column, node in enumerate(nodes)
    )
    return table_text(("condition", "time", "node", "value"), rows)


PREDICT = Command(
    "predict",
    "predict perturbations with a learned network",
    _add_predict,
    _run_predict,
    description="Predict how every node responds (log ratio to the unperturbed state) to\n"
    "perturbations, also to such as were never measured. The result is a table with the\n"
    "columns condition, time, node and value.",
    epilog="examples:\n"
    '  cellbox predict models/LI-seed0 --perturb "g1=0.5,g3=0.2" --times 5,10,20\n'
    "  cellbox predict models/LI-seed0 my_plans.csv --out predictions.csv",
)
