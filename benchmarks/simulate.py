"""What a run of the simulator costs: by fault, and by how long nothing happens.

    python benchmarks/simulate.py [--rounds 20]

Each case is a scenario as ``rmqha lab test`` plays it: a minute or less, 20 messages a second to each kind of queue,
ten fresh connections a second. The quiet scenario has no clients and no fault; six hours of it are set against one
second, in turn, in one run.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

from rmqha_model.cases import REPRESENTATIVE, cases
from rmqha_model.document import load
from rmqha_model.scenario import Scenario
from rmqha_model.topology import Topology
from simulation.run import run

ROOT = Path(__file__).resolve().parent.parent


def seconds(work: Callable[[], object]) -> float:
    """Time a piece of work."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20)
    rounds = parser.parse_args().rounds
    design = load(ROOT / "examples/article-fixed.yaml", Topology)
    print("case, article-fixed: median and least ms of a run, its events")
    for case in cases(design):
        if case.name in REPRESENTATIVE:
            times = [seconds(lambda seed=seed, case=case: run(design, case.scenario, seed)) for seed in range(rounds)]
            events = len(run(design, case.scenario, 0).events)
            print(f"{case.name:32} {1000 * statistics.median(times):6.1f} {1000 * min(times):6.1f} {events:7}")
    short, long = (Scenario.model_validate({"name": "quiet", "duration": length}) for length in ("1s", "6h"))
    ratios = [
        seconds(lambda seed=seed: run(design, long, seed)) / seconds(lambda seed=seed: run(design, short, seed))
        for seed in range(rounds)
    ]
    print(f"six hours in which nothing happens, against one second: {statistics.median(ratios):.2f} x")


if __name__ == "__main__":
    main()
