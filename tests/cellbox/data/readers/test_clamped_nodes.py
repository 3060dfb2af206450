"""Held nodes and spans of doses in tidy folders."""

import numpy as np
import pytest

from cellbox.data.readers import read_data, write_tidy
from cellbox.data.units import Units
from cellbox.errors import InputError
from tests.cellbox.intervened import intervened_experiment

MEASURED = """condition,time,node,value
ko,5,g1,0.1
ko,5,g2,-3
ko,10,g1,0.3
ko,10,g2,-3.2
pulse,5,g1,0.1
pulse,10,g2,0.2
DMSO,5,g1,0
"""
PERTURBED = "condition,node,value,from,until\nko,,,,\npulse,g2,0.5,2,4\nDMSO,,,,\n"


def folder_of(place, measured=MEASURED, perturbed=PERTURBED, clamped="ko,g2,-3.5\n", **others):
    files = {"measurements": measured, "perturbations": perturbed}
    if clamped:
        files["clamped"] = "condition,node,value\n" + clamped
    for name, text in (files | others).items():
        (place / f"{name}.csv").write_text(text)
    return place


def refused(place, **files):
    with pytest.raises(InputError) as caught:
        read_data(folder_of(place, **files))
    return str(caught.value)


def test_a_held_node_has_its_level_and_no_measurements(tmp_path):
    data = read_data(folder_of(tmp_path))
    done = data.interventions
    assert done.held[0, 1] == -3.5
    assert np.isnan(done.held).sum() == done.held.size - 1
    assert np.isnan(data.measurements[0, :, 1]).all()
    assert data.measurements[0, :, 0].tolist() == [0.1, 0.3]
    assert (done.begins[1].tolist(), done.ends[1].tolist()) == ([0, 2], [np.inf, 4])
    assert data.interventions_in_words == [
        "1 condition holds node g2 at -3.5.",
        "1 condition has doses that begin later or end.",
    ]


def test_without_a_level_a_node_is_held_where_it_was_measured(tmp_path):
    data = read_data(folder_of(tmp_path, clamped="ko,g2,\n"))
    assert data.interventions.held[0, 1] == pytest.approx(-3.1)
    unmeasured = MEASURED.replace("ko,5,g2,-3\n", "").replace("ko,10,g2,-3.2\n", "")
    said = refused(tmp_path, measured=unmeasured, clamped="ko,g2,\n")
    assert (
        "clamped.csv, row 2, column 'value': expected a level, or measured values of 'g2'" in said
    )


def test_measured_levels_and_times_follow_the_units(tmp_path):
    values = {"ko,5,g1": 2, "ko,5,g2": 0.125, "ko,10,g2": 0.125, "pulse,5,g1": 2}
    values |= {"DMSO,5,g1": 1, "DMSO,5,g2": 1}
    ratios = "".join(f"{cells},{value}\n" for cells, value in values.items())
    place = folder_of(tmp_path, measured="condition,time,node,value\n" + ratios, clamped="ko,g2,\n")
    units = Units(transform="log2-ratio", control=("DMSO",), time_unit="30min")
    data = read_data(place, units=units)
    assert data.interventions.held[0, 1] == -3
    assert data.interventions.ends[1, 1] == 4 / data.units.decay_time


def test_where_the_control_is_time_0_a_level_has_to_be_told(tmp_path):
    start = "".join(f"{name},0,{node},1\n" for name in ("ko", "pulse") for node in ("g1", "g2"))
    measured = f"{MEASURED}{start}DMSO,0,g1,0\n"
    units = Units(transform="difference", control=("time 0",))
    place = folder_of(tmp_path, measured=measured, clamped="ko,g2,\n")
    with pytest.raises(InputError, match=r"row 2, column 'value': expected a level where the cont"):
        read_data(place, units=units)
    told = read_data(folder_of(tmp_path, measured=measured), units=units)
    assert told.interventions.held[0, 1] == -3.5


def test_every_mistake_is_told_with_its_place(tmp_path):
    said = refused(
        tmp_path,
        perturbed="condition,node,value,from,until\nko,g2,1,,\npulse,g2,0.5,4,2\n"
        "pulse,g1,0.5,-1,\nDMSO,,,,\n",
        clamped="ko,g2,\nk,g2,1\npulse,gg,inf\n",
    )
    assert "perturbations.csv, row 4, column 'from': expected a time from 0 on, found -1" in said
    assert "perturbations.csv, row 3, column 'until': expected a time after 4" in said
    assert "clamped.csv, row 2: expected a node either held or with a dose, found both" in said
    assert "clamped.csv, row 3, column 'condition': expected a known condition, found 'k'" in said
    assert "clamped.csv, row 4, column 'node': expected a known node, found 'gg'" in said
    assert "clamped.csv, row 4, column 'value': expected a finite number" in said


