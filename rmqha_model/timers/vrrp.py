"""Keepalived: how soon an address is somebody else's, by what happened to its owner.

Sources name functions of keepalived's source, equal from 2.1.5 to 2.4.3; where they say "measured", on 2.2.7.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from rmqha_model.keepalived import ObserveScript, SelfHealingScript
from rmqha_model.timers.span import Span, never, number
from rmqha_model.versions import Version

if TYPE_CHECKING:
    from rmqha_model.keepalived import Keepalived, TrackScript, VrrpInstance
    from rmqha_model.topology import Topology

__all__ = [
    "begins_second_copy",
    "effective_priority",
    "failback",
    "haproxy_failover",
    "master_down",
    "moved_by",
    "preferred",
    "processes_of",
    "script_detection",
    "script_fails",
    "script_hangs",
    "script_pace",
    "script_recovers",
    "scripts_of",
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


def begins_second_copy(topology: Topology) -> bool:
    """Whether a run of a script that is due while another is under way begins all the same, not left out.

    keepalived 2.1.3 to 2.3.2: vrrp_scheduler.c vrrp_script_thread says "skipping run" and lacks the return (e8e64015;
    mended by 94d40e3b).
    """
    return Version(2, 1, 3) <= Version.parse(topology.versions.keepalived) < Version(2, 3, 3)


def script_pace(script: TrackScript, run_s: float, *, second_copy: bool = True) -> float:
    """Give the time from the start of one run to the next one's, where each takes *run_s*.

    A run that is due while another is under way, in its last instant too, begins beside it or is left out.
    """
    interval = script.interval.s
    return interval if second_copy else interval * (int(run_s // interval) + 1)


def script_detection(script: TrackScript, *, frozen: bool = False, second_copy: bool = True) -> Span:
    """How soon a script has judged that HAProxy is dead, or *frozen*: from the fault to the verdict."""
    interval = script.interval.s
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
    # An observing script answers within half of its time (check_haproxy.sh); of a user's own program only the limit is
    # known.
    if isinstance(script, ObserveScript):
        run = max(limit / 2, 0.5) if frozen else 0.0
        return _fails(script, run, run, second_copy=second_copy)
    return _fails(script, limit if frozen else 0.0, limit, second_copy=second_copy)


def script_fails(script: TrackScript) -> Span:
    """How soon a script that fails in each run from now on has failed for keepalived."""
    return _fails(script, 0.0, 0.0, second_copy=True)


def script_hangs(script: TrackScript, *, second_copy: bool) -> Span:
    """How soon a script has failed whose runs, from the next one on, do not end by themselves: each by its timeout.

    With a second copy, run follows run at the interval even where the timeout is longer, as one stage serves all.
    """
    limit = (script.timeout or script.interval).s
    return _fails(script, limit, limit, second_copy=second_copy)


def script_recovers(script: TrackScript) -> Span:
    """How soon a script that succeeds again, at once, counts as well."""
    interval, rise = script.interval.s, script.rise or 1
    formula = f"phase 0..{number(interval)}" + (f" + {rise - 1} x interval {number(interval)}" if rise > 1 else "")
    return Span((rise - 1) * interval, rise * interval, formula, SCRIPTS, VERSIONS)


def _fails(script: TrackScript, shortest: float, longest: float, *, second_copy: bool) -> Span:
    interval, fall = script.interval.s, script.fall or 1
    low, high = (script_pace(script, run, second_copy=second_copy) for run in (shortest, longest))
    formula = f"phase 0..{number(interval)}"
    if fall > 1:
        pace = f"interval {number(low)}"
        if high > interval:
            pace = f"{number(low)}.." * (low != high) + f"{number(high)} from run to run, as overrun ones are left out"
        formula += f" + {fall - 1} x {pace}"
    if longest:
        formula += f" + run {number(shortest)}" + (f"..{number(longest)}" if shortest != longest else "")
    return Span((fall - 1) * low + shortest, interval + (fall - 1) * high + longest, formula, SCRIPTS, VERSIONS)


def haproxy_failover(topology: Topology, instance: str, host: str, *, frozen: bool = False) -> Span:
    """How soon the addresses of *host* are its successor's when its HAProxy is dead for good, or *frozen*."""
    keepalived = _keepalived(topology)
    found = [never("nothing watches HAProxy", SCRIPTS, VERSIONS)]
    second_copy = begins_second_copy(topology)
    for name in scripts_of(keepalived, instance):
        script = keepalived.scripts[name]
        effect = moved_by(topology, instance, host, name, script.weight or 0)
        if isinstance(script, SelfHealingScript):
            effect = takeover_graceful(topology, instance, host)  # it stops keepalived
        found.append(_after(script_detection(script, frozen=frozen, second_copy=second_copy), effect))
    for name in processes_of(keepalived, instance):
        process = keepalived.processes[name]
        if process.process == "haproxy" and not frozen:
            delay = float(process.delay or 0)
            seen = Span(delay, delay, f"process gone + delay {number(delay)}", SCRIPTS, VERSIONS)
            found.append(_after(seen, moved_by(topology, instance, host, name, process.weight or 0)))
    return min(found, key=lambda span: (span.max_s, span.min_s, span.formula.startswith("nothing")))


def _after(detection: Span, effect: Span) -> Span:
    if detection.is_never:
        return detection
    return effect if effect.is_never else detection + effect


def moved_by(topology: Topology, instance: str, host: str, failed: str, weight: int) -> Span:
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


def scripts_of(keepalived: Keepalived, instance: str) -> tuple[str, ...]:
    """Give the scripts that *instance* tracks, by name."""
    chosen = keepalived.instances[instance].track_scripts
    return tuple(keepalived.scripts) if chosen is None else chosen


def processes_of(keepalived: Keepalived, instance: str) -> tuple[str, ...]:
    """Give the processes that *instance* tracks, by name."""
    chosen = keepalived.instances[instance].track_processes
    return tuple(keepalived.processes) if chosen is None else chosen


def _weights(keepalived: Keepalived, instance: str) -> list[tuple[str, int]]:
    found = [(name, keepalived.scripts[name].weight or 0) for name in scripts_of(keepalived, instance)]
    return found + [(name, keepalived.processes[name].weight or 0) for name in processes_of(keepalived, instance)]
