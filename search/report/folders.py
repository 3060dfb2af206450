"""Which report belongs to a folder."""

from __future__ import annotations

import os
from pathlib import Path

from cellbox.errors import refuse
from search.report.blocks import Page
from search.report.page import write_page
from search.study.folder import REPORT


def write_report(folder: str | Path, out: str | Path | None = None) -> Path:
    """Write the report of a folder that a fit, a sweep or a comparison left; returns its path.

    out: where to, by default report.html in the folder.

    Raises InputError where the folder holds no such result, or cannot be written and there is no
    other place.

    Example:
        >>> import cellbox
        >>> import search
        >>> data = cellbox.read_data("my_experiment")
        >>> model = cellbox.fit(data, cellbox.Settings(steps=50, refinement="none"))
        >>> search.write_report(model.save("reported_model")).name
        'report.html'
    """
    folder = Path(folder)
    if out is None and folder.is_dir() and not os.access(folder, os.W_OK):
        found = "expected a folder that can be written, found one that cannot"
        raise refuse(str(folder), found, "Say where else with --out FILE (in Python: out)")
    return write_page(page_of(folder), folder / REPORT if out is None else Path(out))


def report_of_run(folder: str | Path) -> str | None:
    """Write the report at the end of a run, which no fault of its own may spoil.

    Returns None, or a sentence that says why there is no report; `cellbox report` tries again, and
    then raises what went wrong.
    """
    try:
        write_report(folder)
    except Exception as error:
        line = (str(error).strip().splitlines() or [""])[0]
        return (
            f"The report could not be written ({type(error).__name__}: {line}); nothing is lost: "
            f"`cellbox report {folder}` tries again."
        )
    return None


def page_of(folder: Path) -> Page:
    """The report of a folder. Raises InputError where it holds nothing to report."""
    if (folder / "spec.json").is_file():
        from search.report.studies import study_page

        return study_page(folder)
    if (folder / "answer.json").is_file():
        from search.report.budgets import budget_page

        return budget_page(folder)
    if (folder / "comparison.json").is_file():
        from search.report.comparisons import comparison_page

        return comparison_page(folder)
    if (folder / "model.json").is_file():
        from search.report.fits import fit_page

        return fit_page(folder)
    if (folder / "reproduce.json").is_file():
        raise refuse(
            str(folder),
            "expected the folder of a fit, a sweep or a comparison, found a reproduction",
            f"Open {folder / 'index.html'}, which is its report",
        )
    if (folder / "benchmark.json").is_file():
        raise refuse(
            str(folder),
            "expected the folder of a fit, a sweep or a comparison, found a benchmark",
            f"Open {folder / 'index.html'}, which is its report",
        )
    raise refuse(
        str(folder),
        "expected the folder of a fit, a sweep, a budget study or a comparison, found none of them",
        "Give the folder that `cellbox fit`, `sweep`, `budget` or `compare` printed",
    )
