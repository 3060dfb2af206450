"""A network and its data as a PEtab problem (Schmiester et al. 2021), for other fitting tools."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from os import PathLike
from pathlib import Path

import numpy as np
from jaxtyping import Int

from cellbox.arrays import ValueMask
from cellbox.data.dataset import Dataset
from cellbox.data.readers.tidy_writer import check_free
from cellbox.networks.fitted_form import refuse_form
from cellbox.networks.interventions import refuse_interventions
from cellbox.networks.network import Network, in_order_of
from cellbox.networks.sbml import NodeIds, write_sbml
from cellbox.storage.csv_tables import number_text
from cellbox.storage.files import whole_folder

PETAB_FILES = (
    *("problem.yaml", "model.xml", "parameters.tsv", "conditions.tsv", "observables.tsv"),
    "measurements.tsv",
)

_PROBLEM = """\
format_version: 1
parameter_file: parameters.tsv
problems:
- sbml_files: [model.xml]
  condition_files: [conditions.tsv]
  observable_files: [observables.tsv]
  measurement_files: [measurements.tsv]
"""
_LARGEST_WEIGHT = 10.0
_AMPLITUDES = (1e-3, 1e2)
_NOISES = (1e-6, 1e1)


def write_petab(
    network: Network, data: Dataset, folder: str | PathLike[str], *, overwrite: bool = False
) -> None:
    """Write a PEtab problem, version 1: Eq. 1 with this network, to be fitted to these data.

    What is estimated: the entries of W that are not 0, α, and, where the data tell no errors of
    values, one standard deviation of Gaussian noise, each from the network's own value. Conditions
    set u, whose positive values push a node down; every row is a condition. The folder appears in
    full or not at all.

    overwrite: replace an existing folder, if it holds nothing but files of a PEtab problem.

    Raises InputError for a network with a form, where something is in the way, and where the
    network's nodes are not those of the data.

    Example:
        >>> import cellbox
        >>> data = cellbox.simulate_system(cellbox.system("CY"), n_conditions=6, n_times=2)
        >>> cellbox.write_petab(data.truth, data, "petab_problem")
        >>> cellbox.read_data("petab_problem/problem.yaml").nodes == data.nodes
        True
    """
    refuse_form(network.form, "PEtab problem")
    refuse_interventions(
        data.interventions, "PEtab problem", "Leave these conditions out", data.row_names
    )
    network = in_order_of(network, data.nodes)
    target = Path(folder).resolve()
    check_free(target, folder, overwrite, PETAB_FILES)
    with whole_folder(target) as new:
        (new / "problem.yaml").write_text(_PROBLEM, encoding="utf-8")
        ids = write_sbml(network, new / "model.xml")
        conditions = _condition_ids(data.row_names)
        observed = np.flatnonzero(np.isfinite(data.measurements).any(axis=(0, 1)))
        _write(new / "parameters.tsv", _PARAMETERS, _parameter_rows(network, data, ids))
        dosed = np.flatnonzero((data.perturbations != 0).any(axis=0))
        doses = [ids.dose[data.nodes[node]] for node in dosed]
        _write(
            new / "conditions.tsv",
            ("conditionId", "conditionName", *doses),
            (
                (conditions[row], name, *map(number_text, data.perturbations[row, dosed]))
                for row, name in enumerate(data.row_names)
            ),
        )
        noise = "noise" if data.errors is None else "noiseParameter1_{}"
        states = [ids.state[data.nodes[node]] for node in observed]
        _write(
            new / "observables.tsv",
            ("observableId", "observableName", "observableFormula", "noiseFormula"),
            (
                (
                    *(f"measured_{state}", data.nodes[node], state),
                    noise.format(f"measured_{state}"),
                )
                for node, state in zip(observed, states, strict=True)
            ),
        )
        _write(
            new / "measurements.tsv",
            (
                *("observableId", "simulationConditionId", "measurement", "time"),
                *(() if data.errors is None else ("noiseParameters",)),
            ),
            _measurement_rows(data, conditions, ids),
        )


_PARAMETERS = (
    *("parameterId", "parameterScale", "lowerBound", "upperBound", "nominalValue", "estimate"),
)


def _parameter_rows(network: Network, data: Dataset, ids: NodeIds) -> Iterable[tuple[str, ...]]:
    """W where it is not 0, α, and the noise that the network leaves, unless the data tell it."""
    # It brings JAX, which those who read data can do without.
    from cellbox.equation.network_responses import responses

    place = {name: number for number, name in enumerate(network.nodes)}
    for (target, source), id_ in ids.weight.items():
        weight = float(network.weights[place[target], place[source]])
        largest = max(_LARGEST_WEIGHT, 2 * abs(weight))
        yield id_, "lin", number_text(-largest), number_text(largest), number_text(weight), "1"
    for name, id_ in ids.amplitude.items():
        yield _positive(id_, float(network.amplitudes[place[name]]), _AMPLITUDES)
    if data.errors is not None:
        return
    apart = responses(network, data.perturbations, data.times) - data.measurements
    noise = np.sqrt(np.nanmean(apart**2)) if np.isfinite(apart).any() else 1.0
    yield _positive("noise", float(np.clip(noise, *_NOISES)), _NOISES)


def _positive(id_: str, value: float, bounds: tuple[float, float]) -> tuple[str, ...]:
    low, high = min(bounds[0], value / 2), max(bounds[1], 2 * value)
    return id_, "log10", number_text(low), number_text(high), number_text(value), "1"


def _measurement_rows(
    data: Dataset, conditions: Sequence[str], ids: NodeIds
) -> Iterable[tuple[str, ...]]:
    measured: ValueMask = np.isfinite(data.measurements)
    places: Int[np.ndarray, "n_values 3"] = np.argwhere(measured)
    for row, slot, node in places:
        value = number_text(data.measurements[row, slot, node])
        observable = f"measured_{ids.state[data.nodes[node]]}"
        errors = () if data.errors is None else (number_text(data.errors[row, slot, node]),)
        yield observable, conditions[row], value, number_text(data.times[slot]), *errors


def _condition_ids(names: Sequence[str]) -> list[str]:
    """Identifiers of letters, digits and underscores that tell the rows apart."""
    plain = [re.sub(r"[^A-Za-z0-9]+", "_", name).strip("_") for name in names]
    return [f"condition_{number}_{name}" for number, name in enumerate(plain, start=1)]


def _write(path: Path, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    lines = ("\t".join(cells) for cells in (header, *rows))
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
