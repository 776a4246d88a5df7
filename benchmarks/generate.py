"""What generating costs beside the least it could cost, and what ``--help`` costs beside importing typer.

Prints ratios taken side by side, in turn, in one run: absolute times differ from machine to machine.

    python benchmarks/generate.py [--hosts 1000] [--rounds 7]

The baseline parses the same YAML with libyaml (PyYAML's CSafeLoader) and writes the same files plainly, with
``makedirs`` and ``open``; it neither checks nor renders anything.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import yaml

from generators import write
from generators.compose import generate
from rmqha_model.document import load
from rmqha_model.secrets import SecretStore, resolve
from rmqha_model.topology import Topology

ROOT = Path(__file__).resolve().parent.parent


def design(hosts: int) -> str:
    """Write a design of so many hosts: nine in ten are brokers, the others load balancers."""
    brokers = hosts * 9 // 10
    names = [f"rabbit{n}" for n in range(brokers)] + [f"lb{n}" for n in range(hosts - brokers)]
    lines = ["name: big", "hosts:"]
    for number, name in enumerate(names, 1):
        address = f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}/8"
        lines.append(f"  {name}: {{address: {address}, interface: eth0, domain: {{rack: r{number % 40}}}}}")
    balancers = names[brokers:]
    lines += ["rabbitmq:", f"  nodes: [{', '.join(names[:brokers])}]", "haproxy:", f"  hosts: [{', '.join(balancers)}]"]
    lines += ["keepalived:", f"  hosts: [{', '.join(balancers[:2])}]", "  instances:"]
    lines += ["    amqp: {virtual_router_id: 7, virtual_addresses: [10.255.0.1/8]}"]
    return "\n".join(lines) + "\n"


def end_to_end(topology: Path, out: Path) -> int:
    """Do what ``rmqha generate`` does; give the number of files."""
    model = load(topology, Topology)
    store = SecretStore(topology.parent / "secrets.yaml")
    secrets = resolve(model.secret_needs(), store, {})
    store.save()
    bundle = generate(model, secrets, templates=topology.parent)
    write.apply(write.plan(bundle, out, secrets.digest_key, version="benchmark"))
    return len(bundle.artefacts)


def plainly(topology: Path, files: list[tuple[str, bytes]], out: Path) -> None:
    """Parse with libyaml and write *files*, no questions asked."""
    with topology.open(encoding="utf-8") as stream:
        yaml.load(stream, Loader=yaml.CSafeLoader)
    for path, content in files:
        # As plain as it gets: pathlib would make the baseline slower, and so our own ratio better.
        target = os.path.join(out, path)  # noqa: PTH118
        os.makedirs(os.path.dirname(target), exist_ok=True)  # noqa: PTH103, PTH120
        with open(target, "wb") as stream:  # noqa: PTH123
            stream.write(content)


def seconds(work: Callable[[], object]) -> float:
    """Time a piece of work."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def measure(hosts: int, rounds: int) -> tuple[float, float, int]:
    """Give the medians of our time and of the ratio to the baseline, and the number of files."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        topology = folder / "topology.yaml"
        topology.write_text(design(hosts))
        count = end_to_end(topology, folder / "first")
        first = folder / "first"
        files = [(str(path.relative_to(first)), path.read_bytes()) for path in first.rglob("*") if path.is_file()]
        ours: list[float] = []
        ratios: list[float] = []
        for number in range(rounds):
            ours.append(seconds(lambda out=folder / f"ours{number}": end_to_end(topology, out)))
            plain = seconds(lambda out=folder / f"plain{number}": plainly(topology, files, out))
            ratios.append(ours[-1] / plain)
            shutil.rmtree(folder / f"ours{number}")
            shutil.rmtree(folder / f"plain{number}")
        return statistics.median(ours), statistics.median(ratios), count


def help_ratio(rounds: int) -> float:
    """Give the median ratio of ``--help`` to ``import typer``."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}

    def run(*arguments: str) -> float:
        command = [sys.executable, *arguments]
        return seconds(lambda: subprocess.run(command, stdout=subprocess.DEVNULL, check=True, env=environment))

    pairs = [(run("-m", "rmqha_model", "--help"), run("-c", "import typer")) for _ in range(rounds)]
    return statistics.median(help_ / typer for help_, typer in pairs)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hosts", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    previous = None
    for hosts in (options.hosts // 4, options.hosts // 2, options.hosts):
        ours, ratio, files = measure(hosts, options.rounds)
        growth = f", {ours / previous:.2f} x the time of half as many" if previous else ""
        print(f"{hosts} hosts, {files} files: {ours:.2f} s, {ratio:.2f} x parsing and plainly writing{growth}")
        previous = ours
    print(f"--help: {help_ratio(3 * options.rounds):.2f} x `import typer`")


if __name__ == "__main__":
    main()
