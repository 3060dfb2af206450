"""Pictures of matplotlib as images inside a page."""

from __future__ import annotations

import io
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as Drawing

# So wide that its texts are as large as the page's, on a phone as beside others on a desk.
WIDTH, HEIGHT = 4.4, 3.2

# Around it, in points.
_PAD = 3.0

_MOST_MARKS = 1_000

_LOOK: dict[Any, Any] = {
    # Texts stay texts, and a picture of the same numbers is the same file.
    "svg.fonttype": "none",
    "svg.hashsalt": "cellbox",
    "font.size": 10,
    "axes.labelsize": 10,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
}


@contextmanager
def look() -> Iterator[None]:
    """The style that a report's pictures have in common."""
    with matplotlib.rc_context(_LOOK):
        yield


def drawn(paint: Callable[[Axes], Any], width: float = WIDTH, height: float = HEIGHT) -> str:
    """The address of a picture with one panel, which `paint` fills."""
    with look():
        drawing = Drawing(figsize=(width, height))
        panel = drawing.subplots()
        paint(panel)
        if len(drawing.axes) > 1:
            # A colour bar, which has its place by the layout that there is when it is made.
            drawing = Drawing(figsize=(width, height), layout="constrained")
            panel = drawing.subplots()
            paint(panel)
        else:
            _fill(drawing, panel)
        for line in panel.lines:
            # Thousands of marks would be megabytes of SVG.
            line.set_rasterized(np.size(line.get_xdata()) > _MOST_MARKS)
        return image_link(drawing)


def _fill(drawing: Drawing, panel: Axes) -> None:
    """Let a panel with its texts fill the drawing: a constrained layout takes twice as long."""
    outer = panel.get_tightbbox(FigureCanvasAgg(drawing).get_renderer())
    assert outer is not None
    inner, whole, pad = panel.bbox, drawing.bbox, _PAD * drawing.dpi / 72
    drawing.subplots_adjust(
        left=(inner.x0 - outer.x0 + pad) / whole.width,
        right=1 - (outer.x1 - inner.x1 + pad) / whole.width,
        bottom=(inner.y0 - outer.y0 + pad) / whole.height,
        top=1 - (outer.y1 - inner.y1 + pad) / whole.height,
    )


def image_link(drawing: Any) -> str:
    """The address of a figure as SVG."""
    content = io.BytesIO()
    with look():
        drawing.savefig(content, format="svg", metadata={"Date": None, "Creator": None})
    return f"data:image/svg+xml;base64,{b64encode(content.getvalue()).decode('ascii')}"
