"""An ensemble repeats itself, says how sure each edge is, and can be kept."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest

from cellbox.data.dataset import Split
from cellbox.data.simulation import simulate
from cellbox.errors import InputError
from cellbox.models.ensemble import ensemble_of
from cellbox.models.saved_ensembles import load_ensemble, load_fitted
from cellbox.models.saved_models import load_model
from cellbox.refinement.hidden_start import first_guess
from cellbox.scores.metrics import pearson_correlation
from cellbox.settings import Settings
from cellbox.training.finish import Finisher
from cellbox.training.fit_ensemble import draw_conditions, fit_ensemble
from tests.cellbox.small import LOOP

SETTINGS = Settings(steps=200, validate_every=100)
UNREFINED = replace(SETTINGS, steps=100, refinement="none")


pytestmark = pytest.mark.usefixtures("own_cache")


@pytest.fixture(scope="module")
def data():
    return simulate(
        LOOP, n_conditions=12, n_times=3, n_held_out=3, horizon=6.0, noise=0.005, design="balanced"
    )


@pytest.fixture(scope="module")
def ensemble(data):
    return fit_ensemble(data, SETTINGS, members=4, seed=3)


def test_the_mean_network_is_the_true_one(ensemble):
    assert len(ensemble.members) == 4
    assert pearson_correlation(ensemble.network.weights, LOOP.weights) > 0.98
    mean = np.mean([member.network.weights for member in ensemble.members], axis=0)
    np.testing.assert_array_equal(ensemble.network.weights, mean)


def test_it_predicts_what_its_members_do_on_average(ensemble, data):
    u = data.perturbations[data.split.test]
    members = [member.predict(u) for member in ensemble.members]
    np.testing.assert_allclose(ensemble.predict(u), np.mean(members, axis=0))


def test_members_differ_by_start_and_by_conditions(data):
    by_start = fit_ensemble(data, UNREFINED, members=2, seed=0, bootstrap=False)
    by_draw = fit_ensemble(data, UNREFINED, members=2, seed=0)
    for ensemble in (by_start, by_draw):
        first, second = ensemble.members
        assert not np.array_equal(first.network.weights, second.network.weights)
    assert not np.array_equal(by_start.network.weights, by_draw.network.weights)


def test_the_same_seed_gives_the_same_ensemble_and_another_seed_another(data):
    first, again, other = (
        fit_ensemble(data, UNREFINED, members=2, seed=seed).network.weights for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_draw_takes_whole_conditions_as_many_as_there_are():
    condition_of_row = np.array([0, 0, 1, 2, 2, 2])
    for seed in range(20):
        rows = draw_conditions(condition_of_row, np.random.default_rng(seed))
        times_drawn = np.bincount(rows, minlength=6)
        assert times_drawn[0] == times_drawn[1]
        assert times_drawn[3] == times_drawn[4] == times_drawn[5]
        assert times_drawn[[0, 2, 3]].sum() == 3


def test_draws_of_replicates_may_hold_more_rows_than_there_are():
    data = simulate(LOOP, n_conditions=6, n_times=2, n_held_out=2, n_replicates=2, noise=0.01)
    keep = np.delete(data.split.training, [1, 3, 5])
    split = Split(keep, data.split.validation, data.split.test)
    ensemble = fit_ensemble(data, UNREFINED, members=5, seed=0, split=split)
    assert len(ensemble.members) == 5


def test_more_members_than_lanes_are_trained_in_several_packs(data, monkeypatch):
    monkeypatch.setattr("cellbox.training.fit_ensemble.MOST_LANES", 2)
    told = []
    ensemble = fit_ensemble(
        data, UNREFINED, members=3, seed=0, on_progress=lambda *news: told.append(news[:2])
    )
    assert len({member.seed for member in ensemble.members}) == 3
    assert told == [(200, 300), (300, 300)]


def test_edges_have_intervals_and_frequencies_the_strongest_first(ensemble):
    edges = ensemble.edges()
    assert len(edges) == 9
    strengths = [abs(edge.mean) for edge in edges]
    assert strengths == sorted(strengths, reverse=True)
    assert (edges[0].source, edges[0].target) == ("a", "b")
    assert edges[0].low < 1.2 < edges[0].high
    assert edges[0].frequency == 1
    by_pair = {(edge.source, edge.target): edge for edge in edges}
    absent = by_pair["a", "c"]
    assert absent.low < 0 < absent.high
    assert absent.frequency < 1


def test_members_alone_give_intervals_where_nothing_can_be_refined(ensemble):
    alone = replace(ensemble, intervals=None)
    assert "spread of 4 members" in alone.intervals_from
    assert all(edge.low <= edge.mean <= edge.high for edge in alone.edges())
    single = replace(alone, members=alone.members[:1], selected=alone.selected[:1])
    assert single.edges()[0].high == np.inf


def test_edges_that_may_not_be_are_not_listed(data):
    allowed = ~np.eye(3, dtype=bool)
    ensemble = fit_ensemble(replace(data, allowed_edges=allowed), UNREFINED, members=2)
    assert len(ensemble.edges()) == 6
    assert all(edge.source != edge.target for edge in ensemble.edges())


def test_an_ensemble_is_the_same_after_saving_and_loading(ensemble, data, tmp_path):
    folder = ensemble.save(tmp_path / "made" / "ensemble")
    loaded = load_ensemble(folder)
    u = data.perturbations[:3]
    np.testing.assert_array_equal(loaded.predict(u), ensemble.predict(u))
    assert loaded.edges() == ensemble.edges()
    assert loaded.training == ensemble.training
    assert type(load_fitted(folder)) is type(ensemble)
    np.testing.assert_array_equal(load_model(folder).network.weights, ensemble.network.weights)
    with open(folder / "edges.csv", encoding="utf-8") as file:
        written = list(csv.DictReader(file))
    assert float(written[0]["mean"]) == ensemble.edges()[0].mean
    assert float(written[0]["selection_frequency"]) == 1


def test_a_single_model_is_loaded_as_such(ensemble, tmp_path):
    folder = ensemble.members[0].save(tmp_path / "one")
    assert type(load_fitted(folder)) is type(ensemble.members[0])


@pytest.mark.parametrize("damage", ["missing", "cut", "version"])
def test_a_damaged_ensemble_is_refused_with_its_place(ensemble, tmp_path, damage):
    folder = ensemble.save(tmp_path / "ensemble")
    if damage == "missing":
        (folder / "ensemble.npz").unlink()
    elif damage == "cut":
        (folder / "ensemble.npz").write_bytes(b"PK")
    else:
        file = folder / "ensemble.json"
        file.write_text(json.dumps({**json.loads(file.read_text()), "format": 99}))
    with pytest.raises(InputError, match="ensemble"):
        load_ensemble(folder)


def test_diverged_members_are_left_out_and_counted(data, monkeypatch):
    finish, calls = Finisher.finish, []

    def sometimes_diverged(*given, **named):
        calls.append(None)
        ended = finish(*given, **named)
        training = replace(ended.model.training, status="diverged")
        return (
            replace(ended, model=replace(ended.model, training=training))
            if len(calls) == 2
            else ended
        )

    monkeypatch.setattr(Finisher, "finish", sometimes_diverged)
    ensemble = fit_ensemble(data, UNREFINED, members=3)
    assert len(ensemble.members) == 2
    assert ensemble.n_diverged == 1
    assert "1 diverged" in ensemble.training.message


def test_members_whose_descent_diverged_are_kept_where_least_squares_find_a_network(data):
    wild = replace(UNREFINED, peak_rate=100.0, schedule="constant", refinement="select_edges")
    ensemble = fit_ensemble(data, wild, members=2)
    assert ensemble.n_diverged == 0
    for member in ensemble.members:
        assert "found a network all the same" in member.training.message
        assert member.training.selection_error is not None


def test_members_that_learn_from_the_same_rows_share_a_regression(data, monkeypatch):
    from cellbox.training import starts as starting

    guesses = []

    def counted(*given):
        guesses.append(given)
        return first_guess(*given)

    monkeypatch.setattr(starting, "first_guess", counted)
    refined = replace(UNREFINED, refinement="select_edges")
    fit_ensemble(data, refined, members=2, bootstrap=False)
    assert len(guesses) == 1
    fit_ensemble(data, refined, members=2)
    assert len(guesses) == 3


def test_an_ensemble_of_which_all_diverge_is_refused(data):
    wild = replace(UNREFINED, peak_rate=100.0, gradient_clip=1e12, schedule="constant")
    with pytest.raises(InputError, match="diverged"):
        fit_ensemble(data, wild, members=2)


def test_no_member_is_refused(data):
    with pytest.raises(InputError, match="at least 1"):
        fit_ensemble(data, UNREFINED, members=0)


def test_rows_that_one_member_cannot_solve_are_the_mean_of_the_others(ensemble, data):
    u = data.perturbations[:2]
    broken = replace(
        ensemble.members[0],
        network=replace(LOOP, weights=np.full((3, 3), np.nan)),
    )
    mixed = ensemble_of(
        [broken, ensemble.members[1]],
        n_diverged=0,
        selected=ensemble.selected[:2],
        allowed_edges=ensemble.allowed_edges,
        intervals=None,
        bootstrap=True,
        seed=0,
    )
    np.testing.assert_allclose(mixed.predict(u), ensemble.members[1].predict(u))
