"""More conditions buy more, chosen ones most."""

from cellbox.planning.curve import CurvePoint, DesignCurve, design_curve


def test_errors_fall_with_conditions_and_chosen_ones_bring_most(data):
    curve = design_curve(data, more=[2, 6], members=4, noise=0.02)
    assert [point.n_more for point in curve.points] == [0, 2, 2, 2, 6, 6, 6]
    by_kind = {(point.kind, point.n_more): point for point in curve.points}
    assert by_kind["chosen", 0].error > by_kind["chosen", 2].error > by_kind["chosen", 6].error
    for kind in ("balanced", "random"):
        assert by_kind["chosen", 6].error < by_kind[kind, 6].error
    assert len(curve.to_frame()) == 7
    assert curve.to_dict()["n_edges"] == 16


def test_what_chosen_conditions_are_worth_is_read_between_the_points():
    points = [CurvePoint(0, "chosen", 0.4, 0, 0)]
    for count, chosen, balanced in ((5, 0.15, 0.2), (10, 0.08, 0.1)):
        points.append(CurvePoint(count, "chosen", chosen, 0, 0))
        points.append(CurvePoint(count, "balanced", balanced, 0, 0))
    said = DesignCurve(tuple(points), 9, ()).saved()
    assert said == "5 chosen conditions bring the error that takes about 7 balanced ones."
