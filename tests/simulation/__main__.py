"""`python -m tests.simulation --seed N` plays one history again; `--histories N` plays many.

    python -m tests.simulation --histories 10000          from seed 0 on; prints the seeds that fail
    python -m tests.simulation --seed 17                  what happens in one, step by step
"""

from __future__ import annotations

import argparse
import sys
import time

from tests.simulation.history import Lost, play


def main() -> int:
    """Play; the exit code is 1 where a history did not end as it should."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation")
    parser.add_argument("--seed", type=int, help="one history")
    parser.add_argument("--histories", type=int, default=200, help="how many")
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    arguments = parser.parse_args()
    if arguments.seed is not None:
        play(arguments.seed, print)
        return 0
    started, failed = time.perf_counter(), []
    for seed in range(arguments.first, arguments.first + arguments.histories):
        try:
            play(seed)
        except Lost as error:
            failed.append(seed)
            print(f"python -m tests.simulation --seed {seed}: {str(error)[-400:]}", flush=True)
    seconds = time.perf_counter() - started
    print(f"{arguments.histories} histories in {seconds:.0f} s, {len(failed)} failed: {failed}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
