"""The clients of a run, all together: begun, flowing, settled, ended."""

from __future__ import annotations

import time
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from integration.running.programs import Program
from rmqha_model.events import Attempt, Confirmed, Connection, Published

if TYPE_CHECKING:
    from integration.clients.spec import ConsumeSpec
    from integration.host import Stack
    from integration.running.plan import Plan

__all__ = ["Flow"]

_END_S = 10.0
_STEADY_S = 1.0
"""Without a failure, before fresh connections count as possible again: of three servers one may be dead."""


class Flow:
    """Probers, publishers and consumers of a workload; all end when it is left."""

    def __init__(self, stack: Stack, plan: Plan, folder: Path) -> None:
        self._stack, self._plan, self._folder = stack, plan, folder
        self._probers: list[Program] = []
        self._publishers: list[Program] = []
        self._consumers: list[Program] = []
        self._drains: list[Program] = []
        self._rows: list[dict[str, Any]] = []
        self._awaited: set[tuple[str, str]] = set()
        self._failed_at: dict[str, float] = {}
        self._states: dict[str, str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for program in self._all:
            program.stop()

    @property
    def _all(self) -> tuple[Program, ...]:
        return (*self._probers, *self._publishers, *self._consumers, *self._drains)

    def begin(self) -> None:
        """Start them: consumers first, so that the first message is consumed."""
        for consume in self._plan.consumers():
            self._consumers.append(Program(self._stack, "consume", consume, self._folder))
            self._awaited |= {(name, Connection.kind) for name in consume.names()}
        for publish in self._plan.publishers():
            self._publishers.append(Program(self._stack, "publish", publish, self._folder))
            kind = Confirmed.kind if publish.confirms else Published.kind
            self._awaited |= {(name, kind) for name in publish.names()}
        for probe in self._plan.probes():
            self._probers.append(Program(self._stack, "probe", probe, self._folder))
            self._awaited.add((probe.label, Attempt.kind))

    def flowing(self) -> list[str]:
        """Give the names of the clients for which nothing has flowed yet."""
        for row in self._news():
            if row.get("state", "connected") == "connected" and row.get("outcome", "ok") == "ok":
                self._awaited.discard((row.get("client", ""), row["event"]))
        return sorted(name for name, _ in self._awaited)

    def troubles(self) -> list[str]:
        """Say which clients are cut off, or were so a moment ago."""
        self._news()
        now = time.monotonic()
        found = [f"{name} gets no connection" for name, t in self._failed_at.items() if now - t < _STEADY_S]
        words = {"lost": "has no connection", "failed": "has no connection", "blocked": "is blocked"}
        return found + [f"{name} {words[state]}" for name, state in self._states.items() if state in words]

    def check(self) -> None:
        """Raise :class:`LabError` if one of them failed."""
        for program in self._all:
            program.check()

    def said(self) -> str:
        """Give the last words of all."""
        return "".join(f"\n{program.label}:{program.said()}" for program in self._all)

    def stop_sending(self) -> None:
        """Ask publishers and probers to come to an end."""
        for program in (*self._probers, *self._publishers):
            program.ask_to_end()

    def settle(self, limit_s: float) -> list[str]:
        """Wait until publishers have heard of all their messages, then end the consumers; say what did not come."""
        deadline = time.monotonic() + limit_s
        notes = [
            f"{program.label} did not come to an end within {limit_s:.0f} s"
            for program in (*self._probers, *self._publishers)
            if not program.wait(max(0.0, deadline - time.monotonic()))
        ]
        for program in self._consumers:
            program.ask_to_end()
        notes += [f"{program.label} did not end" for program in self._consumers if not program.wait(_END_S)]
        return notes

    def drain(self, spec: ConsumeSpec, broker: str, limit_s: float) -> list[str]:
        """Consume what is left in a queue, on the host of *broker*: a firewall may keep clients away from it."""
        program = Program(self._stack, "consume", spec, self._folder, host=broker)
        self._drains.append(program)
        if not program.wait(limit_s):
            return [f"{spec.queue} was not drained within {limit_s:.0f} s"]
        said = program.said()
        return [line.strip() for line in said.splitlines() if "was not empty" in line or "of other runs" in line]

    def rows(self) -> list[dict[str, Any]]:
        """Give all that they told."""
        self._news()
        return self._rows

    def _news(self) -> list[dict[str, Any]]:
        news = [row for program in self._all for row in program.tail.rows()]
        self._rows += news
        for row in news:
            if row["event"] == Attempt.kind and row["outcome"] != "ok":
                self._failed_at[row["client"]] = row["t"] + row["took_s"]
            elif row["event"] == Connection.kind:
                self._states[row["client"]] = row["state"]
        return news
