"""Compiled programs: kept on disk for the next process, dropped from one that has too many."""

from __future__ import annotations

import gc
import hashlib
import logging
import os
import platform
from functools import cache
from pathlib import Path
from typing import Any

import jax

from cellbox.storage.cache import cache_folder

logger = logging.getLogger(__name__)

# Programs that compile faster than this are not worth a file.
_WORTH_KEEPING_SECONDS = 0.2

# Packs of LI and GSD compiled a tenth faster with it than without, and ran no slower.
_CPU_OPTIONS: dict[str, Any] = {"xla_backend_optimization_level": 1}

# What Linux allows a process in all: 65,530 by default, a million on some systems. Systems without
# this file have no such bound.
_MOST_MAPPINGS = Path("/proc/sys/vm/max_map_count")
_MAPPINGS = Path("/proc/self/maps")
# By then a process of the tests had grown to 3 GB, so that more are no use where they are allowed.
_ENOUGH_MAPPINGS = 32_000


def compile_program(lowered: jax.stages.Lowered) -> jax.stages.Compiled:
    """Compile a program that trains, or take it from where JAX keeps compiled programs."""
    on_cpu = jax.default_backend() == "cpu"
    return lowered.compile(compiler_options=_CPU_OPTIONS if on_cpu else None)


@cache
def keep_compiled_programs() -> Path | None:
    """Let JAX keep what it compiles, in a folder that only this user can write.

    A setting of the whole process, and so for programs to make (commands, workers, `fit`), never
    for a function that predicts. JAX starts with it: its device has to be settled before.

    Code for one processor may not run on another, and a home folder may be shared by several
    machines, so each type of machine has a folder of its own. A folder that JAX was told before
    (JAX_COMPILATION_CACHE_DIR) stays. Returns the folder, or None where none can be written:
    then only time is lost.
    """
    chosen = jax.config.jax_compilation_cache_dir  # type: ignore[attr-defined]
    if chosen is not None:
        return Path(chosen)
    folder = cache_folder() / "programs" / machine_type()
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if folder.stat().st_uid != os.getuid():
            raise PermissionError(f"{folder} belongs to another user")
    except OSError as error:
        logger.info("compiled programs are not kept: %s", error)
        return None
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", _WORTH_KEEPING_SECONDS)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", 0)
    return folder


def make_room_for_programs() -> bool:
    """Drop the compiled programs of a process that may soon have no more; True where it did.

    Linux bounds a process's memory mappings. XLA takes about three for a program on a CPU, and
    where it is refused one the process ends with a segmentation fault: the frames of the half-made
    program stay registered, and the unwinder reads them when the error is thrown. So long work
    asks this between its parts; what is needed again is compiled again.
    """
    if not _MOST_MAPPINGS.is_file():
        return False
    with _MAPPINGS.open("rb") as lines:
        used = sum(1 for _ in lines)
    if used <= min(int(_MOST_MAPPINGS.read_text()) // 2, _ENOUGH_MAPPINGS):
        return False
    jax.clear_caches()
    gc.collect()
    logger.info("dropped compiled programs: %d memory mappings were in use", used)
    return True


def machine_type() -> str:
    """A name for machines that can run each other's programs: device, processor, its features."""
    processor = platform.machine()
    details = Path("/proc/cpuinfo")
    if details.is_file():
        wanted = ("model name", "flags", "Features", "CPU part")
        lines = details.read_text(encoding="utf-8", errors="replace").splitlines()
        processor += "".join(sorted({line for line in lines if line.startswith(wanted)}))
    device = jax.devices()[0].device_kind
    digest = hashlib.sha256(f"{device} {processor}".encode()).hexdigest()[:12]
    return f"{platform.machine()}-{jax.default_backend()}-{digest}"
