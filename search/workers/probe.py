"""What JAX and Ray find on this machine, each in a process of its own.

    python -m search.workers.probe jax
    python -m search.workers.probe ray

Each prints a line of JSON: a device that JAX takes, or a Ray that hangs, is gone with its process.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

# The system and the pack of the speed that README tells.
_SYSTEM, _TIMES, _LANES = "LI", 5, 64


def seen_by_jax() -> dict[str, Any]:
    """The devices, and how long one gradient of one model takes among many."""
    import jax

    from cellbox.networks.known_systems import system
    from cellbox.settings import Settings
    from cellbox.training.pack import shape_of
    from search.workers.plan import gradients_per_second

    devices = jax.devices()
    known = system(_SYSTEM)
    shape = shape_of(Settings(), known.n_conditions, _TIMES)
    rate, _ = gradients_per_second(shape, known.network.n_nodes, _LANES)
    return {
        "backend": jax.default_backend(),
        "devices": [device.device_kind for device in devices],
        "milliseconds_per_gradient": 1000 / rate,
    }


def seen_by_ray() -> dict[str, Any]:
    """What a Ray has that is started here, or the one that RAY_ADDRESS names."""
    from search.workers.ray_scout import look
    from search.workers.ray_session import RaySession

    began = time.monotonic()
    session = RaySession(None, {})
    try:
        sight = look()
        seconds = time.monotonic() - began
        own = session.owned
    finally:
        session.close()
    return {"cpus": sight.cpus, "gpus": sight.gpus, "seconds": seconds, "own": own}


def main() -> None:
    """Print what is asked for by name."""
    found = seen_by_jax() if sys.argv[1] == "jax" else seen_by_ray()
    print(json.dumps(found))


if __name__ == "__main__":
    main()
