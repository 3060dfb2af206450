"""A real cluster, a sweep on it, and what can go wrong: `python -m tests.cluster`.

Starts PostgreSQL, MLflow's server, Ray's head and three nodes as processes on this machine, in
network namespaces where that is allowed; runs a sweep; adds a node, kills one, cuts the cable of
one, kills and restarts PostgreSQL and MLflow; checks that nothing is lost, doubled or in clear, and
that the study is the one of an undisturbed machine; takes everything down. Needs PostgreSQL's
programs and the extra `deploy`.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.cluster.scenario import Scenario, left_over
from tests.cluster.services import Cluster


def run(say: Callable[[str], None], *, short: bool, keep: bool = False) -> None:
    """Run the scenario. Raises AssertionError where something does not hold."""
    folder = Path(tempfile.mkdtemp(prefix="cb", dir="/tmp"))
    cluster = Cluster(folder)
    try:
        if short:
            scenario = Scenario(cluster, say, trials=24, steps=2000)
            scenario.begin_services(nodes=1)
            scenario.begin_sweep()
            scenario.wait_for_workers(1, 90)
            scenario.add_node("n2")
            scenario.kill_node("n1")
            scenario.restart_services(signal.SIGINT)
        else:
            scenario = Scenario(cluster, say, trials=150, steps=4000)
            scenario.begin_services(nodes=3)
            scenario.begin_sweep()
            scenario.wait_for_trials(0.1)
            scenario.add_node("n4")
            scenario.kill_node("n1")
            scenario.wait_for_trials(0.3)
            scenario.restart_services(signal.SIGKILL)
            if cluster.network.namespaces:
                scenario.cut_node("n2")
            scenario.wait_for_trials(0.5)
            scenario.restart_services(signal.SIGINT)
            scenario.wait_for_trials(0.7)
            scenario.kill_node("n3")
            scenario.restart_services(signal.SIGQUIT)
        scenario.end()
        scenario.check_nothing_is_lost_or_doubled()
        scenario.check_no_secret_is_in_clear()
        if not short:
            scenario.check_same_as_undisturbed()
    finally:
        killed = cluster.stop()
        left = left_over(folder)
        if keep:
            say(f"logs and studies are in {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    assert left == [], left
    say(f"all is taken down ({len(killed)} processes had to be killed)")


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__))
    parser.add_argument("--short", action="store_true", help="the form that the suite runs")
    parser.add_argument("--keep", action="store_true", help="keep logs and studies")
    given = parser.parse_args()
    # Also when asked to end, everything is taken down first.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    began = time.monotonic()

    def say(text: str) -> None:
        print(f"[{time.monotonic() - began:4.0f} s] {text}", flush=True)

    run(say, short=given.short, keep=given.keep)
    sys.exit(0)


if __name__ == "__main__":
    main()
