"""Learning-rate schedules whose kind and numbers are data, not part of what is compiled.

optax's own schedules fix their numbers when they are traced; models trained side by side in
one program each need their own, so the same formulas stand here with traced arguments.
"""

from __future__ import annotations

from enum import IntEnum

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float, Int


class ScheduleKind(IntEnum):
    """The shapes a learning rate can follow over training."""

    CONSTANT = 0
    EXPONENTIAL = 1
    COSINE = 2
    WARMUP_COSINE = 3


SCHEDULES = {kind.name.lower(): kind for kind in ScheduleKind}


class Schedule(eqx.Module):
    """A learning-rate schedule.

    kind: a `ScheduleKind`.
    peak: the highest rate.
    final_share: the last rate as a share of the peak (not for constant).
    warmup_share: share of the steps that rise linearly from 0 to the peak (warm-up only).
    """

    kind: Int[Array, ""]
    peak: Float[Array, ""]
    final_share: Float[Array, ""]
    warmup_share: Float[Array, ""]

    def rate(self, step: Int[Array, ""], n_steps: Int[Array, ""]) -> Float[Array, ""]:
        """The learning rate at `step` of `n_steps`."""
        progress = jnp.minimum(step / n_steps, 1.0).astype(self.peak.dtype)
        warmup = jnp.maximum(self.warmup_share, 1e-6)
        after_warmup = jnp.clip((progress - warmup) / (1.0 - warmup), 0.0, 1.0)
        shares = jnp.stack(
            [
                jnp.ones_like(progress),
                # The floor keeps 0 ** 0 at the first step from being undefined.
                jnp.maximum(self.final_share, 1e-12) ** progress,
                self._cosine(progress),
                jnp.where(progress < warmup, progress / warmup, self._cosine(after_warmup)),
            ]
        )
        return self.peak * shares[self.kind]

    def _cosine(self, progress: Float[Array, ""]) -> Float[Array, ""]:
        falling = 0.5 * (1.0 + jnp.cos(jnp.pi * progress))
        return self.final_share + (1.0 - self.final_share) * falling
