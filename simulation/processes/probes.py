"""Probes: fresh connections at a steady pace, of which only those are lived through that meet something.

While nothing changes that a connection meets, all attempts of a probe end alike: they are counted, and HAProxy's turns
with them. Only an attempt that is under way when something changes, or whose server does not answer, is lived through
step by step; afterwards, in a time of its own (:class:`simulation.processes.balancer_lane.Lane`).
"""

from __future__ import annotations

import operator
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rmqha_model.events import Attempt
from simulation.machines.connecting import Caller, Fate
from simulation.machines.machine import NEVER
from simulation.machines.wire import FOREVER, seconds, us
from simulation.processes.balancer_alike import Alike, alike, next_server, nowhere, through
from simulation.processes.balancer_dial import connection
from simulation.processes.balancer_endpoints import Endpoint, endpoints, source
from simulation.processes.balancer_lane import Lane
from simulation.processes.balancer_luck import later
from simulation.processes.balancer_trial import Prober, Sight, Trial, sight
from simulation.processes.balancers import LoadBalancers

if TYPE_CHECKING:
    from rmqha_model.events import Outcome
    from rmqha_model.workload import Probe
    from simulation.driving import Clock
    from simulation.machines.connecting import NewConnection
    from simulation.processes.world import World

__all__ = ["Probes"]

STEADY_S = 1.0
"""Without a failure, before fresh connections count as possible again; as in the lab (integration/running/flow.py)."""
_RECENT = 100
"""Spans that are looked at for it: more attempts than end within that time."""


@dataclass(frozen=True, slots=True)
class _Span:
    """Attempts that ended alike, by their numbers: *first*, and so many from there on."""

    prober: Prober
    first: int
    count: int
    endpoint: str
    outcome: Outcome
    took: int

    @property
    def ended(self) -> int:
        """When the last of them ended."""
        return self.prober.first + (self.first + self.count - 1) * self.prober.every + self.took


