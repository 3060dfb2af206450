"""Loading a fitted model; its folder holds arrays and JSON, whose every value is checked."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from cellbox.criticism.criticism import criticism_of
from cellbox.data.units import units_from_dict
from cellbox.errors import InputError, refuse
from cellbox.models.checked_files import (
    lines_from,
    network_and_times,
    read_described,
    training_of,
    whole_number_of,
)
from cellbox.models.model import FittedModel
from cellbox.models.network_draws import read_draws
from cellbox.models.provenance import provenance_from
from cellbox.models.written_models import ARRAYS, DESCRIPTION, FORMAT
from cellbox.networks.fitted_form import fitted_form_of
from cellbox.settings import settings_from_dict

_FIX = "Train and save the model again"


def load_model(folder: str | Path) -> FittedModel:
    """Load a model that `FittedModel.save` wrote. Raises InputError where that cannot be.

    Example:
        >>> import cellbox
        >>> data = cellbox.read_data("my_experiment")
        >>> settings = cellbox.Settings(steps=50, refinement="none")
        >>> model = cellbox.fit(data, settings)
        >>> again = cellbox.load_model(model.save("first_model"))
        >>> bool((again.network.weights == model.network.weights).all())
        True
    """
    folder = Path(folder)
    where, description = read_described(
        folder,
        (ARRAYS, DESCRIPTION),
        FORMAT,
        _FIX,
        written_by="a fit or a sweep wrote its model to",
    )
    network, times = network_and_times(folder / ARRAYS, description, where, _FIX)
    training = training_of(description.get("training"), f"{where}, key training", _FIX)
    form = fitted_form_of(training.form, network.n_nodes, f"{where}, key training.form", _FIX)
    network = replace(network, form=form)
    try:
        return FittedModel(
            network=network,
            settings=settings_from_dict(description["settings"], str(where)),
            times=times,
            seed=whole_number_of(description, "seed", str(where), _FIX),
            training=training,
            lines=lines_from(description.get("lines"), f"{where}, key lines", _FIX),
            # Models of earlier versions have none.
            criticism=criticism_of(description.get("criticism")),
            units=units_from_dict(description.get("units")),
            provenance=provenance_from(description.get("provenance"), str(where), _FIX),
            draws=read_draws(folder, network, _FIX),
        )
    except InputError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        found = f"expected a model as this version saves it, found {type(error).__name__}: {error}"
        raise refuse(str(folder), found, _FIX) from error
