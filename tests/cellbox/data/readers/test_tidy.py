"""Tidy tables: what they mean, that they round-trip, and what is refused."""

import logging
from functools import partial

import numpy as np
import pytest

from cellbox.data.readers import read_data, read_tidy, write_tidy
from cellbox.errors import InputError
from tests.refusals import refusal

refused = partial(refusal, read_tidy)

MEASUREMENTS = """condition,replicate,time,node,value
low,1,8,g1,0.1
low,1,4,g1,0.2
low,1,4,g2,NA
low,2,4,g1,0.3
control,,4,g1,0
"""
PERTURBATIONS = """condition,node,value
low,g2,0.5
low,g3,-0.25
control,,
"""
EDGES = "source,target,sign\ng1,g2,1\n"
NAN = np.nan


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "course"
    path.mkdir()

    def write(measurements=MEASUREMENTS, perturbations=PERTURBATIONS, **others):
        tables = {"measurements": measurements, "perturbations": perturbations, **others}
        for name, content in tables.items():
            if content is not None:
                (path / f"{name}.csv").write_text(content, encoding="utf-8")
        return path

    return write


def test_conditions_and_replicates_are_rows_in_order_of_appearance(folder):
    data = read_data(folder())
    assert data.row_names == ("low, replicate 1", "low, replicate 2", "control")
    assert data.nodes == ("g1", "g2", "g3")
    assert data.name == "course"
    np.testing.assert_array_equal(data.times, [4.0, 8.0])
    np.testing.assert_array_equal(
        data.measurements,
        [
            [[0.2, NAN, NAN], [0.1, NAN, NAN]],
            [[0.3, NAN, NAN], [NAN, NAN, NAN]],
            [[0.0, NAN, NAN], [NAN, NAN, NAN]],
        ],
    )
    assert not data.activity_nodes.any()
    assert (data.truth, data.split, data.noise_free, data.allowed_edges) == (None,) * 4


def test_replicates_share_their_perturbation_whose_sign_is_kept(folder):
    data = read_tidy(folder())
    np.testing.assert_array_equal(data.perturbations, [[0, 0.5, -0.25], [0, 0.5, -0.25], [0, 0, 0]])
    assert data.n_conditions == 2


def test_an_unperturbed_control_is_listed_without_a_node_or_with_a_dose_of_zero(folder):
    assert not read_tidy(folder()).perturbations[2].any()
    data = read_tidy(folder(perturbations=PERTURBATIONS.replace("control,,", "control,DMSO,0")))
    assert not data.perturbations[2].any()
    assert "DMSO" not in data.nodes


def test_measured_conditions_that_the_perturbations_do_not_list_are_counted_and_named(folder):
    message = refused(folder(MEASUREMENTS + "new,,4,g1,1\n", P + "low,g2,0.5\n"))
    assert "found none of 2 of 3: 'control', 'new'" in message
    assert "(control,,)" in message


def test_doses_and_times_that_differ_by_rounding_are_the_same(folder):
    single = float(np.float32(1 / 3))
    data = read_tidy(
        folder(
            M + "a,0.3,g1,1\nb,0.30000000000000004,g1,2\nc,0.3,g1,3\n",
            P + f"a,g1,{1 / 3}\nb,g1,{single}\nc,g1,0.3334\n",
        )
    )
    assert data.times.tolist() == [0.3]
    assert data.condition_of_row.tolist() == [0, 0, 1]


def test_names_are_compared_without_invisible_characters_and_in_one_unicode_form(folder, caplog):
    decomposed = "caf\u0065\u0301"
    with caplog.at_level(logging.INFO, logger="cellbox"):
        data = read_tidy(
            folder(
                M + f"a,4,g\u200b1,1\na,4,{decomposed},2\na,8,g1,3\n",
                P + "a\u00ad,caf\u00e9,1\na,g\u00a01\u200b,0\n",
            )
        )
    assert data.nodes == ("g1", "caf\u00e9")
    assert "read 'g\\u200b1' as 'g1' (ZERO WIDTH SPACE removed)" in caplog.text
    assert data.perturbations.tolist() == [[0, 1]]


