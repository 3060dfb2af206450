"""How a training went, in plain values. Imports no JAX, so that records of trials can hold it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Training:
    """How a training went.

    status: "completed", "stopped_early", or "diverged"; message: the same as a sentence.
    validation_mae: the best whole-horizon error on the validation rows, None if none was finite.
    history: "step", "training_loss" and "validation_mae" at each validation.
    seconds: training alone; compile_seconds: making the program, once per shape of problem.
    selection_error: what settings are chosen by: the information criterion of the network on its
        training data as an error (`cellbox.refinement.refined.Refined.penalised_noise`), or the
        validation error where data are too few for it; None where descent diverged and
        refinement found nothing better.
    refinement: what refinement did, as a sentence. noise: the standard deviation of the
        measurements as it estimated it, None where it did not. noise_freedom: degrees of freedom of
        Student's t distribution where large residuals count less, None where all count alike.
        form: what the equation has beside Eq. 1, as plain values
        (`cellbox.networks.form.FittedForm.to_dict`), None for nothing. refined: whether the network
        is what
        least squares found, rather than what descent left or weights that were drawn to zero.
        prior_strength: what a prior of edges counted, as the log odds ratio of a listed edge; None
        where it played no part.
    """

    status: str
    message: str
    steps: int
    validation_mae: float | None
    history: dict[str, list]
    seconds: float
    compile_seconds: float
    selection_error: float | None = None
    refinement: str = ""
    noise: float | None = None
    noise_freedom: float | None = None
    refined: bool = False
    form: dict | None = None
    prior_strength: float | None = None
