"""An evidence folder: what a run of the suite saw, on what, and what the hosts themselves wrote down.

Nothing in it is a secret of the stack, and no file of it names a place on the machine it was made on.
"""

from __future__ import annotations

import gzip
import importlib.metadata
import json
import os
import platform
import re
import site
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from generators.validate.redact import hider
from integration import summary
from integration.diagnose.asking import each
from integration.errors import LabError

if TYPE_CHECKING:
    from integration.host import Stack
    from integration.suite.options import Options
    from integration.summary import Row
    from rmqha_model.timeline import Timeline

__all__ = ["Evidence", "concluded", "scrubber"]

_PACKAGES = ("rabbitmq-server", "erlang-base", "haproxy", "keepalived", "systemd")
_CONCLUSION = "conclusion.json"
_JOURNAL_LINES = 20_000
_LOG_BYTES = 4_000_000

# Memory of all processes of a host with their shares of what they have in common, and the time they computed.
_COST = """\
cat /proc/[0-9]*/smaps_rollup 2>/dev/null | awk '/^Pss:/ {kib += $2} END {printf "%d\\n", kib}'
ps -e -o cputimes= | awk '{s += $1} END {printf "%d\\n", s}'
"""


def scrubber(stack: Stack) -> Callable[[str], str]:
    """Give a function that takes the stack's secrets, and the places of this machine, out of a text."""
    hide = hider(stack.secrets.values(), stack.bundle.artefacts)
    root = str(Path(__file__).resolve().parent.parent)
    places = {root, sys.prefix, sys.base_prefix, str(Path.cwd()), str(Path.home()), str(stack.journal.parent)}
    places |= set(site.getsitepackages())
    # What every machine has is no place of this one.
    known = sorted((place for place in places if len(Path(place).parts) > 2 or place == "/root"), key=len, reverse=True)
    pattern = re.compile("|".join(map(re.escape, known)) or r"(?!)")
    return lambda text: hide(pattern.sub("...", text))


