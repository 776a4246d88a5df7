"""Virtual addresses: keepalived on its hosts, and where packets to the addresses go."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING

from rmqha_model.events import VipHeld, VrrpState
from rmqha_model.keepalived import CommandScript, Keepalived
from simulation.machines.vrrp_settings import vrrp_from_design
from simulation.machines.vrrp_words import Addresses, Entered, Garp, Sent, Speaks
from simulation.processes.route_adverts import Ear
from simulation.processes.route_daemons import Daemon
from simulation.processes.route_members import Batch, Member, State
from simulation.processes.route_start import best, long_running
from simulation.processes.route_ways import Refreshes, Ways

if TYPE_CHECKING:
    from simulation.machines.clocks import Reason
    from simulation.machines.keepalived import KeepalivedInput
    from simulation.machines.vrrp_settings import VrrpSettings
    from simulation.processes.route_scripts import Mode
    from simulation.processes.world import World

__all__ = ["VirtualAddresses"]


class VirtualAddresses:
    """keepalived on every host that has it (a :class:`simulation.processes.views.Routes`)."""

    def __init__(self, world: World, owners: Mapping[str, str] | None = None) -> None:
        """Begin in the steady state.

        *owners* says by instance which host owns its addresses. Left out, it is the one that is preferred; with
        ``nopreempt`` the past decides who it is, and so the seed.
        """
        self._world = world
        self._listeners: list[Callable[[str], None]] = []
        self._waiting: deque[Callable[[], None]] = deque()
        self._busy = False
        self._touched: dict[str, None] = {}
        self._moved: dict[str, None] = {}
        keepalived = world.topology.keepalived
        self._ips = {name: told.ips for name, told in keepalived.instances.items()} if keepalived else {}
        self._members: dict[str, dict[str, Member]] = {}
        self._daemons: dict[str, Daemon] = {}
        owners = dict(owners or {})
        if keepalived:
            self._members = {name: self._members_of(keepalived, name) for name in keepalived.instances}
        for name, members in self._members.items():
            owners.setdefault(name, self._owner(name, {host: member.settings for host, member in members.items()}))
        self._ways = Ways(world, {ip: owners[name] for name, ips in self._ips.items() for ip in ips}, self._touch)
        for name, members in self._members.items():
            self._begin_long_ago(name, members, owners[name])
        for host in keepalived.hosts if keepalived else ():
            of_host = [members[host] for members in self._members.values() if host in members]
            self._daemons[host] = Daemon(
                world,
                host,
                of_host,
                soon=self._soon,
                ended=lambda member, at, why: self._enter(member, at, "STOP", why),
                lost=lambda member, at: self._hold(member, at, held=False, why=()),
            )

    # -- as it is at the beginning ----------------------------------------------------------------

    def _members_of(self, keepalived: Keepalived, name: str) -> dict[str, Member]:
        def member(host: str) -> Member:
            return Member(self._world, host, name, vrrp_from_design(self._world.topology, name, host), self._queue)

        return {host: member(host) for host in keepalived.members(name)}

    def _owner(self, name: str, members: dict[str, VrrpSettings]) -> str:
        if any(settings.preempt for settings in members.values()):
            return best(members)
        hosts = list(members)
        return hosts[int(self._world.streams.once(name, "owner") * len(hosts))]

    def _begin_long_ago(self, name: str, members: dict[str, Member], owner: str) -> None:
        world = self._world
        settings = {host: member.settings for host, member in members.items()}
        machines, speaks = long_running(settings, owner, world.streams.stream(owner, name, "adverts"))
        for host, member in members.items():
            for other, listener in members.items():
                if other == host:
                    continue
                draw = world.streams.stream(host, other, name, "lost adverts")
                ear = Ear((host, other), member.settings.source, world.clock, draw, listener.feed)
                ear.begin(speaks.stream if host == owner else None)
                member.listeners.append(ear)
                listener.ears.append(ear)
            useful = partial(self._ways.misled, host, self._ips[name])
            send = partial(self._announce, member, member.settings.garp_refresh_packets)
            member.refreshes = Refreshes(world.clock, useful, send)
            member.run(machines[host])
        members[owner].state = "MASTER"
        members[owner].refreshes.clocks = speaks.refreshes

    def begin(self) -> None:
        """Tell what there is to see, and begin to hear of others."""
        world = self._world
        for members in self._members.values():
            for member in members.values():
                world.tell(VrrpState(world.now, member.host, member.instance, member.state))
                for ip in self._ips[member.instance]:
                    world.tell(VipHeld(world.now, member.host, ip, member.host in self._ways.holders[ip]))
        world.network.on_change(lambda: self._soon(self._look_at_network))
        if self._daemons and world.topology.load_balancers:
            world.balancers.on_process(self._look_at_haproxy)
        if any(daemon.things.processes for daemon in self._daemons.values()):
            world.brokers.on_served(lambda served: self._look_at_processes(served.host))
        if world.topology.keepalived:
            world.not_modelled.extend(dict.fromkeys(self._not_modelled(world.topology.keepalived)))

    def _not_modelled(self, keepalived: Keepalived) -> Iterator[str]:
        for name, script in keepalived.scripts.items():
            if isinstance(script, CommandScript):
                yield f"check script {name} is a program of its own: it is taken to succeed"
        for daemon in self._daemons.values():
            yield from daemon.things.foreign()
        if keepalived.global_.extra:
            yield "further lines of keepalived's global_defs"
        for name, instance in keepalived.instances.items():
            if instance.extra:
                yield f"further lines of VRRP instance {name}"
            if instance.notify.lines():
                yield f"what the notify programs of VRRP instance {name} do"
            if any(member.interface for member in keepalived.members(name).values()):
                yield f"other interfaces than the hosts' own for the adverts of VRRP instance {name}"

    # -- what others do, and ask ------------------------------------------------------------------

    def act(self, host: str, input_: KeepalivedInput) -> None:
        """Do something to keepalived's processes on a host; nothing where it has none."""
        if host in self._daemons:
            self._daemons[host].act(input_)

    def power(self, host: str, *, on: bool) -> None:
        """The host lost its power, or has booted: keepalived starts, and no address is left from before."""
        if host in self._daemons:
            self._soon(partial(self._daemons[host].power, on=on))

    def script(self, host: str, name: str | None, mode: Mode) -> None:
        """Replace a check script on a host (``None``: the design's first), or put it back."""
        assert self._world.topology.keepalived is not None
        wanted = name or next(iter(self._world.topology.keepalived.scripts), None)
        if wanted is not None and host in self._daemons:
            self._daemons[host].scripts.replace(wanted, mode)

    def runs(self, host: str) -> bool:
        """Whether keepalived runs there."""
        return host in self._daemons and self._daemons[host].runs

    def holders(self, address: str) -> frozenset[str]:
        """Hosts that have a virtual address on their interface."""
        return frozenset(self._ways.holders[address])

    def leads_to(self, place: str, address: str) -> str | None:
        """The host that packets from a place to a virtual address go to."""
        return self._ways.leads(place, address)

    def on_route(self, call: Callable[[str], None]) -> None:
        """Hear of an address whose holders, or whose way from some place, have changed."""
        self._listeners.append(call)

    # -- what happens elsewhere -------------------------------------------------------------------

    def _look_at_network(self) -> None:
        network = self._world.network
        for members in self._members.values():
            for member in members.values():
                for ear in member.listeners:
                    ear.reach(passes=network.passes(*ear.places), loss=network.loss(*ear.places))
        for daemon in self._daemons.values():
            daemon.things.look_at_links()
        self._moved |= dict.fromkeys(self._ways.holders)

    def _look_at_haproxy(self, host: str) -> None:
        # Where all processes end at once nobody is left to look.
        if host in self._daemons and self._world.network.powered(host):
            self._daemons[host].scripts.look()
            self._look_at_processes(host)

    def _look_at_processes(self, host: str) -> None:
        if host in self._daemons:
            self._daemons[host].things.look_at_processes()

    # -- what instances say -----------------------------------------------------------------------

    def _queue(self, member: Member, batch: Batch, why: Reason) -> None:
        self._soon(partial(self._take, member, batch, why))

    def _take(self, member: Member, batch: Batch, why: Reason) -> None:
        because = next((word.why for word in batch if isinstance(word, Entered) and word.why), why)
        for word in batch:
            match word:
                case Sent(_, advert):
                    member.say_once(advert)
                case Speaks(_, stream, refreshes):
                    member.say(stream)
                    member.refreshes.clocks = refreshes
                case Entered(at, state):
                    # keepalived's log has no word for INIT, and it is systemd that says when all has ended.
                    if state not in {"INIT", "STOP"}:
                        self._enter(member, at, state, because)
                case Addresses(at, held):
                    self._hold(member, at, held=held, why=because)
                case Garp(_, packets):
                    self._announce(member, packets)

    def _enter(self, member: Member, at: float, state: State, why: Reason) -> None:
        if state == "STOP" == member.state or state == "INIT":
            return
        member.state = state
        self._world.tell(VrrpState(at, member.host, member.instance, state), why)

    def _hold(self, member: Member, at: float, *, held: bool, why: Reason) -> None:
        for ip in self._ips[member.instance]:
            holders = self._ways.holders[ip]
            if held != (member.host in holders):
                (holders.add if held else holders.discard)(member.host)
                self._world.tell(VipHeld(at, member.host, ip, held), why)
                self._moved[ip] = None
                self._touch(ip)

    def _announce(self, member: Member, packets: int) -> None:
        for ip in self._ips[member.instance]:
            self._ways.announce(member.host, ip, packets)
        self._settle()

    # -- one thing after the other ----------------------------------------------------------------

    def _soon(self, call: Callable[[], None]) -> None:
        """Do something when all is done that was said before it."""
        self._waiting.append(call)
        self._settle()

    def _touch(self, address: str) -> None:
        self._touched[address] = None
        self._settle()

    def _settle(self) -> None:
        if self._busy:
            return
        self._busy = True
        while self._waiting or self._moved:
            while self._waiting:
                self._waiting.popleft()()
            if self._moved:
                self._ways.look(self._moved.popitem()[0])
        for members in self._members.values():
            for member in members.values():
                member.refreshes.plan()
        touched, self._touched = self._touched, {}
        self._busy = False
        for address in touched:
            for call in self._listeners:
                call(address)
