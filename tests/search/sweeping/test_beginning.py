"""What a study is when it begins, and whether it is the same when it goes on."""

import pytest

import cellbox
from cellbox.errors import InputError
from search.spec.reading import make_spec
from search.study.data_loading import load_study_data
from search.study.folder import StudyFolder
from search.sweeping.beginning import begin_study
from search.sweeping.own_parts import OwnParts
from search.sweeping.terms import terms_of


@pytest.mark.parametrize(("n_nodes", "refused"), [(5, False), (41, True)])
def test_studies_of_large_networks_from_before_these_were_refined_are_refused(
    tmp_path, n_nodes, refused
):
    network = cellbox.random_network(n_nodes, density=0.2, seed=0)
    cellbox.write_network(network, tmp_path / "edges.csv")
    spec = make_spec(
        {
            "name": "network",
            "data": {"network": str(tmp_path / "edges.csv"), "conditions": 4, "time_points": 1},
        }
    )
    data = load_study_data(spec)
    folder = StudyFolder(tmp_path / "study")
    terms = terms_of(spec, cellbox.Settings(), data)

    def begin():
        begin_study(folder, spec, data, terms, lanes=4, own=OwnParts(), say=print)

    begin()
    content = folder.read_json("study.json")
    folder.write_json("study.json", {**content, "format": 2})
    if refused:
        with pytest.raises(InputError, match="trains in another way"):
            begin()
    else:
        begin()
