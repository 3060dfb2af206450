"""Gradients through a plain PyTorch loop of Heun steps, as the 2020 CellBox trains."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np


def heun_gradient(
    weights: Any,
    log_amplitudes: Any,
    perturbations: Any,
    measured: Any,
    *,
    horizon: float,
    n_steps: int,
) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """Two functions: one computes the gradient by W, the other the states at the measured times.

    perturbations: (n_nodes, n_conditions); measured: (n_times, n_nodes, n_conditions), at equal
    intervals up to the horizon.
    """
    import torch

    torch.set_num_threads(1)

    def tensor(values: Any) -> Any:
        return torch.tensor(np.asarray(values, np.float32))

    matrix = tensor(weights).requires_grad_()
    logarithms = tensor(log_amplitudes)[:, None].requires_grad_()
    u, target = tensor(perturbations), tensor(measured)
    length = horizon / n_steps
    every = n_steps // len(target)

    def states() -> Any:
        amplitudes = torch.exp(logarithms)

        def velocity(state: Any) -> Any:
            return amplitudes * torch.tanh(matrix @ state - u) - state

        state, saved = torch.zeros_like(u), []
        for step in range(1, n_steps + 1):
            slope = velocity(state)
            state = state + length / 2 * (slope + velocity(state + length * slope))
            if step % every == 0:
                saved.append(state)
        return torch.stack(saved)

    def gradient() -> Any:
        matrix.grad = logarithms.grad = None
        torch.mean(torch.abs(states() - target)).backward()
        return matrix.grad.numpy()

    def values() -> Any:
        with torch.no_grad():
            return states().numpy()

    return gradient, values
