"""What a training ends with: refined, or as descent left it, and why."""

from dataclasses import replace

import numpy as np
import pytest

from cellbox.data.simulation import simulate, simulate_system
from cellbox.networks.known_systems import system
from cellbox.networks.network import Network
from cellbox.refinement import random_starts as drawing
from cellbox.refinement.multiple_shooting import MultipleShooting
from cellbox.refinement.penalised_fit import Prior
from cellbox.refinement.refine import refine
from cellbox.refinement.shrinkage import Choice, Shrunken
from cellbox.scores.metrics import pearson_correlation
from cellbox.settings import Settings
from cellbox.training import few_data as few_data_fits
from cellbox.training import finish as finishing
from cellbox.training import starts as starting
from cellbox.training.finish import Finisher
from cellbox.training.lane import Status
from cellbox.training.pack import Harvest
from cellbox.training.row_errors import is_worse


@pytest.fixture(scope="module")
def case():
    data = simulate_system(system("mCAD"), seed=0, noise=0.01, design="balanced")
    rows = data.split.training
    random = np.random.default_rng(0)
    harvest = Harvest(
        weights=data.truth.weights + 0.1 * random.normal(size=(5, 5)),
        amplitudes=data.truth.amplitudes,
        validation_mae=0.02,
        step=100,
        status=Status.COMPLETED,
        history=[(50, 0.1, 0.1), (100, np.inf, 0.02)],
    )
    training = MultipleShooting.of(data, rows)
    return harvest, training, data.rows(data.split.validation)


def finished(finisher, harvest, settings):
    return finisher.finish(harvest, settings, seed=3, seconds=1.0, compile_seconds=0.5)


def test_descent_is_refined(case):
    harvest, training, validation = case
    ended = finished(Finisher(training, validation), harvest, Settings())
    assert "Refined by" in ended.model.training.refinement
    assert ended.model.training.validation_mae < harvest.validation_mae
    assert ended.model.training.noise == pytest.approx(0.01, rel=0.2)
    assert ended.model.training.selection_error == pytest.approx(0.01, rel=0.3)


def test_a_finished_training_tells_how_descent_went_and_takes_its_time_into_account(case):
    harvest, training, validation = case
    model = finished(Finisher(training, validation), harvest, Settings()).model
    assert (model.seed, model.training.steps, model.training.compile_seconds) == (3, 100, 0.5)
    assert model.training.seconds > 1.0
    assert model.training.history == {
        "step": [50, 100],
        "training_loss": [0.1, None],
        "validation_mae": [0.1, 0.02],
    }
    assert np.array_equal(model.times, validation.times)


def test_where_refinement_is_not_wanted_the_network_is_that_of_descent(case):
    harvest, training, validation = case
    ended = finished(Finisher(training, validation), harvest, Settings(refinement="none"))
    assert (ended.model.network.weights == harvest.weights).all()
    assert ended.model.training.validation_mae == harvest.validation_mae
    refined = finished(Finisher(training, validation), harvest, Settings())
    assert ended.model.training.selection_error > refined.model.training.selection_error


def test_a_refinement_that_predicts_worse_is_not_kept(case, monkeypatch):
    harvest, training, validation = case

    def spoiled(problem, start, **options):
        found = finishing.explain_robustly(problem, start)
        return replace(found, network=replace(start, weights=-start.weights), noise=0.01)

    monkeypatch.setattr(starting, "refine", spoiled)
    ended = finished(Finisher(training, validation), harvest, Settings())
    assert (ended.model.network.weights == harvest.weights).all()
    assert "not kept: validation error" in ended.model.training.refinement


@pytest.mark.parametrize("explains_more", [False, True])
def test_a_large_descent_is_refined_where_it_explains_more_than_a_regression_led_to(
    case, monkeypatch, explains_more
):
    harvest, training, validation = case
    starts = []

    def counted(problem, start, **options):
        starts.append(start)
        refined = refine(problem, start, **options)
        return replace(refined, noise=1.0) if explains_more else refined

    monkeypatch.setattr(finishing, "is_large", lambda n_nodes: True)
    monkeypatch.setattr(starting, "refine", counted)
    ended = finished(Finisher(training, validation), harvest, Settings())
    descended = [start for start in starts if (start.weights == harvest.weights).all()]
    assert (len(starts), len(descended)) == ((2, 1) if explains_more else (1, 0))
    if not explains_more:
        assert "from a regression" in ended.model.training.refinement


def test_equations_that_cannot_be_solved_leave_the_network_of_descent(case, monkeypatch):
    harvest, training, validation = case

    def fails(*arguments, **options):
        raise np.linalg.LinAlgError("Singular matrix")

    monkeypatch.setattr(starting, "refine", fails)
    finisher = Finisher(training, validation)
    ended = finished(finisher, harvest, Settings())
    assert (ended.model.network.weights == harvest.weights).all()
    assert "Refinement failed" in ended.model.training.refinement
    as_it_was = finished(finisher, harvest, Settings(refinement="none"))
    assert ended.model.training.selection_error == as_it_was.model.training.selection_error


