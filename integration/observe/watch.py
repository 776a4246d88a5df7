"""Keeps an observer on every host that has power, and tells when power comes and goes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Any, Self

from integration.environment import environment
from integration.errors import LabError, NotPossible
from integration.host import Distant
from integration.observe.pace import parse
from rmqha_model.events import BrokerState, Event, HaproxyState, HostState, VipHeld

if TYPE_CHECKING:
    from integration.host import Stack
    from integration.observe.spec import ObserveSpec

__all__ = ["Tail", "Watch"]

POWER_S = 0.05
_END_S = 3.0


class Tail:
    """A file of events that somebody writes, read as far as it has come; each row once."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._offset = 0

    def rows(self) -> list[dict[str, Any]]:
        """Give the rows that came since the last call; a line that is half written comes next time."""
        try:
            with self.path.open("rb") as stream:
                stream.seek(self._offset)
                data = stream.read()
        except FileNotFoundError:
            return []
        whole = data[: data.rfind(b"\n") + 1]
        self._offset += len(whole)
        return [json.loads(line) for line in whole.splitlines()]


class _Life:
    """The observer of a host for as long as the host keeps its power."""

    def __init__(self, stack: Stack, spec: ObserveSpec, folder: Path, number: int) -> None:
        name = f"observe-{spec.host}-{number}"
        self._log = folder / f"{name}.log"
        self.tail = Tail(folder / f"{name}.jsonl")
        with self.tail.path.open("wb") as out, self._log.open("wb") as err:
            command = (
                stack.observer_command(spec.host)
                if isinstance(stack, Distant)
                else stack.host_command(spec.host, sys.executable, "-m", "integration.observe")
            )
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=out, stderr=err, env=environment(), start_new_session=True
            )
        self._stdin: IO[bytes] | None = self._process.stdin
        assert self._stdin is not None
        self._stdin.write(spec.line().encode())
        self._stdin.flush()

    def end(self) -> None:
        """End it."""
        if self._stdin:
            self._stdin.close()
            self._stdin = None
        try:
            self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def gaps(self) -> dict[str, tuple[float, float]]:
        """Give how far apart its looks were; known when it has ended."""
        return parse(self._log.read_text(encoding="utf-8", errors="replace"))


class Watch:
    """The observers of a stack, while entered; what they tell is given to *hear*, as (host, row)."""

    def __init__(
        self, stack: Stack, specs: Mapping[str, ObserveSpec], folder: Path, hear: Callable[[str, dict[str, Any]], None]
    ) -> None:
        self._stack, self._specs, self._folder, self._hear = stack, specs, folder, hear
        self._lives: dict[str, _Life] = {}
        self._keys: dict[str, str | None] = {}
        self._numbers = dict.fromkeys(specs, 0)
        self._held: dict[str, dict[tuple[str, str], bool]] = {host: {} for host in specs}
        self._over = threading.Event()
        self.sees = True
        """Whether the hosts are where an observer can be; clients alone tell of others."""
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
        self.gaps: list[dict[str, tuple[float, float]]] = []
        """How far apart looks were, of each observer that has ended."""
        self.failure: Exception | None = None
        """What ended the watching before it was told to."""

    def __enter__(self) -> Self:
        try:
            for host in () if isinstance(self._stack, Distant) else self._specs:
                self._stack.host_command(host, sys.executable)
        except NotPossible:
            self.sees = False
        else:
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        if self._thread.ident is not None:
            self._thread.join()
        with self._lock:
            for host, life in self._lives.items():
                self._end(host, life)

    def _end(self, host: str, life: _Life) -> None:
        life.end()
        self._catch_up(host, life)
        self.gaps.append(life.gaps())

    def catch_up(self) -> None:
        """Hear what was told since the last time; any thread may ask."""
        with self._lock:
            for host, life in self._lives.items():
                self._catch_up(host, life)

    def _catch_up(self, host: str, life: _Life) -> None:
        for row in life.tail.rows():
            key = (row["event"], row.get("address", ""))
            if "held" in row or "up" in row:
                self._held[host][key] = row.get("held", row.get("up", False))
            self._hear(host, row)

    def _run(self) -> None:
        try:
            while not self._over.is_set():
                for host in self._specs:
                    self._look(host)
                self.catch_up()
                self._over.wait(POWER_S)
        except Exception as error:  # noqa: BLE001 - told by whoever runs this
            self.failure = error

    def _look(self, host: str) -> None:
        """Follow the power of a host: with each boot its network and its daemons' places are others."""
        now = time.monotonic()
        if isinstance(self._stack, Distant):
            # Whether such a host is there, its observer tells.
            if host not in self._keys:
                self._on(host, now)
                self._keys[host] = host
            return
        known = self._keys.get(host)
        # While the root of a host is there, its first process lives: asking for that alone is cheap.
        if known and os.path.exists(known):  # noqa: PTH110
            return
        try:
            key = self._stack.path_of(host, "/")
        except LabError:
            key = None
        if host in self._keys and key == self._keys[host]:
            return
        if self._keys.get(host):
            self._off(host, now)
        elif key is None:
            self._say(host, HostState(now, host, on=False))
        if key is not None:
            self._on(host, now)
        self._keys[host] = key

    def _off(self, host: str, now: float) -> None:
        with self._lock:
            life = self._lives.pop(host)
            self._end(host, life)
        self._say(host, HostState(now, host, on=False))
        for (kind, address), on in self._held[host].items():
            if on and kind == VipHeld.kind:
                self._say(host, VipHeld(now, host, address, held=False))
            elif on and kind in {BrokerState.kind, HaproxyState.kind}:
                self._say(host, (BrokerState if kind == BrokerState.kind else HaproxyState)(now, host, up=False))
        self._held[host].clear()

    def _on(self, host: str, now: float) -> None:
        self._say(host, HostState(now, host, on=True))
        self._numbers[host] += 1
        spec = self._specs[host]
        if spec.haproxy and spec.haproxy.socket and not isinstance(self._stack, Distant):
            try:
                there = self._stack.path_of(host, spec.haproxy.socket)
            except LabError:
                return
            spec = replace(spec, haproxy=replace(spec.haproxy, socket=there))
        with self._lock:
            self._lives[host] = _Life(self._stack, spec, self._folder, self._numbers[host])

    def _say(self, host: str, event: Event) -> None:
        self._hear(host, event.row())
