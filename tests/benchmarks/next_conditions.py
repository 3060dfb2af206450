"""Whether chosen conditions are worth more than balanced and random ones, by fits to their data.

    python -m tests.benchmarks.next_conditions [--systems LI VSC random12 ...] [--seeds 3]
        [--first-seed 500] [--noise 0.01] [--pilot 10] [--more 0 2 4 8 12 16 20] [--json FILE]
    python -m tests.benchmarks.next_conditions --speed 12 100

From a pilot of random conditions (at most two nodes each, doses of a quarter to 1), further ones
are chosen, balanced or random, with as many nodes and the same doses, and all are fitted together
as `cellbox design next` fits data. Printed of each experiment: r of W by number of further
conditions, how many bring r to 0.95, realised errors of W over those that were expected (all edges
kept), and how much more eight chosen conditions tell than balanced ones of the same number (nats at
the true network, all of W and α together), also where the pilot's network is replaced by a wrong
one whose W has r 0.6. `randomN` is a random network of N nodes, two edges into each.
"""

from __future__ import annotations

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from tests.benchmarks.measuring import add_seeds, arguments, environment, seeds_of, table

DOSES = (0.25, 0.5, 0.75, 1.0)
TIMES = np.array([4.0, 8.0, 12.0, 16.0, 20.0])
KINDS = ("chosen", "balanced", "random")
ENOUGH, WRONG, PLATE = 0.95, 0.6, 8


def network_of(name: str, seed: int) -> Any:
    """A known system, or a random network."""
    import cellbox

    if not name.startswith("random"):
        return cellbox.system(name).network
    n = int(name.removeprefix("random"))
    return cellbox.random_network(n, density=2 / (n - 1), seed=seed)


def drawn(kind: str, count: int, n_nodes: int, random: np.random.Generator) -> np.ndarray:
    """Conditions of two nodes each, with doses of the list."""
    from cellbox.data.design import draw_design

    u = draw_design(count, n_nodes, random, kind=kind).perturbations(2)
    return np.where(u > 0, np.array(DOSES)[np.ceil(u * len(DOSES)).astype(int) - 1], 0.0)


def measured(network: Any, u: np.ndarray, noise: float, random: np.random.Generator) -> Any:
    """Data of these conditions."""
    import cellbox
    from cellbox.equation.network_responses import responses

    exact = responses(network, u, TIMES)
    return cellbox.Dataset(
        nodes=network.nodes,
        times=TIMES,
        perturbations=u,
        measurements=exact + noise * random.standard_normal(exact.shape),
        row_names=tuple(f"c{row + 1}" for row in range(len(u))),
        activity_nodes=np.zeros(network.n_nodes, bool),
    )


def joined(one: Any, other: Any, count: int) -> Any:
    """The first data with the first conditions of the others."""
    u = np.concatenate([one.perturbations, other.perturbations[:count]])
    values = np.concatenate([one.measurements, other.measurements[:count]])
    names = tuple(f"c{row + 1}" for row in range(len(u)))
    return replace(one, perturbations=u, measurements=values, row_names=names)


def fitted(data: Any) -> Any:
    """The network that the data lead to, and that of all edges."""
    from cellbox.planning.beliefs import fitted_from
    from cellbox.refinement.multiple_shooting import MultipleShooting
    from cellbox.refinement.refine import refine

    problem = MultipleShooting.of(data, np.arange(data.n_rows))
    found = fitted_from(problem, data, ())
    return found.network, lambda: refine(problem, found.network, select_edges=False).network


def correlation(one: Any, other: Any) -> float:
    """Pearson r of all entries of W."""
    return float(np.corrcoef(one.weights.ravel(), other.weights.ravel())[0, 1])


def wrong_network(network: Any, random: np.random.Generator) -> Any:
    """The network with errors in every entry of W, so that r is 0.6."""
    spread = np.std(network.weights) * np.sqrt(1 / WRONG**2 - 1)
    weights = network.weights + spread * random.standard_normal(network.weights.shape)
    return replace(network, weights=weights)