def test_columns_that_are_not_known_are_ignored_and_said(folder, caplog):
    measured = ",condition,time,node,value,unit,plate\n0,a,4,g1,1,log2,3\n"
    with caplog.at_level(logging.INFO, logger="cellbox"):
        data = read_tidy(folder(measured, P + "a,g1,1\n"))
    assert data.measurements.tolist() == [[[1.0]]]
    assert "ignored the first column, which has no name" in caplog.text
    assert "ignored the columns unit, plate" in caplog.text


def test_semicolons_and_decimal_commas_are_read_and_said(folder, caplog):
    with caplog.at_level(logging.INFO, logger="cellbox"):
        data = read_tidy(
            folder(
                'condition;time;node;value\n"a, b";0,5;g1;-1,25\n',
                "condition\tnode\tvalue\na, b\tg1\t0,5\n",
            )
        )
    assert (data.times.tolist(), data.measurements.tolist()) == ([0.5], [[[-1.25]]])
    assert data.perturbations.tolist() == [[0.5]]
    assert "semicolons between columns and decimal commas" in caplog.text
    assert "tabs between columns and decimal commas" in caplog.text


def test_a_spreadsheets_date_is_refused_where_the_other_file_has_the_gene(folder):
    message = refused(folder(M + "a,4,2-Sep,1\na,4,43892,2\n", P + "a,SEPT2,1\na,MARCH3,1\n"))
    assert "found '2-Sep', of which a spreadsheet made" in message
    assert "Write SEPT2 here" in message
    assert "Write MARCH3 here" in message


def test_a_spreadsheets_dates_in_both_files_are_warned_about_with_the_likely_gene(folder):
    data = read_tidy(folder(M + "a,4,2-Sep,1\na,4,2.31E+19,2\n", P + "a,2-Sep,1\n"))
    [warning] = data.reading_warnings
    assert "2-Sep (was it SEPT2, now SEPTIN2?)" in warning.found
    assert "2.31E+19 (was it 231????E13?)" in warning.found


def test_many_names_that_are_not_known_are_counted_with_a_few_suggestions(folder):
    n = 1_000
    measured = M + "".join(f"cell_{k:05},4,g1,1\n" for k in range(n))
    message = refused(folder(measured, P + "".join(f"cell-{k:05},g1,1\n" for k in range(n))))
    assert "'cell-00000'. Did you mean 'cell_00000'" in message
    assert f"and {n - 5} more of this kind" in message
    assert len(message.splitlines()) == 7


def test_a_node_that_is_perturbed_and_never_measured_is_warned_about(folder, caplog):
    with caplog.at_level(logging.WARNING, logger="cellbox"):
        read_tidy(folder())
    assert "node 'g3' is perturbed and never measured" in caplog.text


def test_zeros_at_time_zero_are_left_out(folder):
    data = read_tidy(folder(MEASUREMENTS + "low,1,0,g1,0\nlow,1,0,g2,\n"))
    np.testing.assert_array_equal(data.times, [4.0, 8.0])


def test_two_files_from_anywhere_are_read_without_what_lies_beside_them(folder, tmp_path):
    path = folder(network=EDGES)
    elsewhere = (path / "perturbations.csv").rename(tmp_path / "doses.csv")
    assert read_tidy(path / "measurements.csv", elsewhere).truth is None


