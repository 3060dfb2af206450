"""The ensemble of a study: the kept models that predict nearly as well as the best."""

from __future__ import annotations

import shutil
from collections.abc import Sequence

import numpy as np

from cellbox.models.ensemble import SELECTED_ABOVE, ensemble_of
from cellbox.models.model import FittedModel
from cellbox.models.saved_models import load_model
from cellbox.networks.network import Network, is_same
from cellbox.storage.files import whole_folder
from search.study.folder import StudyFolder
from search.study.ranking import rank

#: A trial is good whose error exceeds the best one's by no more than this share.
GOOD_WITHIN = 0.1


def good_trials(folder: StudyFolder, best_numbers: Sequence[int]) -> list[int]:
    """Numbers of the kept trials within `GOOD_WITHIN` of the best, each network once.

    best_numbers: trials whose models the study keeps, best first.
    """
    good: list[int] = []
    networks: list[Network] = []
    for number in best_numbers:
        record = folder.record(number)
        network = folder.best_network(record)
        if network is None:
            continue
        if good and rank(record)[0] > (1 + GOOD_WITHIN) * rank(folder.record(good[0]))[0]:
            continue
        if not any(is_same(network, other) for other in networks):
            good.append(number)
            networks.append(network)
    return good


def save_ensemble(folder: StudyFolder, best_numbers: Sequence[int]) -> None:
    """Write the study's ensemble, in the place of an earlier one; none where nothing is good.

    best_numbers: trials whose models the study keeps, best first, as `save_best_models` wrote them.
    """
    target = folder.ensemble
    members = [load_model(folder.model(number)) for number in good_trials(folder, best_numbers)]
    if not members:
        shutil.rmtree(target, ignore_errors=True)
        return
    n_nodes, made = members[0].network.n_nodes, members[0].provenance
    ensemble = ensemble_of(
        members,
        n_diverged=0,
        selected=np.array([_selected(member) for member in members]),
        allowed_edges=np.ones((n_nodes, n_nodes), bool),
        intervals=None,
        bootstrap=False,
        seed=members[0].seed,
        # Errors are each member's own.
        provenance=None if made is None else {**made, "errors": {}},
    )
    with whole_folder(target) as new:
        ensemble.save(new)


def _selected(member: FittedModel) -> np.ndarray:
    weights = np.abs(member.network.weights)
    return weights > (0.0 if member.training.refined else SELECTED_ABOVE * weights.max())
