"""Figures that a notebook shows by themselves, without pyplot."""

from __future__ import annotations

import io
from typing import Any

from matplotlib.figure import Figure


class ShownFigure(Figure):
    """A figure of matplotlib that is its own picture at the end of a notebook's cell."""

    def __init__(self, **options: Any):
        super().__init__(**{"layout": "constrained", "dpi": 120, **options})

    def _repr_png_(self) -> bytes:
        picture = io.BytesIO()
        self.savefig(picture, format="png")
        return picture.getvalue()
