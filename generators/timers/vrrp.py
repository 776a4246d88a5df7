"""Keepalived: how soon an address is somebody else's, by what happened to its owner.

Sources name functions of keepalived's source, equal from 2.1.5 to 2.4.3; where they say "measured", on 2.2.7.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from generators.timers.span import Span, never, number
from rmqha_model.keepalived import ObserveScript, SelfHealingScript

if TYPE_CHECKING:
    from rmqha_model.keepalived import Keepalived, TrackScript, VrrpInstance
    from rmqha_model.topology import Topology

__all__ = [
    "effective_priority",
    "failback",
    "haproxy_failover",
    "master_down",
    "preferred",
    "script_detection",
    "skew_s",
    "successor",
    "takeover_graceful",
    "takeover_silent",
]

ADVERTS = 3
"""Missed adverts until takeover: RFC 5798 6.1; down_timer_adverts from 2.2.3 on, a literal before."""

OWNER = 255
"""The priority that scripts do not change: vrrp_set_effective_priority in vrrp_track.c."""

TIMERS = "keepalived include/vrrp.h VRRP_TIMER_SKEW_CALC, VRRP_MS_DOWN_TIMER; RFC 5798 6.1; measured"
SCRIPTS = "keepalived vrrp_scheduler.c vrrp_script_thread, vrrp_track.c; measured"
VERSIONS = "keepalived 2.1 to 2.3"


def effective_priority(topology: Topology, instance: str, host: str, *, failed: Collection[str] = ()) -> int:
    """Give the priority of *host* while all that it tracks is well, except the scripts and processes in *failed*."""
    keepalived = _keepalived(topology)
    priority = keepalived.members(instance)[host].priority
    if priority == OWNER:
        return OWNER
    for name, weight in _weights(keepalived, instance):
        # Above 0 it counts while all is well, below 0 while it is not.
        if weight and (weight > 0) == (name not in failed):
            priority += weight
    for interface in keepalived.instances[instance].track_interfaces:
        priority += max(interface.weight or 0, 0)
    return min(max(priority, 1), OWNER - 1)


def skew_s(topology: Topology, instance: str, priority: int) -> float:
    """Give what a member of *priority* waits longer than the best one."""
    settings = _keepalived(topology).instances[instance]
    # Version 2 counts in 1/256 of a second whatever the interval (RFC 3768 6.1), version 3 of the interval (RFC 5798).
    unit = 1.0 if _version(topology, settings) == 2 else settings.advert_int.s
    return (256 - priority) / 256 * unit


def master_down(topology: Topology, instance: str, host: str) -> Span:
    """How long *host*, all being well with it, waits after the last advert before it takes the addresses."""
    settings = _keepalived(topology).instances[instance]
    adverts = settings.down_timer_adverts or ADVERTS
    priority = effective_priority(topology, instance, host)
    total = adverts * settings.advert_int.s + skew_s(topology, instance, priority)
    formula = f"{adverts} x advert {number(settings.advert_int.s)} + skew {_skew(topology, instance, priority)}"
    return Span(total, total, formula, TIMERS, VERSIONS)


def successor(topology: Topology, instance: str, lost: str) -> str | None:
    """Give who takes the addresses when *lost* is gone; ``None`` when there is nobody."""
    others = [host for host in _keepalived(topology).members(instance) if host != lost]
    return max(others, key=lambda host: effective_priority(topology, instance, host), default=None)


def preferred(topology: Topology, instance: str) -> str:
    """Give who has the addresses while all is well."""
    members = _keepalived(topology).members(instance)
    return max(members, key=lambda host: effective_priority(topology, instance, host))


def takeover_silent(topology: Topology, instance: str, lost: str) -> Span:
    """How soon the addresses of *lost* are its successor's when its adverts just stop: power, cable, frozen."""
    heir = successor(topology, instance, lost)
    if heir is None:
        return _nobody()
    wait = master_down(topology, instance, heir)
    advert = _keepalived(topology).instances[instance].advert_int.s
    formula = f"{wait.formula} - since the last advert 0..{number(advert)}"
    return Span(wait.min_s - advert, wait.max_s, formula, TIMERS, VERSIONS)


def takeover_graceful(topology: Topology, instance: str, lost: str) -> Span:
    """How soon the addresses of *lost* are its successor's when it says that it leaves: stopped, FAULT."""
    heir = successor(topology, instance, lost)
    if heir is None:
        return _nobody()
    priority = effective_priority(topology, instance, heir)
    skew = skew_s(topology, instance, priority)
    return Span(skew, skew, f"skew {_skew(topology, instance, priority)}", TIMERS, VERSIONS)


def failback(topology: Topology, instance: str, host: str) -> Span:
    """How soon a better *host* that has come back takes the addresses from the one that stood in."""
    settings = _keepalived(topology).instances[instance]
    if not settings.preempt:
        return never("nopreempt: the addresses stay where they are", "keepalived vrrp.c vrrp_state_backup", VERSIONS)
    wait = master_down(topology, instance, host)
    if not settings.preempt_delay:
        return wait
    advert = settings.advert_int.s
    formula = f"{wait.formula} - since the last advert 0..{number(advert)}"
    waiting = Span(wait.min_s - advert, wait.max_s, formula, TIMERS, VERSIONS)
    return waiting.later(settings.preempt_delay.s, "preempt_delay")


