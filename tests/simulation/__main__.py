"""`python -m tests.simulation`: histories of studies that are disturbed, many or one again.

python -m tests.simulation --histories 10000    from seed 0 on; prints the seeds that fail
python -m tests.simulation --seed 17            what happens in one, step by step
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from tests.simulation.history import Lost, failures, play

_AT_ONCE = 25


def main() -> int:
    """Play; the exit code is 1 where a history did not end as it should."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation")
    parser.add_argument("--seed", type=int, help="play this one, and say what happens")
    parser.add_argument("--histories", type=int, default=1000, help="how many to play")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--processes", type=int, default=os.cpu_count(), help="at once")
    arguments = parser.parse_args()
    if arguments.seed is not None:
        try:
            play(arguments.seed, print)
        except Lost as error:
            print(error)
            return 1
        print("ended as the undisturbed study")
        return 0
    last = arguments.first + arguments.histories
    parts = [
        range(first, min(first + _AT_ONCE, last))
        for first in range(arguments.first, last, _AT_ONCE)
    ]
    started, failed = time.perf_counter(), 0
    with ProcessPoolExecutor(arguments.processes, get_context("spawn")) as pool:
        for found in pool.map(failures, parts):
            for seed, wrong in found:
                failed += 1
                print(f"python -m tests.simulation --seed {seed}: {wrong[-300:]}", flush=True)
    seconds = time.perf_counter() - started
    print(f"{arguments.histories} histories in {seconds:.0f} s, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
