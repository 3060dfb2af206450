"""MIDAS tables as DataRail writes them."""

import numpy as np
import pytest

from cellbox.data.readers import read_data
from cellbox.data.units import Units
from cellbox.errors import InputError

TABLE = """\
TR:HepG2:CellLine,TR:EGF:Cytokines,TR:MEK:Inhibitors,TR:pi3ki,DA:ALL,DV:AKT,DV:ERK
1,0,0,0,5,0.0,0.1
1,1,0,0,5,0.5,0.9
1,1,0,0,5,0.6,
1,1,0.5,0,5,0.4,0.2
1,1,0,1,5,-0.3,0.8
"""


@pytest.fixture
def midas(tmp_path):
    def written(text=TABLE):
        (tmp_path / "signals.csv").write_text(text)
        return tmp_path / "signals.csv"

    return written


def test_inhibitors_push_down_and_other_treatments_up(midas):
    data = read_data(midas())
    assert data.name == "signals"
    assert data.nodes == ("AKT", "ERK", "EGF", "MEK", "pi3k")
    u = {name: dict(zip(data.nodes, own, strict=True)) for name, own in _rows(data)}
    assert u["control"] == dict.fromkeys(data.nodes, 0.0)
    assert (u["EGF + MEKi 0.5"]["EGF"], u["EGF + MEKi 0.5"]["MEK"]) == (-1.0, 0.5)
    assert (u["EGF + pi3ki"]["EGF"], u["EGF + pi3ki"]["pi3k"]) == (-1.0, 1.0)


def _rows(data):
    return zip(data.row_names, data.perturbations.tolist(), strict=True)


def test_rows_of_the_same_treatments_and_time_are_replicates(midas):
    data = read_data(midas())
    assert (data.n_rows, data.n_conditions) == (5, 4)
    twice = [row for row, name in enumerate(data.row_names) if name.startswith("EGF, replicate")]
    np.testing.assert_array_equal(data.measurements[twice, 0, 0], [0.5, 0.6])
    assert np.isnan(data.measurements[twice[1], 0, 1])


def test_intensities_become_log_ratios_to_the_control(midas):
    raw = TABLE.replace("0.0,0.1", "2,4").replace("0.5,0.9", "4,2").replace("-0.3", "1")
    data = read_data(midas(raw), units=Units(transform="log2-ratio", control=("control",)))
    place = data.row_names.index("EGF, replicate 1")
    np.testing.assert_allclose(data.measurements[place, 0, :2], [1.0, -1.0])


def test_everything_wrong_is_said_with_its_place(midas):
    with pytest.raises(InputError) as refused:
        read_data(midas(TABLE.replace("1,1,0.5,0,5", "1,1,some,0,5").replace("0.8\n", "high\n")))
    said = str(refused.value)
    assert "row 5, column 'TR:MEK:Inhibitors'" in said
    with pytest.raises(InputError, match=r"row 6, .*'high'"):
        read_data(midas(TABLE.replace("0.8\n", "high\n")))
    with pytest.raises(InputError, match="expected columns DA:NAME"):
        read_data(midas(TABLE.replace("DA:ALL", "day DA:ALL")))


def test_what_says_that_nothing_was_given_is_no_treatment(midas):
    header, *rows = TABLE.splitlines()
    table = header.replace("TR:EGF", "TR:NOCYTO,TR:NO-INHIB:Inhibitors,TR:EGF")
    marked = [row.replace("1,", "1,1,1,", 1) for row in rows]
    data = read_data(midas("\n".join([table, *marked])))
    assert data.nodes == ("AKT", "ERK", "EGF", "MEK", "pi3k")


def in_two_lines(first="1,,", second=",1,"):
    """The table with its first two rows of one cell line, the others of another."""
    header, *rows = TABLE.splitlines()
    header = header.replace("TR:HepG2:CellLine", "TR:HepG2:CellType,TR:Huh7:CellType")
    marked = [
        row.replace("1,", first if place < 2 else second, 1) for place, row in enumerate(rows)
    ]
    return "\n".join([header, *marked])


def test_columns_of_cell_lines_say_of_which_line_a_row_is(midas):
    data = read_data(midas(in_two_lines()))
    assert data.line_names == ("HepG2", "Huh7")
    of = dict(zip(data.row_names, data.lines, strict=True))
    assert of == {
        "control": "HepG2",
        "EGF, HepG2, replicate 1": "HepG2",
        "EGF, Huh7, replicate 1": "Huh7",
        "EGF + MEKi 0.5": "Huh7",
        "EGF + pi3ki": "Huh7",
    }


