"""The service: search for the settings and data budgets that recover a network best.

    import search

    spec = search.make_spec({"name": "LI", "data": {"system": "LI"}})
    result = search.sweep(spec, trials=100)
    result.best.network
    result.plot_optimisation()

    search.reproduce(["LI", "BF"], quick=True)  # the paper's experiment, as a table

Names load when they are first used, so that looking around costs no import of JAX or Ray.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cellbox.lazy_names import lazy_names

if TYPE_CHECKING:
    from search.benchmark.dream4 import benchmark_dream4
    from search.benchmark.result import BenchmarkResult
    from search.benchmark.skmel133 import benchmark_skmel133
    from search.benchmark.skmel133_result import Skmel133Result
    from search.budget.result import BudgetResult
    from search.budget.running import budget_study
    from search.comparison.differences import Differences, differences
    from search.console.interrupts import Interrupted
    from search.doctor.examining import doctor
    from search.doctor.finding import Diagnosis, Finding
    from search.report.folders import write_report
    from search.reproduction.result import Reproduction
    from search.reproduction.running import reproduce
    from search.spec.budget_reading import make_budget_spec, read_budget_spec
    from search.spec.reading import make_spec, read_spec
    from search.spec.tables import Spec
    from search.study.result import SweepResult, TrialResult
    from search.study.state import StudyStatus, study_status
    from search.study.stopping import stop_sweep
    from search.sweeping.own_parts import StopSweep
    from search.sweeping.rerun import Rerun, rerun_trial
    from search.sweeping.run import sweep
    from search.sweeping.verifying import Verdict, verify_study

_HOMES = {
    "search.benchmark.dream4": ("benchmark_dream4",),
    "search.benchmark.result": ("BenchmarkResult",),
    "search.benchmark.skmel133": ("benchmark_skmel133",),
    "search.benchmark.skmel133_result": ("Skmel133Result",),
    "search.budget.result": ("BudgetResult",),
    "search.budget.running": ("budget_study",),
    "search.comparison.differences": ("Differences", "differences"),
    "search.console.interrupts": ("Interrupted",),
    "search.doctor.examining": ("doctor",),
    "search.doctor.finding": ("Diagnosis", "Finding"),
    "search.report.folders": ("write_report",),
    "search.reproduction.result": ("Reproduction",),
    "search.reproduction.running": ("reproduce",),
    "search.sweeping.rerun": ("Rerun", "rerun_trial"),
    "search.study.result": ("SweepResult", "TrialResult"),
    "search.study.state": ("StudyStatus", "study_status"),
    "search.study.stopping": ("stop_sweep",),
    "search.sweeping.own_parts": ("StopSweep",),
    "search.spec.tables": ("Spec",),
    "search.spec.budget_reading": ("make_budget_spec", "read_budget_spec"),
    "search.spec.reading": ("make_spec", "read_spec"),
    "search.sweeping.run": ("sweep",),
    "search.sweeping.verifying": ("Verdict", "verify_study"),
}

__all__ = sorted(name for names in _HOMES.values() for name in names)
__getattr__, __dir__ = lazy_names(__name__, _HOMES)
