"""More unknowns than data: weights drawn to zero, beside ridge, the mean and the additive rule.

    python -m tests.benchmarks.few_data FOLDER [--scheme random ...] [--seeds 10] [--first-seed 0]
                                        [--total-dose] [--members 4]
    python -m tests.benchmarks.few_data --random 45x20x1 45x12x5 --seeds 3 [--descent]

The first holds conditions of real data out as `cellbox compare` does, and learns from the others
without descent, which would not be kept there. The second does the same with random networks of so
many nodes, conditions and times (noise 0.01, a balanced design), whose W is known; --descent trains
by descent alone as well.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

import cellbox
from cellbox.data.dataset import Dataset
from cellbox.data.split_schemes import SCHEMES, HeldOut, held_out
from cellbox.data.total_dose import with_total_dose
from cellbox.evaluation.held_out_predictions import (
    ADDITIVE,
    ENSEMBLE,
    MEAN,
    RIDGE,
    RIDGE_WITH_DOSE,
)
from cellbox.evaluation.paired_comparison import report_scheme
from cellbox.evaluation.report import evaluate, evaluate_baselines
from cellbox.models.model import FittedModel
from cellbox.models.training_record import Training
from cellbox.refinement.multiple_shooting import MultipleShooting
from cellbox.refinement.shrinkage import Choice, shrink
from cellbox.scores.baselines import baselines
from cellbox.storage.compilation import keep_compiled_programs

ONE = "one CellBox network"


def learned(data: Dataset, rows: Int[np.ndarray, " n_rows"], members: int = 1) -> list[FittedModel]:
    """What members learn from these rows; says how, and how long it took."""
    models: list[FittedModel] = []
    choices: tuple[Choice, ...] = ()
    for member in range(members):
        started, processor = time.perf_counter(), time.process_time()
        found = shrink(
            MultipleShooting.of(data, rows),
            data.nodes,
            allowed_edges=data.allowed_edges,
            scored=data.measured_nodes,
            like=choices[member % len(choices)] if choices else None,
        )
        assert found is not None
        choices = choices or found.choices
        print(
            f"  {found.sentence} Amplitude {found.choice.prior.headroom}, noise "
            f"{found.noise:.3f}, {found.n_steps} steps, {time.perf_counter() - started:.0f} s, "
            f"{time.process_time() - processor:.0f} s of processor",
            flush=True,
        )
        training = Training("completed", found.sentence, 0, None, {}, 0.0, 0.0)
        models.append(FittedModel(found.network, cellbox.Settings(), data.times, 0, training))
    return models


def predictions(
    data: Dataset, split: HeldOut, total_dose: bool, members: int
) -> dict[str, Float[np.ndarray, "n_test_rows n_times n_nodes"]]:
    """Of the held-out rows, by each model."""
    simple = baselines(data, split.split)
    found = {name: simple[name] for name in (MEAN, RIDGE, ADDITIVE)}
    learned_from = with_total_dose(data) if total_dose else data
    if total_dose:
        found[RIDGE_WITH_DOSE] = baselines(learned_from, split.split)[RIDGE]
    asked = learned_from.perturbations[split.test]
    by_member = [
        model.predict(asked, data.times) for model in learned(learned_from, split.training, members)
    ]
    found[ENSEMBLE] = np.mean(by_member, axis=0)
    found[ONE] = by_member[0]
    return {
        name: values[..., : data.n_nodes] for name, values in found.items() if values is not None
    }


def real(folder: str, schemes: Sequence[str], seeds: range, total_dose: bool, members: int) -> None:
    """Every split of some schemes, and what they show together."""
    data = cellbox.read_data(folder, structural_zeros=True)
    for scheme in schemes:
        splits = held_out(data, scheme, seeds=seeds.stop)
        if scheme == "random":
            splits = splits[seeds.start :]
        predicted = []
        for split in splits:
            predicted.append(predictions(data, split, total_dose, members))
            scores = report_scheme(data, [split], predicted[-1:]).measured_nodes.scores
            shown = (
                f"{name} r {score.pearson:.4f} MAE {score.mae:.4f}"
                for name, score in scores.items()
                if score.mae is not None and score.pearson is not None
            )
            print(f"{scheme} {split.name}: {'; '.join(shown)}", flush=True)
        report = report_scheme(data, splits, predicted)
        for name, score in report.measured_nodes.scores.items():
            print(f"{name}: {score}")
        print(*report.sentences(), sep="\n", flush=True)


def random(sizes: Sequence[str], seeds: range, descent: bool) -> None:
    """Networks of some sizes, acyclic with α = 1 and cyclic with α = 0.6 in turn."""
    for size in sizes:
        n_nodes, n_conditions, n_times = map(int, size.split("x"))
        for seed in seeds:
            network = cellbox.random_network(
                n_nodes,
                density=2.7 / (n_nodes - 1),
                motif="cyclic" if seed % 2 else "acyclic",
                amplitude=0.6 if seed % 2 else 1.0,
                seed=seed,
            )
            data = cellbox.simulate(
                network,
                n_conditions=n_conditions,
                n_times=n_times,
                n_held_out=15,
                design="balanced",
                seed=seed,
            )
            assert data.split is not None
            models = {"weights drawn to zero": learned(data, data.split.training)[0]}
            if descent:
                alone = cellbox.Settings(steps=1500, peak_rate=0.02, refinement="none")
                models["descent"] = cellbox.fit(data, alone)
            for name, score in evaluate_baselines(data, data.split).items():
                if score is not None and score["test_mae"] is not None:
                    print(f"{size} seed {seed}, {name}: MAE {score['test_mae']:.4f}")
            for name, model in models.items():
                report = evaluate(model, data, data.split)
                print(
                    f"{size} seed {seed}, {name}: MAE {report['test_mae']:.4f}, "
                    f"r of W {report['pearson']:.3f}",
                    flush=True,
                )


def main() -> None:
    """Read the command line and run what it asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", nargs="?", help="data in the form of the 2020 CellBox")
    parser.add_argument("--scheme", nargs="+", choices=SCHEMES, default=["random"])
    parser.add_argument("--seeds", type=int, default=10, help="random splits, or networks")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--total-dose", action="store_true")
    parser.add_argument("--members", type=int, default=4, help="networks of real data (default: 4)")
    parser.add_argument("--random", nargs="+", default=[], metavar="NODESxCONDITIONSxTIMES")
    parser.add_argument("--descent", action="store_true")
    chosen = parser.parse_args()
    keep_compiled_programs()
    seeds = range(chosen.first_seed, chosen.first_seed + chosen.seeds)
    if chosen.folder:
        real(chosen.folder, chosen.scheme, seeds, chosen.total_dose, chosen.members)
    random(chosen.random, seeds, chosen.descent)


if __name__ == "__main__":
    main()
