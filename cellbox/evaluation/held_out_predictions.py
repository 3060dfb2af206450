"""What CellBox and simpler models predict of conditions that none of them has seen.

All learn from the same rows: every row that is not predicted. The ensemble keeps none of them back
to stop early, so its settings have to be chosen elsewhere (or on other splits of training rows).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from cellbox.data.dataset import Dataset
from cellbox.data.split_schemes import HeldOut
from cellbox.data.total_dose import with_total_dose
from cellbox.scores.baselines import baselines
from cellbox.settings import Settings
from cellbox.training.fit_ensemble import OnEnsembleProgress, fit_ensemble

ENSEMBLE, MEAN, RIDGE, ADDITIVE = "CellBox", "mean", "ridge", "additive"
RIDGE_WITH_DOSE = "ridge with total dose"


@dataclass(frozen=True)
class Entrant:
    """How the CellBox side of a comparison learns.

    members: of the ensemble. seed: of their starts and draws of conditions.
    bootstrap: whether each learns from its own draw of conditions; with few conditions that costs
        more than the members' mean brings.
    total_dose: whether the network has the extra node of `cellbox.data.total_dose`.
    """

    settings: Settings
    members: int = 6
    seed: int = 0
    bootstrap: bool = False
    total_dose: bool = False


def predict_held_out(
    data: Dataset,
    held_out: HeldOut,
    entrant: Entrant,
    on_progress: OnEnsembleProgress | None = None,
) -> dict[str, Float[np.ndarray, "n_test_rows n_times n_nodes"]]:
    """Predictions (log ratio) of the held-out rows by each model, by its name.

    Where the network has the total dose, ridge is fitted with it as well as without, so that
    what the extra input brings is not taken for what the network brings. The additive rule
    predicts NaN where a single response was not measured.

    Raises InputError where `fit_ensemble` does.
    """
    split = held_out.split
    simple = baselines(data, split)
    predictions = {name: simple[name] for name in (MEAN, RIDGE, ADDITIVE)}
    learned_from = data
    if entrant.total_dose:
        learned_from = with_total_dose(data)
        predictions[RIDGE_WITH_DOSE] = ridge_with_total_dose(data, held_out)
    ensemble = fit_ensemble(
        learned_from,
        entrant.settings,
        members=entrant.members,
        seed=entrant.seed,
        split=replace(split, validation=split.training),
        bootstrap=entrant.bootstrap,
        on_progress=on_progress,
    )
    predictions = {
        ENSEMBLE: ensemble.predict_rows(learned_from, split.test),
        **predictions,
    }
    return {
        name: values[..., : data.n_nodes]
        for name, values in predictions.items()
        if values is not None
    }


def ridge_with_total_dose(
    data: Dataset, held_out: HeldOut
) -> Float[np.ndarray, "n_test_rows n_times n_nodes"]:
    """Predictions (log ratio) of the held-out rows by ridge that knows each row's total dose."""
    predicted = baselines(with_total_dose(data), held_out.split)[RIDGE]
    assert predicted is not None
    return predicted[..., : data.n_nodes]
