"""CellBox: learn molecular interaction networks from perturbation experiments.

    import cellbox

    data = cellbox.read_data("my_experiment/")
    model = cellbox.fit(data, cellbox.Settings(l1=1e-5), seed=0)
    model.network, model.predict(new_perturbations, times)

Names load when they are first used, so that looking around costs no import of JAX.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cellbox.lazy_names import lazy_names

if TYPE_CHECKING:
    from cellbox.criticism.criticise import criticise
    from cellbox.criticism.criticism import Criticism
    from cellbox.data.dataset import Dataset, Split, split_rows, with_reference_line
    from cellbox.data.flaws import Flaws
    from cellbox.data.plausibility import data_warnings
    from cellbox.data.readers import (
        convert,
        read_cellbox_csv,
        read_data,
        read_tidy,
        write_petab,
        write_tidy,
    )
    from cellbox.data.simulation import simulate, simulate_system
    from cellbox.data.units import Units
    from cellbox.equation.solver_settings import SolverSettings
    from cellbox.equation.step_replay_adjoint import StepReplay
    from cellbox.errors import DataWarning, InputError, Problem
    from cellbox.evaluation.report import evaluate
    from cellbox.identifiability.check import check_design, check_plan
    from cellbox.identifiability.design_report import DesignReport
    from cellbox.identifiability.recovery_bound import recovery_bounds
    from cellbox.knockouts.experiments import KnockoutExperiments, TimeCourses
    from cellbox.knockouts.inference import KnockoutNetwork, KnockoutSettings, infer_network
    from cellbox.models.combinations import predict_pairs
    from cellbox.models.ensemble import Ensemble
    from cellbox.models.model import FittedModel
    from cellbox.models.model_export import export_network
    from cellbox.models.saved_ensembles import load_ensemble
    from cellbox.models.saved_models import load_model
    from cellbox.networks.amplitudes import with_amplitudes
    from cellbox.networks.fitted_form import FittedForm
    from cellbox.networks.form import form_of
    from cellbox.networks.interventions import Interventions, held_nodes
    from cellbox.networks.known_systems import SYSTEM_NAMES, system
    from cellbox.networks.network import Network, read_network, write_network
    from cellbox.networks.prior import EdgePrior, compare_with_prior
    from cellbox.networks.prior_files import read_prior
    from cellbox.networks.random_lines import with_lines
    from cellbox.networks.random_networks import random_network
    from cellbox.networks.random_off_targets import with_off_targets
    from cellbox.networks.sbml import write_sbml
    from cellbox.planning.curve import DesignCurve, design_curve
    from cellbox.planning.limits import Limits, usual_limits
    from cellbox.planning.next_conditions import first_conditions, next_conditions
    from cellbox.planning.plates import PlateSettings, write_plates
    from cellbox.planning.proposal import Proposal
    from cellbox.settings import Settings
    from cellbox.training.fit import fit
    from cellbox.training.fit_ensemble import fit_ensemble

_HOMES = {
    "cellbox.criticism.criticise": ("criticise",),
    "cellbox.criticism.criticism": ("Criticism",),
    "cellbox.identifiability.recovery_bound": ("recovery_bounds",),
    "cellbox.knockouts.experiments": ("KnockoutExperiments", "TimeCourses"),
    "cellbox.knockouts.inference": ("KnockoutNetwork", "KnockoutSettings", "infer_network"),
    "cellbox.data.dataset": ("Dataset", "Split", "split_rows", "with_reference_line"),
    "cellbox.identifiability.design_report": ("DesignReport",),
    "cellbox.models.combinations": ("predict_pairs",),
    "cellbox.models.ensemble": ("Ensemble",),
    "cellbox.models.saved_ensembles": ("load_ensemble",),
    "cellbox.training.fit_ensemble": ("fit_ensemble",),
    "cellbox.errors": ("DataWarning", "InputError", "Problem"),
    "cellbox.data.plausibility": ("data_warnings",),
    "cellbox.data.units": ("Units",),
    "cellbox.evaluation.report": ("evaluate",),
    "cellbox.training.fit": ("fit",),
    "cellbox.identifiability.check": ("check_design", "check_plan"),
    "cellbox.models.model": ("FittedModel",),
    "cellbox.models.saved_models": ("load_model",),
    "cellbox.models.model_export": ("export_network",),
    "cellbox.networks.sbml": ("write_sbml",),
    "cellbox.networks.amplitudes": ("with_amplitudes",),
    "cellbox.data.flaws": ("Flaws",),
    "cellbox.networks.fitted_form": ("FittedForm",),
    "cellbox.networks.form": ("form_of",),
    "cellbox.networks.interventions": ("Interventions", "held_nodes"),
    "cellbox.networks.known_systems": ("SYSTEM_NAMES", "system"),
    "cellbox.networks.network": ("Network", "read_network", "write_network"),
    "cellbox.networks.prior": ("EdgePrior", "compare_with_prior"),
    "cellbox.networks.prior_files": ("read_prior",),
    "cellbox.networks.random_lines": ("with_lines",),
    "cellbox.networks.random_off_targets": ("with_off_targets",),
    "cellbox.networks.random_networks": ("random_network",),
    "cellbox.data.readers": (
        *("convert", "read_cellbox_csv", "read_data", "read_tidy", "write_petab", "write_tidy"),
    ),
    "cellbox.planning.curve": ("DesignCurve", "design_curve"),
    "cellbox.planning.limits": ("Limits", "usual_limits"),
    "cellbox.planning.next_conditions": ("first_conditions", "next_conditions"),
    "cellbox.planning.plates": ("PlateSettings", "write_plates"),
    "cellbox.planning.proposal": ("Proposal",),
    "cellbox.settings": ("Settings",),
    "cellbox.data.simulation": ("simulate", "simulate_system"),
    "cellbox.equation.solver_settings": ("SolverSettings",),
    "cellbox.equation.step_replay_adjoint": ("StepReplay",),
}

__all__ = sorted(name for names in _HOMES.values() for name in names)
__getattr__, __dir__ = lazy_names(__name__, _HOMES)
