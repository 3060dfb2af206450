"""Every sampler and pruner under ask-and-tell, without any training."""

import math
from dataclasses import replace
from importlib.util import find_spec

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from cellbox.errors import InputError
from search.proposals.proposer import Proposer
from search.proposals.pruning import report_interval
from search.proposals.told import ToldTrial
from search.spec.reading import make_spec
from tests.search.tiny import values

IN_FLIGHT = 4
ONE_OBJECTIVE = ["tpe", "random", "grid", "qmc", "nsga2", "cmaes", "pbt"]
needs_torch = pytest.mark.skipif(find_spec("torch") is None, reason="GP needs torch")
GRID = {
    "peak_rate": [0.01, 0.03, 0.1],
    "schedule": ["cosine", "exponential"],
    "final_share": [0.01, 0.1],
    "warmup_share": 0.1,
    "l1": [1e-6, 1e-5],
    "interval_share": 0.5,
    "weight_decay": 1e-5,
}
TWO = {"objective": {"minimise": ["validation_mae", "cost"]}}


def advice(sampler, **changes):
    if sampler == "pbt":
        table = {"name": "pbt", "population": 4, "generations": 4, "in_flight": None}
        space = {"peak_rate": {"low": 0.001, "high": 1.0}}
        return make_spec(values(trials=16, sampler=table, **{"space": space, **changes}))
    sampler = {"name": sampler, "startup_trials": 5, "in_flight": IN_FLIGHT}
    space = GRID if sampler["name"] == "grid" else {"peak_rate": {"low": 0.001, "high": 1.0}}
    return make_spec(values(sampler=sampler, **{"space": space, **changes}))


def open_proposer(spec, folder):
    folder.mkdir(exist_ok=True)
    return Proposer(
        spec,
        folder,
        study_id="s",
        in_flight=16,
        several_times=True,
        report_every=10,
        total_steps=100,
    )


def error_of(parameters):
    rate, l1 = parameters["peak_rate"], parameters["l1"]
    return abs(math.log10(rate) + 1) + abs(math.log10(l1) + 5)


def told(number, parameters, *, objectives=1):
    error = error_of(parameters)
    return ToldTrial(
        number=number,
        pruned=number % 5 == 4 and objectives == 1,
        values=(error, 10.0 / (1 + error))[:objectives],
        reports=((10, error + 1), (20, error)) if objectives == 1 else (),
        marks={},
        shown={"status": "completed"},
    )


class Sweeping:
    """A sweep without training: asks, and tells in order, with a fixed number in flight."""

    def __init__(self, spec, folder, proposed=()):
        self._spec, self._folder = spec, folder
        self._objectives = len(spec.objective.minimise)
        self.proposed = dict(proposed)
        self.open()

    def open(self):
        self.proposer = open_proposer(self._spec, self._folder)
        told = self.proposer.told()
        assert told == list(range(len(told)))
        self._told = len(told)
        for number in told:
            self.proposer.learn(self._outcome(number))
        for number in range(self._told, self.proposer.asked):
            self.proposed[number] = self.proposer.ask_again(number)

    def _outcome(self, number):
        return told(number, self.proposed[number], objectives=self._objectives)

    def run(self, until):
        while self.proposer.asked < until:
            generations = self._spec.sampler.by_generations
            waits = self.proposer.needed > self._told if generations else (
                self.proposer.asked - self._told >= IN_FLIGHT
            )  # fmt: skip
            if not waits:
                number, parameters = self.proposer.ask()
                self.proposed[number] = parameters
            else:
                self.proposer.tell(self._outcome(self._told))
                self._told += 1
        return self.proposed


SPECS = [
    *(pytest.param(name, {}, id=name) for name in ONE_OBJECTIVE),
    pytest.param("gp", {}, id="gp", marks=needs_torch),
    *(
        pytest.param(name, TWO, id=f"{name}-two-objectives")
        for name in ("tpe", "nsga2", "random", "qmc")
    ),
]


@pytest.mark.parametrize(("sampler", "changes"), SPECS)
def test_the_same_seed_gives_the_same_proposals_and_another_seed_others(sampler, changes, tmp_path):
    first = Sweeping(advice(sampler, **changes), tmp_path / "a").run(24)
    assert Sweeping(advice(sampler, **changes), tmp_path / "b").run(24) == first
    assert Sweeping(advice(sampler, seed=9, **changes), tmp_path / "c").run(24) != first
    # Genetic children may repeat each other, and members of a population go on as they are.
    fewest = {"nsga2": 8, "pbt": 6}.get(sampler, 23)
    assert len({str(parameters) for parameters in first.values()}) > fewest


