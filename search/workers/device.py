"""Giving one process one device, before JAX starts in it. Imports no JAX."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass


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


@dataclass(frozen=True)
class ClaimedCore:
    """A CPU core, and what tells other processes on the machine that it is taken.

    number: None where the system cannot pin processes. claim: held as long as the process lives;
    None where all cores are taken.
    """

    number: int | None
    claim: socket.socket | None


def claimed_core(place: int) -> ClaimedCore:
    """The core at this place among those that this process may use, or the next that is free.

    Where none is, the one at its place is shared. Other sweeps' workers are seen as well, unless
    they are in another container.
    """
    own = cores()
    for further in range(len(own)):
        number = own[(place + further) % len(own)]
        if number is None or not sys.platform.startswith("linux"):
            break
        claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            # A name without a file, which is free again when the process ends.
            claim.bind(f"\0cellbox-core-{number}")
        except OSError:
            claim.close()
            continue
        return ClaimedCore(number, claim)
    return ClaimedCore(own[place % len(own)], None)


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
