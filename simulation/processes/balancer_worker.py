"""What one start of HAProxy has in its memory: servers as it sees them, and whose connections it has.

A reload makes another one; the old one keeps its connections and checks no more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from rmqha_model.events import ServerState
from simulation.driving import Driven
from simulation.machines import balance
from simulation.machines.check_settings import first_checks
from simulation.machines.check_words import CheckInput, Paused, Resumed, ServerChanged
from simulation.machines.health_check import HealthCheck
from simulation.machines.machine import NEVER
from simulation.processes.balancer_luck import later

if TYPE_CHECKING:
    from simulation.machines.balance import Balance
    from simulation.machines.check_settings import CheckSettings
    from simulation.machines.wire import Target
    from simulation.processes.balancer_dial import Dialling
    from simulation.processes.balancer_leave import Leave
    from simulation.processes.balancer_plan import HostPlan, ProxyPlan
    from simulation.processes.balancer_stay import Stay
    from simulation.processes.world import World

__all__ = ["Proxy", "Worker"]

Told = Callable[["Worker", "Proxy", str, ServerChanged], None]


class Proxy:
    """A listener and its servers, as one worker sees them."""

    def __init__(self, plan: ProxyPlan, balance_: Balance, targets: dict[str, Target]) -> None:
        self.plan, self.balance = plan, balance_
        self.targets = targets
        """How each server's port looks from this host, as was last told."""
        self.checks: dict[str, Driven[CheckInput, ServerChanged]] = {}
        self.seen: dict[str, tuple[bool, int, str]] = {}
        """State, counter and code of each server, as was last told."""

    def event(self, t: float, host: str, server: str) -> ServerState:
        """Give how a server was last seen as an event."""
        up, health, code = self.seen[server]
        check = self.plan.check
        rise, fall = (check.rise, check.fall) if check else (1, 1)
        return ServerState(t, host, self.plan.name, server, up, health, rise, fall, code)

    def machine(self, server: str) -> HealthCheck:
        """Give the check of a server."""
        machine = self.checks[server].machine
        assert isinstance(machine, HealthCheck)
        return machine


class Worker:
    """One worker process."""

    def __init__(self, world: World, host: str, plan: HostPlan, *, life: int, told: Told) -> None:
        """*life* counts the starts of HAProxy on the host; the first one has run for long at the start of time."""
        self.host = host
        self.checking = True
        self.over = self.cut = self.frozen = False
        """Whether it has ended, for want of power, or stands still."""
        self.dials: dict[Dialling, None] = {}
        self.stays: dict[Stay, None] = {}
        self.leaves: dict[Leave, None] = {}
        self._world, self._plan, self._told = world, plan, told
        number = str(life)
        self.proxies = {
            name: Proxy(
                proxy,
                balance.from_design(world.topology, name, draw=later(world.streams, host, name, "balance", number)),
                {server: world.paths.broker(host, server) for server in proxy.servers},
            )
            for name, proxy in plan.proxies.items()
        }
        first = self._phases() if life == 0 else self._stagger(number)
        for (name, server), settings, at in zip(plan.checked, plan.checks, first, strict=True):
            if name in self.proxies:
                self._check(self.proxies[name], server, settings, at, number, settled=life == 0)
        for name, one in self.proxies.items():
            for server in one.targets:
                if server not in one.checks:  # nothing is checked: see integration/observe/haproxy.py
                    one.seen[server] = (True, 1, "")
            if life == 0:
                self._turn(one, name)

    def _stagger(self, number: str) -> Iterator[float]:
        draw = self._world.streams.stream(self.host, "first checks", number)
        now = self._world.now
        for after in first_checks(self._plan.checks, spread_at_start=self._plan.spread_at_start, draw=draw):
            yield now + after

    def _phases(self) -> Iterator[float]:
        """Give when there last were checks; all is settled by then.

        Each server's has a phase of its own: periods differ by what checks take, so that phases that were staggered at
        the start drift apart; 1 ms of 2 s is a whole period after an hour and seven minutes.
        """
        for (name, server), settings in zip(self._plan.checked, self._plan.checks, strict=True):
            period = settings.inter / 1000
            yield self._world.streams.phase(period, self.host, name, server, "check") - period

    def _check(  # noqa: PLR0913 - what one check is made of
        self, proxy: Proxy, server: str, settings: CheckSettings, first: float, number: str, *, settled: bool
    ) -> None:
        draw = None
        if settings.spread:
            draw = self._world.streams.stream(self.host, proxy.plan.name, server, "spread", number)
        check = HealthCheck(settings, proxy.targets[server], first=first, draw=draw)
        if settled:
            check.settle()
        proxy.seen[server] = (check.up, check.health, check.code or "INI")

        def seen(change: ServerChanged) -> None:
            self._told(self, proxy, server, change)

        proxy.checks[server] = Driven(self._world.clock, check, seen, feeds_first=True)

    def _turn(self, proxy: Proxy, name: str) -> None:
        """Have a random server be the next: there were connections before."""
        draw = self._world.streams.once(self.host, name, "turn")
        for _ in range(int(draw * len(proxy.targets))):
            if (server := proxy.balance.pick()) is not None:
                proxy.balance.opened(server)
                proxy.balance.closed(server)

    @property
    def kept(self) -> tuple[Stay | Leave, ...]:
        """Its sessions, those included whose client has gone."""
        return (*self.stays, *self.leaves)

    # -- what happens to it -------------------------------------------------------------------------

    def look(self) -> Iterator[tuple[Proxy, str, Target]]:
        """Take in how servers' ports look now; give those that look otherwise."""
        for proxy in self.proxies.values():
            for server, before in proxy.targets.items():
                target = self._world.paths.broker(self.host, server)
                if target != before:
                    proxy.targets[server] = target
                    if self.checking and server in proxy.checks:
                        proxy.checks[server].feed(target)
                    yield proxy, server, target

    def freeze(self) -> None:
        """Stand still."""
        self.frozen = True
        self._feed(Paused())

    def resume(self, *, hidden: bool) -> None:
        """Go on."""
        self.frozen = False
        self._feed(Resumed(hidden))

    def _feed(self, input_: Paused | Resumed) -> None:
        for proxy in self.proxies.values():
            for check in proxy.checks.values():
                check.feed(input_)

    def end_checks(self) -> None:
        """Check no more."""
        self.checking = False
        for proxy in self.proxies.values():
            for check in proxy.checks.values():
                check.stop()

    def last_packet(self, server: str, now: float) -> float:
        """Give when it last heard a server before *now*."""
        if not self.checking or any(stay.through.server == server for stay in self.stays):
            return now
        return max((check.last_packet(now) for check in self._checks(server)), default=now)

    def next_packet(self, server: str, now: float) -> float:
        """Give when it next sends something to a server by itself."""
        checks = self._checks(server) if self.checking and not self.frozen else []
        return min((check.next_packet(now) for check in checks), default=NEVER)

    def _checks(self, server: str) -> list[HealthCheck]:
        return [proxy.machine(server) for proxy in self.proxies.values() if server in proxy.checks]
