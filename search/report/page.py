"""Pages as HTML: one template for all reports, with its style and scripts inside the file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from cellbox.storage.files import atomic_write
from search.report.blocks import Block, Page

_TEMPLATE = "page.html"


def render(page: Page) -> str:
    """The page as HTML that needs no other file."""
    return _environment().get_template(_TEMPLATE).render(page=page)


def render_blocks(blocks: Sequence[Block]) -> str:
    """Blocks alone, for a notebook."""
    show = _environment().get_template("blocks.html").module.show  # type: ignore[attr-defined]
    return "".join(show(block) for block in blocks)


def write_page(page: Page, path: Path) -> Path:
    """Write the page, whole or not at all; returns its path."""
    text = render(page)
    with atomic_write(path) as handle:
        handle.write(text)
    return path


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("search.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["as_json"] = _as_json
    environment.globals["raw"] = _raw
    return environment


def _raw(name: str) -> Markup:
    """A file beside the template, as it is: a style or a script."""
    return Markup(Path(__file__).with_name("templates").joinpath(name).read_text(encoding="utf-8"))


def _as_json(value: Any) -> Markup:
    """JSON that may stand in a script element, which no text in it can end."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return Markup(text.replace("<", "\\u003c").replace("&", "\\u0026"))