def concluded(folder: Path, options: Options) -> bool | None:
    """Give how the run with these *options* ended whose evidence *folder* holds; nothing where it is not over."""
    try:
        kept = json.loads((folder / _CONCLUSION).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    same = (kept.get("source"), kept.get("faults")) == (options.source, list(options.faults))
    return bool(kept.get("good")) if same else None


class Evidence:
    """The folder of one run, or of several runs that went on from each other."""

    def __init__(self, stack: Stack, folder: Path) -> None:
        """Make the folder.

        Raises:
            LabError: it cannot be made.
        """
        self._stack = stack
        self.folder = folder
        self._scrub = scrubber(stack)
        self._known: dict[str, Row] = {}
        try:
            (folder / "timelines").mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise LabError(f"{folder}: cannot be made: {error.strerror}") from error
        self._read()

    @property
    def junit(self) -> Path:
        """Where pytest writes what it found."""
        return self.folder / "junit.xml"

    def row(self, case: str) -> Row | None:
        """Give what an earlier run on the same design found of *case*."""
        return self._known.get(case) if (self.folder / "timelines" / f"{case}.jsonl.gz").is_file() else None

    def keep(self, case: str, timeline: Timeline, rows: Sequence[Row]) -> None:
        """Save a timeline as soon as it is there, and the rows so far: what comes next may be interrupted."""
        timeline.write(self.folder / "timelines" / f"{case}.jsonl.gz")
        self._known |= {row.case: row for row in rows}
        self._write_summary(())

    def finish(self, rows: Sequence[Row], notes: Sequence[str]) -> None:
        """Save everything else: the summary, the versions, the design, the hosts' own logs."""
        self._known |= {row.case: row for row in rows}
        self._write_summary(notes)
        self._text("design.json", json.dumps(self._design(), indent=2) + "\n")
        self._text("stack.json", json.dumps(self._facts(), indent=2) + "\n")
        on = [host for host in self._stack.topology.hosts if self._stack.hosts[host].running]
        each(self._logs, on)
        if self.junit.is_file():
            self._clean_junit()

    def conclude(self, options: Options, *, good: bool, whole: bool) -> None:
        """Note how the run ended, for one that goes on from it; one that is not *whole* is not over."""
        path = self.folder / _CONCLUSION
        if not whole:
            path.unlink(missing_ok=True)
            return
        self._text(_CONCLUSION, json.dumps({"source": options.source, "faults": options.faults, "good": good}) + "\n")

    # -- parts ----------------------------------------------------------------------------------

    def _read(self) -> None:
        path = self.folder / "summary.json"
        try:
            kept = json.loads(path.read_text(encoding="utf-8"))
            if kept["digest"] == self._stack.topology.digest:
                self._known = {row.case: row for row in summary.from_json(kept["faults"])}
        except (OSError, ValueError, KeyError, TypeError):
            # Of another version, or cut off: it is written anew.
            self._known = {}

    def _write_summary(self, notes: Sequence[str]) -> None:
        topology, rows = self._stack.topology, tuple(self._known.values())
        versions = topology.versions
        kept = {"design": topology.name, "digest": topology.digest, "versions": versions.model_dump()}
        kept |= {"faults": summary.as_json(rows), "notes": list(notes)}
        self._text("summary.json", json.dumps(kept, indent=2) + "\n")
        about = [
            f"RabbitMQ {versions.rabbitmq}, HAProxy {versions.haproxy}, keepalived {versions.keepalived}.",
            f"{len(topology.hosts)} hosts, {len(topology.brokers)} brokers. Measured, not predicted.",
        ]
        self._text("summary.md", summary.markdown(rows, f"What faults did to {topology.name}", about))

    def _design(self) -> dict[str, Any]:
        topology = self._stack.topology
        # What is said, not what differs from a default: it can be read back, which the kinds of parts are needed for.
        document: dict[str, Any] = topology.model_dump(mode="json", by_alias=True, exclude_unset=True)
        return {"digest": topology.digest, "topology": document}

    def _facts(self) -> dict[str, Any]:
        stack = self._stack
        try:
            version = importlib.metadata.version("rmqha-model")
        except importlib.metadata.PackageNotFoundError:
            version = "0+unknown"
        on = [host for host in stack.topology.hosts if stack.hosts[host].running]
        return {
            "rmqha": version,
            "python": platform.python_version(),
            "kernel": platform.release(),
            "cpus": os.cpu_count(),
            "memory_mib": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2**20,
            "hosts": dict(zip(on, each(self._host_facts, on), strict=True)),
        }

    def _host_facts(self, host: str) -> dict[str, Any]:
        machine = self._stack.hosts[host]
        release = machine.run("/bin/sh", "-c", '. /etc/os-release; echo "$PRETTY_NAME"').out.strip()
        rows = machine.run("dpkg-query", "-W", "-f", "${Package} ${Version}\n", *_PACKAGES).out.splitlines()
        if not rows:
            rows = machine.run("rpm", "-q", "--qf", "%{NAME} %{VERSION}-%{RELEASE}\n", *_PACKAGES).out.splitlines()
        packages = dict(line.split(" ", 1) for line in rows if line.count(" ") == 1 and line.split()[1])
        numbers = machine.run("/bin/sh", "-c", _COST).out.split()
        memory, seconds = (int(number) for number in numbers) if len(numbers) == 2 else (0, 0)
        return {
            "release": release,
            "packages": packages,
            "memory_mib": round(memory / 1024),
            "cpu_s": seconds,
        }

    def _logs(self, host: str) -> None:
        machine = self._stack.hosts[host]
        journal = machine.run(
            "journalctl", "--no-pager", "-o", "short-iso-precise", "-n", str(_JOURNAL_LINES), timeout_s=120
        )
        self._zipped(f"hosts/{host}/journal.txt.gz", journal.out)
        if host in self._stack.topology.brokers:
            command = f"tail -c {_LOG_BYTES} /var/log/rabbitmq/$(ls -1 /var/log/rabbitmq |"
            command += " grep -E '^rabbit.*@.*[.]log$' | grep -v upgrade | head -n 1)"
            self._zipped(f"hosts/{host}/rabbitmq.log.gz", machine.run("/bin/sh", "-c", command, timeout_s=60).out)

    def _clean_junit(self) -> None:
        tree = ET.parse(self.junit)  # noqa: S314 - written by pytest a moment ago
        for element in tree.iter():
            for name in ("hostname", "file"):
                element.attrib.pop(name, None)
            element.attrib.update({name: self._scrub(value) for name, value in element.attrib.items()})
            if element.text:
                element.text = self._scrub(element.text)
        tree.write(self.junit, encoding="utf-8", xml_declaration=True)

    # -- writing --------------------------------------------------------------------------------

    def _text(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        beside.write_text(self._scrub(text), encoding="utf-8")
        beside.replace(path)

    def _zipped(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress(self._scrub(text).encode(), mtime=0))
