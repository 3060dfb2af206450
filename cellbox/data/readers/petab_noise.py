"""How sure the values of a PEtab problem are, where its noise formulas are numbers."""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

logger = logging.getLogger("cellbox")

_NAMED = 5
# Of a scale of noise: the standard deviation of Laplace's distribution is so many times its scale.
_LAPLACE = math.sqrt(2)
_LOGARITHMS = {"log": 1.0, "log10": math.log(10), "log2": math.log(2)}


@runtime_checkable
class Cells(Protocol):
    """A row of a table: its cells by column, empty where there is none."""

    def __getitem__(self, column: str) -> str:
        """The cell of a column."""


def value_errors(
    path: Path,
    measurements: Sequence[Cells],
    observables: Sequence[Cells],
    parameters: Sequence[Cells],
) -> list[float] | None:
    """The standard deviation of each measurement; None where the problem does not tell all.

    A noise formula is a number, a parameter that is not estimated, or a placeholder for the number
    or such a parameter in noiseParameters. Noise of a logarithm is relative, by linear theory. A
    noise of 1 everywhere is what problems have that tell none.
    """
    fixed = {
        line["parameterId"]: line["nominalValue"]
        for line in parameters
        if line["estimate"].casefold() in ("0", "false")
    }
    of_observable = {line["observableId"]: line for line in observables}
    errors = []
    untold: dict[str, str] = {}
    for line in measurements:
        observable = of_observable.get(line["observableId"])
        told = None if observable is None else _scale(line, observable, fixed)
        if told is None or observable is None:
            formula = "" if observable is None else observable["noiseFormula"]
            untold.setdefault(line["observableId"], line["noiseParameters"] or formula)
            told = math.nan
        else:
            told *= _in_unit_of_values(line, observable)
        errors.append(told)
    if untold:
        if any(error > 0 for error in errors):
            named = [f"{name} ({what or 'none'})" for name, what in [*untold.items()][:_NAMED]]
            said = "%s: values count alike, since the noise of %d observables is no number: %s"
            logger.info(said, path, len(untold), ", ".join(named))
        return None
    return None if all(error == 1 for error in errors) else errors


def _scale(line: Cells, observable: Cells, fixed: Mapping[str, str]) -> float | None:
    """The scale of noise of one measurement; None where it is no number."""
    formula = observable["noiseFormula"].strip()
    given = [part.strip() for part in line["noiseParameters"].split(";")]
    placeholder = re.fullmatch(r"noiseParameter(\d+)_\w+", formula)
    named = [part.strip() for part in re.split("[;,]", observable["noisePlaceholders"])]
    if formula and formula in named:
        place = named.index(formula)
    elif placeholder is not None:
        place = int(placeholder[1]) - 1
    else:
        return _number(formula, fixed)
    return _number(given[place], fixed) if 0 <= place < len(given) else None


def _number(cell: str, fixed: Mapping[str, str]) -> float | None:
    try:
        return float(fixed.get(cell, cell))
    except ValueError:
        return None


def _in_unit_of_values(line: Cells, observable: Cells) -> float:
    """What the scale of noise is multiplied with for a standard deviation of the value."""
    distribution = observable["noiseDistribution"].strip().casefold()
    transformed = observable["observableTransformation"].strip().casefold()
    if distribution.startswith("log-"):
        transformed, distribution = "log", distribution.removeprefix("log-")
    factor = _LAPLACE if distribution == "laplace" else 1.0
    if transformed in _LOGARITHMS:
        value = _number(line["measurement"], {})
        factor *= _LOGARITHMS[transformed] * abs(math.nan if value is None else value)
    return factor
