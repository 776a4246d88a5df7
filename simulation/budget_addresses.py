"""Where each virtual address is, and when, for each fate of its owner's keepalived, HAProxy and host."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from rmqha_model.keepalived import SelfHealingScript
from rmqha_model.timers import Span, vrrp
from rmqha_model.timers.span import never
from simulation.budget_spans import (
    NOTHING,
    first,
    haproxy_back,
    haproxy_start,
    host_boot,
    keepalived_back,
    keepalived_start,
    later,
    less,
)
from simulation.budget_words import Figure

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rmqha_model.topology import Topology
    from simulation.budget_incidents import Incident, VrrpFate

__all__ = ["Move", "addresses", "move"]

VERSIONS = "keepalived 2.1 to 2.3"
RESPAWN_S = 0.05
"""From fork to the instances' start: measured on 2.2.7; simulation.machines.keepalived."""


@dataclass(frozen=True, slots=True)
class Move:
    """What becomes of the address of one instance.

    Its owner has it until *released*, and lets it go if that is ever; another host has it from *taken* on.
    """

    owner: str
    released: Span
    taken: Span
    absent: Span
    shared: Span
    back: Span
    """Until the preferred host has it again, since the fault is undone, or since the fault if it ends by itself."""
    back_since_fault: bool = False
    may_not: bool = False
    loud: bool = False
    """Whether the owner says that it goes."""


def addresses(topology: Topology, incident: Incident) -> Iterator[Figure]:
    """Give failover, failback, and how long an address is on no host and on two."""
    for name in topology.keepalived.instances if topology.keepalived else ():
        found = move(topology, incident, name)
        if found is None:
            continue
        yield Figure("failover", name, found.owner, found.taken, may_not=found.may_not)
        absent = found.absent
        if incident.steps > 1 and absent.is_bounded:
            most = incident.steps * vrrp.skew_s(topology, name, 1)
            absent = replace(absent, max_s=most, formula=f"{absent.formula}, at each of {incident.steps} moves")
        yield Figure("absent", name, found.owner, absent, may_not=found.may_not)
        if found.shared.max_s:
            after = NOTHING if math.isinf(found.shared.min_s) else None
            yield Figure("shared", name, found.owner, found.shared, after_undone=after)
        if found.taken.min_s < math.inf:
            since: Literal["fault", "undone"] = "fault" if found.back_since_fault else "undone"
            yield Figure("failback", name, found.owner, found.back, since=since)


def move(topology: Topology, incident: Incident, name: str) -> Move | None:
    """Give what becomes of the address of instance *name*; ``None`` where nothing does."""
    owner = vrrp.preferred(topology, name)
    fate = incident.vrrp.get(owner)
    if fate is not None:
        return _by_vrrp(topology, name, owner, fate, alone=_alone(topology, incident, name, owner))
    balancer = incident.balancers.get(owner)
    if balancer in {"killed", "stopped", "restarted", "broken", "frozen"}:
        return _by_haproxy(topology, name, owner, str(balancer))
    return None


def _alone(topology: Topology, incident: Incident, name: str, owner: str) -> bool:
    heir = vrrp.successor(topology, name, owner)
    return heir is None or heir in incident.vrrp


def _until_it_leads(topology: Topology, name: str, owner: str, before: Span) -> Span:
    back = vrrp.failback(topology, name, owner)
    return back if back.is_never else later(before, back)


def _by_vrrp(topology: Topology, name: str, owner: str, fate: VrrpFate, *, alone: bool) -> Move | None:  # noqa: PLR0911
    silent, graceful = vrrp.takeover_silent(topology, name, owner), vrrp.takeover_graceful(topology, name, owner)
    start = keepalived_start(topology, owner)
    if alone:
        silent = graceful = never("nobody is left to take it", silent.source, VERSIONS)
    none = NOTHING
    if fate in {"stopped", "restarted", "parent_killed", "rebooted"}:
        back = {"stopped": start, "rebooted": host_boot(topology, owner)}.get(fate, none)
        wait = _until_it_leads(topology, name, owner, back)
        return Move(owner, none, graceful, graceful, none, wait, fate != "stopped", loud=True)
    if fate == "powerless":
        boots = later(host_boot(topology, owner), start)
        back = later(boots, vrrp.master_down(topology, name, owner))
        back = back if alone else _until_it_leads(topology, name, owner, boots)
        return Move(owner, none, silent, silent, none, back)
    if fate == "unplugged":
        return Move(owner, none, silent, silent, none, _until_it_leads(topology, name, owner, none))
    if fate in {"cut", "apart", "hung"}:
        # It keeps the address; who it is not cut off from, if anybody, has it twice.
        forever = replace(silent, min_s=math.inf, max_s=math.inf, formula="until undone", uneven_mean_s=None)
        heals = 0.005 if fate == "hung" else vrrp_advert(topology, name)
        words = "its next advert" if fate != "hung" else "it reads what waited"
        back = Span(0, heals, f"{words} 0..{heals:g}", "keepalived vrrp.c vrrp_state_master_rx; measured", VERSIONS)
        return Move(owner, silent if fate == "cut" else never("it stays", "", VERSIONS), silent, none, forever, back)
    if fate == "killed":
        return _killed(topology, name, owner, silent)
    if fate == "child_killed":
        own = vrrp.master_down(topology, name, owner)
        own = own.later(RESPAWN_S, "new VRRP child")
        taken = first(silent, own)
        absent = less(taken, RESPAWN_S, "the address is left until")
        gone = Span(RESPAWN_S, RESPAWN_S, f"new VRRP child {RESPAWN_S:g}", silent.source, VERSIONS)
        return Move(
            owner, gone, taken, absent, none, _until_it_leads(topology, name, owner, gone), back_since_fault=True
        )
    return _by_script(topology, name, owner, fate)


