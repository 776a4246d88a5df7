"""The observer of one host: everything there is to see of it, told when it changes."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from integration.observe import haproxy, http, management, netlink
from rmqha_model.events import BrokerState, Event, HaproxyState, Peers, ServerState, VipHeld

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from integration.observe.spec import ObserveSpec

__all__ = ["HostObserver"]

LISTEN_S = 0.02
SOCKET_S = 0.025
PAGE_S = 0.1
API_S = 1.0
API_PATIENCE_S = 5.0
"""A broker with a silent member may need long for an answer; asking again meanwhile would only add to its work."""


class HostObserver:
    """Watches a host until it is cancelled."""

    def __init__(self, spec: ObserveSpec, emit: Callable[[Event], None]) -> None:
        self._spec, self._emit = spec, emit
        self._known: dict[Hashable, object] = {}
        self.gaps: dict[str, list[float]] = {"ports": [], "servers": []}
        """Times between looks, which a busy machine makes longer than they should be."""

    async def run(self) -> None:
        """Watch."""
        spec = self._spec
        addresses = netlink.Addresses()
        asyncio.get_running_loop().add_reader(addresses.fileno(), self._addresses, addresses)
        self._addresses(addresses)
        for address in spec.addresses:
            event = VipHeld(time.monotonic(), spec.host, address, held=False)
            self._changed(("vip", address), self._known.get(("vip", address), event.held), event)
        tasks = [self._ports()]
        if spec.haproxy:
            tasks.append(self._servers())
        if spec.api:
            tasks.append(self._management())
        await asyncio.gather(*tasks)

    def _changed(self, key: Hashable, value: object, event: Event) -> bool:
        """Tell *event* if *value* is new for *key*."""
        if key in self._known and self._known[key] == value:
            return False
        self._known[key] = value
        self._emit(event)
        return True

    def _addresses(self, addresses: netlink.Addresses) -> None:
        now = time.monotonic()
        for change in addresses.changes():
            if change.address in self._spec.addresses:
                event = VipHeld(now, self._spec.host, change.address, change.held)
                self._changed(("vip", change.address), change.held, event)

    async def _ports(self) -> None:
        spec = self._spec
        while True:
            now = time.monotonic()
            ports = netlink.listening()
            if spec.broker_port is not None:
                up = spec.broker_port in ports
                self._changed("broker", up, BrokerState(now, spec.host, up))
            if spec.haproxy_port is not None:
                up = spec.haproxy_port in ports
                if self._changed("haproxy", up, HaproxyState(now, spec.host, up)) and up:
                    # A new process judges its servers anew.
                    self._known = {
                        key: value
                        for key, value in self._known.items()
                        if not isinstance(key, tuple) or key[0] != "server"
                    }
            await asyncio.sleep(LISTEN_S)
            self.gaps["ports"].append(time.monotonic() - now)

    async def _servers(self) -> None:
        source = self._spec.haproxy
        assert source is not None
        while True:
            now = time.monotonic()
            text = await haproxy.ask(source)
            for state in haproxy.parse_stats(text, self._spec.host, source.proxies, now):
                self._server(state)
            await asyncio.sleep(SOCKET_S if source.socket else PAGE_S)
            if text:
                self.gaps["servers"].append(time.monotonic() - now)

    def _server(self, state: ServerState) -> None:
        self._changed(("server", state.proxy, state.server), (state.up, state.health, state.check), state)

    async def _management(self) -> None:
        api = self._spec.api
        assert api is not None
        while True:
            now = time.monotonic()
            if self._known.get("broker"):
                try:
                    events = await management.ask(api, self._spec.host, now, limit_s=API_PATIENCE_S)
                except http.NoAnswer:
                    events = []
                for event in events:
                    row = event.row()
                    names = [row.get(name) for name in ("resource", "vhost", "queue")]
                    self._changed((event.kind, *names), {**row, "t": 0}, event)
            elif self._known.pop((Peers.kind, None, None, None), None):
                self._emit(Peers(now, self._spec.host, ()))
            await asyncio.sleep(API_S)
