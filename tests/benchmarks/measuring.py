"""What the benchmarks of the numerics share: one core, interleaved repeats, tables, plots, JSON."""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

PACKAGES = ("jax", "jaxlib", "diffrax", "equinox", "optax", "numpy", "torch")


def use_one_core() -> int | None:
    """Keep this process to one core, and the threads of its libraries to one; returns the core.

    To be called before JAX and PyTorch are imported. The last core is taken, since systems like
    to work on the first.
    """
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "1"
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    if not hasattr(os, "sched_setaffinity"):
        return None
    core = max(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {core})
    return core


def keep_no_programs() -> None:
    """Let compiling be what is measured, and not reading from the user's cache."""
    import jax

    from cellbox.storage.compilation import keep_compiled_programs

    keep_compiled_programs()
    jax.config.update("jax_enable_compilation_cache", False)


def interleaved(
    sides: Mapping[str, Callable[[], Any]], *, repeats: int, seconds: float = 0.2
) -> dict[str, float]:
    """Median seconds of a call of each side; the sides take turns, so that all share the noise.

    Each turn calls a side for about `seconds`, and at least once.
    """
    calls = {}
    for name, call in sides.items():
        call()
        began = time.perf_counter()
        call()
        calls[name] = max(1, round(seconds / (time.perf_counter() - began)))
    measured: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(repeats):
        for name, call in sides.items():
            began = time.perf_counter()
            for _ in range(calls[name]):
                call()
            measured[name].append((time.perf_counter() - began) / calls[name])
    return {name: float(np.median(values)) for name, values in measured.items()}


def environment() -> dict[str, Any]:
    """What the numbers were measured with."""
    return {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None,
        "versions": {name: _version(name) for name in PACKAGES},
    }


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows with the same keys as aligned text."""
    columns = list(rows[0])
    cells = [columns, *([_cell(row[column]) for column in columns] for row in rows)]
    widths = [max(len(line[place]) for line in cells) for place in range(len(columns))]
    return "\n".join(
        "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip()
        for line in cells
    )


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def arguments(description: str | None, *, repeats: int) -> argparse.ArgumentParser:
    """The options that these benchmarks share."""
    parser = argparse.ArgumentParser(description=(description or "").split("\n")[0])
    parser.add_argument("--json", metavar="FILE", help="write the result, and a plot beside it")
    parser.add_argument("--repeats", type=int, default=repeats, help=f"turns ({repeats})")
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that it runs")
    return parser


def add_seeds(
    parser: argparse.ArgumentParser, seeds: int, first_seed: int, what: str = "experiments"
) -> None:
    """Declare how many seeds are tried, and from which on."""
    parser.add_argument("--seeds", type=int, default=seeds, help=f"{what} of each kind ({seeds})")
    parser.add_argument("--first-seed", type=int, default=first_seed)


def seeds_of(options: argparse.Namespace) -> range:
    """The seeds that were asked for."""
    return range(options.first_seed, options.first_seed + options.seeds)


def write_rows(rows: Sequence[Mapping[str, Any]], file: str | None, **more: Any) -> None:
    """Write rows, what else there is to say and what they were measured with as JSON."""
    if file is not None:
        result = {"rows": rows, **more, "environment": environment()}
        Path(file).write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


def write(result: Mapping[str, Any], file: str | None, draw: Callable[[Any], None]) -> None:
    """Write the result as JSON, and what `draw` makes of an axes beside it as PNG.

    Where matplotlib is not installed there is no picture, and a line that says so.
    """
    if file is None:
        return
    path = Path(file)
    path.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    try:
        import matplotlib
    except ImportError:
        print("no plot: matplotlib is not installed")
        return
    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, ax = pyplot.subplots(figsize=(7.5, 4.2), layout="constrained")
    draw(ax)
    figure.savefig(path.with_suffix(".png"), dpi=120)
    pyplot.close(figure)


def bars(ax: Any, values: Mapping[str, float], label: str) -> None:
    """Horizontal bars with their values, on a logarithmic scale."""
    names = list(values)[::-1]
    lengths = [values[name] for name in names]
    drawn = ax.barh(names, lengths, color="#0072B2", height=0.6)
    ax.bar_label(drawn, labels=[f" {length:.3g}" for length in lengths])
    ax.set(xscale="log", xlabel=label)
    ax.margins(x=0.15)
    for side in ("top", "right"):
        ax.spines[side].set_visible(False)
