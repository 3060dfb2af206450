"""What refining a training came to, and where it cannot begin."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from cellbox.data.dataset import Dataset
from cellbox.data.line_warnings import sentence_of
from cellbox.networks.form import NONE, SEARCH
from cellbox.networks.hidden_nodes import WARNING
from cellbox.networks.interventions import no_interventions, refuse_interventions
from cellbox.networks.line_differences import LINES
from cellbox.networks.network import Network
from cellbox.networks.off_targets import OFF_TARGET
from cellbox.networks.off_targets import WARNING as OFF_TARGET_WARNING
from cellbox.networks.prior import AUTO, EdgePrior
from cellbox.refinement.hidden_start import hidden_obstacle
from cellbox.refinement.measured_series import MeasuredSeries
from cellbox.refinement.multiple_shooting import MultipleShooting
from cellbox.refinement.off_target_search import off_target_obstacle
from cellbox.refinement.refine import LARGEST_WITH_FREE_STATES, is_large
from cellbox.refinement.refined import Refined
from cellbox.refinement.unexplained import is_explained, share_left
from cellbox.settings import Settings
from cellbox.training.pack import Harvest
from cellbox.training.row_errors import is_worse


class Candidate(NamedTuple):
    """A refined network, where its refinement began, and what it does with the validation rows.

    errors: mean absolute error of each row, by the errors of its values. mae: of all values alike.
    """

    found: Refined
    start: str
    errors: Float[np.ndarray, " n_rows"]
    mae: float

    @property
    def noise(self) -> float:
        """What it leaves of the training data."""
        return self.found.noise

    def is_worse_than(
        self,
        before: Float[np.ndarray, " n_rows"],
        training: MultipleShooting,
        left: Callable[[], float | None],
    ) -> bool:
        """Whether it predicts the validation rows worse, beyond noise, than others' errors.

        left: what the others leave of the training data; asked for where this one explains little.
        """
        # What a poor fit leaves is not noise: no more than all that was measured can be, nor than
        # another network leaves. Else a network without edges would be worse than nothing.
        noise = min(self.noise, float(np.sqrt(training.mean_square)))
        if not is_explained(training, noise):
            others = left()
            noise = noise if others is None else min(noise, others)
        return is_worse(before, self.errors, noise)


class Explained(NamedTuple):
    """The selection error and the noise of a network that was not refined."""

    error: float
    noise: float | None


class Ending(NamedTuple):
    """The network that a training ends with; see `Training` for the rest.

    The errors may be infinite here.
    """

    network: Network
    validation_mae: float
    selection_error: float
    refinement: str
    noise: float | None
    freedom: float | None = None
    refined: bool = False
    edges_selected: bool = False
    prior_strength: float | None = None


class Course(NamedTuple):
    """How a training went until it was judged; see `Training`."""

    status: str
    message: str
    seconds: float
    steps: int = 0
    history: Sequence[tuple[int, float, float]] = ()
    compile_seconds: float = 0.0


def error_sentence(training: MultipleShooting, noise: float) -> str:
    """A sentence, with a space before it, where values count by their errors; else ""."""
    if training.errors is None:
        return ""
    return (
        f" Values count by the errors that the data tell (typically {training.typical_error:.3g}); "
        f"what is left is {noise / training.typical_error:.2g} times as large."
    )


def form_sentence(found: Refined, settings: Settings, training: MultipleShooting) -> str:
    """What the equation has beside Eq. 1, where that was asked, with a space before it."""
    if settings.form == NONE:
        return ""
    form, why = found.network.form, hidden_obstacle(training)
    untold = ""
    if LINES in settings.form.split(",") and training.lines is None:
        untold = " The data tell no cell lines that could differ."
    elif LINES in settings.form.split(",") and (form is None or form.lines is None):
        untold = " The cell lines differ in nothing that the data ask for."
    if "hidden" in settings.form and why is not None:
        untold = f" No hidden node was fitted: {why}."
    if OFF_TARGET in settings.form.split(",") and not is_large(found.network.n_nodes):
        untold += _untold_off_targets(found, settings, training)
    if form is not None:
        warning = f" {WARNING}" if form.hidden is not None else ""
        warning += f" {OFF_TARGET_WARNING}" if OFF_TARGET in form.values else ""
        return f" {form.sentence(found.network.nodes)}{warning}{untold}"
    if untold:
        return untold
    if is_large(found.network.n_nodes):
        return " Forms are fitted to networks of up to 40 nodes: this is Eq. 1 alone."
    return " The data ask for nothing beside Eq. 1."


def _untold_off_targets(found: Refined, settings: Settings, training: MultipleShooting) -> str:
    """A sentence, with a space before it, where no effect of doses on other nodes was fitted."""
    if found.network.form is not None and OFF_TARGET in found.network.form.values:
        return ""
    why = off_target_obstacle(training, None)
    if settings.refinement != "select_edges":
        why = "they are told from edges only where edges are selected"
    elif why is None:
        return " The data ask for no effect of a dose on another node than its own."
    return f" No effects of doses on other nodes were fitted: {why}."


def line_sentence(network: Network, settings: Settings, training: MultipleShooting) -> str:
    """A sentence, with a space before it, where lines were taken as one unasked; else ""."""
    asked = {LINES, SEARCH} & set(settings.form.split(","))
    differ = network.form is not None and network.form.lines is not None
    if training.lines is None or asked or differ:
        return ""
    return f" {sentence_of(training.lines.names)}"


def prior_sentence(prior: EdgePrior | None, found: Refined, settings: Settings) -> str:
    """A sentence, with a space before it, where the data have a prior of edges; else ""."""
    if prior is None:
        return ""
    if settings.prior_strength == 0 or settings.refinement != "select_edges":
        why = "its strength is 0" if settings.prior_strength == 0 else "no edges are selected"
        return f" The prior plays no part: {why}."
    if found.prior_strength is None:
        return " The data do not confirm the prior, so it plays no part."
    told = "told by the data" if settings.prior_strength == AUTO else "as asked"
    odds = math.exp(found.prior_strength)
    return (
        f" An edge of the prior counts as {odds:.2g} times as likely as another (strength "
        f"{found.prior_strength:.2g}, {told})."
    )


def tail_sentence(found: Refined) -> str:
    """A sentence, with a space before it, where large residuals count less; else ""."""
    if math.isinf(found.freedom):
        return ""
    return (
        " Large residuals count less: the data ask for noise by Student's t distribution with "
        f"{found.freedom:g} degrees of freedom."
    )


def unexplained_sentence(training: MultipleShooting, noise: float | None) -> str:
    """A sentence, with a space before it, where a network leaves much of the data; else ""."""
    if noise is None or is_explained(training, noise):
        return ""
    share = share_left(training, noise)
    return (
        f" That leaves {share:.0%} of the data's mean square: either they are that noisy, or "
        "no start led to the network, and its edges say nothing."
    )


def check_interventions(
    training: MultipleShooting, obstacle: str | None, row_names: Sequence[str] | None = None
) -> None:
    """Refuse held nodes and doses that end where least squares with free states do not apply.

    obstacle: why the data cannot be refined at all, if they cannot. row_names: of the training.
    """
    why, fix = obstacle, "Measure at more times or in more conditions, or leave these ones out"
    if is_large(training.n_nodes):
        why = f"{training.n_nodes} nodes are more than {LARGEST_WITH_FREE_STATES}"
        fix = f"Leave nodes out until there are {LARGEST_WITH_FREE_STATES}, or these conditions"
    if why is not None:
        refuse_interventions(training.interventions, f"fit ({why})", fix, row_names)


def status_of(harvest: Harvest, ending: Ending) -> str:
    """What became of a training, refinement included: completed, stopped_early or diverged."""
    if harvest.status.diverged:
        return "completed" if ending.refined and has_edges(ending) else "diverged"
    return harvest.status.name.lower()


def has_edges(ending: Ending) -> bool:
    """Whether anything acts on anything."""
    return bool((ending.network.weights != 0).any())


def all_in(asked: Dataset, known: MeasuredSeries) -> bool:
    """Whether all conditions of these data are among those of the series."""
    return _conditions(asked) <= _conditions(known)


def _conditions(told: Dataset | MeasuredSeries) -> set[bytes]:
    """Doses and what else was done, of each condition."""
    doses = told.perturbations
    done = told.interventions or no_interventions(*doses.shape)
    return {row.tobytes() for row in np.concatenate([doses, done.keys()], axis=1)}


def finite(value: float) -> float | None:
    """The number, or None in the place of what no file holds."""
    return value if math.isfinite(value) else None


def refined_ending(
    best: Candidate, settings: Settings, training: MultipleShooting, prior: EdgePrior | None
) -> Ending:
    """The ending with a refined network, and how it was found in words."""
    found = best.found
    left = unexplained_sentence(training, found.noise)
    told = (
        f"Refined by {found.n_steps} Gauss-Newton steps from {best.start}: {found.n_edges} "
        f"edges, noise {found.noise:.3g}.{error_sentence(training, found.noise)}"
        f"{form_sentence(found, settings, training)}"
        f"{prior_sentence(prior, found, settings)}"
        f"{tail_sentence(found)}{left}"
    )
    return Ending(
        found.network,
        best.mae,
        found.penalised_noise,
        told,
        found.noise,
        freedom=finite(found.freedom),
        refined=True,
        edges_selected=settings.refinement == "select_edges",
        prior_strength=found.prior_strength,
    )