def script_detection(script: TrackScript, *, frozen: bool = False) -> Span:
    """How soon a script has judged that HAProxy is dead, or *frozen*: from the fault to the verdict."""
    interval, fall = script.interval.s, script.fall or 1
    limit = (script.timeout or script.interval).s
    if isinstance(script, SelfHealingScript):
        wait = script.wait.s
        if frozen:
            return never("the process exists", SCRIPTS, VERSIONS)
        if wait >= limit:
            return never(f"killed after {number(limit)}, before it has waited {number(wait)}", SCRIPTS, VERSIONS)
        # It looks when it starts and again after its pause: a death during the pause is found at the pause's end, and
        # one after it by the next run, which starts HAProxy and pauses first.
        late = f"rest of the interval 0..{number(interval - wait)} + start of HAProxy + pause {number(wait)}"
        return Span(0, interval, f"rest of the pause 0..{number(wait)}, or {late}", SCRIPTS, VERSIONS)
    formula = f"phase 0..{number(interval)}" + (f" + {fall - 1} x interval {number(interval)}" if fall > 1 else "")
    # An observing script answers within half of its time (check_haproxy.sh); of a user's own program only the limit is
    # known.
    longest = max(limit / 2, 0.5) if isinstance(script, ObserveScript) else limit
    shortest = longest if frozen else 0.0
    if frozen or not isinstance(script, ObserveScript):
        formula += f" + run {number(longest)}" if frozen else f" + run 0..{number(longest)}"
    else:
        longest = 0.0
    return Span((fall - 1) * interval + shortest, fall * interval + longest, formula, SCRIPTS, VERSIONS)


def haproxy_failover(topology: Topology, instance: str, host: str, *, frozen: bool = False) -> Span:
    """How soon the addresses of *host* are its successor's when its HAProxy is dead for good, or *frozen*."""
    keepalived = _keepalived(topology)
    found = [never("nothing watches HAProxy", SCRIPTS, VERSIONS)]
    for name in _scripts(keepalived, instance):
        script = keepalived.scripts[name]
        effect = _effect(topology, instance, host, name, script.weight or 0)
        if isinstance(script, SelfHealingScript):
            effect = takeover_graceful(topology, instance, host)  # it stops keepalived
        found.append(_after(script_detection(script, frozen=frozen), effect))
    for name in _processes(keepalived, instance):
        process = keepalived.processes[name]
        if process.process == "haproxy" and not frozen:
            delay = float(process.delay or 0)
            seen = Span(delay, delay, f"process gone + delay {number(delay)}", SCRIPTS, VERSIONS)
            found.append(_after(seen, _effect(topology, instance, host, name, process.weight or 0)))
    return min(found, key=lambda span: (span.max_s, span.min_s, span.formula.startswith("nothing")))


def _after(detection: Span, effect: Span) -> Span:
    if detection.is_never:
        return detection
    return effect if effect.is_never else detection + effect


def _effect(topology: Topology, instance: str, host: str, failed: str, weight: int) -> Span:
    """How soon the addresses move once the script or process *failed* has failed on *host*."""
    if not weight:
        return takeover_graceful(topology, instance, host)
    heir = successor(topology, instance, host)
    if heir is None:
        return _nobody()
    left = effective_priority(topology, instance, host, failed=(failed,))
    other = effective_priority(topology, instance, heir)
    if left >= other:
        why = f"the priority of {host} falls to {left}, which is not below the {other} of {heir}"
        return never(why, SCRIPTS, VERSIONS)
    settings = _keepalived(topology).instances[instance]
    if not settings.preempt:
        return never("nopreempt: a lower priority alone moves nothing", SCRIPTS, VERSIONS)
    wait = takeover_silent(topology, instance, host)
    return wait.later(settings.preempt_delay.s, "preempt_delay") if settings.preempt_delay else wait


def _nobody() -> Span:
    return never("no other member", TIMERS, VERSIONS)


def _skew(topology: Topology, instance: str, priority: int) -> str:
    return f"{number(skew_s(topology, instance, priority))} (priority {priority})"


def _keepalived(topology: Topology) -> Keepalived:
    assert topology.keepalived is not None
    return topology.keepalived


def _version(topology: Topology, instance: VrrpInstance) -> int:
    if instance.version:
        return instance.version
    # keepalived global_data.c: 2 for IPv4 unless told otherwise, 3 for IPv6.
    return 3 if instance.virtual_addresses[0].address.version == 6 else _keepalived(topology).global_.version or 2


def _scripts(keepalived: Keepalived, instance: str) -> tuple[str, ...]:
    chosen = keepalived.instances[instance].track_scripts
    return tuple(keepalived.scripts) if chosen is None else chosen


def _processes(keepalived: Keepalived, instance: str) -> tuple[str, ...]:
    chosen = keepalived.instances[instance].track_processes
    return tuple(keepalived.processes) if chosen is None else chosen


def _weights(keepalived: Keepalived, instance: str) -> list[tuple[str, int]]:
    found = [(name, keepalived.scripts[name].weight or 0) for name in _scripts(keepalived, instance)]
    return found + [(name, keepalived.processes[name].weight or 0) for name in _processes(keepalived, instance)]