def experiment(name: str, seed: int, options: Any) -> dict[str, Any]:
    """One pilot, and what further conditions of each kind bring."""
    from cellbox.planning.beliefs import belief_from_data
    from cellbox.planning.limits import Limits
    from cellbox.planning.precision import Prospect
    from cellbox.planning.question import Question
    from cellbox.planning.search import Effort, Search

    network, random = network_of(name, seed), np.random.default_rng([seed, 12])
    n, noise = network.n_nodes, options.noise
    pilot = measured(network, drawn("paper", options.pilot, n, random), noise, random)
    limits, most = Limits(network.nodes, DOSES, 2), max(*options.more, PLATE)

    def chosen_by(belief: Any, count: int, *, exchange: bool) -> np.ndarray:
        search = Search(Question(belief, limits, TIMES), Effort(len(belief.members), 1000, seed))
        candidates = search.candidates()
        which = search.choice(candidates, count, exchange=exchange).which
        return candidates.perturbations[list(which)]

    belief = belief_from_data(pilot, seed=seed)
    designs = {
        "chosen": chosen_by(belief, most, exchange=False),
        "balanced": drawn("balanced", most, n, random),
        "random": drawn("paper", most, n, random),
    }
    row: dict[str, Any] = {
        "network": name,
        "seed": seed,
        "r of pilot": correlation(belief.estimate, network),
    }
    for kind in KINDS:
        data = measured(network, designs[kind], noise, random)
        reached, curve = None, []
        for count in options.more:
            found, all_edges = fitted(joined(pilot, data, count))
            curve.append(correlation(found, network))
            if count == PLATE and kind == "chosen":
                expected = Prospect(belief, belief.estimate).precision(designs[kind][:count])
                apart = np.sqrt(np.mean((all_edges().weights - network.weights) ** 2))
                row["realised/expected"] = float(apart / np.sqrt(np.mean(expected.errors**2)))
            if curve[-1] >= ENOUGH and reached is None:
                reached = count
            if reached is not None and count >= PLATE:
                break
        row[kind], row[f"r {kind}"] = reached, curve
    # At the true network, as it is after the pilot.
    truth = Prospect(replace(belief, noise=noise), network)
    rivals = [drawn("balanced", PLATE, n, random) for _ in range(5)]
    volume = np.median([truth.precision(u).log_volume for u in rivals])
    own = chosen_by(belief, PLATE, exchange=True)
    row["nats"] = (truth.precision(own).log_volume - volume) / 2
    wrong = belief_from_data(pilot, [wrong_network(network, random)], noise=noise, seed=seed)
    misled = chosen_by(wrong, PLATE, exchange=True)
    row["nats, wrong pilot"] = (truth.precision(misled).log_volume - volume) / 2
    return row


def speed(n_nodes: int) -> dict[str, Any]:
    """Seconds of a proposal: 1,000 candidates, 8 conditions, 20 networks."""
    import cellbox

    network = cellbox.random_network(n_nodes, density=2 / (n_nodes - 1), amplitude=0.5, seed=0)
    data = cellbox.simulate(
        network, n_conditions=max(10, 3 * n_nodes if n_nodes > 40 else 10), seed=0
    )
    model = None
    if n_nodes > 40:
        # Its fit takes minutes, and is no part of choosing.
        settings = cellbox.Settings()
        from cellbox.models.model import FittedModel
        from cellbox.models.training_record import Training

        training = Training("completed", "", 0, None, {}, 0.0, 0.0, refined=True)
        model = FittedModel(network, settings, data.times, 0, training)
    seconds, processor = [], time.process_time()
    for _ in range(2):
        began = time.perf_counter()
        cellbox.next_conditions(data, model, conditions=8)
        seconds.append(time.perf_counter() - began)
        used, processor = time.process_time() - processor, time.process_time()
    return {
        "nodes": n_nodes,
        "first, s": seconds[0],
        "again, s": seconds[1],
        "again, s of all cores": used,
    }


def main() -> None:
    """Measure, and print each experiment when it is there, then medians."""
    parser = arguments(__doc__, repeats=1)
    parser.add_argument("--systems", nargs="+", default=["LI", "VSC", "random12"])
    add_seeds(parser, 3, 500)
    parser.add_argument("--noise", type=float, default=0.01)
    parser.add_argument("--pilot", type=int, default=10)
    parser.add_argument("--more", nargs="+", type=int, default=[0, 2, 4, 6, 8, 12, 16, 20])
    parser.add_argument("--speed", nargs="+", type=int, metavar="NODES")
    options = parser.parse_args()
    if options.quick:
        options.systems, options.seeds, options.more = ["CY"], 1, [0, 8]
    rows = []
    if options.speed:
        rows = [speed(n_nodes) for n_nodes in options.speed]
        print(table(rows))
    else:
        for name in options.systems:
            for seed in seeds_of(options):
                rows.append(experiment(name, seed, options))
                shown = {key: value for key, value in rows[-1].items() if not key.startswith("r c")}
                print(
                    table(
                        [
                            {
                                key: str(np.round(value, 3)) if isinstance(value, list) else value
                                for key, value in shown.items()
                            }
                        ]
                    ),
                    flush=True,
                )
        print("\n" + table(medians(rows, max(options.more) + 1)))
    if options.json is not None:
        result = {"rows": rows, "environment": environment()}
        Path(options.json).write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


def medians(rows: list[dict[str, Any]], never: int) -> list[dict[str, Any]]:
    """One row for each network, and one of all; `never` stands for more conditions than tried."""
    found = []
    for name in (*dict.fromkeys(row["network"] for row in rows), "all"):
        own = [row for row in rows if name in (row["network"], "all")]
        counts = {
            kind: float(np.median([never if row[kind] is None else row[kind] for row in own]))
            for kind in KINDS
        }
        others = ("realised/expected", "nats", "nats, wrong pilot")
        rest = {key: float(np.median([row[key] for row in own if key in row])) for key in others}
        found.append({"network": name, **counts, **rest})
    return found


if __name__ == "__main__":
    main()