def vrrp_advert(topology: Topology, name: str) -> float:
    """Give the pause between adverts."""
    assert topology.keepalived is not None
    return topology.keepalived.instances[name].advert_int.s


def _killed(topology: Topology, name: str, owner: str, silent: Span) -> Move:
    """Both processes: the address stays until keepalived starts again."""
    again = keepalived_back(topology, owner)
    if again is None:
        twice = never("it stays on the dead keepalived's host until somebody starts it", silent.source, VERSIONS)
        back = _until_it_leads(topology, name, owner, keepalived_start(topology, owner))
        return Move(owner, twice, silent, NOTHING, twice if silent.is_bounded else NOTHING, back)
    absent = _gap(silent, again, f"({silent.formula}) - ({again.formula}), when it takes its left-over address away")
    shared = _gap(again, silent, f"({again.formula}) - ({silent.formula})")
    back = _until_it_leads(topology, name, owner, again)
    return Move(owner, again, silent, absent, shared, back, back_since_fault=True)


def _gap(later_one: Span, sooner: Span, formula: str) -> Span:
    if later_one.is_never:
        return later_one
    low, high = max(later_one.min_s - sooner.max_s, 0.0), max(later_one.max_s - sooner.min_s, 0.0)
    return Span(low, high, formula, later_one.source, VERSIONS) if high else NOTHING


def _by_script(topology: Topology, name: str, owner: str, fate: VrrpFate) -> Move | None:
    """The design's first script fails, or hangs, on the owner's host."""
    assert topology.keepalived is not None
    script = next(iter(topology.keepalived.scripts))
    if script not in vrrp.scripts_of(topology.keepalived, name):
        return None
    told = topology.keepalived.scripts[script]
    copies = vrrp.begins_second_copy(topology)
    found = vrrp.script_fails(told) if fate == "script_fails" else vrrp.script_hangs(told, second_copy=copies)
    effect = vrrp.moved_by(topology, name, owner, script, told.weight or 0)
    recovers = vrrp.script_recovers(told)
    back = _until_it_leads(topology, name, owner, recovers)
    if effect.is_never:
        return Move(owner, effect, effect, NOTHING, NOTHING, back)
    taken = found + effect
    if told.weight:
        return Move(owner, taken, taken, NOTHING, NOTHING, back)
    return Move(owner, found, taken, effect, NOTHING, back, loud=True)


def _by_haproxy(topology: Topology, name: str, owner: str, fate: str) -> Move | None:
    taken = vrrp.haproxy_failover(topology, name, owner, frozen=fate == "frozen")
    graceful = vrrp.takeover_graceful(topology, name, owner)
    if taken.is_never:
        return Move(owner, taken, taken, NOTHING, NOTHING, NOTHING)
    heals = _heals(topology, name)
    may_not = False
    if heals and fate in {"killed", "stopped", "restarted"}:
        # Its script finds the death within its own pause and stops keepalived, or starts HAProxy with its next run.
        may_not = True
        wait = heals.wait.s
        words = f"rest of the pause 0..{wait:g}, unless the next run starts it"
        detected = Span(0, wait, words, taken.source, VERSIONS)
        taken = detected + graceful
    back = haproxy_back(topology, owner, fate)
    if back is not None:
        seen = less(taken, graceful.max_s, "skew") if not graceful.is_never else taken
        if seen.min_s >= back.max_s:
            return None
        if seen.max_s > back.min_s:
            may_not = True
            taken = replace(taken, max_s=min(taken.max_s, back.max_s + graceful.max_s), uneven_mean_s=None)
    is_loud = not graceful.is_never and taken.min_s >= graceful.min_s and _is_given_up(topology, name)
    absent = graceful if is_loud else NOTHING
    released = less(taken, graceful.max_s, "skew") if is_loud else taken
    returns = NOTHING if heals else _recovers(topology, name)
    waits = _until_it_leads(topology, name, owner, returns)
    if fate != "frozen":
        waits = waits if waits.is_never else later(haproxy_start(), waits)
    return Move(owner, released, taken, absent, NOTHING, waits, back is not None, may_not, is_loud)


def _heals(topology: Topology, name: str) -> SelfHealingScript | None:
    assert topology.keepalived is not None
    scripts = [topology.keepalived.scripts[each] for each in vrrp.scripts_of(topology.keepalived, name)]
    return next((script for script in scripts if isinstance(script, SelfHealingScript)), None)


def _is_given_up(topology: Topology, name: str) -> bool:
    """Tell whether the owner enters FAULT, or stops; else a weight moves the address while it speaks on."""
    assert topology.keepalived is not None
    scripts = [topology.keepalived.scripts[each] for each in vrrp.scripts_of(topology.keepalived, name)]
    known = [topology.keepalived.processes[each] for each in vrrp.processes_of(topology.keepalived, name)]
    return any(isinstance(script, SelfHealingScript) or not script.weight for script in scripts) or any(
        not each.weight for each in known
    )


def _recovers(topology: Topology, name: str) -> Span:
    assert topology.keepalived is not None
    scripts = [topology.keepalived.scripts[each] for each in vrrp.scripts_of(topology.keepalived, name)]
    spans = [vrrp.script_recovers(script) for script in scripts if not script.weight]
    return max(spans, key=lambda span: span.max_s, default=NOTHING)
