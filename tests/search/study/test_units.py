"""Units of a study's data, as its models have them."""

from cellbox.data.units import MODEL_UNITS, Units
from search.spec.reading import make_spec
from search.study.units import units_asked


def test_the_units_of_a_spec_are_those_of_its_models(tmp_path):
    data = {
        **{"folder": str(tmp_path), "transform": "log2-ratio", "control": ["DMSO"]},
        **{
            "detection_limit": 20,
            "time_unit": "30min",
            "doses": {"transform": "hill", "ec50": {"a": 10.0}},
        },
    }
    spec = make_spec({"name": "x", "data": data})
    units = units_asked(spec.model_dump(mode="json"))
    given = Units("log2-ratio", ("DMSO",), "30min", "hill", {"a": 10}, detection_limit=20)
    assert units == spec.data.units() == given


def test_a_spec_without_units_has_eq_1s_own():
    assert units_asked({"data": {"system": "LI"}}) == units_asked({}) == MODEL_UNITS
