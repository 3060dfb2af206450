"""A folder of the form of SK-MEL-133: few nodes under three drugs, single and in pairs."""

from itertools import combinations
from pathlib import Path

import numpy as np

NODES = ("p1", "p2", "p3", "p4", "cellviab", "aA", "aB", "aC")
N_MEASURED, DRUGS = 5, (5, 6, 7)


def small_tables() -> tuple[np.ndarray, np.ndarray]:
    """pert.csv and expr.csv: each drug at two doses and all pairs of these, at rest."""
    random = np.random.default_rng(3)
    n_nodes = len(NODES)
    weights = np.zeros((n_nodes, n_nodes))
    weights[:4, :4] = random.normal(scale=0.4, size=(4, 4)) * (1 - np.eye(4))
    weights[4, :4] = random.normal(scale=0.4, size=4)
    weights[:4, DRUGS] = random.normal(scale=0.8, size=(4, 3))
    doses = [[(drug, dose)] for drug in DRUGS for dose in (0.5, 1.0)]
    doses += [
        [(first, one), (second, other)]
        for first, second in combinations(DRUGS, 2)
        for one in (0.5, 1.0)
        for other in (0.5, 1.0)
    ]
    pert = np.zeros((len(doses), n_nodes))
    for row, condition in enumerate(doses):
        for drug, dose in condition:
            pert[row, drug] = -dose
    expr = np.zeros_like(pert)
    for _ in range(300):
        expr += 0.1 * (np.tanh(expr @ weights.T + pert) - expr)
    expr[:, :N_MEASURED] += random.normal(scale=0.02, size=(len(expr), N_MEASURED))
    # A drug's activity is its dose alone, and nothing where it is absent.
    return pert, np.where((pert == 0) & (np.arange(n_nodes) >= N_MEASURED), 0.0, expr)


def write_drugs(folder: Path) -> Path:
    """Write the three files."""
    folder.mkdir(parents=True)
    pert, expr = small_tables()
    np.savetxt(folder / "pert.csv", pert, delimiter=",")
    np.savetxt(folder / "expr.csv", expr, delimiter=",", fmt="%.4f")
    (folder / "node_Index.csv").write_text("\n".join(NODES) + "\n")
    return folder
