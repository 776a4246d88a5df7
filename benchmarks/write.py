"""How long writing an output tree takes, next to plainly writing the same files, in alternating rounds of one run.

    python benchmarks/write.py [--hosts 1000] [--rounds 5] [--in DIRECTORY]

Plain writing is one ``open``, ``write``, ``close`` a file and one ``makedirs`` a directory; it has neither digests
nor a manifest, and a kill leaves half a file. Give ``--in /dev/shm`` to leave the disk out of it.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from generators.bundle import Artefact, Bundle
from generators.write import apply, plan

KEY = bytes(range(32))
RATIO_MAX = 2.0
"""What writing safely may cost more than writing plainly."""

INSTALLED = {
    "/etc/haproxy/haproxy.cfg": 90,
    "/etc/hostname": 1,
    "/etc/hosts": 20,
    "/etc/keepalived/check-haproxy": 30,
    "/etc/keepalived/keepalived.conf": 60,
    "/etc/logrotate.d/haproxy": 10,
    "/etc/nftables.conf": 50,
    "/etc/rabbitmq/definitions.json": 80,
    "/etc/rabbitmq/enabled_plugins": 1,
    "/etc/rabbitmq/rabbitmq-env.conf": 5,
    "/etc/rabbitmq/rabbitmq.conf": 40,
    "/etc/rsyslog.d/49-haproxy.conf": 5,
    "/etc/sysctl.d/90-rabbitmq.conf": 10,
    "/etc/systemd/system/haproxy.service.d/limits.conf": 5,
    "/etc/systemd/system/keepalived.service.d/limits.conf": 5,
    "/etc/systemd/system/rabbitmq-server.service.d/limits.conf": 5,
    "/usr/local/sbin/rabbitmq-join": 120,
    "/usr/local/sbin/rabbitmq-policies": 40,
    "/var/lib/rabbitmq/.erlang.cookie": 1,
    "install.sh": 100,
}
"""Lines of each file of a host."""


def bundle(hosts: int) -> Bundle:
    """Twenty files a host; half of them differ from host to host, as in real designs."""
    shared = {path: "a line that all hosts have alike = 1\n" * lines for path, lines in INSTALLED.items()}
    artefacts = []
    for number in range(hosts):
        host = f"rabbit{number}"
        for place, (path, content) in enumerate(shared.items()):
            own = f"# {host}\n{content}" if place % 2 else content
            secret = path.endswith(".erlang.cookie")
            artefacts.append(Artefact(host, path, own, mode=0o400 if secret else 0o644, secret=secret))
    artefacts.sort(key=lambda artefact: artefact.tree_path)
    return Bundle("benchmark", "0" * 64, tuple(artefacts))


def plainly(made: Bundle, out: Path) -> None:
    """Write all files the shortest way."""
    directories = set()
    for artefact in made.artefacts:
        path = f"{out}/{artefact.tree_path}"
        directory = path.rpartition("/")[0]
        if directory not in directories:
            os.makedirs(directory, exist_ok=True)  # noqa: PTH103  pathlib would slow down what is the measure
            directories.add(directory)
        with open(path, "w") as file:  # noqa: PTH123  as above
            file.write(artefact.content)


def safely(made: Bundle, out: Path) -> None:
    """Write all files as the tool does."""
    assert apply(plan(made, out, KEY, version="0")).complete


def timed(work: Callable[[Bundle, Path], None], made: Bundle, out: Path) -> float:
    """Seconds that *work* takes."""
    start = time.perf_counter()
    work(made, out)
    return time.perf_counter() - start


def main() -> int:
    """Print medians and ratios; 1 when the ratio of a first run is above what it may be."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hosts", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--in", dest="directory", type=Path, help="where to write; default: the temporary directory")
    options = parser.parse_args()
    made = bundle(options.hosts)
    changed = replace(made, artefacts=tuple(replace(a, content=f"{a.content}\n") for a in made.artefacts))
    seconds: dict[str, list[float]] = {"plain": [], "first run": [], "second run": [], "all changed": []}
    for _ in range(options.rounds):
        top = Path(tempfile.mkdtemp(prefix="rmqha-benchmark-", dir=options.directory))
        try:
            seconds["plain"].append(timed(plainly, made, top / "plain"))
            seconds["first run"].append(timed(safely, made, top / "safe"))
            seconds["second run"].append(timed(safely, made, top / "safe"))
            seconds["all changed"].append(timed(safely, changed, top / "safe"))
        finally:
            shutil.rmtree(top)
    base = statistics.median(seconds["plain"])
    print(f"{len(made.artefacts)} files, median of {options.rounds} rounds")
    for name, values in seconds.items():
        median = statistics.median(values)
        print(f"{name:<12} {median:8.3f} s {median / base:6.2f} x plain")
    return int(statistics.median(seconds["first run"]) > RATIO_MAX * base)


if __name__ == "__main__":
    sys.exit(main())