@pytest.mark.parametrize(("sampler", "changes"), SPECS)
def test_a_restart_goes_on_as_if_nothing_had_happened(sampler, changes, tmp_path):
    spec = advice(sampler, **changes)
    expected = Sweeping(spec, tmp_path / "whole").run(24)
    restarted = Sweeping(spec, tmp_path / "parts")
    for until in (3, 10, 11, 17, 24):
        restarted.run(until)
        restarted.open()
    assert restarted.proposed == expected


# Not gp: its Gaussian process may differ in the last bits when it is fitted again, which can
# tip the one proposal that a process was killed in the middle of storing.
@pytest.mark.parametrize(("sampler", "changes"), [given for given in SPECS if given.id != "gp"])
def test_a_trial_that_was_stored_in_part_is_completed_as_it_would_have_been(
    sampler, changes, tmp_path
):
    spec = advice(sampler, **changes)
    expected = Sweeping(spec, tmp_path / "whole").run(24)
    for until in (1, 2, 16):
        place = tmp_path / f"cut-{until}"
        proposed = dict(Sweeping(spec, place).run(until))
        _drop_last_parameters(place / "optuna.journal", 2)
        del proposed[until - 1]
        assert Sweeping(spec, place, proposed).run(24) == expected


def _drop_last_parameters(journal, n_dropped):
    """As if the process had been killed before the last parameters were stored."""
    lines = journal.read_bytes().splitlines(keepends=True)
    assert all(b"param_name" in line for line in lines[-n_dropped:])
    # And while it held the lock and wrote the next line.
    journal.write_bytes(b"".join(lines[:-n_dropped]) + lines[-n_dropped][:9])
    journal.with_name(journal.name + ".lock").symlink_to(journal)


def test_a_journal_cut_in_the_middle_of_a_line_is_read_and_written_again(tmp_path):
    spec = advice("random")
    proposed = Sweeping(spec, tmp_path).run(6)
    journal = tmp_path / "optuna.journal"
    journal.write_bytes(journal.read_bytes() + b'{"op_code":')
    Sweeping(spec, tmp_path, proposed).run(12)
    assert open_proposer(spec, tmp_path).asked == 12


def test_gp_without_torch_is_refused_with_the_way_to_install_it():
    if find_spec("torch") is not None:
        pytest.skip("torch is installed")
    with pytest.raises(InputError, match=r"cellbox\[samplers\]"):
        advice("gp")


def test_a_grid_proposes_each_point_once(tmp_path):
    spec = advice("grid")
    size = spec.space.grid_size()
    proposed = Sweeping(spec, tmp_path).run(size)
    assert len({str(parameters) for parameters in proposed.values()}) == size == 24


@pytest.mark.parametrize("sampler", ["tpe", "cmaes", "nsga2"])
def test_a_sampler_that_learns_proposes_better_than_it_began(sampler, tmp_path):
    proposed = Sweeping(advice(sampler), tmp_path).run(80)
    errors = [error_of(parameters) for parameters in proposed.values()]
    assert sum(errors[-20:]) < sum(errors[:20])


def test_independent_draws_of_qmc_differ_from_trial_to_trial(tmp_path):
    proposed = Sweeping(advice("qmc"), tmp_path).run(24)
    shares = [p["warmup_share"] for p in proposed.values() if "warmup_share" in p]
    assert len(shares) > 3
    assert len(set(shares)) == len(shares)


def test_studies_of_one_name_do_not_mix_in_one_database(tmp_path):
    url = f"sqlite:///{tmp_path / 'all.db'}"
    spec = advice("random", storage={"url": url})
    arguments = {**{"in_flight": 16, "several_times": True, "report_every": 10, "total_steps": 100}}
    first = Proposer(spec, tmp_path, study_id="one", **arguments)
    point = first.ask()
    second = Proposer(spec, tmp_path, study_id="two", **arguments)
    assert second.asked == 0
    assert second.ask() == point
    again = Proposer(spec, tmp_path, study_id="one", **arguments)
    assert again.asked == 1
    assert again.ask_again(0) == point[1]


def test_a_storage_that_cannot_be_opened_is_refused_without_its_password(tmp_path):
    url = f"sqlite:///{tmp_path}/no/such/secret.db"
    with pytest.raises(InputError, match=r"storage\.url") as caught:
        open_proposer(advice("random", storage={"url": url}), tmp_path)
    assert "secret" not in str(caught.value)


