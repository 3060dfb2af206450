"""Values, doses and times of files become those of Eq. 1."""

import numpy as np
import pytest

from cellbox.data.plausibility import data_warnings
from cellbox.data.readers import read_data
from cellbox.data.units import Units
from cellbox.errors import InputError


@pytest.fixture
def folder(tmp_path):
    def write(values, doses="drug,g1,0.5\nDMSO,,\n"):
        (tmp_path / "measurements.csv").write_text(f"condition,replicate,time,node,value\n{values}")
        (tmp_path / "perturbations.csv").write_text(f"condition,node,value\n{doses}")
        return tmp_path

    return write


RAW = """drug,,0,g1,400
drug,,30,g1,200
drug,,60,g1,100
DMSO,1,30,g1,200
DMSO,2,30,g1,800
DMSO,1,60,g1,400
"""


def test_log_ratios_are_to_the_controls_at_the_same_time_and_replicates_are_averaged(folder):
    data = read_data(folder(RAW), units=Units(transform="log2-ratio", control=("DMSO",)))
    assert data.row_names == ("drug", "DMSO, replicate 1", "DMSO, replicate 2")
    np.testing.assert_allclose(data.measurements[:, :, 0], [[-1, -2], [-1, 0], [1, np.nan]])


def test_log_ratios_are_to_each_series_own_start(folder):
    values = RAW + "DMSO,1,0,g1,400\nDMSO,2,0,g1,400\n"
    data = read_data(folder(values), units=Units(transform="log2-ratio", control=("time 0",)))
    np.testing.assert_allclose(data.measurements[:, :, 0], [[-1, -2], [-1, 0], [1, np.nan]])


def test_a_control_without_a_time_counts_with_its_mean(folder):
    values = "drug,,30,g1,4\ndrug,,60,g1,8\nDMSO,,30,g1,2\n"
    data = read_data(folder(values), units=Units(transform="difference", control=("DMSO",)))
    np.testing.assert_allclose(data.measurements[0, :, 0], [2, 6])


@pytest.mark.parametrize(
    ("transform", "value", "expected"), [("log2", 0.25, -2), ("log2-percent", 200, 1)]
)
def test_ratios_and_percent_need_no_control(folder, transform, value, expected):
    data = read_data(folder(f"drug,,4,g1,{value}\n", "drug,g1,1\n"), units=Units(transform))
    assert data.measurements.item() == pytest.approx(expected)


def test_times_are_counted_in_decay_times(folder):
    units = Units("log2-ratio", ("DMSO",), time_unit="30min")
    np.testing.assert_allclose(read_data(folder(RAW), units=units).times, [1, 2])


@pytest.mark.parametrize(
    ("transform", "dose", "expected"),
    [("scale", 300, 3), ("log", 300, 2), ("hill", 300, 0.75), ("hill", -300, -0.75),
     ("log10-hill", 2, 0.5)],
)  # fmt: skip
def test_doses_are_scaled_by_the_concentration_of_half_the_effect(
    folder, transform, dose, expected
):
    path = folder("drug,,4,g1,1\n", f"drug,g1,{dose}\n")
    for ec50 in (100.0, {"g1": 100.0}):
        units = Units(dose_transform=transform, ec50=ec50)
        assert read_data(path, units=units).perturbations.item() == pytest.approx(expected)


@pytest.mark.parametrize(
    ("units", "words"),
    [
        ({"transform": "log2-ratio"}, "unperturbed conditions for log2-ratio, found none"),
        ({"control": ("DMSO",)}, "a transform that needs controls"),
        ({"time_unit": "soon"}, "such as 30min or 2h, found 'soon'"),
        ({"dose_transform": "hill"}, "an EC50 together"),
        ({"dose_transform": "hill", "ec50": -1.0}, "above 0, found -1"),
        ({"transform": "log2-ratio", "control": ("DMOS",)}, "Did you mean 'DMSO"),
        ({"transform": "log2-ratio", "control": ("drug",)}, "'drug', which has doses"),
        ({"transform": "difference", "control": ("time 0",)}, "found none in DMSO, replicate 1"),
        (
            {"transform": "log2", "dose_transform": "hill", "ec50": {"g2": 1.0}},
            "found none for g1",
        ),
    ],
)
def test_what_does_not_go_together_is_refused(folder, units, words):
    with pytest.raises(InputError) as caught:
        read_data(folder(RAW), units=Units(**units))
    assert words in str(caught.value)


def test_values_without_a_logarithm_are_counted(folder):
    with pytest.raises(InputError, match=r"found 1 that are not, 0 here.*pseudo-count"):
        read_data(folder("drug,,4,g1,0\ndrug,,8,g1,2\n", "drug,g1,1\n"), units=Units("log2"))


def test_intensities_and_nanomolar_become_what_nothing_is_said_of(folder):
    random = np.random.default_rng(0)
    values, doses = "", "DMSO,,\n"
    for row in range(12):
        doses += f"c{row},g{row % 3 + 1},{100 * (row + 1)}\n"
        for node in range(3):
            level = 5_000 * 2 ** (-(row + 1) / 12 * (row % 3 == node) + 0.02 * random.normal())
            values += f"c{row},,60,g{node + 1},{level}\n"
    values += "".join(f"DMSO,,60,g{node + 1},5000\n" for node in range(3))
    path = folder(values, doses)
    found = [warning.kind for warning in data_warnings(read_data(path))]
    assert found == ["not_log_ratios", "doses_saturate"]
    units = Units("log2-ratio", ("DMSO",), "6min", "hill", 500.0)
    assert data_warnings(read_data(path, units=units)) == ()
