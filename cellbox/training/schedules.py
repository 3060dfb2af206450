"""Learning-rate schedules whose kind and numbers are data, not part of what is compiled.

optax's own schedules fix their numbers when they are traced; models trained side by side in
one program each need their own, so the same formulas stand here with traced arguments.
"""

from __future__ import annotations

from enum import IntEnum

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from cellbox.equation.traced_arrays import Scalar

# What a host gives to a compiled program as NumPy arrays is traced inside it.
Traced = Array | np.ndarray


class ScheduleKind(IntEnum):
    """The shapes a learning rate can follow over training."""

    CONSTANT = 0
    EXPONENTIAL = 1
    COSINE = 2
    WARMUP_COSINE = 3


class Schedule(eqx.Module):
    """A learning-rate schedule.

    kind: a `ScheduleKind`.
    peak: the highest rate.
    final_share: the last rate as a share of the peak (not for constant).
    warmup_share: share of the steps that rise linearly from 0 to the peak (warm-up only).
    """

    kind: Int[Traced, ""]
    peak: Float[Traced, ""]
    final_share: Float[Traced, ""]
    warmup_share: Float[Traced, ""]

    def rate(self, step: Int[Traced, ""], n_steps: Int[Traced, ""]) -> Scalar:
        """The learning rate at `step` of `n_steps`; it stays at its last value after them.

        The formulas are those of optax: `exponential_decay`, `cosine_decay_schedule` and
        `warmup_cosine_decay_schedule`, each over the `n_steps` of the training.
        """
        progress = jnp.minimum(step / n_steps, 1.0).astype(self.peak.dtype)
        rising = progress < self.warmup_share
        # Where there is no warm-up, `rising` never holds; the floor only keeps 0 / 0 away.
        risen = progress / jnp.maximum(self.warmup_share, 1e-6)
        after_warmup = (progress - self.warmup_share) / (1.0 - self.warmup_share)
        shares = jnp.stack(
            [
                jnp.ones_like(progress),
                # An exponential comes near zero but never reaches it.
                jnp.maximum(self.final_share, 1e-12) ** progress,
                self._cosine(progress),
                jnp.where(rising, risen, self._cosine(after_warmup)),
            ]
        )
        return shares[jnp.asarray(self.kind)] * self.peak

    def _cosine(self, progress: Scalar) -> Scalar:
        falling = 0.5 * (1.0 + jnp.cos(jnp.pi * progress))
        return falling * (1.0 - self.final_share) + self.final_share
