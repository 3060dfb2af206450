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
