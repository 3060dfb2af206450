"""What the page's sliders compute with: every member's W and α, and which doses make sense."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import numpy as np

from cellbox.models.ensemble import Ensemble
from cellbox.models.model import FittedModel
from cellbox.models.network_draws import NetworkDraws
from cellbox.networks.line_networks import of_line
from cellbox.networks.network import Network
from cellbox.networks.whole_network import whole
from cellbox.refinement.edge_intervals import LEVEL, student_quantile

#: The dose that examples have, as those of `cellbox predict`.
EXAMPLE_DOSE = 0.5

_MOST_SLIDERS = 16


def members_of(model: FittedModel) -> tuple[FittedModel, ...]:
    """The models whose mean a model predicts: its members, or itself."""
    return model.members if isinstance(model, Ensemble) else (model,)


def what_if_model(model: FittedModel, perturbed: np.ndarray, largest_dose: float) -> dict[str, Any]:
    """The model as `what_if.js` takes it; numbers are float32 in base64, W row by row.

    perturbed: which nodes the data perturb, (n_nodes,) of bool; the first of them begins with a
        dose. largest_dose: in the data.
    """
    nodes = np.flatnonzero(perturbed)[:_MOST_SLIDERS].tolist() or [0]
    members = members_of(model)
    draws = members[0].draws if len(members) == 1 else None
    n_free = len(members) - 1 if draws is None else len(draws.weights)
    return {
        "nodes": list(model.network.nodes),
        # Hidden nodes are behind the others, and have no doses; lines are that of the reference.
        "members": [_packed_network(whole(of_line(member.network, 0))) for member in members],
        "draws": None if draws is None else _packed_draws(draws),
        # Of the spread of members or of draws, as `cellbox.models.predicted` has it.
        "quantile": student_quantile(LEVEL, n_free) if n_free else None,
        "horizon": float(model.times[-1]),
        "perturbed": nodes,
        "least": 0,
        "most": float(np.ceil(10 * max(1.0, 1.2 * largest_dose)) / 10),
        "start": [[nodes[0], EXAMPLE_DOSE]],
    }


def _packed_network(network: Network) -> dict[str, Any]:
    return {
        "weights": _packed(network.weights),
        "amplitudes": _packed(network.amplitudes),
        "form": None if network.form is None else network.form.to_dict(),
    }


def _packed_draws(draws: NetworkDraws) -> dict[str, Any]:
    """Draw after draw; all of them have the same edges."""
    return {
        "count": len(draws.weights),
        "edges": draws.edges.astype(int).tolist(),
        "weights": _packed(draws.weights),
        "amplitudes": _packed(draws.amplitudes),
    }


def _packed(values: np.ndarray) -> str:
    return b64encode(np.ascontiguousarray(values, "<f4").tobytes()).decode("ascii")