@pytest.mark.parametrize(("marked", "found"), [("1,1,", "HepG2 and Huh7"), (",,", "none")])
def test_a_row_of_no_cell_line_or_of_two_is_refused(midas, marked, found):
    header, *rows = in_two_lines().splitlines()
    rows[2] = rows[2].replace(",1,", marked, 1)
    with pytest.raises(InputError, match=f"row 4: expected one cell line, found {found}"):
        read_data(midas("\n".join([header, *rows])))


BEFORE_STIMULI = """\
TR:HepG2:CellLine,TR:EGF:Cytokines,TR:MEK:Inhibitors,DA:ALL,DV:AKT,DV:ERK
1,0,0,0,2,4
1,0,0,0,4,4
1,0,1,0,2,1
1,1,0,30,6,16
1,1,1,30,4,2
"""


def test_series_start_from_what_their_inhibitors_alone_had_at_time_0(midas, caplog):
    units = Units(transform="log2-ratio", control=("time 0",))
    with caplog.at_level("INFO"):
        data = read_data(midas(BEFORE_STIMULI), units=units)
    assert data.row_names == ("EGF", "EGF + MEKi")
    np.testing.assert_allclose(data.measurements[:, 0, :2], [[1.0, 2.0], [1.0, 1.0]])
    assert "the start of 2 conditions is what their inhibitors alone had at time 0" in caplog.text
    assert "what inhibitors had done by then is divided out, and --control control" in caplog.text


def test_where_no_inhibitor_acted_before_nothing_is_said_to_be_divided_out(midas, caplog):
    stimulus = "".join(line for line in BEFORE_STIMULI.splitlines(True) if ",1,0,2" not in line)
    stimulus = stimulus.replace("1,1,1,30,4,2\n", "")
    with caplog.at_level("INFO"):
        read_data(midas(stimulus), units=Units(transform="log2-ratio", control=("time 0",)))
    assert "the start of 1 conditions" in caplog.text
    assert "divided out" not in caplog.text


def test_a_series_with_a_start_of_its_own_keeps_it(midas):
    own = BEFORE_STIMULI + "1,1,0,0,3,8\n"
    data = read_data(midas(own), units=Units(transform="log2-ratio", control=("time 0",)))
    egf = data.row_names.index("EGF")
    np.testing.assert_allclose(data.measurements[egf, 0, :2], [1.0, 1.0])


def test_where_all_times_are_0_values_are_steady_states(midas):
    at_rest = TABLE.replace(",5,", ",0,")
    assert read_data(midas(at_rest)).times.tolist() == [10.0]
    assert read_data(midas(at_rest), time=20.0).times.tolist() == [20.0]
    with pytest.raises(InputError, match="expected a time in files for the unit 30min"):
        read_data(midas(at_rest), units=Units(time_unit="30min"))


def test_rows_of_a_blank_are_left_out(midas):
    header, *rows = TABLE.splitlines()
    typed = [f"ID:type,{header}", f"blank,{rows[0]}", *(f"t,{row}" for row in rows)]
    data = read_data(midas("\n".join(typed)))
    assert (data.n_rows, data.nodes) == (5, ("AKT", "ERK", "EGF", "MEK", "pi3k"))


def test_controls_that_were_measured_at_the_start_alone_are_the_reference(midas):
    raw = TABLE.replace("1,0,0,0,5,0.0,0.1", "1,0,0,0,0,2,4").replace("-0.3", "1")
    data = read_data(midas(raw), units=Units(transform="log2-ratio", control=("control",)))
    assert "control" not in data.row_names
    place = data.row_names.index("EGF + pi3ki")
    np.testing.assert_allclose(data.measurements[place, 0, :2], [-1.0, np.log2(0.8 / 4)])


def test_values_at_time_zero_are_said_once_with_their_number(midas):
    with pytest.raises(InputError) as refused:
        read_data(midas(TABLE.replace(",5,0.", ",0,0.")))
    [problem] = refused.value.problems
    assert "row 2" in problem.where
    assert "(node 'ERK')" in problem.where
    assert "found 0.1, the first of 6 such values" in problem.found


def test_a_stimulus_may_end_with_an_i(midas):
    data = read_data(midas(TABLE.replace("TR:pi3ki", "TR:Wnti:Stimuli")))
    u = dict(zip(data.row_names, data.perturbations[:, data.nodes.index("Wnti")], strict=True))
    assert u["EGF + Wnti"] == -1.0


def with_errors(header, *columns):
    """The table, all values of it told, with columns more."""
    first, *rows = TABLE.replace("0.6,\n", "0.6,0.7\n").splitlines()
    added = [f"{row},{','.join(str(column) for column in columns)}" for row in rows]
    return "\n".join([f"{first},{header}", *added])


@pytest.mark.parametrize("header", ["DV:AKT_sd,DV:ERK_sd", "DV:AKT:sd,DV:ERK:sd"])
def test_columns_of_errors_are_no_nodes(midas, header):
    data = read_data(midas(with_errors(header, 0.1, 0.2)))
    assert data.nodes == ("AKT", "ERK", "EGF", "MEK", "pi3k")
    np.testing.assert_allclose(data.errors[:, 0, :2], [[0.1, 0.2]] * 5)