def test_network_amplitudes_noise_free_and_split_are_read_where_present(folder):
    data = read_tidy(
        folder(
            MEASUREMENTS + "high,,4,g3,1\n",
            PERTURBATIONS + "high,g1,1\n",
            network=EDGES,
            amplitudes="node,amplitude\ng3,3\ng1,1\ng2,2\n",
            noise_free="condition,replicate,time,node,value\nlow,2,4,g1,0.25\n",
            split="condition,part\nlow,Training\ncontrol,validation\nhigh,test\n",
            activity_nodes="node\ng3\n",
            allowed_edges="source,target\ng1,g3\n",
            rounding_sensitive="condition\nlow\n",
        )
    )
    assert data.truth.nodes == data.nodes
    assert data.truth.weights[1, 0] == 1
    np.testing.assert_array_equal(data.truth.amplitudes, [1, 2, 3])
    assert data.noise_free[1, 0, 0] == 0.25
    assert np.isnan(data.noise_free).sum() == data.noise_free.size - 1
    np.testing.assert_array_equal(data.split.training, [0, 1])
    np.testing.assert_array_equal(data.split.validation, [2])
    np.testing.assert_array_equal(data.split.test, [3])
    np.testing.assert_array_equal(data.activity_nodes, [False, False, True])
    np.testing.assert_array_equal(np.argwhere(data.allowed_edges), [[2, 0]])
    np.testing.assert_array_equal(data.rounding_sensitive, [True, True, False, False])


def test_a_rounding_sensitive_table_without_rows_says_that_no_condition_is(folder):
    assert read_tidy(folder()).rounding_sensitive is None
    assert not read_tidy(folder(rounding_sensitive="condition\n")).rounding_sensitive.any()


def test_the_list_of_rounding_sensitive_conditions_is_read_under_its_former_name(folder, tmp_path):
    data = read_tidy(folder(undetermined="condition\nlow\n"))
    np.testing.assert_array_equal(data.rounding_sensitive, [True, True, False])
    write_tidy(data, tmp_path / "again")
    assert (tmp_path / "again" / "rounding_sensitive.csv").is_file()
    assert not (tmp_path / "again" / "undetermined.csv").exists()


def test_two_lists_of_rounding_sensitive_conditions_are_refused(folder):
    said = refused(folder(rounding_sensitive="condition\n", undetermined="condition\nlow\n"))
    assert "found rounding_sensitive.csv and undetermined.csv" in said


def test_rounding_sensitive_conditions_have_to_be_measured_and_listed_once(folder):
    said = refused(folder(rounding_sensitive="condition\nlow\nlwo\nlow\n"))
    assert "rounding_sensitive.csv, row 3, column 'condition': expected a known condition" in said
    assert "Did you mean 'low'" in said
    assert "rounding_sensitive.csv, row 4: expected each condition once, found 'low' again" in said


M, P = "condition,time,node,value\n", "condition,node,value\n"


@pytest.mark.parametrize(
    ("measurements", "words"),
    [
        ("", ["measurements.csv", "an empty file"]),
        (M, ["measurements.csv", "rows below the header"]),
        ("condition,time,what,value\n", ["row 1", "'what'", "no node", "Name the columns"]),
        (M.replace(",", " "), ["row 1", "separated by spaces", "commas"]),
        (M.replace("\n", ",replicat\n"), ["row 1", "'replicat'", "mean 'replicate'"]),
        (M + "low,inf,g1,1\nlow,inf,g2,1\n", ["column 'time'", "in 2 rows", "steady", "write 10"]),
        (M + "low,4,g1,1e39\n", ["row 2, column 'value' (node 'g1')", "beyond what can be"]),
        (M + "low,4,g1\n", ["row 2", "expected 4 cells", "found 3"]),
        (M + "low,soon,g1,1\n", ["row 2, column 'time'", "'soon'", "decimal point"]),
        (M + "low,NaN,g1,1\n", ["row 2, column 'time'", "'NaN'", "Give a number"]),
        (M + "low,-1,g1,1\n", ["row 2, column 'time'", "found -1", "Count times"]),
        (M + "low,0,g1,0.5\n", ["row 2, column 'value'", "0 at time 0", "log ratios"]),
        (M + "low,4,g1,inf\n", ["row 2, column 'value'", "'inf'", "empty"]),
        (M + "low,4,g1,high\n", ["row 2, column 'value'", "'high'"]),
        (M + "low,4,,1\n", ["row 2, column 'node'", "an empty cell", "Name the node"]),
        (M + ",4,g1,1\n", ["row 2, column 'condition'", "Name the condition"]),
        (M + "low,4,g1,1\nlow,4.0,g1,\n", ["row 3", "time 4, node 'g1' again", "row 2", "replic"]),
        (M + "low,4,g1,NA\n", ["measurements.csv", "found none after time 0"]),
        (M + "low,0,g1,0\n", ["measurements.csv", "found none after time 0"]),
        (M + "low,4,g1,1\nlow,4,G1,1\n", ["row 3, column 'node'", "'G1' and 'g1'", "Spell"]),
        (M + "low,4,G 2,1\n", ["perturbations.csv, row 2, column 'node'", "'g2' and 'G 2'"]),
    ],
)
def test_bad_measurements_are_refused_with_place_and_fix(folder, measurements, words):
    message = refused(folder(measurements))
    assert all(word in message for word in words), message


