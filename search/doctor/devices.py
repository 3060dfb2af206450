"""What JAX and Ray find, and how fast a gradient is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from search.doctor.finding import Finding

_SECONDS = 120.0
# Of one model among 64 of LI on one core, as tests/benchmarks/README.md tells of two machines.
_GRADIENT, _GRADIENT_OF_A_SLOWER_ONE = 0.105, 0.18  # milliseconds
# About, by counting: of its forward and its backward steps.
_OPERATIONS = 1e6
_TOO_SLOW = 3.0
_NVIDIA = Path("/proc/driver/nvidia/gpus")


def gpus_of_the_driver(place: Path = _NVIDIA) -> int:
    """How many GPUs Nvidia's driver has."""
    return len(list(place.iterdir())) if place.is_dir() else 0


def device_findings(*, ray: bool) -> Iterator[Finding]:
    """ray: whether a Ray is started to see whether that works, which takes some seconds."""
    n_gpus = gpus_of_the_driver()
    yield from jax_findings(probed("jax"), n_gpus)
    if ray:
        yield from ray_findings(probed("ray"), n_gpus)


def probed(what: str) -> dict[str, Any] | str:
    """What a process of its own finds; a sentence where it finds nothing."""
    try:
        answer = subprocess.run(
            [sys.executable, "-P", "-m", "search.workers.probe", what],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            env=_environment(),
        )
    except subprocess.TimeoutExpired:
        return f"no answer within {_SECONDS:.0f} s"
    lines = answer.stdout.strip().splitlines()
    if answer.returncode == 0 and lines:
        return json.loads(lines[-1])
    said = answer.stderr.strip().splitlines()
    return said[-1] if said else f"ended with exit code {answer.returncode}"


def _environment() -> dict[str, str]:
    root = str(Path(__file__).resolve().parents[2])
    paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}


def jax_findings(found: dict[str, Any] | str, n_gpus: int) -> Iterator[Finding]:
    """What a probe of JAX means. n_gpus: that the driver has."""
    if isinstance(found, str):
        fix = "See whether `python -c 'import jax; print(jax.devices())'` works"
        yield Finding("JAX", "fail", found, fix)
        return
    devices, backend = found["devices"], found["backend"]
    kinds = ", ".join(f"{devices.count(kind)} {kind}" for kind in dict.fromkeys(devices))
    shown = f"{kinds} ({backend})"
    if n_gpus and backend == "cpu":
        fix = 'Install JAX for CUDA: pip install "cellbox[cuda]"; see JAX_PLATFORMS as well'
        yield Finding("JAX", "warn", f"{shown}, and the machine has {n_gpus} GPUs", fix)
    else:
        yield Finding("JAX", "ok", shown)
    took = found["milliseconds_per_gradient"]
    speed = (
        f"{took:.3g} ms for a gradient of one model among 64 of LI, about "
        f"{_OPERATIONS / (took * 1e-3) / 1e9:.3g} GFLOP/s; {_GRADIENT:g} and "
        f"{_GRADIENT_OF_A_SLOWER_ONE:g} ms on cores that were measured"
    )
    if took > _TOO_SLOW * _GRADIENT_OF_A_SLOWER_ONE:
        fix = "A busy or an old machine; training takes longer in proportion"
        yield Finding("speed", "warn", speed, fix)
    else:
        yield Finding("speed", "ok", speed)


def ray_findings(found: dict[str, Any] | str, n_gpus: int) -> Iterator[Finding]:
    """What a probe of Ray means. n_gpus: that the driver has."""
    if isinstance(found, str):
        yield Finding("Ray", "fail", found, "Train without it: --executor inline")
        return
    what = "starts" if found["own"] else "answers at RAY_ADDRESS"
    shown = f"{what} in {found['seconds']:.1f} s; it has {found['cpus']:g} cores"
    shown += f", {found['gpus']:g} GPUs"
    if found["own"] and found["gpus"] < n_gpus:
        fix = "See whether CUDA_VISIBLE_DEVICES hides some"
        yield Finding("Ray", "warn", f"{shown} of {n_gpus}", fix)
    else:
        yield Finding("Ray", "ok", shown)