class Probes:
    """All probes of the workload; their attempts are known at the end."""

    def __init__(self, world: World, *, fast: bool = True) -> None:
        """Unless *fast*, each attempt is lived through when it happens."""
        self._world = world
        assert isinstance(world.balancers, LoadBalancers)
        self._owner = world.balancers
        # What clients meet is what HAProxy judges servers by: it has to happen at its time.
        self._fast = fast and not self._owner.observes
        self._lane = Lane()
        self._spans: list[_Span] = []
        self._sights: dict[Endpoint, Sight] = {}
        self._busy = False
        self._lived = -1.0
        """All before this has been lived through."""
        self._end = NEVER
        address = source(world.topology, world.streams)
        probes = world.scenario.workload.probes
        self._probers = [self._prober(label, probe, address) for label, probe in probes.items()]

    def _prober(self, label: str, probe: Probe, address: str) -> Prober:
        topology, streams = self._world.topology, self._world.streams
        client = topology.clients[probe.client or next(iter(topology.clients))]
        every = us(probe.every.s)
        return Prober(
            label,
            endpoints(topology, probe),
            first=int(every * streams.once(label, "first attempt")),
            every=every,
            patience=us(probe.patience.s),
            connect=us(client.reconnect.connect_timeout.s),
            tls=client.tls,
            source=address,
            order=later(streams, label, "order"),
            luck=lambda number: later(streams, label, "luck", number),
        )

    def begin(self) -> None:
        """Begin to try."""
        if not self._probers:
            return
        self._owner.watch(self._before, self._after)
        self._see()
        if not self._fast:
            for prober in self._probers:
                self._plain(prober)

    def well(self) -> bool:
        """Whether no attempt has failed for a while, nor is under way to it."""
        self._before()
        since = us(self._world.now - STEADY_S)
        if any(self._fate(prober) is not None for prober in self._probers):
            return False
        recent = (span for span in reversed(self._spans[-_RECENT:]) if span.outcome != "ok")
        return all(span.ended < since for span in recent)

    def stop(self) -> None:
        """Begin no more attempts from now on."""
        self._end = self._world.now

    def events(self) -> list[Attempt]:
        """Give all attempts that began before they were to stop, or now, as if nothing changed after now."""
        end = us(min(self._world.now, self._end))
        if self._fast:
            self._busy = True  # nobody else lives through what follows
            self._advance(end)
            self._settle(end, ended=False)
            while self._lane.next < NEVER:
                self._lane.step()
        found = [attempt for span in self._spans for attempt in _attempts(span) if attempt.t < seconds(end)]
        return sorted(found, key=operator.attrgetter("t"))

    # -- one after the other ------------------------------------------------------------------------

    def _plain(self, prober: Prober) -> None:
        def begin() -> None:
            self._begin(prober, prober.shuffled(), self._sights, self._world.clock)
            self._plain(prober)

        self._world.clock.at(seconds(prober.next), begin)

    def _begin(
        self,
        prober: Prober,
        order: Sequence[Endpoint],
        sights: dict[Endpoint, Sight],
        clock: Clock,
        begun: NewConnection | None = None,
    ) -> Trial:
        def done(number: int, endpoint: str, outcome: Outcome, now: int) -> None:
            took = now - prober.first - number * prober.every
            self._spans.append(_Span(prober, number, 1, endpoint, outcome, took))

        return Trial(self._owner, prober, order, sights.__getitem__, clock, done, begun=begun)

    # -- afterwards ---------------------------------------------------------------------------------

    def _advance(self, end: int) -> None:
        """Live through all before *end*, but for those who wait for nothing and hold nothing."""
        lane = self._lane
        lively = [prober for prober in self._probers if self._fate(prober) is None]
        while True:
            prober = min(lively, key=lambda each: each.next, default=None)
            start = prober.next if prober is not None else FOREVER
            due = us(lane.next) if lane.next < NEVER else FOREVER
            if min(start, due) >= end:
                break
            if prober is None or due <= start:
                lane.step()
                continue
            others = (each.next for each in lively if each is not prober)
            self._go_on(prober, min(due, end, *others))
        lane.run(seconds(end))
        self._settle(end, ended=True)

    def _go_on(self, prober: Prober, until: int) -> None:
        """Count attempts that end alike before *until*, or live through one."""
        order = prober.shuffled()
        endpoint, sight_ = order[0], self._sights[order[0]]
        found = alike(self._owner, prober, endpoint, sight_, alone=len(order) == 1)
        if found is not None and found.took < prober.every:
            count = (until - found.took - prober.next - 1) // prober.every + 1
            if count > 0:
                count = count if len(order) == 1 else 1
                if found.balance is not None:
                    found.balance.pass_by(count, source=prober.source)
                self._count(prober, endpoint, found, count)
                return
        server = None
        if found is None and prober.next + us(sight_.port.connect_s) < until:
            server = next_server(prober, endpoint, sight_)
            if server is not None and self._passes(prober, endpoint, server, until):
                return
        begun = None
        if server is not None:
            begun = self._lives(prober, endpoint, server, until, alone=len(order) == 1)
            if begun is None:
                return
        self._lane.now = max(self._lane.now, seconds(prober.next))
        self._begin(prober, order, self._sights, self._lane, begun)

    def _passes(self, prober: Prober, endpoint: Endpoint, server: str, until: int) -> bool:
        """Count one attempt that was given to a server that answers before *until*, if it is so."""
        sight_ = self._sights[endpoint]
        took = through(self._owner, endpoint, sight_, server)
        if took is None or took >= prober.limit or prober.next + took >= until:
            return False
        assert sight_.met is not None
        balance = sight_.met.worker.proxies[endpoint.proxy].balance
        balance.opened(server)
        balance.closed(server)
        self._count(prober, endpoint, Alike("ok", took), 1)
        return True

    def _lives(
        self, prober: Prober, endpoint: Endpoint, server: str, until: int, *, alone: bool
    ) -> NewConnection | None:
        """Live through one attempt that was given to a server, but not beyond *until*; give what is left of it."""
        start, met = prober.next, self._sights[endpoint].met
        assert met is not None
        proxy = met.worker.proxies[endpoint.proxy]
        caller, luck = Caller(prober.source, prober.limit / 1e6), prober.luck(f"{prober.begun}.0")
        machine = connection(self._owner, met, proxy, caller, seconds(start), draw=luck, assigned=server)
        end = seconds(min(until, start + prober.every, start + prober.limit))
        while alone and machine.due < end:
            for seen in machine.fire():
                if isinstance(seen, Fate):
                    if machine.server is not None:
                        proxy.balance.closed(machine.server)
                    self._count(prober, endpoint, Alike(seen.outcome, us(seen.t) - start), 1)
                    return None
        return machine

    def _count(self, prober: Prober, endpoint: Endpoint, found: Alike, count: int) -> None:
        self._spans.append(_Span(prober, prober.begun, count, endpoint.text, found.outcome, found.took))
        prober.begun += count

    def _fate(self, prober: Prober) -> Alike | None:
        """Give how all attempts of a probe fail that get nowhere."""
        if len(prober.endpoints) > 1:
            return None
        return nowhere(prober, self._sights[prober.endpoints[0]])

    def _settle(self, end: int, *, ended: bool) -> None:
        """Count those attempts that began before *end*, or have ended before it."""
        for prober in self._probers:
            fate = self._fate(prober)
            if fate is None:
                continue
            count = (end - (fate.took if ended else 0) - prober.next - 1) // prober.every + 1
            if count > 0:
                self._count(prober, prober.endpoints[0], fate, count)

    # -- changes ------------------------------------------------------------------------------------

    def _see(self) -> None:
        self._sights = {
            endpoint: sight(self._owner, endpoint) for prober in self._probers for endpoint in prober.endpoints
        }

    def _before(self) -> None:
        """Something is about to change: live through what was before."""
        now = self._world.now
        if self._fast and not self._busy and now > self._lived:
            self._busy = True
            self._advance(us(now))
            self._busy = False
            self._lived = now

    def _after(self) -> None:
        """Something has changed: those under way hear of it; HAProxy tells those who dial it."""
        before = self._sights
        self._see()
        if self._busy or before == self._sights:
            return
        self._busy = True
        if self._fast:
            for prober in self._probers:
                endpoint = prober.endpoints[0]
                changed = before[endpoint] != self._sights[endpoint]
                if changed and len(prober.endpoints) == 1 and nowhere(prober, before[endpoint]):
                    self._wake(prober, before)
        for prober in self._probers:
            for trial in tuple(prober.direct):
                trial.look(self._sights[trial.endpoint].port)
        self._busy = False

    def _wake(self, prober: Prober, before: dict[Endpoint, Sight]) -> None:
        """Live through what has begun and got nowhere until now."""
        now = self._world.now
        woken = []
        while prober.next < us(now):
            self._lane.now = seconds(prober.next)
            woken.append(self._begin(prober, prober.endpoints, before, self._lane))
        self._lane.run(now)
        for trial in woken:
            trial.look(self._sights[trial.endpoint].port)


def _attempts(span: _Span) -> Iterator[Attempt]:
    prober, took = span.prober, seconds(span.took)
    for number in range(span.first, span.first + span.count):
        t = seconds(prober.first + number * prober.every)
        yield Attempt(t, prober.label, span.endpoint, span.outcome, took)
