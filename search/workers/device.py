"""Giving one process one device, before JAX starts in it. Imports no JAX."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence


def use_one_core(core: int | None) -> None:
    """Keep this process, and the threads XLA will start, to one CPU core and off the GPUs.

    XLA starts as many threads as the process may use cores, so several workers would otherwise
    fight over all of them. core: which one, or None where the system cannot pin processes.
    """
    os.environ["JAX_PLATFORMS"] = "cpu"
    if core is not None and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {core})
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "1"


def use_gpu_share(share: float) -> None:
    """Let JAX take this share of the GPU that the environment already points at."""
    os.environ.pop("JAX_PLATFORMS", None)
    os.environ["XLA_PYTHON_CLIENT_MEM_FRACTION"] = f"{0.9 * share:.3f}"


def keep_off_gpus() -> None:
    """Keep JAX in this process on the CPU, unless it has already started."""
    os.environ.setdefault("JAX_PLATFORMS", "cpu")
    if "jax" in sys.modules:
        import jax

        jax.config.update("jax_platforms", "cpu")


def cores() -> Sequence[int | None]:
    """The cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return [None] * (os.cpu_count() or 1)