@pytest.mark.parametrize(
    ("perturbations", "words"),
    [
        (None, ["perturbations.csv", "found none of that name"]),
        ("", ["an empty file"]),
        (P.replace(",", " "), ["row 1", "spaces"]),
        (P + "low,g1,NaN\n", ["row 2, column 'value' (node 'g1')", "NaN", "Give a number"]),
        (P + "low,g1,\n", ["row 2, column 'value'", "an empty cell"]),
        (P + "low,g1,-inf\n", ["row 2, column 'value'", "'-inf'"]),
        (P + "Low,g1,1\n", ["row 2, column 'condition'", "'Low'", "Did you mean 'low'"]),
        (P + "low,g1,1\nlow,g1,1\n", ["row 3", "'g1' in condition 'low' again", "row 2"]),
        (P + "control,,1\n", ["row 2, column 'value'", "no dose", "Name the node"]),
    ],
)
def test_bad_perturbations_are_refused_with_place_and_fix(folder, perturbations, words):
    message = refused(folder(perturbations=perturbations))
    assert all(word in message for word in ["perturbations.csv", *words]), message


SPLIT = "condition,part\nlow,training\ncontrol,test\n"


@pytest.mark.parametrize(
    ("others", "words"),
    [
        ({"network": EDGES + "g1,g4,1\n"}, ["network.csv, row 3, column 'target'", "'g4'"]),
        ({"amplitudes": "node,amplitude\ng1,1\n"}, ["amplitudes.csv", "no network.csv"]),
        (
            {"network": EDGES, "amplitudes": "node,amplitude\ng1,1\ng2,0\n"},
            ["amplitudes.csv, row 3", "positive amplitude, found 0", "found none for g3"],
        ),
        ({"split": SPLIT + "high,test\n"}, ["split.csv, row 4", "'high'"]),
        ({"split": SPLIT + "low,test\n"}, ["split.csv, row 4", "'low' again", "row 2"]),
        ({"split": SPLIT.replace("training", "train")}, ["split.csv, row 2", "'train'", "words"]),
        ({"split": "condition,part\nlow,test\n"}, ["split.csv", "found none for control"]),
        ({"split": SPLIT}, ["split.csv", "found none for validation"]),
        ({"activity_nodes": "node\ng9\n"}, ["activity_nodes.csv, row 2", "'g9'"]),
        ({"allowed_edges": "source,target\ng1,g9\n"}, ["allowed_edges.csv, row 2", "'target'"]),
        (
            {"noise_free": M + "low,4,g1,1\nlow,5,g9,1\n"},
            ["noise_free.csv, row 2", "measured condition", "'g9'", "found also 5"],
        ),
    ],
)
def test_bad_optional_files_are_refused_with_place_and_fix(folder, others, words):
    message = refused(folder(**others))
    assert all(word in message for word in words), message


