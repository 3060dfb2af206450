"""CellBox: learn molecular interaction networks from perturbation experiments.

    import cellbox

    data = cellbox.read_data("my_experiment/")
    model = cellbox.fit(data, cellbox.Settings(l1=1e-5), seed=0)
    model.network, model.predict(new_perturbations, times)

Names load when they are first used, so that looking around costs no import of JAX.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cellbox.bound import recovery_bounds
    from cellbox.dataset import Dataset, Split, split_rows
    from cellbox.design_report import DesignReport
    from cellbox.ensemble import Ensemble, load_ensemble
    from cellbox.ensemble_fitting import fit_ensemble
    from cellbox.errors import InputError, Problem
    from cellbox.evaluation import evaluate
    from cellbox.fitting import fit
    from cellbox.identifiability import check_design, check_plan
    from cellbox.model import FittedModel, load_model
    from cellbox.networks import (
        SYSTEM_NAMES,
        Network,
        random_network,
        read_network,
        system,
        write_network,
    )
    from cellbox.readers import read_cellbox_csv, read_data, read_tidy, write_tidy
    from cellbox.settings import Settings
    from cellbox.simulation import simulate, simulate_system
    from cellbox.solver_settings import SolverSettings

_HOMES = {
    "cellbox.bound": ("recovery_bounds",),
    "cellbox.dataset": ("Dataset", "Split", "split_rows"),
    "cellbox.design_report": ("DesignReport",),
    "cellbox.ensemble": ("Ensemble", "load_ensemble"),
    "cellbox.ensemble_fitting": ("fit_ensemble",),
    "cellbox.errors": ("InputError", "Problem"),
    "cellbox.evaluation": ("evaluate",),
    "cellbox.fitting": ("fit",),
    "cellbox.identifiability": ("check_design", "check_plan"),
    "cellbox.model": ("FittedModel", "load_model"),
    "cellbox.networks": (
        "SYSTEM_NAMES",
        "Network",
        "random_network",
        "read_network",
        "system",
        "write_network",
    ),
    "cellbox.readers": ("read_cellbox_csv", "read_data", "read_tidy", "write_tidy"),
    "cellbox.settings": ("Settings",),
    "cellbox.simulation": ("simulate", "simulate_system"),
    "cellbox.solver_settings": ("SolverSettings",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}

__all__ = sorted(_HOME_OF)


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'cellbox' has no attribute {name!r}")
    value = getattr(import_module(_HOME_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
