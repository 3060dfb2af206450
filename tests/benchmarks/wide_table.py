"""How long `cellbox lint` takes for a wide table.

python -m tests.benchmarks.wide_table --conditions 20000 --nodes 500
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np


def write(folder: Path, n_conditions: int, n_nodes: int) -> None:
    """Random log ratios, a row for each condition, and one dose of each."""
    random = np.random.default_rng(0)
    nodes = [f"gene{number}" for number in range(n_nodes)]
    with (folder / "measurements.csv").open("w") as file:
        file.write(",".join(["condition", *nodes]) + "\n")
        for row in range(n_conditions):
            values = random.normal(0, 0.5, n_nodes)
            file.write(",".join([f"cell{row}", *(f"{value:.4f}" for value in values)]) + "\n")
    with (folder / "perturbations.csv").open("w") as file:
        file.write("condition,node,value\n")
        for row in range(n_conditions):
            node, dose = nodes[random.integers(n_nodes)], random.choice([0.25, 0.5, 1.0])
            file.write(f"cell{row},{node},{dose}\n")


def main() -> None:
    """Print the seconds from start to end."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--conditions", type=int, default=20_000)
    parser.add_argument("--nodes", type=int, default=500)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder), arguments.conditions, arguments.nodes)
        command = "from search.cli.main import main; raise SystemExit(main())"
        started = time.perf_counter()
        subprocess.run([sys.executable, "-c", command, "lint", folder], check=True)
        print(f"{time.perf_counter() - started:.1f} s")


if __name__ == "__main__":
    main()
