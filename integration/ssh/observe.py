"""``python -m integration.ssh.observe plain|sudo SSH...``: the observer of one host that is reached by ssh.

It tells the same events as :mod:`integration.observe`, by other ways: a shell on the host looks at addresses, listening
ports and HAProxy's runtime socket every :data:`LOOK_S` and writes what it sees; the statistics page and the management
API are asked through the host. What is seen is stamped here when it arrives, so that no two clocks are mixed.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from integration.observe.__main__ import main
from integration.observe.haproxy import parse_stats
from integration.observe.host import HostObserver
from integration.observe.netlink import parse_proc_net_tcp
from integration.ssh.asker import Asker
from integration.ssh.command import invocation, program
from integration.ssh.relay import Relay
from rmqha_model.events import BrokerState, HaproxyState, HostState, VipHeld

if TYPE_CHECKING:
    from integration.observe.spec import ObserveSpec
    from rmqha_model.events import Event

__all__ = ["LOOK_S", "SshObserver", "observer_by"]

LOOK_S = 0.2
_DAY_S = 86_400
_RETRY_S = 1.0
_SILENT_S = 3.0
"""A shell from which nothing came for so long is on a host that is gone, or that cannot be reached."""

# Each block: the lines of addresses, those of listening sockets, those of HAProxy, and a dot.
_SEE = r"""
while :; do
  ip -o address show | while read -r _ _ _ address _; do echo "A ${address%/*}"; done
  grep -hs ' 0A ' /proc/net/tcp /proc/net/tcp6 | sed 's/^/L /'
  if [ -S "$1" ]; then echo 'show stat -1 4 -1' | socat -t1 - "UNIX-CONNECT:$1" 2>/dev/null | sed 's/^/S /'; fi
  echo . || exit
  sleep "$2"
done
"""


class SshObserver(HostObserver):
    """Watches a host until it is cancelled."""

    def __init__(
        self, spec: ObserveSpec, emit: Callable[[Event], None], line: Callable[[str], list[str]], *, sudo: bool
    ) -> None:
        super().__init__(spec, emit)
        self._line, self._sudo = line, sudo
        self._last = 0.0

    async def run(self) -> None:
        """Watch."""
        async with contextlib.AsyncExitStack() as led:
            spec, tasks = self._spec, [self._look()]
            if spec.api:
                address, port = await self._led(led, (spec.api.address, spec.api.port), tls=spec.api.tls)
                spec = replace(spec, api=replace(spec.api, address=address, port=port))
                tasks.append(self._management())
            if spec.haproxy and not spec.haproxy.socket:
                address, port = await self._led(led, (spec.haproxy.address, spec.haproxy.port))
                spec = replace(spec, haproxy=replace(spec.haproxy, address=address, port=port))
                tasks.append(self._servers())
            self._spec = spec
            await asyncio.gather(*tasks)

    async def _led(
        self, led: contextlib.AsyncExitStack, endpoint: tuple[str, int], *, tls: bool = False
    ) -> tuple[str, int]:
        """Give an endpoint of this machine that leads to *endpoint* as the host reaches it."""
        if tls:
            return led.enter_context(Relay(self._line, endpoint)).endpoint
        return (await led.enter_async_context(Asker(self._line, endpoint, sudo=self._sudo))).endpoint

    async def _look(self) -> None:
        while True:
            await self._looked()
            now = time.monotonic()
            self._host(now, on=False)
            self._seen(now, frozenset(), frozenset())
            await asyncio.sleep(_RETRY_S)

    async def _looked(self) -> None:
        """Have a shell look until it ends, or falls silent."""
        socket = self._spec.haproxy.socket if self._spec.haproxy else ""
        command = ("sh", "-c", _SEE, "sh", socket, str(LOOK_S))
        told = program(command, secrets.token_hex(8), sudo=self._sudo, timeout_s=_DAY_S)
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            *self._line(invocation(len(told))), stdin=pipe, stdout=pipe, stderr=asyncio.subprocess.DEVNULL
        )
        assert process.stdin is not None and process.stdout is not None  # noqa: PT018 - for the type checker
        try:
            process.stdin.write(told)
            block: list[str] = []
            self._last = time.monotonic()
            # Input stays open: a shell whose input ends goes on, but then nobody tells it when this program ends.
            while line := await asyncio.wait_for(process.stdout.readline(), _SILENT_S):
                if line == b".\n":
                    self._block(block)
                    block = []
                else:
                    block.append(line.decode("utf-8", "replace").rstrip("\n"))
        except TimeoutError:
            pass
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    def _block(self, lines: list[str]) -> None:
        now = time.monotonic()
        self._host(now, on=True)
        self.gaps["ports"].append(now - self._last)
        self._last = now
        parts: dict[str, list[str]] = {"A": [], "L": [], "S": []}
        for line in lines:
            parts.get(line[:1], []).append(line[2:])
        self._seen(now, frozenset(parts["A"]), parse_proc_net_tcp("\n".join(parts["L"])))
        source = self._spec.haproxy
        if source and parts["S"]:
            for state in parse_stats("\n".join(parts["S"]), self._spec.host, source.proxies, now):
                self._server(state)

    def _host(self, now: float, *, on: bool) -> None:
        self._changed("host", on, HostState(now, self._spec.host, on))

    def _seen(self, now: float, addresses: frozenset[str], ports: frozenset[int]) -> None:
        spec = self._spec
        for address in spec.addresses:
            held = address in addresses
            self._changed(("vip", address), held, VipHeld(now, spec.host, address, held))
        if spec.broker_port is not None:
            up = spec.broker_port in ports
            self._changed("broker", up, BrokerState(now, spec.host, up))
        if spec.haproxy_port is not None:
            up = spec.haproxy_port in ports
            self._changed("haproxy", up, HaproxyState(now, spec.host, up))


def observer_by(words: list[str], *, sudo: bool) -> Callable[[ObserveSpec, Callable[[Event], None]], SshObserver]:
    """Give what makes an observer that looks by the ssh that *words* run."""
    return lambda spec, emit: SshObserver(spec, emit, lambda remote: [*words, remote], sudo=sudo)


if __name__ == "__main__":
    asyncio.run(main(observer_by(sys.argv[2:], sudo=sys.argv[1] == "sudo")))