def test_a_split_that_puts_one_perturbation_into_two_parts_is_refused(folder):
    parts = "condition,part\nlow,training\ncontrol,validation\nagain,test\n"
    doses = PERTURBATIONS + "again,g3,-0.25\nagain,g2,0.5\n"
    message = refused(folder(MEASUREMENTS + "again,,4,g1,1\n", doses, split=parts))
    assert "split.csv, row 4, column 'part'" in message
    assert "'again' in test and 'low' in training" in message
    assert "one part" in message


def test_controls_may_stand_in_every_part(folder):
    parts = "condition,part\nlow,training\ncontrol,validation\nstill,test\n"
    still = PERTURBATIONS + "still,g3,0\n"
    data = read_tidy(folder(MEASUREMENTS + "still,,4,g1,0\n", still, split=parts))
    assert data.split.test.tolist() == [data.row_names.index("still")]


def test_problems_of_all_files_come_at_once(folder):
    message = refused(
        folder(
            MEASUREMENTS + "low,1,4,g1,x\n",
            PERTURBATIONS + "low,g1,NaN\n",
            network="source,target\ng1,g9\n",
            split="condition,part\nlow,train\n",
        ),
    )
    for name in ("measurements", "perturbations", "network", "split"):
        assert f"{name}.csv" in message


def test_a_file_in_the_place_of_a_folder_is_refused_with_the_two_ways_to_call(folder):
    assert "or both files" in refused(folder() / "measurements.csv")


def test_what_belongs_to_the_2020_form_is_refused_for_a_tidy_folder(folder):
    with pytest.raises(InputError) as raised:
        read_data(folder(), structural_zeros=True, time=40.0)
    assert "columns source, target" in str(raised.value)
    assert "measurements.csv tells it" in str(raised.value)


@pytest.mark.parametrize(
    ("cell", "words"),
    [("24h", "Write the number alone (24)"), ("0,5", "with a comma. Write points, or put")],
)
def test_a_mistake_of_a_whole_column_is_said_three_times_and_counted(folder, cell, words):
    rows = "".join(f'a,"{cell}",g{node},1\n' for node in range(9))
    with pytest.raises(InputError) as refused:
        read_tidy(folder("condition,time,node,value\n" + rows, P + "a,g1,1\n"))
    problems = refused.value.problems
    assert len(problems) == 4
    assert words in str(problems[0])
    assert "and 6 more of this kind" in problems[-1].found


def test_a_transposed_table_is_called_so(folder):
    header = ",".join(["node", *(f"c{k}" for k in range(9))])
    with pytest.raises(InputError, match="transpose one with a column for each"):
        read_tidy(folder(f"{header}\ng1{',0.5' * 9}\n", P + "c1,g1,1\n"))


@pytest.mark.parametrize("time", ["1h30", "01:30:00", "1:30", "1 h 30 min"])
def test_times_of_a_clock_are_to_be_numbers(tmp_path, time):
    (tmp_path / "measurements.csv").write_text(f"condition,time,node,value\na,{time},g1,1\n")
    (tmp_path / "perturbations.csv").write_text("condition,node,value\na,g1,1\n")
    with pytest.raises(InputError, match=r"one number in one unit .* \(1.5 for 1 h 30 min\)"):
        read_tidy(tmp_path)


def test_a_title_above_the_header_is_to_be_removed(tmp_path):
    (tmp_path / "measurements.csv").write_text("Table S3,,,\ncondition,time,node,value\na,1,g1,1\n")
    (tmp_path / "perturbations.csv").write_text("condition,node,value\na,g1,1\n")
    with pytest.raises(InputError, match="Remove the title: the first row names the columns"):
        read_tidy(tmp_path)


def test_tables_that_are_packed_are_to_be_unpacked(tmp_path):
    (tmp_path / "measurements.csv.gz").write_bytes(b"")
    with pytest.raises(InputError, match="Unpack it"):
        read_data(tmp_path)
