"""What a VRRP instance is told, and the times that follow from it, in microseconds as keepalived has them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

from simulation.machines.vrrp_words import VrrpIdentity, seconds

if TYPE_CHECKING:
    from rmqha_model.topology import Topology
    from simulation.machines.clocks import Reason

__all__ = ["LINK", "OWNER", "Release", "VrrpSettings", "identity_from_design", "vrrp_from_design"]

Release: TypeAlias = tuple[int, int, int]

OWNER = 255
"""The priority that weights leave alone: vrrp_track.c:vrrp_set_effective_priority."""

LINK = "link"
"""The instance's own interface, which it tracks unasked, with weight 0 (vrrp_track.c, vrrp_if.c)."""


@dataclass(frozen=True, slots=True)
class VrrpSettings:
    """One instance on one host. Defaults are keepalived's own (vrrp.h, vrrp_parser.c, global_data.c)."""

    source: int
    """The address it sends from, as a number: the higher one wins among equal priorities."""
    priority: int = 100
    owner: bool = False
    """Priority 255 and state MASTER: master at once. Below 255, state MASTER changes nothing."""
    version: int = 2
    advert_us: int = 1_000_000
    down_timer_adverts: int = 3
    preempt: bool = True
    preempt_delay_us: int = 0
    startup_delay_us: int = 0
    weights: dict[str, int] = field(default_factory=lambda: {LINK: 0})
    """What it tracks, by name: 0 for what puts it into FAULT."""
    garp_packets: int = 5
    garp_delay_s: float = 5.0
    garp_lower_packets: int = 5
    garp_lower_delay_s: float = 5.0
    garp_refresh_s: float = 0.0
    garp_refresh_packets: int = 1
    release: Release = (2, 2, 7)

    @property
    def delay_adds_up(self) -> bool:
        """Whether an advert dropped within the start-up delay pushes the takeover out by the rest of the delay.

        vrrp_scheduler.c:vrrp_init_instance_sands in 2.2.0 to 2.2.7, where vrrp_state_backup hands it the time to the
        *delayed* expiry and it counts that from the end of the delay. Before, the dispatcher starts after the delay;
        since 845181cb (2.2.8) adverts within it are not read.
        """
        return (2, 2, 0) <= self.release < (2, 2, 8)

    @property
    def yields_to_own_interval(self) -> bool:
        """Whether a master that yields forgets the winner's interval until its next advert (version 3).

        vrrp.c:vrrp_state_leave_master, until 630f8133 (2.2.0).
        """
        return self.release < (2, 2, 0)

    @property
    def refreshes_by_thread(self) -> bool:
        """Whether GARPs are refreshed by timers of their own, not when an advert goes out.

        Since b1d9e375 (2.3.2). Nothing cancels them: each time as master adds a series, which is silent while the
        addresses are elsewhere.
        """
        return self.release >= (2, 3, 2)

    def effective(self, known: dict[str, bool | None]) -> int:
        """Give the priority by what is *known* of the things it tracks: vrrp_track.c, process_script_update_priority.

        A weight above 0 is added while all is well, one below 0 taken while it is not; nothing while it is not known.
        """
        if self.priority == OWNER:
            return OWNER
        total = self.priority
        for name, weight in self.weights.items():
            state = known[name]
            if weight and state is not None and state == (weight > 0):
                total += weight
        return min(max(total, 1), OWNER - 1)

    def allows(self, known: dict[str, bool | None]) -> Literal["INIT", "BACKUP", "FAULT"]:
        """Give what the things with weight 0 allow: INIT while one has not been seen, FAULT when one fails."""
        states = [known[name] for name, weight in self.weights.items() if not weight]
        return "FAULT" if False in states else "INIT" if None in states else "BACKUP"

    def skew(self, priority: int, interval_us: int) -> tuple[int, Reason]:
        """Give what *priority* waits longer than the best: vrrp.h:VRRP_TIMER_SKEW_CALC, whole numbers as there.

        In version 2 it is a share of a second whatever the interval (RFC 3768 6.1), in version 3 of the interval.
        """
        missing = OWNER + 1 - priority
        if self.version == 2:
            skew, unit = missing * 1_000_000 // 256, 1_000_000
        else:
            skew, unit = missing * (interval_us // 10_000) * 625 // 16, interval_us
        return skew, ((f"skew {missing}/256 of {seconds(unit):g} s (priority {priority})", seconds(skew)),)

    def master_down(self, priority: int, interval_us: int) -> tuple[int, Reason]:
        """Give how long it waits after an advert before it takes over: vrrp.h:VRRP_MS_DOWN_TIMER."""
        skew, why = self.skew(priority, interval_us)
        silence = self.down_timer_adverts * interval_us
        words = f"{self.down_timer_adverts} x advert {seconds(interval_us):g}"
        return silence + skew, ((words, seconds(silence)), *why)


def vrrp_from_design(topology: Topology, instance: str, host: str) -> VrrpSettings:
    """Give what keepalived on *host* is told of *instance*."""
    keepalived = topology.keepalived
    assert keepalived is not None
    told = keepalived.instances[instance]
    member = keepalived.members(instance)[host]
    release = _release(topology)
    owner = member.priority == OWNER and member.state == "MASTER"
    scripts = keepalived.scripts if told.track_scripts is None else told.track_scripts
    processes = keepalived.processes if told.track_processes is None else told.track_processes
    weights = {LINK: 0}
    weights |= {name: keepalived.scripts[name].weight or 0 for name in scripts}
    weights |= {name: keepalived.processes[name].weight or 0 for name in processes}
    weights |= {other.interface: other.weight or 0 for other in told.track_interfaces}
    # vrrp.c:vrrp_complete_instance: state MASTER or priority 255 switch nopreempt off, state MASTER preempt_delay too.
    preempt = told.preempt or member.state == "MASTER" or member.priority == OWNER
    delay = told.preempt_delay if told.preempt and member.state != "MASTER" else None
    startup = keepalived.global_.startup_delay
    garp = told.garp
    repeat = 5 if garp.master_repeat is None else garp.master_repeat
    after = 5 if garp.master_delay is None else garp.master_delay
    return VrrpSettings(
        source=int(topology.hosts[host].ip),
        priority=member.priority,
        owner=owner,
        version=_version(topology, instance),
        advert_us=_advert_us(topology, instance),
        # A literal 3 before the option came with 2.2.3 (33385c6a).
        down_timer_adverts=(told.down_timer_adverts or 3) if release >= (2, 2, 3) else 3,
        preempt=preempt,
        preempt_delay_us=delay.ms * 1000 if delay else 0,
        startup_delay_us=startup.ms * 1000 if startup else 0,
        weights=weights,
        garp_packets=repeat,
        garp_delay_s=after,
        garp_lower_packets=repeat if garp.lower_prio_repeat is None else garp.lower_prio_repeat,
        garp_lower_delay_s=after if garp.lower_prio_delay is None else garp.lower_prio_delay,
        garp_refresh_s=garp.master_refresh or 0,
        garp_refresh_packets=garp.master_refresh_repeat or 1,
        release=release,
    )


def identity_from_design(topology: Topology, instance: str, password: str | None = None) -> VrrpIdentity:
    """Give by what the members of *instance* know each other."""
    assert topology.keepalived is not None
    told = topology.keepalived.instances[instance]
    authentication = (told.authentication.type, password or "") if told.authentication else None
    return VrrpIdentity(
        told.virtual_router_id,
        _version(topology, instance),
        _advert_us(topology, instance),
        told.ips,
        told.unicast,
        authentication,
    )


def _release(topology: Topology) -> Release:
    from rmqha_model.versions.version import Version

    # A release without its patch is the newest one of its series.
    major, minor, patch = Version.parse(topology.versions.keepalived)
    return major, minor, patch


def _version(topology: Topology, instance: str) -> int:
    assert topology.keepalived is not None
    told = topology.keepalived.instances[instance]
    # global_data.c: 2 for IPv4 unless told otherwise, 3 for IPv6.
    ipv6 = told.virtual_addresses[0].address.version == 6
    return told.version or (3 if ipv6 else topology.keepalived.global_.version or 2)


def _advert_us(topology: Topology, instance: str) -> int:
    """What becomes of advert_int: whole seconds to 255 s in version 2, hundredths to 40.95 s in version 3.

    vrrp.c:vrrp_complete_instance.
    """
    assert topology.keepalived is not None
    told = topology.keepalived.instances[instance].advert_int.ms * 1000
    unit, most = (1_000_000, 255) if _version(topology, instance) == 2 else (10_000, 4095)
    return min(max((told + unit // 2) // unit, 1), most) * unit
