"""What people call the columns of measurements and of perturbations, and their wide tables."""

from __future__ import annotations

from cellbox.storage.csv_tables import number_text
from cellbox.storage.layouts import Layout

# When data that tell no time count as measured. By 10 decay times the model has settled, unless
# it oscillates.
STEADY_STATE_TIME = 10.0

# Letters and digits alone, as `same_name` compares.
_CONDITION = (
    *("treatment", "treatments", "conditions", "conditionid", "perturbation", "stimulus"),
    *("experiment", "sample", "sampleid", "samplename"),
)
_NODE = (
    *("nodes", "protein", "proteins", "gene", "genes", "genename", "genesymbol", "symbol"),
    *("analyte", "analytes", "antibody", "phosphoprotein", "marker", "observable", "readout"),
)
_REPLICATE = ("replicates", "rep", "repeat", "biorep", "biologicalreplicate", "replicateid")
_LINE = (
    *("celllines", "cellline", "celllinename", "celltype", "celltypes", "lines"),
    *("batch", "batches", "batchid"),
)
_TIME = (
    *("hours", "hour", "hr", "hrs", "h", "minutes", "minute", "mins", "min", "timepoint"),
    *("timepoints", "timeh", "timehr", "timehours", "timemin", "timeminutes", "days", "day"),
    *("seconds", "timeseconds", "times"),
)
_VALUE = (
    *("values", "log2fc", "log2foldchange", "logfc", "log2ratio", "logratio", "foldchange"),
    *("response", "measurement", "measured", "intensity", "signal", "expression", "abundance"),
)
#: Standard deviation, standard error of the mean, number of values that a mean was taken of.
ERROR_COLUMNS = ("sd", "sem", "n")
_SD = ("std", "stdev", "stddev", "standarddeviation", "sdvalue", "valuesd")
_SEM = ("se", "stderr", "standarderror", "semvalue", "valuesem", "standarderrorofthemean")
_TARGET = ("target", "targets", "perturbednode")
_DOSE = ("dose", "doses", "concentration", "conc", "u", "strength", "amount")

PERTURBATION_LAYOUT = Layout(
    synonyms={
        "condition": _CONDITION,
        "node": (*_TARGET, *_NODE),
        "value": (*_DOSE, "values"),
        "line": _LINE,
    },
    keys=("condition",),
    left_out=("time", "replicate", "line"),
    empty="0",
)


def measurement_layout(time: float | None) -> Layout:
    """The layouts of measurements; those of a wide table without times are of this one."""
    return Layout(
        synonyms={
            "condition": _CONDITION,
            "time": _TIME,
            "replicate": _REPLICATE,
            "line": _LINE,
            "node": _NODE,
            "value": _VALUE,
            "sd": _SD,
            "sem": _SEM,
            "n": ("nreplicates", "numberofreplicates", "nrep", "nreps"),
        },
        keys=("condition", "time", "replicate", "line"),
        errors=ERROR_COLUMNS,
        assumed={"time": number_text(STEADY_STATE_TIME if time is None else time)},
    )