def test_one_node_is_held_once_and_has_one_dose_in_a_condition(tmp_path):
    said = refused(
        tmp_path, clamped="ko,g2,-3\nko,g2,-2\n", perturbed=PERTURBED + "pulse,g2,0.5,6,8\n"
    )
    assert "found 'g2' in 'ko' again" in said
    assert "a dose begins once and ends once in a condition" in said


def test_a_dose_that_never_ends_is_an_empty_cell(tmp_path):
    said = refused(tmp_path, perturbed=PERTURBED.replace("2,4", "2,inf"))
    assert "Leave the cell empty where a dose lasts" in said


def test_doses_that_end_with_the_experiment_are_doses_that_last(tmp_path):
    perturbed = "condition,node,value,from,until\nko,g1,0.2,,10\npulse,g2,0.5,0,12\nDMSO,g1,0,,10\n"
    place = folder_of(tmp_path, perturbed=perturbed, clamped="")
    assert read_data(place).interventions is None
    assert read_data(place, units=Units(time_unit="7min")).interventions is None
    begun_later = folder_of(tmp_path, perturbed=perturbed.replace("0,12", "2,12"), clamped="")
    done = read_data(begun_later).interventions
    assert (done.affected.tolist(), done.ends[1, 1]) == ([False, True, False], np.inf)


def test_a_wide_table_has_no_spans(tmp_path):
    wide = "condition,g2,from\nko,,\npulse,0.5,2\nDMSO,,\n"
    assert "found the column 'from'" in refused(tmp_path, perturbed=wide)


def test_conditions_that_differ_in_what_was_done_are_several(tmp_path):
    both = "condition,time,node,value\nk1,5,g1,1\nk2,5,g1,1\nk3,5,g1,1\nk4,5,g1,1\nk4,5,g2,1\n"
    data = read_data(
        folder_of(
            tmp_path,
            measured=both,
            perturbed="condition,node,value,from\nk1,,,\nk2,,,\nk3,g1,1,\nk4,g1,1,2\n",
            clamped="k1,g2,-1\nk2,g2,-1.00000001\n",
        )
    )
    assert data.condition_of_row.tolist() == [0, 0, 1, 2]
    assert data.combination_of_row.tolist() == [0, 0, 1, 1]


def test_a_split_cannot_part_conditions_with_the_same_node_held(tmp_path):
    measured = "condition,time,node,value\n" + "".join(
        f"k{number},5,{node},1\n" for number in range(4) for node in ("g1", "g2")
    )
    parts = ("training", "validation", "test", "test")
    split = "condition,part\n" + "".join(f"k{k},{part}\n" for k, part in enumerate(parts))
    perturbed = "condition,node,value\nk0,,\nk1,,\nk2,g1,1\nk3,g1,0.5\n"
    said = refused(tmp_path, measured=measured, perturbed=perturbed, split=split,
                   clamped="k0,g2,-1\nk1,g2,-1\n")  # fmt: skip
    assert "expected conditions with one perturbation in one part" in said


def test_held_nodes_beside_several_lines_are_refused(tmp_path):
    lines = "condition,line\nko,a\npulse,b\nDMSO,a\n"
    assert "expected conditions of one cell line" in refused(tmp_path, lines=lines)


def test_a_condition_with_a_held_node_is_no_control(tmp_path):
    place = folder_of(tmp_path)
    with pytest.raises(InputError, match="found 'ko', in which nodes are held"):
        read_data(place, units=Units(transform="difference", control=("ko",)))


def test_a_folder_that_is_written_reads_the_same(tmp_path):
    data = intervened_experiment(knock_outs=0.3, pulses=0.3)
    write_tidy(data, tmp_path / "out")
    again = read_data(tmp_path / "out")
    np.testing.assert_array_equal(again.measurements, data.measurements)
    np.testing.assert_array_equal(again.interventions.held, data.interventions.held)
    np.testing.assert_array_equal(again.interventions.ends, data.interventions.ends)
    assert (again.condition_of_row == data.condition_of_row).all()


def test_the_2020_form_has_no_held_nodes(tmp_path):
    (tmp_path / "pert.csv").write_text("0,1\n1,0\n")
    (tmp_path / "expr.csv").write_text("0,1\n1,0\n")
    (tmp_path / "node_Index.csv").write_text("a\nb\n")
    (tmp_path / "clamped.csv").write_text("condition,node,value\n1,a,1\n")
    with pytest.raises(InputError, match="cellbox convert"):
        read_data(tmp_path)