def test_a_diverged_descent_is_refined_from_its_best_parameters(case):
    harvest, training, validation = case
    diverged = replace(harvest, status=Status.STEP_LIMIT)
    ended = finished(Finisher(training, validation), diverged, Settings())
    assert ended.refined
    assert (
        ended.model.network.weights
        == finished(Finisher(training, validation), harvest, Settings()).model.network.weights
    ).all()
    record = ended.model.training
    assert record.status == "completed"
    assert "too stiff" in record.message
    assert "Least squares found a network" in record.message


def test_a_diverged_descent_in_whose_place_no_edge_was_found_has_diverged(case, monkeypatch):
    harvest, training, validation = case

    def emptied(problem, start, **options):
        found = refine(problem, start, **options)
        return replace(found, network=replace(start, weights=np.zeros_like(start.weights)))

    monkeypatch.setattr(starting, "refine", emptied)
    # As where descent has nothing to show on the validation rows either.
    wild = replace(harvest, status=Status.NOT_FINITE, weights=np.full((5, 5), np.nan))
    ended = finished(Finisher(training, validation), wild, Settings())
    assert ended.diverged
    assert "Least squares found no edge either." in ended.model.training.message


def test_a_diverged_descent_that_is_not_refined_has_diverged(case):
    harvest, training, validation = case
    diverged = replace(harvest, status=Status.NOT_FINITE)
    ended = finished(Finisher(training, validation), diverged, Settings(refinement="none"))
    assert (ended.model.network.weights == harvest.weights).all()
    assert ended.model.training.refinement == "Not refined: training diverged."
    assert ended.model.training.selection_error is None
    assert ended.rank == np.inf
    record = ended.model.training
    assert record.status == "diverged"


def test_where_descent_ended_in_a_network_too_stiff_to_be_solved_regression_gives_the_start(case):
    harvest, training, validation = case
    stiff = replace(harvest, weights=harvest.weights * 1e300, status=Status.STEP_LIMIT)
    finisher = Finisher(training, validation)
    ended = finished(finisher, stiff, Settings())
    assert "from a regression" in ended.model.training.refinement
    assert ended.model.training.selection_error == pytest.approx(0.01, rel=0.3)
    unrefined = finished(finisher, stiff, Settings(refinement="none"))
    assert unrefined.rank == np.inf


def test_trainings_on_the_same_data_share_one_refinement_from_regression(case, monkeypatch):
    harvest, training, validation = case
    starts = []

    def counted(problem, start, **options):
        starts.append(start)
        return refine(problem, start, **options)

    monkeypatch.setattr(starting, "refine", counted)
    finisher = Finisher(training, validation)
    for _ in range(3):
        finished(finisher, harvest, Settings())
    assert len(starts) == 4


def test_where_data_are_too_few_the_validation_error_chooses(case):
    harvest, training, validation = case
    few = MultipleShooting(training.perturbations[:1], training.measurements[:1, :1], np.ones(1))
    ended = finished(Finisher(few, validation), harvest, Settings())
    assert ended.model.training.selection_error == harvest.validation_mae
    assert "5 measured values are too few" in ended.model.training.refinement


def few_data(case, monkeypatch, *, off=0.0):
    """A finisher of two conditions, whose shrunken network is that far from the true one."""
    harvest, training, validation = case
    calls = []

    def fake(problem, nodes, **options):
        calls.append(options["may_be_sparse"])
        network = Network(nodes, validation.truth.weights + off, validation.truth.amplitudes)
        choice = options["like"] or Choice(Prior(), 0.5, 0.02)
        others = (choice, Choice(Prior(headroom=1.3), 0.7, 0.021))
        return Shrunken(network, 0.01, choice, others, len(problem.perturbations), 9)

    monkeypatch.setattr(few_data_fits, "shrink", fake)
    few = MultipleShooting(training.perturbations[:2], training.measurements[:2, :1], np.ones(1))
    return few, harvest, validation, calls


def test_where_data_are_too_few_weights_are_drawn_to_zero_once_for_all_trainings(case, monkeypatch):
    few, harvest, validation, calls = few_data(case, monkeypatch)
    finisher = Finisher(few, validation)
    ended = [finished(finisher, harvest, Settings()) for _ in range(2)][-1]
    record = ended.model.training
    assert "chosen by cross-validation over 2 conditions" in record.refinement
    assert record.selection_error == record.validation_mae < harvest.validation_mae
    assert (ended.refined, ended.edges_selected, calls) == (True, False, [True])
    assert not record.refined  # not by least squares: no least error may stand beside its edges
    plain = finished(finisher, harvest, Settings(refinement="none"))
    assert "too few" in plain.model.training.refinement
    assert calls == [True]


