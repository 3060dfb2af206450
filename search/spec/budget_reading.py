"""From a TOML file, or plain values, to a checked budget study; every mistake with its place."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cellbox.errors import InputError, Problem
from search.spec.budget_tables import BudgetSpec, DataBudgetSpec
from search.spec.reading import parse, read_spec_values


def read_budget_spec(path: str | Path) -> BudgetSpec | DataBudgetSpec:
    """Read a budget study from a TOML file. Raises InputError naming every mistake and its place.

    Paths in the file are relative to the file.

    Example:
        >>> from pathlib import Path
        >>> import search
        >>> _ = Path("small.toml").write_text('truth.system = "CY"\\naxes.conditions = [4, 8]\\n')
        >>> search.read_budget_spec("small.toml").axes.conditions
        (4, 8)
    """
    return make_budget_spec(read_spec_values(path), where=str(path))


def make_budget_spec(
    content: Mapping[str, Any], *, where: str = "spec"
) -> BudgetSpec | DataBudgetSpec:
    """A checked budget study from plain values: of measured data where it has a table `data`.

    Raises InputError naming every mistake and its place.

    Example:
        >>> import search
        >>> spec = search.make_budget_spec({
        ...     "name": "small",
        ...     "truth": {"system": "VSC"},
        ...     "axes": {"conditions": {"low": 4, "high": 16, "count": 3}},
        ... })
        >>> spec.axes.conditions, spec.success.measure
        ((4, 8, 16), 'pearson')
    """
    kind: type[BudgetSpec] | type[DataBudgetSpec]
    kind = DataBudgetSpec if "data" in content else BudgetSpec
    spec, problems = parse(kind, content, where)
    if isinstance(spec, BudgetSpec):
        problems += _problems(spec, where)
    if problems or spec is None:
        raise InputError(problems)
    return spec


def _problems(spec: BudgetSpec, where: str) -> list[Problem]:
    """What does not go together, though each part is well."""
    problems = []
    success, ends = spec.success, {"pearson": 1.0, "auprc": 1.0, "sign_accuracy": 1.0}
    most = ends.get(success.measure, float("inf"))
    if not 0 < success.threshold < most and success.measure != "named_signs":
        problems.append(
            Problem(
                f"{where}, success.threshold",
                f"expected a number above 0 and below {most:g} for {success.measure}, found "
                f"{success.threshold:g}",
                "Use for example 0.9, or 0.01 for a prediction_error",
            )
        )
    for text in spec.prices.noise:
        try:
            known = float(text) in (spec.axes.noise or (float(text),))
        except ValueError:
            known = False
        if not known:
            problems.append(
                Problem(
                    f"{where}, prices.noise.{text}",
                    f"expected a noise among axes.noise, found {text!r}",
                    "Write the same number as in axes.noise, in quotes",
                )
            )
    return problems