def test_an_error_that_is_missing_or_of_another_kind_is_refused(midas):
    with pytest.raises(InputError, match=r"column 'sd' \(node 'ERK'\): expected an error above 0"):
        read_data(midas(with_errors("DV:AKT_sd", 0.1)))
    with pytest.raises(InputError, match="errors of one kind, found sd and sem"):
        read_data(midas(with_errors("DV:AKT_sd,DV:ERK_sem", 0.1, 0.2)))


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("DV:ERK", "DV:AKT", "row 1: expected each column once, found again: DV:AKT"),
        ("TR:MEK:Inhibitors", "TR:EGF:Cytokines", "found again: TR:EGF"),
        ("DV:ERK", "DV:", "expected columns DV:NAME, found one without a name"),
        ("TR:MEK:Inhibitors", "TR:", "expected columns TR:NAME, found one without a name"),
        ("DA:ALL,DV:AKT", "DA:AKT,DA:p38", "found no DA:ERK"),
        ("1,1,0.5,0,5", "1,1,-0.5,0,5", "row 5, column 'TR:MEK:Inhibitors': expected a dose from"),
    ],
)
def test_columns_and_doses_that_cannot_be_are_refused_with_their_place(midas, before, after, said):
    table = TABLE.replace(before, after)
    if "DA:p38" in after:
        table = table.replace("DV:ERK", "DV:AKT,DV:ERK").replace(",5,", ",5,5,")
    with pytest.raises(InputError, match=said):
        read_data(midas(table))


def test_times_of_one_value_for_all_and_columns_that_are_no_part_are_said(midas, caplog):
    caplog.set_level("INFO", logger="cellbox")
    table = "\n".join(f"{row},x" for row in TABLE.replace("DA:ALL", "DA:AKT").splitlines())
    assert read_data(midas(table)).nodes[:2] == ("AKT", "ERK")
    assert "took the times of DA:AKT for all values" in caplog.text
    assert "ignored the columns x" in caplog.text


@pytest.mark.parametrize("name", ["MEKi-Gefinib", "MEKi_U0126", "MEKi (PD 0325901)", "MEKi"])
def test_an_inhibitor_may_be_named_with_its_drug(midas, name):
    data = read_data(midas(TABLE.replace("TR:MEK:Inhibitors", f"TR:{name}")))
    place = data.row_names.index("EGF + MEKi 0.5")
    assert data.perturbations[place, data.nodes.index("MEK")] == 0.5


@pytest.mark.parametrize("name", ["anti-CD3", "LPS", "poli-IC"])
def test_a_stimulus_whose_name_has_an_i_pushes_up(midas, name):
    data = read_data(midas(TABLE.replace("TR:EGF:Cytokines", f"TR:{name}")))
    place = data.row_names.index(name + ", replicate 1")
    assert data.perturbations[place, data.nodes.index(name)] == -1


def test_a_treatment_that_differs_from_a_value_in_case_alone_is_of_that_node(midas, caplog):
    with caplog.at_level("INFO"):
        data = read_data(midas(TABLE.replace("TR:pi3ki", "TR:Akti")))
    assert data.nodes == ("AKT", "ERK", "EGF", "MEK")
    assert "took treatments by the names of values: Akt as AKT" in caplog.text


def test_problems_name_the_columns_that_the_file_has(midas):
    raw = TABLE.replace("1,1,0,1,5,-0.3,0.8", "1,1,0,1,-5,-0.3,high")
    with pytest.raises(InputError) as refused:
        read_data(midas(raw))
    said = str(refused.value)
    assert "row 6, column 'DV:ERK'" in said
    assert "row 6, column 'DA:ALL'" in said
    with pytest.raises(InputError, match=r"row 2, column 'DV:AKT'.*expected 0 at time 0"):
        read_data(midas(TABLE.replace("1,0,0,0,5,0.0", "1,0,0,0,0,7.5")))


def test_rows_of_one_cell_line_are_not_said_to_be_left_out(midas, caplog):
    with caplog.at_level("INFO"):
        read_data(midas())
    assert "all rows are of the cell line HepG2" in caplog.text
    assert "left out" not in caplog.text


def test_rows_whose_names_have_commas_are_listed_with_semicolons(midas, caplog):
    repeated = BEFORE_STIMULI.replace("1,0,1,0,2,1\n", "1,0,1,0,2,1\n1,0,1,0,2,1\n")
    with caplog.at_level("INFO"):
        read_data(midas(repeated), units=Units(transform="log2-ratio", control=("time 0",)))
    assert "control, replicate 1; control, replicate 2; MEKi, replicate 1" in caplog.text
