"""What all studies in a folder have in common: where MLflow is, in its `cellbox.toml`."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar, cast

from pydantic import ValidationError

from cellbox.errors import InputError
from search.spec.budget_tables import BudgetSpec, DataBudgetSpec
from search.spec.reading import problem_of, read_toml
from search.spec.tables import Spec, Table, TrackingTable

SHARED = "cellbox.toml"


class SharedSettings(Table):
    """The file `cellbox.toml` in a folder of studies."""

    tracking: TrackingTable = TrackingTable()


_AnySpec = TypeVar("_AnySpec", bound=Spec | BudgetSpec | DataBudgetSpec)


def with_shared_settings(spec: _AnySpec, study: Path) -> _AnySpec:
    """The spec with what the folder around a study says, where it says nothing of that itself.

    Raises InputError with everything that is wrong with the file.
    """
    file = study.absolute().parent / SHARED
    if not file.is_file() or "tracking" in spec.model_fields_set:
        return spec
    try:
        shared = SharedSettings.model_validate(read_toml(file))
    except ValidationError as error:
        problems = [problem_of(str(file), detail, SharedSettings) for detail in error.errors()]
        raise InputError(problems) from error
    return cast(_AnySpec, spec.model_copy(update={"tracking": shared.tracking}))