STEPS = range(10, 101, 10)


def pruning(name, **changes):
    pruner = {"name": name, "startup_trials": 3, "p_threshold": 0.2}
    return advice("random", pruner=pruner, repeats=5 if name == "wilcoxon" else 1, **changes)


def told_history(proposer, errors, steps=STEPS):
    """Tell trials that end with these errors, as the sweep does."""
    for number, error in enumerate(errors):
        proposer.ask()
        reports = []
        for step in steps:
            reports.append((step, error + 1 / step))
            if proposer.prune(number, *reports[-1]):
                break
        pruned = len(reports) < len(steps)
        values_ = () if pruned else (error,)
        proposer.tell(ToldTrial(number, pruned, values_, tuple(reports), proposer.marks(number)))


def pruned_at(proposer, number, error, steps=STEPS):
    for step in steps:
        if proposer.prune(number, step, error + 1 / step):
            return step
    return None


@pytest.mark.parametrize("name", ["median", "asha", "hyperband", "wilcoxon"])
def test_a_pruner_ends_a_plainly_bad_trial_and_spares_a_good_one(name, tmp_path):
    steps = range(5) if name == "wilcoxon" else STEPS
    steps = [step + 1 for step in steps] if name == "wilcoxon" else steps
    proposer = open_proposer(pruning(name), tmp_path)
    told_history(proposer, [1.0 + 0.01 * n for n in range(12)], steps)
    late = 12 + IN_FLIGHT
    # Hyperband gives each trial a bracket, and the last bracket never prunes.
    ends = [pruned_at(proposer, late + n, 9.0, steps) for n in range(6)]
    assert any(end is not None and end < steps[-1] for end in ends)
    assert pruned_at(proposer, late + 10, 0.5, steps) is None


def test_no_pruner_ends_nothing(tmp_path):
    proposer = open_proposer(pruning("none"), tmp_path)
    told_history(proposer, [1.0] * 8)
    assert pruned_at(proposer, 20, 99.0) is None


@pytest.mark.parametrize("name", ["median", "asha", "hyperband"])
def test_a_decision_does_not_depend_on_trials_told_after_the_proposal(name, tmp_path):
    # Trial 8 was proposed when trials 0 to 4 had been told.
    few, many = (open_proposer(pruning(name), tmp_path / which) for which in ("few", "many"))
    told_history(few, [3.0, 2.0, 3.0, 2.0, 3.0])
    told_history(many, [3.0, 2.0, 3.0, 2.0, 3.0, 0.1, 0.1, 0.1])
    for step in STEPS:
        assert few.prune(8, step, 2.1 + 1 / step) == many.prune(8, step, 2.1 + 1 / step)
    # Where those told later count, they do make a difference.
    assert pruned_at(many, 8 + IN_FLIGHT - 1, 2.1) is not None or name == "hyperband"


@pytest.mark.parametrize("name", ["median", "asha", "hyperband"])
def test_a_restart_changes_no_decision(name, tmp_path):
    proposer = open_proposer(pruning(name), tmp_path)
    history = [1.0, 5.0, 0.5, 3.0, 2.0, 4.0, 0.8, 6.0]
    records = []
    tell = proposer.tell
    proposer.tell = lambda told: (records.append(told), tell(told))
    told_history(proposer, history)
    again = open_proposer(pruning(name), tmp_path)
    for record in records:
        again.learn(record)
    for number in range(12, 18):
        for error in (0.4, 1.5, 7.0):
            assert pruned_at(proposer, number, error) == pruned_at(again, number, error)


def test_reports_come_at_whole_validation_intervals():
    pruner = advice("random").pruner
    assert report_interval(pruner, 3000, 50) == 300
    assert report_interval(pruner, 100, 25) == 25
    assert report_interval(pruner, 25, 25) == 25


def test_optunas_own_pages_show_names_status_and_errors(tmp_path):
    proposer = open_proposer(advice("random", **TWO), tmp_path / "study")
    number, parameters = proposer.ask()
    shown = {"status": "completed", "test_mae": 0.25, "mlflow_run": "trial 0"}
    proposer.tell(replace(told(number, parameters, objectives=2), shown=shown))
    storage = JournalStorage(JournalFileBackend(str(tmp_path / "study" / "optuna.journal")))
    (name,) = optuna.get_all_study_names(storage)
    study = optuna.load_study(study_name=name, storage=storage)
    assert study.metric_names == ["validation_mae", "cost"]
    assert shown.items() <= study.trials[0].user_attrs.items()
