"""What all tables of a spec have in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Table(BaseModel):
    """A table of the spec: unknown keys are mistakes, values are not converted."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