def test_another_finisher_takes_over_a_choice_that_predicts_nearly_as_well(case, monkeypatch):
    few, harvest, validation, calls = few_data(case, monkeypatch)
    whole = Finisher(few, validation)
    assert whole.data_are_few
    ended = finished(Finisher(few, validation, whole, place=1), harvest, Settings())
    assert "strength 0.7" in ended.model.training.refinement
    assert calls == [True, True]


def test_descent_is_kept_where_it_predicts_better_than_weights_drawn_to_zero(case, monkeypatch):
    few, harvest, validation, _ = few_data(case, monkeypatch, off=1.0)
    ended = finished(Finisher(few, validation), harvest, Settings())
    assert "It was not kept: validation error" in ended.model.training.refinement
    assert ended.model.network.weights.tolist() == harvest.weights.tolist()
    assert ended.model.training.validation_mae == harvest.validation_mae


def test_validation_conditions_that_were_trained_on_do_not_speak_for_descent(case, monkeypatch):
    few, harvest, validation, _ = few_data(case, monkeypatch, off=1.0)
    same = replace(
        validation,
        perturbations=np.resize(few.perturbations, validation.perturbations.shape),
    )
    ended = finished(Finisher(few, same), harvest, Settings())
    assert ended.refined


@pytest.mark.parametrize(
    ("after", "worse"),
    [
        ([0.0081, 0.0085, 0.0079, 0.0080, 0.0086], False),  # as descent, which chose by these
        ([0.0080, 0.0080, 0.0080, 0.0080, 0.0300], True),  # another steady state in one condition
        ([0.0110, 0.0110, 0.0110, 0.0110, 0.0110], True),  # worse in all
        ([0.0080, 0.0080, np.inf, 0.0080, 0.0080], True),  # one cannot be solved
        ([0.0060, 0.0060, 0.0060, 0.0060, 0.0120], False),  # better on the whole
        ([0.0010, 0.0010, 0.0010, 0.0010, 0.0200], False),  # much better but for one
    ],
)
def test_what_is_worse_beyond_noise_is_worse(after, worse):
    assert is_worse(np.full(5, 0.008), np.array(after), noise=0.01) is worse


def test_of_two_starts_the_one_that_predicts_no_worse_is_taken(case, monkeypatch):
    harvest, training, validation = case
    starts = []

    def second_is_another_basin(problem, start, **options):
        starts.append(start)
        found = refine(problem, start, **options)
        if len(starts) == 1:  # the regression's comes first
            wrong = replace(found.network, weights=-found.network.weights)
            # It has been elsewhere.
            better = found.information - 1000
            return replace(found, network=wrong, information=better, landmarks=())
        return found

    monkeypatch.setattr(starting, "refine", second_is_another_basin)
    ended = finished(Finisher(training, validation), harvest, Settings())
    assert "from where descent ended" in ended.model.training.refinement
    assert ended.model.training.validation_mae < harvest.validation_mae


def test_what_could_not_be_solved_before_cannot_get_worse():
    assert not is_worse(np.full(3, np.inf), np.full(3, 0.5), noise=0.01)


def test_random_starts_are_searched_where_the_first_ones_leave_much_unexplained():
    weights = -3.0 * np.roll(np.eye(3), 1, axis=0)
    truth = Network(("a", "b", "c"), weights, np.ones(3))
    data = simulate(truth, n_conditions=9, design="balanced", noise=0.01, seed=0)
    lost = Harvest(np.zeros((3, 3)), np.full(3, 0.5), 0.4, 100, Status.COMPLETED, [])
    ended = finished(Finisher.of(data, data.split), lost, Settings())
    assert "random starts: 3 edges" in ended.model.training.refinement
    assert pearson_correlation(ended.model.network.weights, weights) > 0.999


def test_where_the_first_starts_explain_the_data_no_other_is_searched(case, monkeypatch):
    harvest, training, validation = case

    def refused(*arguments, **options):
        raise AssertionError("random starts were searched")

    monkeypatch.setattr(starting, "random_starts", refused)
    assert finished(Finisher(training, validation), harvest, Settings()).refined


def test_data_that_no_start_explains_are_said_to_be_unexplained(monkeypatch):
    monkeypatch.setattr(drawing, "_MOST_BATCHES", 1)
    weights = np.zeros((3, 3))
    data = simulate(
        Network(("a", "b", "c"), weights, np.ones(3)), n_conditions=9, noise=5.0, seed=0
    )
    lost = Harvest(weights, np.full(3, 0.5), 4.0, 100, Status.COMPLETED, [])
    ended = finished(Finisher.of(data, data.split), lost, Settings())
    assert "of the data's mean square: either they are that noisy" in (
        ended.model.training.refinement
    )
