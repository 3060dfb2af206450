"""Ensembles as they were saved, each file checked before it is used."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np

from cellbox.criticism.criticism import criticism_of
from cellbox.data.units import units_from_dict
from cellbox.errors import InputError, refuse
from cellbox.models.checked_files import (
    check_numbers,
    lines_from,
    nodes_of,
    read_described,
    read_model_arrays,
    training_of,
    whole_number_of,
)
from cellbox.models.ensemble import ARRAYS, DESCRIPTION, FORMAT, Ensemble, ensemble_of
from cellbox.models.model import FittedModel
from cellbox.models.provenance import provenance_from
from cellbox.models.saved_models import load_model
from cellbox.networks.fitted_form import fitted_form_of
from cellbox.networks.network import Network
from cellbox.refinement.edge_intervals import EdgeIntervals
from cellbox.settings import Settings, settings_from_dict
from cellbox.storage.stored_arrays import read_some_arrays

_FIX = "Train and save the ensemble again"


def load_fitted(folder: str | os.PathLike[str]) -> FittedModel:
    """Load the model that a fit wrote, an ensemble where it was one.

    Raises InputError where that cannot be.
    """
    if (Path(folder) / DESCRIPTION).is_file():
        return load_ensemble(folder)
    return load_model(Path(folder))


def load_ensemble(folder: str | os.PathLike[str]) -> Ensemble:
    """Load what `Ensemble.save` wrote. Raises InputError where that cannot be.

    Example:
        >>> import cellbox
        >>> data = cellbox.read_data("my_experiment")
        >>> settings = cellbox.Settings(steps=50, refinement="none")
        >>> ensemble = cellbox.fit_ensemble(data, settings, members=2)
        >>> len(cellbox.load_ensemble(ensemble.save("first_ensemble")).members)
        2
    """
    folder = Path(folder)
    where, description = read_described(
        folder, (ARRAYS, DESCRIPTION), FORMAT, _FIX, written_by="a fit with several members wrote"
    )
    try:
        settings = settings_from_dict(description["settings"], str(where))
        return _rebuilt(description, where, folder / ARRAYS, settings)
    except InputError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        found = f"expected an ensemble as this version saves it, found {error}"
        raise refuse(str(folder), found, _FIX) from error


def _rebuilt(description: dict, where: Path, file: Path, settings: Settings) -> Ensemble:
    """The ensemble of a description, which was read from `where`, and the file of its arrays."""
    nodes = nodes_of(description, where, _FIX)
    units = units_from_dict(description.get("units"))
    arrays = _checked_arrays(description, where, file, len(nodes))
    members = []
    lines = lines_from(description.get("lines"), f"{where}, key lines", _FIX)
    for place, (member, weights, amplitudes) in enumerate(
        zip(description["members"], arrays["weights"], arrays["amplitudes"], strict=True)
    ):
        named = f"{where}, member {place}"
        training = training_of(member.get("training"), f"{named}, key training", _FIX)
        form = fitted_form_of(training.form, len(nodes), f"{named}, key training.form", _FIX)
        network = Network(nodes, weights, amplitudes, form)
        seed = whole_number_of(member, "seed", named, _FIX)
        model = FittedModel(network, settings, arrays["times"], seed, training, units=units)
        members.append(replace(model, lines=lines))
    # Ensembles of earlier versions have intervals without draws alone.
    n_draws = int(arrays["n_draws"]) if "n_draws" in arrays else 0
    has_intervals = "low" in arrays
    return ensemble_of(
        members,
        n_diverged=whole_number_of(description, "diverged", str(where), _FIX),
        selected=arrays["selected"],
        allowed_edges=arrays["allowed_edges"],
        intervals=(
            EdgeIntervals(arrays["low"], arrays["high"], n_draws=n_draws) if has_intervals else None
        ),
        bootstrap=bool(description["bootstrap"]),
        seed=whole_number_of(description, "seed", str(where), _FIX),
        criticism=criticism_of(description.get("criticism")),
        provenance=provenance_from(description.get("provenance"), str(where), _FIX),
    )


def _checked_arrays(
    description: dict, where: Path, file: Path, n_nodes: int
) -> dict[str, np.ndarray]:
    """The arrays of an ensemble. Raises InputError where they cannot be."""
    members = description.get("members")
    if not isinstance(members, list) or not members:
        raise refuse(f"{where}, key members", "expected a list of members, found none", _FIX)
    if not all(isinstance(member, dict) for member in members):
        raise refuse(f"{where}, key members", "expected objects, found something else", _FIX)
    matrix = (n_nodes, n_nodes)
    shapes = {
        "weights": (len(members), *matrix),
        "amplitudes": (len(members), n_nodes),
        "times": (None,),
        "selected": (len(members), *matrix),
        "allowed_edges": matrix,
    }
    arrays = read_model_arrays(file, description, shapes, _FIX)
    check_numbers(file, arrays["amplitudes"], arrays["times"], _FIX)
    for name in ("selected", "allowed_edges"):
        if arrays[name].dtype != bool:
            raise refuse(f"{file}, array {name}", "expected truth values, found numbers", _FIX)
    # Intervals are there where they could be computed, and have gaps where an edge has none.
    intervals = {"low": matrix, "high": matrix, "n_draws": ()}
    return arrays | read_some_arrays(file, intervals, fix=_FIX)
