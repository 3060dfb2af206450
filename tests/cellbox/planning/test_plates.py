"""Files for the bench hold the proposal, and read back."""

import csv

import pytest

from cellbox.data.readers.doses import read_doses
from cellbox.errors import InputError
from cellbox.planning.plates import PLATE_FILES, PlateSettings, n_plates, plate_map, write_plates


def rows_of(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def test_every_condition_replicate_and_time_has_a_well_of_its_own(proposal):
    wells = plate_map(proposal, PlateSettings(wells=24, replicates=2, controls=3))
    assert len(wells) == (4 * 2 + 3) * 3
    assert [well.well for well in wells[:5]] == ["A1", "B1", "C1", "D1", "A2"]
    assert len({(well.plate, well.well) for well in wells}) == len(wells)
    assert wells[-1].plate == n_plates(wells, 24) == 2
    assert wells[-1].condition == "control"
    together = plate_map(proposal, PlateSettings(controls=0, same_well=True))
    assert len(together) == 4
    assert together[0].time is None


def test_doses_read_back_as_a_perturbations_table(proposal, tmp_path):
    paths = write_plates(proposal, tmp_path / "plates")
    assert [path.name for path in paths] == list(PLATE_FILES)
    names, u, _ = read_doses(paths[1], proposal.belief.nodes)
    assert names[-1] == "control"
    assert (u[:-1] == proposal.perturbations).all()
    assert not u[-1].any()


def test_the_order_counts_wells(proposal, tmp_path):
    write_plates(proposal, tmp_path, PlateSettings(replicates=2))
    order = rows_of(tmp_path / "order.csv")
    used = (proposal.perturbations != 0).sum() * 2 * len(proposal.times)
    assert sum(int(row["wells"]) for row in order) == used
    assert len(rows_of(tmp_path / "edges.csv")) == 16
    assert rows_of(tmp_path / "plate.csv")[0]["perturbation"]


def test_impossible_plates_are_refused(proposal, tmp_path):
    with pytest.raises(InputError) as refused:
        plate_map(proposal, PlateSettings(wells=97, replicates=0, controls=-1))
    assert len(refused.value.problems) == 3
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="found a file"):
        write_plates(proposal, tmp_path / "file")
