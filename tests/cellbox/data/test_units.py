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
        ({"detection_limit": 20.0}, "a transform that takes logarithms, found none"),
        ({"transform": "log2", "detection_limit": 0.0}, "detection_limit: expected a number above"),
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


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ((0, 300, 5e3), r"found 1 of 3 that are not, 0 here.*--detection-limit.*above 0 is 300"),
        ((0, 1, 0.5, 1), r"found 1 of 4.*levels scaled to between 0 and 1, or yes and no"),
        ((-0.5, 0.3, 1.2), r"found 1 of 3.*logarithms or differences already: leave the transform"),
        ((0, 0), r"found 2 of 2.*Correct them"),
    ],
)
def test_values_without_a_logarithm_are_counted_and_told_what_they_look_like(folder, values, words):
    rows = "".join(f"drug,,{4 + time},g1,{value}\n" for time, value in enumerate(values))
    with pytest.raises(InputError, match=words):
        read_data(folder(rows, "drug,g1,1\n"), units=Units("log2"))


@pytest.mark.parametrize("control", ["time 0", "DMSO"])
def test_controls_at_0_are_not_said_to_lack_where_values_have_no_logarithm(folder, control):
    rows = "drug,,0,g1,0\ndrug,,4,g1,0\ndrug,,8,g1,1\nDMSO,,0,g1,0\nDMSO,,4,g1,0\n"
    with pytest.raises(InputError, match="levels scaled") as caught:
        read_data(folder(rows), units=Units("log2-ratio", (control,)))
    assert len(caught.value.problems) == 1


@pytest.mark.parametrize("control", ["time 0", "DMSO"])
def test_what_is_below_the_limit_of_detection_counts_as_it(folder, control, caplog):
    rows = "drug,,0,g1,8\ndrug,,30,g1,0\ndrug,,60,g1,80\nDMSO,,0,g1,8\nDMSO,,30,g1,2\n"
    units = Units("log2-ratio", (control,), detection_limit=20.0)
    with caplog.at_level("INFO"):
        data = read_data(folder(rows + "DMSO,,60,g1,20\n"), units=units)
    np.testing.assert_allclose(data.measurements[:, :, 0], [[0, 2], [0, 0]])
    assert "4 values below the limit of detection count as it, 20" in caplog.text


def test_errors_of_values_below_the_limit_are_relative_to_it(folder):
    path = folder("", "drug,g1,1\n")
    (path / "measurements.csv").write_text(
        "condition,time,node,value,sd\ndrug,4,g1,0,2\ndrug,8,g1,80,8\n"
    )
    data = read_data(path, units=Units("log2", detection_limit=20.0))
    np.testing.assert_allclose(data.errors[0, :, 0] * np.log(2), [0.1, 0.1])


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


@pytest.mark.wrong_types
def test_one_control_may_be_given_by_its_name_alone():
    assert Units(transform="log2-ratio", control="DMSO").control == ("DMSO",)
